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

    @asynccontextmanager
    async def lock(self, chain_id: ChainId) -> AsyncIterator[None]:
        """Hold the chain's lock; waiters are served in order."""
        entry = self._entries.get(chain_id)
        if entry is None:
            entry = self._entries[chain_id] = _Entry()
        entry.users += 1
        try:
            async with entry.lock:
                yield
        finally:
            entry.users -= 1
            if not entry.users:
                del self._entries[chain_id]
