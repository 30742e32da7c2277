"""Cells: the fixed set of small values of a chain; and dictionaries that follow stored state.

A group of cells is loaded with one scan; a save writes the cells that changed and stores nothing
for a cell that has its default, so a chain with twenty cells pays for the two or three that a block
touches. Values are immutable: a change replaces a value, and `rollback` only forgets the
replacements. None of this is part of the hashed execution state.
"""

from collections.abc import Iterator
from typing import Any, Final, Generic, TypeVar

from catenula.storage.batch import Batch
from catenula.views.base import Context, ValueCodec, decode_stored

_K = TypeVar("_K")
_V = TypeVar("_V")

_UNKNOWN: Final[Any] = object()
"""Stands for a value that has not been read or decoded yet."""


class CellGroup:
    """A fixed set of cells below one key; the first access to any of them loads them all."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._cells: list[Cell[Any]] = []
        self._stored: dict[bytes, bytes] | None = None
        self.changed: dict[Cell[Any], None] = {}

    def cell(self, codec: ValueCodec[_V], default: _V) -> "Cell[_V]":
        """Declare the next cell; the order of declaration is the layout."""
        cell = Cell(self, bytes((len(self._cells),)), codec=codec, default=default)
        self._cells.append(cell)
        return cell

    def stored(self, key: bytes) -> bytes | None:
        """The stored bytes of one cell."""
        if self._stored is None:
            context = self._context
            self._stored = dict(context.partition.scan(context.base_key))
        return self._stored.get(key)

    def save(self, batch: Batch) -> None:
        """Append the writes of all changed cells."""
        base = self._context.base_key
        for cell in self.changed:
            cell.write(batch, base)
        self.changed.clear()

    def rollback(self) -> None:
        """Return every changed cell to its saved value."""
        for cell in self.changed:
            cell.forget()
        self.changed.clear()

    def clear(self) -> None:
        """Return every cell to its default."""
        for cell in self._cells:
            cell.reset()


class Cell(Generic[_V]):
    """One value of a group. Storage holds nothing for a cell that has its default."""

    __slots__ = ("_codec", "_group", "_key", "_saved", "_value", "default")

    def __init__(self, group: CellGroup, key: bytes, *, codec: ValueCodec[_V], default: _V) -> None:
        self._group = group
        self._key = key
        self._codec = codec
        self.default = default
        self._saved: Any = _UNKNOWN
        self._value: Any = _UNKNOWN

    def get(self) -> _V:
        """The current value."""
        value = self._value
        return self._load() if value is _UNKNOWN else value

    def _load(self) -> _V:
        raw = self._group.stored(self._key)
        value = self.default if raw is None else decode_stored(self._codec, raw, self._key)
        self._saved = self._value = value
        return value

    def set(self, value: _V) -> None:
        """Replace the value; written by the next save."""
        if self._value is _UNKNOWN:
            self._load()
        self._value = value
        self._group.changed[self] = None

    def reset(self) -> None:
        """Return to the default; costs nothing if the cell has it."""
        if self.get() != self.default:
            self.set(self.default)

    def write(self, batch: Batch, base_key: bytes) -> None:
        """Append this cell's write and take the value as saved."""
        value = self._value
        if value == self.default:
            if self._saved != self.default:
                batch.delete(base_key + self._key)
        else:
            batch.put(base_key + self._key, self._codec.to_bcs(value))
        self._saved = value

    def forget(self) -> None:
        """Return to the saved value."""
        self._value = self._saved


class StagedIndex(Generic[_K, _V]):
    """A dictionary in memory that follows the stored state: changes count at once, and can be
    taken back until they are committed. Values are immutable."""

    def __init__(self) -> None:
        self._base: dict[_K, _V] = {}
        self._staged: dict[_K, _V | None] = {}

    def get(self, key: _K) -> _V | None:
        """The value of ``key``, None if there is none."""
        return self._staged[key] if key in self._staged else self._base.get(key)

    def set(self, key: _K, value: _V | None) -> None:
        """Replace a value, or remove it with None."""
        self._staged[key] = value

    def __iter__(self) -> Iterator[_K]:
        """All keys, in no particular order."""
        staged = self._staged
        yield from (key for key in self._base if key not in staged)
        yield from (key for key, value in staged.items() if value is not None)

    def size(self) -> int:
        """How many keys there are; takes as long as there are changes to commit."""
        base = self._base
        count = len(base)
        for key, value in self._staged.items():
            count += (value is not None) - (key in base)
        return count

    def replace(self, entries: dict[_K, _V]) -> None:
        """Forget everything and hold ``entries`` instead, as committed."""
        self._base = entries
        self._staged.clear()

    def commit(self) -> None:
        """Keep all changes."""
        for key, value in self._staged.items():
            if value is None:
                self._base.pop(key, None)
            else:
                self._base[key] = value
        self._staged.clear()

    def rollback(self) -> None:
        """Take back all changes since the last commit."""
        self._staged.clear()
