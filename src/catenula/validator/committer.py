"""Makes the writes of outcomes durable: inline, or grouped off the event loop.

Invariant S2: nothing of an outcome is visible outside before its writes are durable. A group
commit takes the writes of all chains that wait at that moment as one batch (design §3, rule 2); if
it fails, every waiter gets the error and reloads its chain. Invariant S4: writes that come with a
fence are stored only while it holds; those with an overtaken one fail alone.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from catenula.base.counting import Counter, Histogram, Told, spread
from catenula.base.errors import LocalError
from catenula.storage.engine import Claim, Fence, Group, StaleFence, Store
from catenula.validator.commit_threads import CommitPlaces, CommitThread, CommitThreads

OnDone = Callable[[BaseException | None], None]
"""Called on the event loop once writes are durable (None) or have failed."""


COMPANY_WAIT_SECONDS = 0.005
"""How long writes that are not urgent wait for others to share a batch with: about a block."""

_STORED_LIMIT = 256


class CommitCounters:
    """What a committer counts (spec 06 §9): batches, chains in them, milliseconds they took."""

    def __init__(self) -> None:
        self._commits = Counter("status")
        self._milliseconds = Histogram(spread(0.1, 10_000))
        self._entries = Histogram(spread(1, 1_000))
        self._stored: list[tuple[float, int]] = []
        """Batches that are not counted yet: that is cheaper for many together."""

    def committed(self, seconds: float, entries: int) -> None:
        """A batch has been stored and took so long."""
        self._stored.append((seconds, entries))
        if len(self._stored) >= _STORED_LIMIT:
            self._count()

    def failed(self, seconds: float, entries: int) -> None:
        """A batch has failed that took so long."""
        self._commits.add("failed")
        self._milliseconds.observe(seconds * 1_000)
        self._entries.observe(entries)

    def _count(self) -> None:
        stored, self._stored = self._stored, []
        self._commits.add("stored", count=len(stored))
        self._milliseconds.observe_all([seconds * 1_000 for seconds, _ in stored])
        self._entries.observe_all([entries for _, entries in stored])

    def told(self) -> Told:
        """Everything counted, by name."""
        if self._stored:
            self._count()
        return {
            "storage_commits_total": self._commits.told(),
            "storage_commit_latency": self._milliseconds.told(),
            "storage_commit_chains": self._entries.told(),
        }


class Committer(Protocol):
    """Makes groups of writes durable."""

    @property
    def inline(self) -> bool:
        """Whether `commit_now` may be used instead of awaiting `commit`."""
        ...

    @property
    def counters(self) -> CommitCounters:
        """What was committed so far."""
        ...

    def commit_now(self, groups: Sequence[Group], fence: Fence | None = None) -> None:
        """Commit at once on the calling thread; raises `LocalError`."""
        ...

    def submit(
        self,
        groups: Sequence[Group],
        on_done: OnDone,
        *,
        is_urgent: bool = True,
        fence: Fence | None = None,
    ) -> None:
        """Make the groups durable, then call ``on_done``; raises `LocalError` when closed.

        Writes with a ``fence`` are stored only while it holds (`StaleFence`). Writes that are not
        urgent may wait a moment for others to share a batch with.
        """
        ...

    def hurry(self) -> None:
        """Somebody waits for writes that were not urgent: do not wait for others any longer."""
        ...

    async def commit(self, groups: Sequence[Group], fence: Fence | None = None) -> None:
        """Return once the groups are durable; raises `LocalError`."""
        ...

    async def settled(self) -> None:
        """Return when nothing accepted is waiting any more."""
        ...

    async def close(self) -> None:
        """Finish what was accepted."""
        ...


def _commit(store: Store, groups: Sequence[Group], fence: Fence | None) -> None:
    if fence is None:
        store.commit(groups)
    else:
        store.commit(groups, (fence,))


class InlineCommitter:
    """For stores whose commit takes no time to speak of (``memory:``)."""

    inline = True

    def __init__(self, store: Store) -> None:
        self._store = store
        self.counters = CommitCounters()

    def commit_now(self, groups: Sequence[Group], fence: Fence | None = None) -> None:
        """Commit at once."""
        _commit(self._store, groups, fence)

    def submit(
        self,
        groups: Sequence[Group],
        on_done: OnDone,
        *,
        is_urgent: bool = True,
        fence: Fence | None = None,
    ) -> None:
        """Commit at once."""
        try:
            _commit(self._store, groups, fence)
        except LocalError as error:
            on_done(error)
        else:
            on_done(None)

    def hurry(self) -> None:
        """Nothing waits."""

    async def commit(self, groups: Sequence[Group], fence: Fence | None = None) -> None:
        """Commit at once."""
        _commit(self._store, groups, fence)

    async def settled(self) -> None:
        """Nothing is pending."""

    async def close(self) -> None:
        """Nothing is pending."""


class _Entry(NamedTuple):
    """Writes of one chain, and who waits for them."""

    groups: Sequence[Group]
    on_done: OnDone
    fence: Fence | None


def _groups_of(entries: Sequence[_Entry]) -> Sequence[Group]:
    """All groups in the order they were submitted."""
    if len(entries) == 1:
        return entries[0].groups
    return [group for entry in entries for group in entry.groups]


class _Batch(NamedTuple):
    """Writes on their way to a thread; ``refused`` are those with a stale fence."""

    loop: asyncio.AbstractEventLoop
    entries: list[_Entry]
    refused: list[tuple[_Entry, StaleFence]]

    def commit(self, store: Store) -> None:
        """Store all entries, except those whose fence is stale."""
        while self.entries:
            groups = _groups_of(self.entries)
            fences = {entry.fence: None for entry in self.entries if entry.fence is not None}
            try:
                if fences:
                    store.commit(groups, tuple(fences))
                else:
                    store.commit(groups)
            except StaleFence as stale:
                self._refuse(stale)
            else:
                return

    def _refuse(self, stale: StaleFence) -> None:
        entries = tuple(self.entries)
        self.refused.extend((entry, stale) for entry in entries if entry.fence == stale.fence)
        self.entries[:] = [entry for entry in entries if entry.fence != stale.fence]


class GroupCommitter:
    """One writer per store at a time; everything that waits goes into the next batch.

    Between the event loop and the thread or helper process there is one hand-over each way and no
    task, because every further turn of a busy loop would add to the latency of a block.
    """

    inline = False

    def __init__(self, store: Store, places: CommitPlaces | None = None) -> None:
        self._store = store
        self.counters = CommitCounters()
        self._own_thread: CommitThread | None = None
        if places is None:
            self._own_thread = CommitThread()
            places = CommitPlaces(self._own_thread, self._own_thread)
        self._places = places
        self._waiting: list[_Entry] = []
        self._has_fences = False
        """Whether any of what waits has one: such writes go to a thread."""
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False
        self._closed = False
        self._idle: list[asyncio.Future[None]] = []

    def commit_now(self, groups: Sequence[Group], fence: Fence | None = None) -> None:
        """Commit at once; used before the event loop serves requests."""
        _commit(self._store, groups, fence)

    def submit(
        self,
        groups: Sequence[Group],
        on_done: OnDone,
        *,
        is_urgent: bool = True,
        fence: Fence | None = None,
    ) -> None:
        """Join the next batch; ``on_done`` is called on the running event loop."""
        if self._closed:
            raise LocalError(f"the node of {self._store.name} has stopped", retryable=False)
        self._waiting.append(_Entry(groups, on_done, fence))
        if fence is not None:
            self._has_fences = True
        if self._busy:
            return
        if is_urgent:
            self._send()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(COMPANY_WAIT_SECONDS, self.hurry)

    def hurry(self) -> None:
        """Send what waits for company."""
        if self._waiting and not self._busy:
            self._send()

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._busy = True
        entries, self._waiting = self._waiting, []
        has_fences, self._has_fences = self._has_fences, False
        channel = None if has_fences else self._places.channel()
        if channel is None or not channel.send(_groups_of(entries), partial(self._helped, entries)):
            self._send_to_thread(entries)

    def _send_to_thread(self, entries: list[_Entry]) -> None:
        batch = _Batch(asyncio.get_running_loop(), entries, [])
        self._places.put(partial(self._commit_batch, batch))

    def _helped(self, entries: list[_Entry], seconds: float | None) -> None:
        """The helper process has made the entries durable, or (None) has failed in some way.

        Then the same writes once more: they change nothing where they are stored already.
        """
        if seconds is None:
            self._send_to_thread(entries)
            return
        self._places.took(seconds)
        self.counters.committed(seconds, len(entries))
        self._done(entries, None)

    def _commit_batch(self, batch: _Batch) -> None:
        """On the thread: make one batch durable and tell the event loop."""
        error: Exception | None = None
        started, entries = time.perf_counter(), len(batch.entries)
        try:
            batch.commit(self._store)
        except Exception as caught:  # noqa: BLE001  # It belongs to those who wait for it.
            error = caught
        seconds = time.perf_counter() - started
        # All of it before the event loop hears, as the next batch may run on another thread.
        self._places.took(seconds)
        if error is None:
            self.counters.committed(seconds, entries)
        else:
            self.counters.failed(seconds, entries)
        batch.loop.call_soon_threadsafe(self._batch_done, batch, error)

    def _batch_done(self, batch: _Batch, error: BaseException | None) -> None:
        try:
            self._done(batch.entries, error)
        finally:
            for entry, stale in batch.refused:
                batch.loop.call_soon(entry.on_done, stale)

    def _done(self, entries: list[_Entry], error: BaseException | None) -> None:
        self._busy = False
        if self._waiting:
            self._send()
        try:
            self._report(entries, error)
        finally:
            if self._idle and not self._busy:
                self._wake_idle()

    def _report(self, entries: list[_Entry], error: BaseException | None) -> None:
        for position, entry in enumerate(entries, 1):
            try:
                entry.on_done(error)
            except BaseException:
                # A bug in one chain's effects must not leave the other chains locked.
                loop = asyncio.get_running_loop()
                loop.call_soon(self._report, entries[position:], error)
                raise

    def _wake_idle(self) -> None:
        idle, self._idle = self._idle, []
        for future in idle:
            if not future.done():
                future.set_result(None)

    async def commit(self, groups: Sequence[Group], fence: Fence | None = None) -> None:
        """Join the next batch and wait until it is durable."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def settle(error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        self.submit(groups, settle, fence=fence)
        await future

    async def settled(self) -> None:
        """Return when nothing accepted is waiting any more."""
        self.hurry()
        while self._busy:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(future)
            await future

    async def close(self) -> None:
        """Wait for accepted writes, then end the thread if it serves this store alone."""
        self._closed = True
        await self.settled()
        await self._places.close()
        if self._own_thread is not None:
            self._own_thread.close()


def committer_for(
    store: Store, threads: CommitThreads | None = None, *, claim: Claim = Claim.EXCLUSIVE
) -> Committer:
    """The committer that suits a store; several stores of a process may share ``threads``.

    Exclusive, it is the store's only writer: `LocalError` when another node has claimed the store.
    """
    store.claim(claim)
    if store.name.startswith("memory:"):
        return InlineCommitter(store)
    return GroupCommitter(store, threads.assign(store) if threads is not None else None)
