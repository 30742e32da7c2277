"""`OrderedKeys`: a sorted set of byte strings with cheap insertion, for the memory engine.

A two-level list: chunks of bounded length, each sorted, and the first key of each chunk. Insertion
moves at most one chunk, so its cost does not grow with the number of keys in practice.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator

from catenula.storage.batch import prefix_end

CHUNK_KEYS = 512


class OrderedKeys:
    """Byte strings in ascending order, without duplicates."""

    __slots__ = ("_chunks", "_firsts")

    def __init__(self, keys: Iterable[bytes]) -> None:
        ordered = sorted(keys)
        self._chunks = [
            ordered[start : start + CHUNK_KEYS] for start in range(0, len(ordered), CHUNK_KEYS)
        ] or [[]]
        self._firsts = [chunk[0] if chunk else b"" for chunk in self._chunks]

    def add(self, key: bytes) -> None:
        """Insert a key that is not present."""
        index = max(bisect_right(self._firsts, key) - 1, 0)
        chunk = self._chunks[index]
        insort(chunk, key)
        self._firsts[index] = chunk[0]
        if len(chunk) > 2 * CHUNK_KEYS:
            self._chunks.insert(index + 1, chunk[CHUNK_KEYS:])
            self._firsts.insert(index + 1, chunk[CHUNK_KEYS])
            del chunk[CHUNK_KEYS:]

    def discard(self, key: bytes) -> None:
        """Remove a key that is present."""
        index = max(bisect_right(self._firsts, key) - 1, 0)
        chunk = self._chunks[index]
        del chunk[bisect_left(chunk, key)]
        if chunk:
            self._firsts[index] = chunk[0]
        elif len(self._chunks) > 1:
            del self._chunks[index], self._firsts[index]

    def starting_with(self, prefix: bytes) -> Iterator[bytes]:
        """The keys that start with ``prefix``, ascending; the set must not change meanwhile."""
        end = prefix_end(prefix)
        index = max(bisect_right(self._firsts, prefix) - 1, 0)
        start = bisect_left(self._chunks[index], prefix)
        for position in range(index, len(self._chunks)):
            chunk = self._chunks[position]
            if end is not None and (not chunk or chunk[-1] >= end):
                yield from chunk[start : bisect_left(chunk, end)]
                return
            yield from chunk[start:] if start else chunk
            start = 0
