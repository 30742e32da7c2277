"""The queue of cross-chain requests of one worker (spec 06 §5.4).

Updates are cumulative, so a newer one replaces a waiting older one of the same pair; different
target chains proceed independently, one step at a time each. The queue holds at most
`MAX_CROSS_CHAIN_QUEUE` pairs; beyond that a request is dropped and counted, and comes again when
its sender's chain is touched (the sender's outbox is durable).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId
from catenula.base.limits import MAX_CROSS_CHAIN_BATCH, MAX_CROSS_CHAIN_QUEUE
from catenula.protocol import CrossChainRequest, target_chain_id

Apply = Callable[[Sequence[CrossChainRequest]], Awaitable[None]]
Key = tuple[ChainId, ChainId, type]


class CrossChainQueue:
    """Pending requests by target chain, applied in batches."""

    def __init__(self, apply: Apply) -> None:
        self._apply = apply
        self._waiting: dict[ChainId, dict[Key, CrossChainRequest]] = {}
        self._size = 0
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self.dropped = 0
        self.refused: list[Exception] = []

    def put(self, request: CrossChainRequest) -> None:
        """Queue a request; it is applied soon, after the current step of the event loop."""
        if self._stopped:
            return
        target = target_chain_id(request)
        pending = self._waiting.setdefault(target, {})
        key = (request.sender, request.recipient, type(request))
        if key not in pending:
            if self._size >= MAX_CROSS_CHAIN_QUEUE:
                self.dropped += 1
                return
            self._size += 1
        pending[key] = request
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        while self._waiting:
            target = next(iter(self._waiting))
            pending = self._waiting.pop(target)
            self._size -= len(pending)
            requests = list(pending.values())
            for start in range(0, len(requests), MAX_CROSS_CHAIN_BATCH):
                await self._apply_batch(requests[start : start + MAX_CROSS_CHAIN_BATCH])
        self._task = None

    async def _apply_batch(self, requests: list[CrossChainRequest]) -> None:
        try:
            await self._apply(requests)
        except (ProtocolError, LocalError) as error:
            # The sender keeps its outbox, so nothing is lost; the reason is kept for inspection.
            self.refused = [*self.refused[-99:], error]

    async def settled(self) -> None:
        """Return when nothing is waiting or being applied."""
        while self._task is not None:
            await asyncio.shield(self._task)

    async def stop(self) -> None:
        """Drop what waits and finish what is being applied."""
        self._stopped = True
        self._waiting.clear()
        self._size = 0
        await self.settled()
