"""What every view has in common: where it is stored, its memo, saving and rolling back.

A view is a typed container over the keys that start with its base key. It loads lazily, keeps
changes in memory until `View.save` appends them to a batch, and writes nothing that did not change.

Rules for callers:

- Stored values are immutable; a change is ``set`` or ``insert`` of a new value.
- After `View.save` the batch must be committed before the view is read again; when the commit
  fails, drop the view and load it anew.
- A sub-view that is to be changed is asked for again (`load_or_create`) for each round of changes:
  asking is what tells its parents.

This layer does not know what a chain is and never commits.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from hashlib import sha3_256
from typing import Any, ClassVar, Final, Protocol, TypeVar

from catenula.base.errors import DecodeError, LocalError
from catenula.storage.batch import Batch
from catenula.storage.engine import Partition

T = TypeVar("T")

INNER_TAG = b"\x01"
MEMO_TAG = b"\x02"


class Marker:
    """A named sentinel, compared by identity."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


UNKNOWN: Final = Marker("UNKNOWN")
"""Not loaded yet."""
ABSENT: Final = Marker("ABSENT")
"""Known not to be there."""


class ValueCodec(Protocol[T]):
    """What a view needs of a codec."""

    def to_bcs(self, value: T, /) -> bytes:
        """The stored bytes of a value."""

    def from_bcs(self, data: bytes, /) -> T:
        """The value of stored bytes; `DecodeError` when they are none."""


class RawCodec:
    """Bytes that stand for themselves."""

    def to_bcs(self, value: bytes, /) -> bytes:
        """The bytes."""
        return value

    def from_bcs(self, data: bytes, /) -> bytes:
        """The bytes."""
        return data


RAW: Final = RawCodec()


class Context:
    """Where a view is stored: a partition and the prefix of its keys in it."""

    __slots__ = ("base_key", "partition")

    def __init__(self, partition: Partition, base_key: bytes = b"") -> None:
        self.partition = partition
        self.base_key = base_key

    def child(self, suffix: bytes) -> "Context":
        """The place below this one."""
        return Context(self.partition, self.base_key + suffix)

    def field(self, index: int) -> "Context":
        """The place of field ``index`` of a struct (spec 03 §4.2)."""
        return Context(self.partition, self.base_key + INNER_TAG + index.to_bytes(4, "little"))


def decode_stored(codec: ValueCodec[T], raw: bytes | None, key: bytes) -> T:
    """Decode a value that must be stored; none, or bytes that are none, mean a damaged store."""
    if raw is None:
        raise damaged_row(key)
    try:
        return codec.from_bcs(raw)
    except DecodeError as error:
        raise damaged_row(key) from error


def decode_stored_keys(codec: ValueCodec[T], keys: Iterable[bytes]) -> list[T]:
    """Decode the stored keys of a map or set, as `decode_stored` does values."""
    return [decode_stored(codec, key, key) for key in keys]


def stored_numbers(raw: bytes, key: bytes, *, count: int) -> list[int]:
    """``count`` stored positions (u64, little-endian), ascending and small enough to count with."""
    numbers = [int.from_bytes(raw[at : at + 8], "little") for at in range(0, 8 * count, 8)]
    if len(raw) != 8 * count or numbers != sorted(numbers) or numbers[-1] >> 63:
        raise damaged_row(key)
    return numbers


def damaged_row(key: bytes) -> LocalError:
    """The error for a stored row that no version of this program wrote like that."""
    return LocalError(
        f"the stored value under key {key.hex()} cannot be read: the store is damaged or was "
        "written by another version; restore it from a copy or synchronise it anew",
        retryable=False,
        key=key,
    )


class View(ABC):
    """A container over a key prefix.

    ``_hash`` remembers the content hash until the next write access. A ``HASHED`` class also
    stores it (the memo, spec 03 §3): its content lives below ``01`` and the memo at ``02``.

    A ``TRACKED`` class notes every write access in `touched`, so that structs pass over its views
    while they are clean; other views are always taken for touched.
    """

    __slots__ = (
        "_emptied",
        "_hash",
        "_memo_key",
        "_stored_hash",
        "base_key",
        "context",
        "outer_key",
        "touched",
    )

    HASHED: ClassVar[bool] = False
    TRACKED: ClassVar[bool] = False

    def __init__(self, context: Context) -> None:
        self.outer_key = context.base_key
        self._hash: bytes | Marker | None = None
        self._stored_hash: bytes | Marker | None = None
        self._memo_key = b""
        self._emptied = False
        self.touched = not self.TRACKED
        """False only when saving would write nothing and a rollback would change nothing."""
        if self.HASHED:
            self._memo_key = context.base_key + MEMO_TAG
            self._hash = self._stored_hash = UNKNOWN
            context = context.child(INNER_TAG)
        self.context = context
        self.base_key = context.base_key

    # What each kind of view brings.

    @abstractmethod
    def _write(self, batch: Batch) -> bool:
        """Append the pending writes; True when everything stored was deleted and nothing put."""

    @abstractmethod
    def _mark_saved(self) -> None:
        """Take the pending changes for stored."""

    @abstractmethod
    def _rollback(self) -> None:
        """Forget the pending changes."""

    @abstractmethod
    def _has_pending(self) -> bool:
        """Whether the content has pending changes."""

    @abstractmethod
    def _clear(self) -> None:
        """Stage the default content."""

    @abstractmethod
    def _compute_hash(self) -> bytes:
        """The content hash, pending changes included (spec 03 §2.1)."""

    @abstractmethod
    def _staged(self) -> Any:
        """An immutable picture of the pending changes; None when there are none."""

    @abstractmethod
    def _restore(self, picture: Any) -> None:
        """Replace the pending changes by a picture of `_staged`."""

    def _cold_keys(self) -> list[bytes]:
        """Keys this view will read soon and has not read yet."""
        return []

    def _accept(self, values: Mapping[bytes, bytes | None]) -> None:
        """Take the values of `_cold_keys`."""
        return

    # What callers use.

    def save(self, batch: Batch) -> None:
        """Append all pending writes to ``batch`` and take them for stored."""
        if self.touched:
            self.write_pending(batch)
            self.mark_saved()

    def write_pending(self, batch: Batch) -> bool:
        """Append the pending writes without marking them saved.

        True when all stored keys of the view were deleted and nothing was put.
        """
        emptied = self._write(batch)
        if self._memo_key:
            self._write_memo(batch, emptied)
        return emptied

    def mark_saved(self) -> None:
        """Take the pending changes for stored (after `write_pending`)."""
        self._mark_saved()
        if self._emptied:
            self._hash = None
            self._emptied = False
        self._stored_hash = self._hash
        self.touched = not self.TRACKED

    def rollback(self) -> None:
        """Forget the pending changes."""
        if self.touched:
            self._rollback()
            self._hash = self._stored_hash
            self.touched = not self.TRACKED

    def has_pending_changes(self) -> bool:
        """Whether `save` would write something that is not stored."""
        if not self.touched:
            return False
        if self._has_pending():
            return True
        if not self._memo_key or self._hash is self._stored_hash:
            return False
        return self._known_memo() != self._hash

    def clear(self) -> None:
        """Stage the default content."""
        self._hash = None
        self.touched = True
        self._clear()

    def content_hash(self) -> bytes:
        """The SHA3-256 content hash (spec 03 §2.1), pending changes included."""
        found = self._hash
        if found is UNKNOWN:
            found = self._hash = self._known_memo()
        if type(found) is not bytes:
            found = self._hash = self._compute_hash()
            self.touched = True
        return found

    def staged(self) -> Any:
        """A cheap immutable picture of the uncommitted changes, for `restore`."""
        return (self._staged(), self._hash)

    def restore(self, picture: Any) -> None:
        """Replace the uncommitted changes by a picture taken over the same stored state."""
        pending, found = picture
        if pending is None:
            self._rollback()
        else:
            self._restore(pending)
        self._hash = found
        self.touched = True

    def preload(self) -> None:
        """Read what this view and its fields need at once, in one call to the store."""
        keys = self.cold_keys()
        if keys:
            values = self.context.partition.get_many(keys)
            self.accept(dict(zip(keys, values, strict=True)))

    def cold_keys(self) -> list[bytes]:
        """Keys `preload` has to read."""
        keys = self._cold_keys()
        if self._stored_hash is UNKNOWN:
            keys.append(self._memo_key)
        return keys

    def accept(self, values: Mapping[bytes, bytes | None]) -> None:
        """Take the values of `cold_keys`."""
        self._accept(values)
        if self._stored_hash is UNKNOWN:
            self._take_memo(values[self._memo_key])

    def _known_memo(self) -> bytes | None:
        if self._stored_hash is UNKNOWN:
            self._take_memo(self.context.partition.get(self._memo_key))
        return self._stored_hash  # type: ignore[return-value]  # Not UNKNOWN any more.

    def _take_memo(self, raw: bytes | None) -> None:
        self._stored_hash = raw
        if self._hash is UNKNOWN:
            self._hash = raw

    def _write_memo(self, batch: Batch, emptied: bool) -> None:
        self._emptied = emptied
        if emptied:
            batch.delete_prefix(self.outer_key)
        elif self._hash is not self._stored_hash:
            self._replace_memo(batch, self._known_memo())

    def _replace_memo(self, batch: Batch, stored: bytes | None) -> None:
        if self._hash is None and stored is not None:
            batch.delete(self._memo_key)
        elif type(self._hash) is bytes and self._hash != stored:
            batch.put(self._memo_key, self._hash)


def content_digest(data: bytes) -> bytes:
    """SHA3-256, the hash of everything inside the state (spec 03 §1)."""
    return sha3_256(data).digest()
