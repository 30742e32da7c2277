"""Bucket queues: a queue stored in buckets of several values.

The front bucket lies at ``01``, bucket *n* > 0 at ``03`` ‖ u64 n, and at ``02`` the list of
(length, number) of all buckets with the position of the front value in the first one. Buckets are
loaded when they come to the front; passing values moves only that position.
"""

from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, TypeVar

from catenula.base.errors import DecodeError
from catenula.storage.batch import Batch, uleb128
from catenula.views.base import (
    UNKNOWN,
    Context,
    Marker,
    ValueCodec,
    View,
    content_digest,
    damaged_row,
    decode_stored,
)

T = TypeVar("T")

FRONT_KEY_TAG = b"\x01"
TABLE_TAG = b"\x02"
BUCKET_TAG = b"\x03"


class _Bucket(NamedTuple):
    """One stored bucket: its number of values and its storage number (0: the front key)."""

    length: int
    number: int


class _Table(NamedTuple):
    """The stored buckets in order, and how many values of the first one are gone."""

    buckets: tuple[_Bucket, ...]
    position: int


_EMPTY_TABLE = _Table((), 0)


class _TableCodec:
    """BCS of a `_Table`."""

    def to_bcs(self, table: _Table, /) -> bytes:
        """uleb128 count, (u64 length, u64 number) each, u64 position."""
        numbers = [number for bucket in table.buckets for number in bucket]
        numbers.append(table.position)
        words = b"".join(number.to_bytes(8, "little") for number in numbers)
        return uleb128(len(table.buckets)) + words

    def from_bcs(self, data: bytes, /) -> _Table:
        """As written by `to_bcs`."""
        start = len(data) % 8
        words = [
            int.from_bytes(data[offset : offset + 8], "little")
            for offset in range(start, len(data), 8)
        ]
        if len(words) % 2 == 0 or uleb128(len(words) // 2) != data[:start]:
            raise DecodeError("InvalidBucketTable", size=len(data))
        pairs = zip(words[:-1:2], words[1::2], strict=True)
        return _Table(tuple(_Bucket(length, number) for length, number in pairs), words[-1])


_TABLE_CODEC = _TableCodec()


class BucketQueueView(View, Generic[T]):
    """A queue in buckets of ``bucket_size`` values; ``codec`` is that of a list of values.

    ``rewrite_unchanged``: write as the reference does also when nothing changed (see `QueueView`).
    """

    __slots__ = (
        "_bucket_size",
        "_cleared",
        "_codec",
        "_loaded",
        "_new",
        "_passed",
        "_position",
        "_rewrite_unchanged",
        "_stored",
        "_table_key",
    )

    def __init__(
        self,
        context: Context,
        codec: ValueCodec[tuple[T, ...]],
        *,
        bucket_size: int,
        rewrite_unchanged: bool = False,
    ) -> None:
        super().__init__(context)
        self._codec = codec
        self._bucket_size = bucket_size
        self._rewrite_unchanged = rewrite_unchanged
        self._table_key = self.base_key + TABLE_TAG
        self._stored: _Table | Marker = UNKNOWN
        self._passed = 0
        self._position = 0
        self._new: list[T] = []
        self._loaded: dict[int, tuple[T, ...]] = {}
        self._cleared = False

    def __len__(self) -> int:
        live = self._live_buckets()
        stored = sum(bucket.length for bucket in live) - self._position if live else 0
        return stored + len(self._new)

    def push_back(self, value: T) -> None:
        """Stage ``value`` at the back."""
        self._hash = None
        self._new.append(value)

    def delete_front(self) -> None:
        """Stage the removal of the front value, if there is one."""
        self._hash = None
        live = self._live_buckets()
        if not live:
            del self._new[:1]
            return
        self._position += 1
        if self._position == live[0].length:
            self._passed += 1
            self._position = 0

    def front(self) -> T | None:
        """The oldest value, or None."""
        live = self._live_buckets()
        if live:
            return self._values(live[0])[self._position]
        return self._new[0] if self._new else None

    def back(self) -> T | None:
        """The newest value, or None."""
        if self._new:
            return self._new[-1]
        live = self._live_buckets()
        return self._values(live[-1])[-1] if live else None

    def items(self, limit: int | None = None) -> list[T]:
        """The oldest ``limit`` values (all without limit), oldest first."""
        found: list[T] = []
        live = self._live_buckets()
        skip = self._position
        for bucket in live:
            if limit is not None and len(found) >= limit:
                break
            found += self._values(bucket)[skip:]
            skip = 0
        found += self._new
        return found if limit is None else found[:limit]

    def _table(self) -> _Table:
        if self._stored is UNKNOWN:
            self._load_table(self.context.partition.get(self._table_key))
        return self._stored  # type: ignore[return-value]  # Loaded now.

    def _load_table(self, raw: bytes | None) -> None:
        table = _EMPTY_TABLE
        if raw is not None:
            table = decode_stored(_TABLE_CODEC, raw, self._table_key)
            if table.position > (table.buckets[0].length if table.buckets else 0):
                raise damaged_row(self._table_key)
        self._stored = table
        if not self._cleared:
            self._position = table.position

    def _live_buckets(self) -> tuple[_Bucket, ...]:
        return () if self._cleared else self._table().buckets[self._passed :]

    def _bucket_key(self, number: int) -> bytes:
        if number == 0:
            return self.base_key + FRONT_KEY_TAG
        return self.base_key + BUCKET_TAG + number.to_bytes(8, "little")

    def _values(self, bucket: _Bucket) -> tuple[T, ...]:
        found = self._loaded.get(bucket.number)
        if found is None:
            key = self._bucket_key(bucket.number)
            found = decode_stored(self._codec, self.context.partition.get(key), key)
            if len(found) != bucket.length:
                raise damaged_row(key)
            self._loaded[bucket.number] = found
        return found

    def _next_table(self) -> tuple[_Table, list[tuple[int, tuple[T, ...]]]]:
        """The table after saving, and the (number, values) of the buckets to be put."""
        live = list(self._live_buckets())
        puts: list[tuple[int, tuple[T, ...]]] = []
        if live and live[0].number != 0:
            puts.append((0, self._values(live[0])))
            live[0] = _Bucket(live[0].length, 0)
        position = self._position if live else 0
        number = live[-1].number + 1 if live else 0
        for start in range(0, len(self._new), self._bucket_size):
            values = tuple(self._new[start : start + self._bucket_size])
            puts.append((number, values))
            live.append(_Bucket(len(values), number))
            number += 1
        return _Table(tuple(live), position), puts

    def _write(self, batch: Batch) -> bool:
        if not (self._rewrite_unchanged or self._has_pending()):
            return False
        live = self._live_buckets()
        if not live:
            batch.delete_prefix(self.base_key)
        else:
            moved = 1 if live[0].number != 0 else 0
            for bucket in self._table().buckets[: self._passed + moved]:
                batch.delete(self._bucket_key(bucket.number))
        table, puts = self._next_table()
        for number, values in puts:
            batch.put(self._bucket_key(number), self._codec.to_bcs(values))
        if table.buckets:
            batch.put(self._table_key, _TABLE_CODEC.to_bcs(table))
        return not table.buckets

    def _mark_saved(self) -> None:
        if not self._has_pending():
            return
        table, puts = self._next_table()
        passed = self._table().buckets if self._cleared else self._table().buckets[: self._passed]
        for bucket in passed:
            self._loaded.pop(bucket.number, None)
        self._loaded.update(puts)
        self._stored = table
        self._restore(((), 0, table.position, False))

    def _rollback(self) -> None:
        if self._has_pending():
            self._restore(((), 0, self._table().position, False))

    def _has_pending(self) -> bool:
        if self._new or self._cleared or self._passed:
            return True
        return self._stored is not UNKNOWN and self._position != self._table().position

    def _clear(self) -> None:
        self._restore(((), 0, 0, True))

    def _compute_hash(self) -> bytes:
        return content_digest(self._codec.to_bcs(tuple(self.items())))

    def _staged(self) -> Any:
        if not self._has_pending():
            return None
        return tuple(self._new), self._passed, self._position, self._cleared

    def _restore(self, picture: Any) -> None:
        new, self._passed, self._position, self._cleared = picture
        self._new = list(new)

    def _cold_keys(self) -> list[bytes]:
        return [self._table_key] if self._stored is UNKNOWN else []

    def _accept(self, values: Mapping[bytes, bytes | None]) -> None:
        if self._stored is UNKNOWN:
            self._load_table(values[self._table_key])
