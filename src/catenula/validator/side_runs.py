"""Side runs: requests that run on threads of their own, because they reach slow applications.

A side run works on a copy of its chain that it loads from the store itself, so that everybody else
keeps seeing the chain as it was last committed. The event loop is free meanwhile, and so are all
other chains. There are at most `MAX_SIDE_RUNS` at a time on a node, and `MAX_SIDE_QUESTIONS` that
only ask; more wait for their turn. `SideDesk` starts them.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

from catenula.base.counting import Told
from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId
from catenula.base.integers import Timestamp
from catenula.base.limits import (
    MAX_QUERY_SECONDS,
    MAX_SIDE_QUESTIONS,
    MAX_SIDE_RUN_SECONDS,
    MAX_SIDE_RUNS,
    SIDE_RUN_STOP_SECONDS,
)
from catenula.base.threads import start_guest_thread
from catenula.validator.oracles import LogSink, ThreadOracles
from catenula.worker import Outcome, Worker

_T = TypeVar("_T")

Handler = Callable[[Worker, Timestamp], Outcome[_T]]


class RunLimits(NamedTuple):
    """How long a request may take once it runs on the side, and whether it only asks.

    A question ends with its caller, and leaves the chain as it is in memory. A final block is
    executed however long it takes: a quorum has done so before.
    """

    seconds: float | None
    is_question: bool = False


DECIDING = RunLimits(MAX_SIDE_RUN_SECONDS)
"""For votes, and for staging: what takes longer is not to become a block."""
FINAL = RunLimits(None)
"""For final blocks."""
ASKING = RunLimits(MAX_QUERY_SECONDS, is_question=True)
"""For questions to applications."""


class SideRun(NamedTuple):
    """What a side run needs: its chain's worker, its time, its limits."""

    chain_id: ChainId
    worker: Worker
    now: Timestamp
    limits: RunLimits


class SideRuns:
    """The side runs of a node."""

    def __init__(self, sink: LogSink | None = None) -> None:
        self.sink = sink
        self.maximum_seconds: float | None = None
        """A shorter limit for everything that has one, where a node is to be stricter."""
        self._turns = asyncio.Semaphore(MAX_SIDE_RUNS)
        self._question_turns = asyncio.Semaphore(MAX_SIDE_QUESTIONS)
        self._running: dict[ThreadOracles, asyncio.Future[None]] = {}
        self._stopped = False
        self._started = 0

    @property
    def count(self) -> int:
        """How many run now."""
        return len(self._running)

    def told(self) -> Told:
        """How many run now, and have been started."""
        return {"side_runs": self.count, "side_runs_total": self._started}

    async def run(self, run: SideRun, handler: Handler[_T]) -> tuple[Worker, Outcome[_T]]:
        """Run a handler on a thread; the worker with the chain's new copy, and the outcome.

        The copy is to be adopted by the chain's worker. Raises what the handler raises, and
        `LocalError` when the node stops. When the task that waits here is cancelled, the guest is
        ended, and nothing comes of the run.
        """
        async with self._question_turns if run.limits.is_question else self._turns:
            if self._stopped:
                raise _stopping()
            loop = asyncio.get_running_loop()
            seconds = self._seconds(run.limits)
            oracles = ThreadOracles(run.now, loop, seconds=seconds, sink=self.sink)
            copy = run.worker.apart(run.chain_id, oracles)
            future: asyncio.Future[Outcome[_T]] = loop.create_future()
            ended = self._running[oracles] = loop.create_future()
            self._started += 1
            job = partial(handler, copy, run.now)
            start_guest_thread(_work, name="side run", arguments=(loop, future, ended, job))
            ended.add_done_callback(lambda _: self._running.pop(oracles, None))
            try:
                return copy, await future
            except asyncio.CancelledError:
                oracles.stop("nobody waits for it any more")
                raise

    def _seconds(self, limits: RunLimits) -> float | None:
        if limits.seconds is None or self.maximum_seconds is None:
            return limits.seconds
        return min(limits.seconds, self.maximum_seconds)

    async def settled(self) -> None:
        """Return when nothing runs."""
        while self._running:
            await asyncio.wait(tuple(self._running.values()))

    async def stop(self) -> None:
        """End all runs; a guest that cannot be ended is left behind, and its outcome dropped."""
        self._stopped = True
        for oracles in self._running:
            oracles.stop("the node stops")
        if self._running:
            await asyncio.wait(self._running.values(), timeout=SIDE_RUN_STOP_SECONDS)


def _work(
    loop: asyncio.AbstractEventLoop,
    future: "asyncio.Future[Outcome[_T]]",
    ended: "asyncio.Future[None]",
    job: Callable[[], Outcome[_T]],
) -> None:
    """On the thread: run the job and tell the event loop."""
    settle: Callable[[], None]
    try:
        settle = partial(_settle, future, job(), None)
    except Exception as error:  # noqa: BLE001  # It belongs to whoever waits for the outcome.
        settle = partial(_settle, future, None, error)
    with suppress(RuntimeError):  # The loop may have ended without stopping its node.
        loop.call_soon_threadsafe(settle)
        loop.call_soon_threadsafe(_settle, ended, None, None)


def _settle(future: "asyncio.Future[Any]", value: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


def _stopping() -> LocalError:
    return LocalError("the node is stopping", retryable=True)
