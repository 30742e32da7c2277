"""The queue of cross-chain requests of one worker (spec 06 §5.4).

Updates are cumulative, so a newer one replaces a waiting older one of the same pair. Target chains
proceed independently, each one step at a time; as many are served at once as there are lanes, so
that their writes can share a commit. The queue holds at most `MAX_CROSS_CHAIN_QUEUE` pairs; beyond
that a request is dropped and counted. What a dropped or refused request carried stays in the
sender's durable outbox, and goes out again with the next message to that recipient, when a query
asks for it, when the sender's chain is loaded again, or with the sweep (see `Sweeper`).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from catenula.base.counting import Histogram, Told, plain, spread
from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId
from catenula.base.limits import (
    MAX_CROSS_CHAIN_ATTEMPTS,
    MAX_CROSS_CHAIN_BATCH,
    MAX_CROSS_CHAIN_LANES,
    MAX_CROSS_CHAIN_QUEUE,
    MAX_REMEMBERED_REFUSALS,
)
from catenula.protocol import CrossChainRequest, target_chain_id

Apply = Callable[[Sequence[CrossChainRequest]], Awaitable[None]]
Key = tuple[ChainId, ChainId, type]


def key_of(request: CrossChainRequest) -> Key:
    """Requests with one key are cumulative: the newest says all that the others say."""
    return (request.sender, request.recipient, type(request))


class QueueIsFull(LocalError):
    """The queue cannot take one more pair of chains; the sender's outbox keeps what was sent."""

    def __init__(self) -> None:
        super().__init__(
            f"{MAX_CROSS_CHAIN_QUEUE} cross-chain requests are waiting already", retryable=True
        )


class _Waiting:
    """A request that waits, and those who want to know when it, or a newer one, is applied."""

    __slots__ = ("futures", "request", "since")

    def __init__(self, request: CrossChainRequest, since: float) -> None:
        self.request, self.since = request, since
        self.futures: list[asyncio.Future[None]] = []

    def finish(self, error: LocalError | None) -> None:
        """It is durable, or could not be applied."""
        for future in self.futures:
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)


class Pace(NamedTuple):
    """How many target chains are served at the same time, and how long requests wait before."""

    lanes: int
    pause_seconds: float


AT_ONCE = Pace(lanes=1, pause_seconds=0.0)
"""Where applying never waits: one lane is enough, and cheapest."""
IN_COMPANY = Pace(MAX_CROSS_CHAIN_LANES, pause_seconds=0.001)
"""Where applying waits for a disk. Whoever makes a block comes before those it sends messages to:
after the pause there is most often nothing to do but to wait for that disk."""


class CrossChainQueue:
    """Pending requests by target chain, applied in batches.

    ``refused`` remembers the last failures, for whoever looks.
    """

    def __init__(self, apply: Apply, pace: Pace = AT_ONCE) -> None:
        self._apply = apply
        self._pace = pace
        self._timer: asyncio.TimerHandle | None = None
        self._timer_loop: asyncio.AbstractEventLoop | None = None
        """Another one than before where a program runs its network in several loops in turn."""
        self._waiting: dict[ChainId, dict[Key, _Waiting]] = {}
        self._size = 0
        self._lanes: set[asyncio.Task[None]] = set()
        self._parked: dict[ChainId, asyncio.Future[None]] = {}
        self._stopped = False
        self.dropped = 0
        self.repeated = 0
        self.waited_ms = Histogram(spread(0.1, 10_000))
        self.refused: deque[Exception] = deque(maxlen=MAX_REMEMBERED_REFUSALS)

    def put(self, request: CrossChainRequest) -> None:
        """Queue a request; it is applied soon, never within this call."""
        if not self._stopped:
            self._enqueue(request)

    async def put_and_wait(self, request: CrossChainRequest) -> None:
        """Queue a request and return once it is durable, or refused by the protocol's rules.

        Raises `QueueIsFull`, or `LocalError` when the disk keeps refusing; it may be sent again.
        """
        if self._stopped:
            raise LocalError("this worker is stopping", retryable=True)
        waiting = self._enqueue(request)
        if waiting is None:
            raise QueueIsFull
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.futures.append(future)
        self.hurry()
        await future

    def _enqueue(self, request: CrossChainRequest) -> _Waiting | None:
        target, key = target_chain_id(request), key_of(request)
        pending = self._waiting.get(target)
        found = None if pending is None else pending.get(key)
        if found is not None:
            found.request = request
            return found
        if self._size >= MAX_CROSS_CHAIN_QUEUE:
            self.dropped += 1
            return None
        self._size += 1
        if pending is None:
            pending = self._waiting[target] = {}
        pending[key] = found = _Waiting(request, asyncio.get_running_loop().time())
        self._open_lane()
        return found

    def park(self, target: ChainId) -> None:
        """A chain takes no requests for a while; what comes for it waits, the others do not."""
        if target not in self._parked:
            self._parked[target] = asyncio.get_running_loop().create_future()

    def resume(self, target: ChainId) -> None:
        """A parked chain takes requests again."""
        parked = self._parked.pop(target, None)
        if parked is not None:
            parked.set_result(None)
            if target in self._waiting:
                self._start_lane()

    def _next_target(self) -> ChainId | None:
        if not self._parked:
            return next(iter(self._waiting), None)
        return next((target for target in self._waiting if target not in self._parked), None)

    def hurry(self) -> None:
        """Somebody waits for what is queued: serve it now."""
        if self._timer is not None:
            self._timer.cancel()
            self._serve_all()

    def _serve_all(self) -> None:
        self._timer = None
        for _ in range(min(len(self._waiting), self._pace.lanes)):
            self._start_lane()

    def _open_lane(self) -> None:
        """Have what has come served, after the pause."""
        if not self._pace.pause_seconds:
            self._start_lane()
            return
        loop = asyncio.get_running_loop()
        if self._timer is None or self._timer_loop is not loop:
            self._timer = loop.call_later(self._pace.pause_seconds, self._serve_all)
            self._timer_loop = loop

    def _start_lane(self) -> None:
        if len(self._lanes) < self._pace.lanes:
            lane = asyncio.get_running_loop().create_task(self._serve())
            self._lanes.add(lane)
            lane.add_done_callback(self._close_lane)

    def _close_lane(self, lane: asyncio.Task[None]) -> None:
        self._lanes.discard(lane)
        if self._next_target() is not None and not lane.cancelled():
            self._start_lane()

    async def _serve(self) -> None:
        while (target := self._next_target()) is not None:
            pending = self._waiting.pop(target)
            self._size -= len(pending)
            entries = list(pending.values())
            now = asyncio.get_running_loop().time()
            for entry in entries:
                self.waited_ms.observe((now - entry.since) * 1_000)
            try:
                for start in range(0, len(entries), MAX_CROSS_CHAIN_BATCH):
                    await self._apply_batch(entries[start : start + MAX_CROSS_CHAIN_BATCH])
            except BaseException:
                # A bug ends this lane; whoever waits must not wait for ever.
                for entry in entries:
                    entry.finish(LocalError("the request was not applied", retryable=True))
                raise

    async def _apply_batch(self, entries: list[_Waiting]) -> None:
        error = await self._try([entry.request for entry in entries])
        for entry in entries:
            entry.finish(error)

    async def _try(self, requests: list[CrossChainRequest]) -> LocalError | None:
        """Apply requests; the error when that failed and trying later may help."""
        last: LocalError | None = None
        for _ in range(MAX_CROSS_CHAIN_ATTEMPTS):
            try:
                await self._apply(requests)
            except ProtocolError as error:
                self.refused.append(error)
                return None
            except LocalError as error:
                # The chain was reloaded; applying again is idempotent (M13).
                self.refused.append(error)
                last = error
                if not error.retryable:
                    break
                self.repeated += 1
            else:
                return None
        return last

    @property
    def size(self) -> int:
        """How many requests wait."""
        return self._size

    def told(self) -> Told:
        """What was counted, by the names of spec 06 §9."""
        return {
            "cross_chain_message_tasks": self._size,
            "cross_chain_message_channel_full": plain(self.dropped),
            "cross_chain_retries_total": self.repeated,
            "cross_chain_queue_wait_time": self.waited_ms.told(),
        }

    @property
    def is_idle(self) -> bool:
        """Whether nothing is waiting or being applied."""
        return not self._lanes and not self._parked and self._timer is None

    async def settled(self) -> None:
        """Return when nothing is waiting or being applied."""
        while not self.is_idle:
            self.hurry()
            if self._lanes or self._parked:
                await asyncio.wait((*self._lanes, *self._parked.values()))

    async def stop(self) -> None:
        """Drop what waits and finish what is being applied."""
        self._stopped = True
        dropped = [entry for pending in self._waiting.values() for entry in pending.values()]
        self._waiting.clear()
        self._size = 0
        await self.settled()
        for entry in dropped:
            entry.finish(LocalError("this worker is stopping", retryable=True))
