"""Logs: values by position, only ever appended (count at ``01``, values at ``02`` ‖ u64)."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from catenula.base.limits import MAX_LOG_VALUES_PER_READ
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

COUNT_TAG = b"\x01"
VALUE_TAG = b"\x02"


class LogView(View, Generic[T]):
    """An append-only sequence. Only its length is loaded; values are read one by one."""

    __slots__ = ("_cleared", "_codec", "_count_key", "_new", "_stored_count", "_value_prefix")

    TRACKED = True

    def __init__(self, context: Context, codec: ValueCodec[T]) -> None:
        super().__init__(context)
        self._codec = codec
        self._count_key = self.base_key + COUNT_TAG
        self._value_prefix = self.base_key + VALUE_TAG
        self._stored_count: int | Marker = UNKNOWN
        self._new: list[T] = []
        self._cleared = False

    def __len__(self) -> int:
        return self._kept_count() + len(self._new)

    def push(self, value: T) -> None:
        """Stage ``value`` at the end."""
        self._hash = None
        self.touched = True
        self._new.append(value)

    def get(self, index: int) -> T | None:
        """The value at ``index``, or None beyond the end."""
        kept = self._kept_count()
        if index >= kept:
            return self._new[index - kept] if index < kept + len(self._new) else None
        return self._read_stored(index, index + 1)[0]

    def read(self, start: int = 0, end: int | None = None) -> list[T]:
        """The values at ``start`` … ``end - 1`` (at most all), read many at a time."""
        kept = self._kept_count()
        length = kept + len(self._new)
        end = length if end is None else min(end, length)
        if start >= end:
            return []
        values = self._read_stored(start, min(end, kept)) if start < kept else []
        if end > kept:
            values += self._new[max(start - kept, 0) : end - kept]
        return values

    def _kept_count(self) -> int:
        if self._cleared:
            return 0
        if self._stored_count is UNKNOWN:
            self._load_count(self.context.partition.get(self._count_key))
        return self._stored_count  # type: ignore[return-value]  # Loaded now.

    def _load_count(self, raw: bytes | None) -> None:
        key = self._count_key
        self._stored_count = 0 if raw is None else stored_numbers(raw, key, count=1)[0]

    def _key(self, index: int) -> bytes:
        return self._value_prefix + index.to_bytes(8, "little")

    def _read_stored(self, start: int, end: int) -> list[T]:
        values: list[T] = []
        for first in range(start, end, MAX_LOG_VALUES_PER_READ):
            indices = range(first, min(first + MAX_LOG_VALUES_PER_READ, end))
            keys = [self._key(index) for index in indices]
            found = self.context.partition.get_many(keys)
            for key, raw in zip(keys, found, strict=True):
                values.append(decode_stored(self._codec, raw, key))
        return values

    def _write(self, batch: Batch) -> bool:
        if self._cleared:
            batch.delete_prefix(self.base_key)
        if not self._new:
            return self._cleared
        count = self._kept_count()
        for index, value in enumerate(self._new, count):
            batch.put(self._key(index), self._codec.to_bcs(value))
        batch.put(self._count_key, (count + len(self._new)).to_bytes(8, "little"))
        return False

    def _mark_saved(self) -> None:
        if self._new or self._cleared:
            self._stored_count = self._kept_count() + len(self._new)
            self._new = []
            self._cleared = False

    def _rollback(self) -> None:
        if self._new:
            self._new = []
        self._cleared = False

    def _has_pending(self) -> bool:
        return bool(self._new or self._cleared)

    def _clear(self) -> None:
        self._new = []
        self._cleared = True

    def _compute_hash(self) -> bytes:
        values = self.read()
        to_bcs = self._codec.to_bcs
        return content_digest(uleb128(len(values)) + b"".join(map(to_bcs, values)))

    def _staged(self) -> Any:
        return (tuple(self._new), self._cleared) if self._has_pending() else None

    def _restore(self, picture: Any) -> None:
        new, self._cleared = picture
        self._new = list(new)

    def _cold_keys(self) -> list[bytes]:
        return [self._count_key] if self._stored_count is UNKNOWN else []

    def _accept(self, values: Mapping[bytes, bytes | None]) -> None:
        if self._stored_count is UNKNOWN:
            self._load_count(values[self._count_key])
