"""One writer per chain: locks that exist only while somebody holds or awaits them (W1)."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from catenula.base.identifiers import ChainId


class ChainLocks:
    """Locks by chain. A lock goes from its holder to the one that has waited longest."""

    def __init__(self) -> None:
        self._waiting: dict[ChainId, deque[asyncio.Future[None]]] = {}

    def is_locked(self, chain_id: ChainId) -> bool:
        """Whether somebody holds the chain's lock."""
        return chain_id in self._waiting

    def take(self, chain_id: ChainId) -> bool:
        """Take the chain's lock if it is free; whether it was."""
        if chain_id in self._waiting:
            return False
        self._waiting[chain_id] = deque()
        return True

    async def acquire(self, chain_id: ChainId) -> None:
        """Wait for the chain's lock; waiters are served in order."""
        if self.take(chain_id):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting[chain_id]
        waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                # The lock had come just before: it goes on to the next.
                self.release(chain_id)
            with suppress(ValueError):  # It is not in line any more when its turn had come.
                waiting.remove(turn)
            raise

    def release(self, chain_id: ChainId) -> None:
        """Give the chain's lock to the next in line."""
        waiting = self._waiting[chain_id]
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._waiting[chain_id]

    @asynccontextmanager
    async def lock(self, chain_id: ChainId) -> AsyncIterator[None]:
        """Hold the chain's lock."""
        await self.acquire(chain_id)
        try:
            yield
        finally:
            self.release(chain_id)
