"""`BoundedCache`: recently used immutable values, bounded by number and by total weight."""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """A cache that forgets the least recently used values first.

    ``weight`` of a value is its size in bytes, as told when it is added. A value heavier than an
    eighth of the whole is not kept. All methods may be called from any thread: each step is one
    operation of a dict, and a lost race only costs a later read.
    """

    __slots__ = ("_entries", "_max_bytes", "_max_entries", "_weight")

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: dict[K, tuple[V, int]] = {}
        self._weight = 0

    def get(self, key: K) -> V | None:
        """The value, or None; makes it the most recently used."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        self._entries[key] = entry
        return entry[0]

    def add(self, key: K, value: V, weight: int) -> None:
        """Keep a value, forgetting older ones as needed."""
        if weight * 8 > self._max_bytes:
            return
        old = self._entries.pop(key, None)
        self._weight += weight - (old[1] if old is not None else 0)
        self._entries[key] = (value, weight)
        while len(self._entries) > self._max_entries or self._weight > self._max_bytes:
            oldest = next(iter(self._entries), None)
            dropped = self._entries.pop(oldest, None) if oldest is not None else None
            if dropped is None:
                return
            self._weight -= dropped[1]

    def __contains__(self, key: K) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)
