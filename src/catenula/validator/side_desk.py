"""Starts the side runs of a driver and gives their outcomes back to it.

Invariants kept: W1 (what changes a chain holds its lock from its start until its outcome is
committed), W7 (what was computed from a chain that has changed meanwhile is dropped). A question
does not hold the lock while it runs, so that an application which does not answer holds up nobody;
when its chain has changed meanwhile, what it has read may not belong together, and it is asked
again, at last with the lock.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

from catenula.base.identifiers import ChainId
from catenula.base.limits import MAX_UNLOCKED_QUESTIONS
from catenula.validator.chain_locks import ChainLocks
from catenula.validator.cross_chain import CrossChainQueue
from catenula.validator.delivery import Done
from catenula.validator.ownership import Overtaken
from catenula.validator.side_runs import Handler, SideRun, SideRuns
from catenula.worker import Outcome, Worker

_T = TypeVar("_T")


class SideRunOwner(Protocol):
    """What a driver does for its side runs, on the event loop."""

    def enter_chain(self, chain_id: ChainId) -> None:
        """Notice what other processes have written to the chain; may raise `LocalError`."""

    def conclude(
        self,
        run: SideRun,
        copy: Worker,
        *,
        outcome: Outcome[Any],
        result: "asyncio.Future[Done[Any]]",
    ) -> None:
        """Commit what a run has done, let its effects out, and give the chain's lock back."""


class _Watch:
    """A chain with side runs: how many, and how often it has changed."""

    __slots__ = ("changes", "runs")

    def __init__(self) -> None:
        self.changes = self.runs = 0


class SideDesk:
    """The side runs of one driver."""

    def __init__(self, owner: SideRunOwner, locks: ChainLocks, queue: CrossChainQueue) -> None:
        self.runs = SideRuns()
        self._owner, self._locks, self._queue = owner, locks, queue
        self._tasks: set[asyncio.Task[None]] = set()
        self._watched: dict[ChainId, _Watch] = {}

    def start(self, run: SideRun, handler: Handler[_T]) -> "asyncio.Future[Done[_T]]":
        """Run a handler on a thread; its chain's lock is held, and given back when all is done."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Done[_T]] = loop.create_future()
        task = loop.create_task(self._serve(run, handler, result))
        self._tasks.add(task)
        task.add_done_callback(partial(self._end, result))
        if run.limits.is_question:
            result.add_done_callback(lambda done: task.cancel() if done.cancelled() else None)
        return result

    def _end(self, result: "asyncio.Future[Done[_T]]", task: "asyncio.Task[None]") -> None:
        """Whoever waits for a run hears that it failed."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if result.done():
            return
        if task.cancelled():
            result.cancel()
        elif error is not None:
            result.set_exception(error)

    async def _serve(
        self, run: SideRun, handler: Handler[_T], result: "asyncio.Future[Done[_T]]"
    ) -> None:
        watch = self._watched.setdefault(run.chain_id, _Watch())
        watch.runs += 1
        try:
            for _ in range(MAX_UNLOCKED_QUESTIONS if run.limits.is_question else 0):
                if await self._ask(run, handler, watch, result):
                    return
            await self._decide(run, handler, watch, result)
        finally:
            watch.runs -= 1
            if not watch.runs:
                del self._watched[run.chain_id]

    async def _ask(
        self,
        run: SideRun,
        handler: Handler[_T],
        watch: _Watch,
        result: "asyncio.Future[Done[_T]]",
    ) -> bool:
        """Run without the lock; False when the chain has changed meanwhile, and the lock is held.

        The lock is held when this begins; when it raises, it is not.
        """
        before = watch.changes
        self._locks.release(run.chain_id)
        (found,) = await asyncio.gather(self.runs.run(run, handler), return_exceptions=True)
        await self._locks.acquire(run.chain_id)
        try:
            self._owner.enter_chain(run.chain_id)
            if watch.changes != before:
                return False
            if isinstance(found, BaseException):
                raise found
            copy, outcome = found
            self._owner.conclude(run, copy, outcome=outcome, result=result)
        except BaseException:
            self._locks.release(run.chain_id)
            raise
        return True

    async def _decide(
        self,
        run: SideRun,
        handler: Handler[_T],
        watch: _Watch,
        result: "asyncio.Future[Done[_T]]",
    ) -> None:
        """Run with the lock; cross-chain requests to the chain wait aside."""
        before = watch.changes
        self._queue.park(run.chain_id)
        try:
            copy, outcome = await self.runs.run(run, handler)
            self._owner.enter_chain(run.chain_id)
            if watch.changes != before:
                raise Overtaken
            self._owner.conclude(run, copy, outcome=outcome, result=result)
        except BaseException:
            self._locks.release(run.chain_id)
            raise
        finally:
            self._queue.resume(run.chain_id)

    def changed(self, chain_id: ChainId) -> None:
        """A write to the chain has been committed by this process."""
        watch = self._watched.get(chain_id)
        if watch is not None:
            watch.changes += 1

    def changed_elsewhere(self, is_changed: Callable[[ChainId], bool]) -> None:
        """Another process may have written to these chains."""
        for chain_id, watch in self._watched.items():
            if is_changed(chain_id):
                watch.changes += 1

    async def stop(self) -> None:
        """End all runs; whoever waits for one gets a `LocalError`."""
        await self.runs.stop()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))
