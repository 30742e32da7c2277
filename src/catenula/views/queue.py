"""Queues: values added at the back and removed at the front.

The range of stored positions lies at ``01`` (two u64), the values at ``02`` ‖ u64.
"""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from catenula.base.limits import MAX_KEPT_QUEUE_VALUES
from catenula.storage.batch import Batch, uleb128
from catenula.views.base import (
    UNKNOWN,
    Context,
    Marker,
    ValueCodec,
    View,
    content_digest,
    decode_stored,
    stored_numbers,
)

T = TypeVar("T")

RANGE_TAG = b"\x01"
VALUE_TAG = b"\x02"


class QueueView(View, Generic[T]):
    """A first-in first-out queue.

    The reference rewrites an empty queue at every save. That matters only where the batch is
    hashed: ``rewrite_unchanged`` asks for it; without it nothing unchanged is written.
    """

    __slots__ = (
        "_cleared",
        "_codec",
        "_deleted",
        "_kept",
        "_new",
        "_range_key",
        "_rewrite_unchanged",
        "_stored",
        "_value_prefix",
    )

    def __init__(
        self, context: Context, codec: ValueCodec[T], *, rewrite_unchanged: bool = False
    ) -> None:
        super().__init__(context)
        self._codec = codec
        self._rewrite_unchanged = rewrite_unchanged
        self._range_key = self.base_key + RANGE_TAG
        self._value_prefix = self.base_key + VALUE_TAG
        self._stored: tuple[int, int] | Marker = UNKNOWN
        self._deleted = 0
        self._new: list[T] = []
        self._kept: dict[int, T] = {}
        self._cleared = False

    def __len__(self) -> int:
        start, end = self._live_range()
        return end - start + len(self._new)

    def push_back(self, value: T) -> None:
        """Stage ``value`` at the back."""
        self._hash = None
        self._new.append(value)

    def delete_front(self) -> None:
        """Stage the removal of the front value, if there is one."""
        self._hash = None
        start, end = self._live_range()
        if start < end:
            self._deleted += 1
        elif self._new:
            del self._new[0]

    def front(self) -> T | None:
        """The oldest value, or None."""
        start, end = self._live_range()
        if start < end:
            return self._stored_value(start)
        return self._new[0] if self._new else None

    def back(self) -> T | None:
        """The newest value, or None."""
        if self._new:
            return self._new[-1]
        start, end = self._live_range()
        return self._stored_value(end - 1) if start < end else None

    def items(self, limit: int | None = None) -> list[T]:
        """The oldest ``limit`` values (all without limit), oldest first."""
        start, end = self._live_range()
        if limit is not None:
            end = min(end, start + limit)
        self._fill(start, end)
        values = [self._stored_value(position) for position in range(start, end)]
        values += self._new if limit is None else self._new[: max(limit - len(values), 0)]
        return values

    def _live_range(self) -> tuple[int, int]:
        if self._cleared:
            return 0, 0
        if self._stored is UNKNOWN:
            self._load_range(self.context.partition.get(self._range_key))
        start, end = self._stored  # type: ignore[misc]  # Loaded now.
        return start + self._deleted, end

    def _load_range(self, raw: bytes | None) -> None:
        if raw is None:
            self._stored = (0, 0)
        else:
            start, end = stored_numbers(raw, self._range_key, count=2)
            self._stored = (start, end)

    def _key(self, position: int) -> bytes:
        return self._value_prefix + position.to_bytes(8, "little")

    def _stored_value(self, position: int) -> T:
        found = self._kept.get(position, UNKNOWN)
        if found is not UNKNOWN:
            return found  # type: ignore[return-value]  # Not the marker.
        key = self._key(position)
        value = decode_stored(self._codec, self.context.partition.get(key), key)
        self._keep(position, value)
        return value

    def _fill(self, start: int, end: int) -> None:
        if end - start > 2 * MAX_KEPT_QUEUE_VALUES:
            return
        missing = [position for position in range(start, end) if position not in self._kept]
        if len(missing) < 2 or len(missing) > MAX_KEPT_QUEUE_VALUES:
            return
        keys = [self._key(position) for position in missing]
        found = self.context.partition.get_many(keys)
        if len(self._kept) + len(missing) > MAX_KEPT_QUEUE_VALUES:
            self._kept.clear()
        for position, key, raw in zip(missing, keys, found, strict=True):
            self._kept[position] = decode_stored(self._codec, raw, key)

    def _keep(self, position: int, value: T) -> None:
        if len(self._kept) >= MAX_KEPT_QUEUE_VALUES:
            self._kept.clear()
        self._kept[position] = value

    def _write(self, batch: Batch) -> bool:
        if not (self._has_pending() or self._rewrite_unchanged):
            return False
        if self._cleared:
            batch.delete_prefix(self.base_key)
        start, end = self._live_range()
        if start == end:
            batch.delete_prefix(self._value_prefix)
            start = end = 0
        else:
            for position in range(start - self._deleted, start):
                batch.delete(self._key(position))
        for value in self._new:
            batch.put(self._key(end), self._codec.to_bcs(value))
            end += 1
        if start < end or not self._cleared:
            batch.put(self._range_key, start.to_bytes(8, "little") + end.to_bytes(8, "little"))
        return self._cleared and not self._new

    def _mark_saved(self) -> None:
        if not self._has_pending():
            return
        start, end = self._live_range()
        for position in range(start - self._deleted, start):
            self._kept.pop(position, None)
        if start == end:
            start = end = 0
            self._kept.clear()
        for value in self._new:
            self._keep(end, value)
            end += 1
        self._stored = (start, end)
        self._new = []
        self._deleted = 0
        self._cleared = False

    def _rollback(self) -> None:
        if self._new:
            self._new = []
        self._deleted = 0
        self._cleared = False

    def _has_pending(self) -> bool:
        return bool(self._new or self._deleted or self._cleared)

    def _clear(self) -> None:
        self._new = []
        self._deleted = 0
        self._cleared = True

    def _compute_hash(self) -> bytes:
        values = self.items()
        to_bcs = self._codec.to_bcs
        return content_digest(uleb128(len(values)) + b"".join(map(to_bcs, values)))

    def _staged(self) -> Any:
        if not self._has_pending():
            return None
        return tuple(self._new), self._deleted, self._cleared

    def _restore(self, picture: Any) -> None:
        new, self._deleted, self._cleared = picture
        self._new = list(new)

    def _cold_keys(self) -> list[bytes]:
        return [self._range_key] if self._stored is UNKNOWN else []

    def _accept(self, values: Mapping[bytes, bytes | None]) -> None:
        if self._stored is UNKNOWN:
            self._load_range(values[self._range_key])
