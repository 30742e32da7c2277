"""One writer per chain: locks that exist only while somebody holds or awaits them (W1)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from catenula.base.identifiers import ChainId


class _Entry:
    __slots__ = ("lock", "users")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


class ChainLocks:
    """Locks by chain."""

    def __init__(self) -> None:
        self._entries: dict[ChainId, _Entry] = {}

    def is_locked(self, chain_id: ChainId) -> bool:
        """Whether somebody holds or awaits the chain's lock."""
        return chain_id in self._entries

    async def acquire(self, chain_id: ChainId) -> None:
        """Wait for the chain's lock; waiters are served in order."""
        entry = self._entries.get(chain_id)
        if entry is None:
            entry = self._entries[chain_id] = _Entry()
        entry.users += 1
        try:
            await entry.lock.acquire()
        except BaseException:
            self._leave(chain_id, entry)
            raise

    def release(self, chain_id: ChainId) -> None:
        """Give the chain's lock to the next in line."""
        entry = self._entries[chain_id]
        entry.lock.release()
        self._leave(chain_id, entry)

    def _leave(self, chain_id: ChainId, entry: _Entry) -> None:
        entry.users -= 1
        if not entry.users:
            del self._entries[chain_id]

    @asynccontextmanager
    async def lock(self, chain_id: ChainId) -> AsyncIterator[None]:
        """Hold the chain's lock."""
        await self.acquire(chain_id)
        try:
            yield
        finally:
            self.release(chain_id)
