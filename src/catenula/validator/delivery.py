"""Callers that wait until a block's messages have reached their inboxes (spec 06 §5.5)."""

import asyncio
from collections.abc import Callable

from catenula.base.identifiers import ChainId
from catenula.base.integers import BlockHeight

Waiter = tuple[BlockHeight, asyncio.Future[None]]


class DeliveryWaiters:
    """Waiters by chain; in memory only, the client asks again after a loss."""

    def __init__(self) -> None:
        self._by_chain: dict[ChainId, list[Waiter]] = {}

    def has(self, chain_id: ChainId) -> bool:
        """Whether anybody waits for this chain."""
        return chain_id in self._by_chain

    async def wait(self, chain_id: ChainId, height: BlockHeight) -> None:
        """Return when everything up to ``height`` is delivered."""
        waiter = (height, asyncio.get_running_loop().create_future())
        self._by_chain.setdefault(chain_id, []).append(waiter)
        try:
            await waiter[1]
        finally:
            self._discard(chain_id, waiter)

    def _discard(self, chain_id: ChainId, waiter: Waiter) -> None:
        waiting = self._by_chain.get(chain_id)
        if waiting is None:
            return
        if waiter in waiting:
            waiting.remove(waiter)
        if not waiting:
            del self._by_chain[chain_id]

    def release(self, chain_id: ChainId, is_delivered: Callable[[BlockHeight], bool]) -> None:
        """Wake those whose height is delivered."""
        for height, future in tuple(self._by_chain.get(chain_id, ())):
            if not future.done() and is_delivered(height):
                future.set_result(None)
