"""Collections: a sub-view per key (spec 03 §4.2).

The marker of an entry lies at ``01`` ‖ key, its sub-view below ``02`` ‖ key. Loaded sub-views stay
in memory until the collection is dropped; unchanged ones are never written.
"""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from catenula.storage.batch import Batch
from catenula.views.base import (
    ABSENT,
    UNKNOWN,
    Context,
    Marker,
    ValueCodec,
    View,
    content_digest,
    decode_stored_keys,
)

K = TypeVar("K")
W = TypeVar("W", bound=View)

MARKER_TAG = b"\x01"
SUBVIEW_TAG = b"\x02"


class CollectionView(View, Generic[K, W]):
    """Sub-views by key. ``make`` builds the sub-view of a place.

    ``_open`` maps a key to its sub-view opened for writing, or to `ABSENT` for a staged removal.
    """

    __slots__ = ("_cleared", "_key_codec", "_keys", "_loaded", "_make", "_open", "_present")

    def __init__(
        self, context: Context, key_codec: ValueCodec[K], make: Callable[[Context], W]
    ) -> None:
        super().__init__(context)
        self._key_codec = key_codec
        self._make = make
        self._keys: dict[K, bytes] = {}
        self._loaded: dict[K, W] = {}
        self._present: dict[K, bool] = {}
        self._open: dict[K, W | Marker] = {}
        self._cleared = False

    def try_load(self, key: K) -> W | None:
        """The sub-view of an existing entry for reading, else None. Stages nothing."""
        found = self._open.get(key, UNKNOWN)
        if found is UNKNOWN:
            return self._load(key) if self._is_stored(key) else None
        return None if found is ABSENT else found  # type: ignore[return-value]  # A view.

    def load_or_create(self, key: K) -> W:
        """The sub-view of ``key`` for writing; the entry exists from now on."""
        self._hash = None
        found = self._open.get(key, UNKNOWN)
        if found is UNKNOWN and not self._cleared:
            found = self._open[key] = self._load(key)
        elif found is UNKNOWN or found is ABSENT:
            found = self._open[key] = self._make_default(key)
        return found  # type: ignore[return-value]  # A view.

    def contains(self, key: K) -> bool:
        """Whether ``key`` has an entry, pending changes included."""
        found = self._open.get(key, UNKNOWN)
        return self._is_stored(key) if found is UNKNOWN else found is not ABSENT

    def remove(self, key: K) -> None:
        """Stage the removal of ``key`` with all it holds, present or not."""
        self._hash = None
        opened = self._open.pop(key, ABSENT)
        self._forget_changes(key, opened)
        if not self._cleared:
            self._open[key] = ABSENT

    def reset_to_default(self, key: K) -> None:
        """Stage an entry of ``key`` with default content."""
        self.load_or_create(key).clear()

    def keys(self) -> list[K]:
        """All keys, ascending by their encoded bytes."""
        return [key for _, key in self._ordered_keys()]

    def __iter__(self) -> Iterator[K]:
        return iter(self.keys())

    def encoded_keys(self) -> list[bytes]:
        """The encoded keys of all entries, ascending."""
        return [encoded for encoded, _ in self._ordered_keys()]

    def _ordered_keys(self) -> list[tuple[bytes, K]]:
        merged: dict[bytes, K] = {}
        if not self._cleared:
            stored = self.context.partition.scan_keys(self.base_key + MARKER_TAG)
            keys = decode_stored_keys(self._key_codec, stored)
            merged = dict(zip(stored, keys, strict=True))
        for key, view in self._open.items():
            if view is ABSENT:
                merged.pop(self._encode_key(key), None)
            else:
                merged[self._encode_key(key)] = key
        return sorted(merged.items(), key=_first)

    def _encode_key(self, key: K) -> bytes:
        found = self._keys.get(key)
        if found is None:
            found = self._keys[key] = self._key_codec.to_bcs(key)
        return found

    def _marker_key(self, key: K) -> bytes:
        return self.base_key + MARKER_TAG + self._encode_key(key)

    def _subview_key(self, key: K) -> bytes:
        return self.base_key + SUBVIEW_TAG + self._encode_key(key)

    def _is_stored(self, key: K) -> bool:
        if self._cleared:
            return False
        found = self._present.get(key)
        if found is None:
            found = self.context.partition.get(self._marker_key(key)) is not None
            if found:
                self._present[key] = True
        return found

    def _load(self, key: K) -> W:
        found = self._loaded.get(key)
        if found is None:
            found = self._make(Context(self.context.partition, self._subview_key(key)))
            self._loaded[key] = found
        return found

    def _make_default(self, key: K) -> W:
        view = self._make(Context(self.context.partition, self._subview_key(key)))
        view.clear()
        return view

    def _forget_changes(self, key: K, opened: W | Marker) -> None:
        if self._loaded.get(key) is opened:
            opened.rollback()

    def _write(self, batch: Batch) -> bool:
        if self._cleared:
            batch.delete_prefix(self.base_key)
        opened = [(self._encode_key(key), view) for key, view in self._open.items()]
        opened.sort(key=_first)
        for encoded, view in opened:
            if view is ABSENT:
                batch.delete(self.base_key + MARKER_TAG + encoded)
                batch.delete_prefix(self.base_key + SUBVIEW_TAG + encoded)
            else:
                view.write_pending(batch)  # type: ignore[union-attr]  # A view.
                batch.put(self.base_key + MARKER_TAG + encoded, b"")
        return self._cleared and not opened

    def _mark_saved(self) -> None:
        if self._cleared:
            self._loaded, self._present = {}, {}
            self._cleared = False
        if not self._open:
            return
        for key, view in self._open.items():
            if view is ABSENT:
                self._loaded.pop(key, None)
                self._present.pop(key, None)
            else:
                view.mark_saved()  # type: ignore[union-attr]  # A view.
                self._loaded[key] = view  # type: ignore[assignment]  # A view.
                self._present[key] = True
        self._open = {}

    def _rollback(self) -> None:
        if self._open:
            for key, view in self._open.items():
                self._forget_changes(key, view)
            self._open = {}
        self._cleared = False

    def _has_pending(self) -> bool:
        return bool(self._open or self._cleared)

    def _clear(self) -> None:
        self._rollback()
        self._cleared = True

    def _compute_hash(self) -> bytes:
        ordered = self._ordered_keys()
        parts = [len(ordered).to_bytes(4, "little")]
        for encoded, key in ordered:
            view = self._open.get(key)
            if view is None:
                view = self._load(key)
            parts.append(encoded)
            parts.append(view.content_hash())  # type: ignore[union-attr]  # A view.
        return content_digest(b"".join(parts))

    def _staged(self) -> Any:
        if not self._has_pending():
            return None
        entries = {key: self._entry_picture(key, view) for key, view in self._open.items()}
        return entries, self._cleared

    def _entry_picture(self, key: K, view: W | Marker) -> Any:
        if view is ABSENT:
            return ABSENT
        is_loaded = self._loaded.get(key) is view
        return is_loaded, view.staged()  # type: ignore[union-attr]  # A view.

    def _restore(self, picture: Any) -> None:
        entries, cleared = picture
        self._rollback()
        self._cleared = cleared
        for key, entry in entries.items():
            if entry is ABSENT:
                self._open[key] = ABSENT
                continue
            is_loaded, changes = entry
            view = self._load(key) if is_loaded else self._make_default(key)
            view.restore(changes)
            self._open[key] = view


class HashedCollectionView(CollectionView[K, W]):
    """A collection with a stored memo."""

    __slots__ = ()
    HASHED = True


class ReentrantCollectionView(CollectionView[K, W]):
    """The reference's variant for several open entries; the layout is the same."""

    __slots__ = ()


class HashedReentrantCollectionView(ReentrantCollectionView[K, W]):
    """A reentrant collection with a stored memo."""

    __slots__ = ()
    HASHED = True


def _first(entry: tuple[bytes, Any]) -> bytes:
    return entry[0]
