"""The queue of cross-chain requests of one worker (spec 06 §5.4).

Updates are cumulative, so a newer one replaces a waiting older one of the same pair. Target chains
proceed independently, each one step at a time; as many are served at once as there are lanes, so
that their writes can share a commit. The queue holds at most `MAX_CROSS_CHAIN_QUEUE` pairs; beyond
that a request is dropped and counted. What a dropped or refused request carried stays in the
sender's durable outbox, and goes out again with the next message to that recipient, when a query
asks for it, or when the sender's chain is loaded again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId
from catenula.base.limits import (
    MAX_CROSS_CHAIN_ATTEMPTS,
    MAX_CROSS_CHAIN_BATCH,
    MAX_CROSS_CHAIN_QUEUE,
    MAX_REMEMBERED_REFUSALS,
)
from catenula.protocol import CrossChainRequest, target_chain_id

Apply = Callable[[Sequence[CrossChainRequest]], Awaitable[None]]
Key = tuple[ChainId, ChainId, type]


class CrossChainQueue:
    """Pending requests by target chain, applied in batches.

    ``lanes`` is how many target chains are served at the same time: one is enough, and cheapest,
    where applying never waits. ``refused`` remembers the last failures, for whoever looks.
    """

    def __init__(self, apply: Apply, *, lanes: int = 1) -> None:
        self._apply = apply
        self._maximum_lanes = lanes
        self._waiting: dict[ChainId, dict[Key, CrossChainRequest]] = {}
        self._size = 0
        self._lanes: set[asyncio.Task[None]] = set()
        self._stopped = False
        self.dropped = 0
        self.refused: deque[Exception] = deque(maxlen=MAX_REMEMBERED_REFUSALS)

    def put(self, request: CrossChainRequest) -> None:
        """Queue a request; it is applied soon, after the current step of the event loop."""
        if self._stopped:
            return
        target = target_chain_id(request)
        key = (request.sender, request.recipient, type(request))
        pending = self._waiting.get(target)
        if pending is None or key not in pending:
            if self._size >= MAX_CROSS_CHAIN_QUEUE:
                self.dropped += 1
                return
            self._size += 1
        if pending is None:
            pending = self._waiting[target] = {}
        pending[key] = request
        self._open_lane()

    def _open_lane(self) -> None:
        if len(self._lanes) < self._maximum_lanes:
            lane = asyncio.get_running_loop().create_task(self._serve())
            self._lanes.add(lane)
            lane.add_done_callback(self._close_lane)

    def _close_lane(self, lane: asyncio.Task[None]) -> None:
        self._lanes.discard(lane)
        if self._waiting and not lane.cancelled():
            self._open_lane()

    async def _serve(self) -> None:
        while self._waiting:
            target = next(iter(self._waiting))
            pending = self._waiting.pop(target)
            self._size -= len(pending)
            requests = list(pending.values())
            for start in range(0, len(requests), MAX_CROSS_CHAIN_BATCH):
                await self._apply_batch(requests[start : start + MAX_CROSS_CHAIN_BATCH])

    async def _apply_batch(self, requests: list[CrossChainRequest]) -> None:
        for _ in range(MAX_CROSS_CHAIN_ATTEMPTS):
            try:
                await self._apply(requests)
            except ProtocolError as error:
                self.refused.append(error)
                return
            except LocalError as error:
                # The chain was reloaded; applying again is idempotent (M13).
                self.refused.append(error)
                if not error.retryable:
                    return
            else:
                return

    @property
    def is_idle(self) -> bool:
        """Whether nothing is waiting or being applied."""
        return not self._lanes

    async def settled(self) -> None:
        """Return when nothing is waiting or being applied."""
        while self._lanes:
            await asyncio.wait(tuple(self._lanes))

    async def stop(self) -> None:
        """Drop what waits and finish what is being applied."""
        self._stopped = True
        self._waiting.clear()
        self._size = 0
        await self.settled()
