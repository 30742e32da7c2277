"""Makes the writes of outcomes durable: inline, or grouped off the event loop.

Invariant S2: nothing of an outcome is visible outside before its writes are durable. A group
commit takes the writes of all chains that wait at that moment as one batch (design §3, rule 2); if
it fails, every waiter gets the error and reloads its chain.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from catenula.base.errors import LocalError
from catenula.storage.engine import Group, Store


class Committer(Protocol):
    """Makes groups of writes durable."""

    @property
    def inline(self) -> bool:
        """Whether `commit_now` may be used instead of awaiting `commit`."""
        ...

    def commit_now(self, groups: Sequence[Group]) -> None:
        """Commit at once on the calling thread; raises `LocalError`."""
        ...

    async def commit(self, groups: Sequence[Group]) -> None:
        """Return once the groups are durable; raises `LocalError`."""
        ...

    async def close(self) -> None:
        """Finish what was accepted."""
        ...


class InlineCommitter:
    """For stores whose commit takes no time to speak of (``memory:``)."""

    inline = True

    def __init__(self, store: Store) -> None:
        self._store = store

    def commit_now(self, groups: Sequence[Group]) -> None:
        """Commit at once."""
        self._store.commit(groups)

    async def commit(self, groups: Sequence[Group]) -> None:
        """Commit at once."""
        self._store.commit(groups)

    async def close(self) -> None:
        """Nothing is pending."""


class GroupCommitter:
    """One writer thread per store; everything that waits goes into the next batch."""

    inline = False

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="commit")
        self._waiting: list[tuple[Sequence[Group], asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def commit_now(self, groups: Sequence[Group]) -> None:
        """Commit at once; used before the event loop serves requests."""
        self._store.commit(groups)

    async def commit(self, groups: Sequence[Group]) -> None:
        """Join the next batch and wait until it is durable."""
        if self._closed:
            raise LocalError(f"the node of {self._store.name} has stopped", retryable=False)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append((groups, future))
        if self._task is None:
            self._task = loop.create_task(self._drain())
        await future

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                groups = [group for waiting, _ in batch for group in waiting]
                commit = loop.run_in_executor(self._thread, self._store.commit, groups)
                # Whatever the engine raises belongs to those who wait, not to this task.
                await asyncio.wait((commit,))
                error = commit.exception()
                for _, future in batch:
                    _settle(future, error)
        finally:
            self._task = None

    async def close(self) -> None:
        """Wait for accepted writes, then stop the thread."""
        self._closed = True
        if self._task is not None:
            await self._task
        self._thread.shutdown(wait=True)


def _settle(future: asyncio.Future[None], error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


def committer_for(store: Store) -> Committer:
    """The committer that suits a store."""
    if store.name.startswith("memory:"):
        return InlineCommitter(store)
    return GroupCommitter(store)
