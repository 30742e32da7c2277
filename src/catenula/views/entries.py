"""`EntryView`: keyed values below a prefix; the common part of maps, sets and key-value stores.

Entries are addressed by the caller's keys and ordered by their encoded bytes. An entry is loaded
when it is asked for and stays in memory; whole containers are read only to iterate or to hash.
"""

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from catenula.base.limits import MAX_LOADED_ENTRIES
from catenula.storage.batch import Batch
from catenula.views.base import (
    ABSENT,
    RAW,
    UNKNOWN,
    Context,
    Marker,
    ValueCodec,
    View,
    content_digest,
    decode_stored,
    decode_stored_keys,
)

K = TypeVar("K")
V = TypeVar("V")


class EntryView(View, Generic[K, V]):
    """Keyed values. ``_staged_entries`` maps a key to its new value or `ABSENT`.

    ``_was_empty`` is True once a scan has found nothing, so that what stays empty, such as most
    chains' subscriptions, is looked for once; it is False for good when anything was written.
    """

    __slots__ = (
        "_cleared",
        "_deleted_prefixes",
        "_entry_prefix",
        "_key_codec",
        "_keys",
        "_loaded",
        "_staged_entries",
        "_value_codec",
        "_was_empty",
    )

    TRACKED = True

    def __init__(
        self, context: Context, key_codec: ValueCodec[K], value_codec: ValueCodec[V]
    ) -> None:
        super().__init__(context)
        self._entry_prefix = self.base_key
        self._key_codec = key_codec
        self._value_codec = value_codec
        codec: object = key_codec
        self._keys: dict[K, bytes] | None = None if codec is RAW else {}
        self._loaded: dict[K, V | Marker] = {}
        self._staged_entries: dict[K, V | Marker] = {}
        self._deleted_prefixes: tuple[bytes, ...] = ()
        self._cleared = False
        self._was_empty: bool | None = None

    def contains(self, key: K) -> bool:
        """Whether ``key`` has an entry, pending changes included."""
        return self._find(key) is not ABSENT

    def get(self, key: K) -> V | None:
        """The value of ``key``, or None."""
        found = self._staged_entries.get(key, UNKNOWN)
        if found is UNKNOWN:
            found = self._loaded.get(key, UNKNOWN)
            if found is UNKNOWN or self._cleared or self._deleted_prefixes:
                found = self._find_stored(key)
        return None if found is ABSENT else found  # type: ignore[return-value]  # No marker left.

    def remove(self, key: K) -> None:
        """Stage the removal of ``key``, present or not."""
        self._hash = None
        self.touched = True
        if self._is_deleted(key):
            self._staged_entries.pop(key, None)
        else:
            self._staged_entries[key] = ABSENT

    def remove_by_prefix(self, prefix: bytes) -> None:
        """Stage the removal of all keys whose encoded bytes start with ``prefix``."""
        self._hash = None
        self.touched = True
        staged = self._staged_entries
        for key in [key for key in staged if self._encode_key(key).startswith(prefix)]:
            del staged[key]
        known = self._deleted_prefixes
        if self._cleared or (known and prefix.startswith(known)):
            return
        kept = [item for item in known if not item.startswith(prefix)]
        self._deleted_prefixes = tuple(sorted([*kept, prefix]))

    def encoded_items(self, prefix: bytes = b"") -> list[tuple[bytes, bytes]]:
        """(encoded key, encoded value) of all entries below ``prefix``, ascending."""
        stored = [] if self._cleared else self._scan(prefix)
        if self._deleted_prefixes:
            deleted = self._deleted_prefixes
            stored = [item for item in stored if not item[0].startswith(deleted)]
        if not self._staged_entries:
            return stored
        return self._merge_staged(stored, prefix)

    def encoded_keys(self) -> list[bytes]:
        """The encoded keys of all entries, ascending."""
        return [key for key, _ in self.encoded_items()]

    def keys(self) -> list[K]:
        """All keys, ascending by their encoded bytes."""
        return decode_stored_keys(self._key_codec, self.encoded_keys())

    def prefetch(self, keys: list[K]) -> None:
        """Load the entries of ``keys`` in one call to the store."""
        if self._cleared:
            return
        wanted = [key for key in keys if key not in self._loaded]
        places = [self._entry_prefix + self._encode_key(key) for key in wanted]
        for key, raw in zip(wanted, self.context.partition.get_many(places), strict=True):
            self._loaded[key] = self._decode(key, raw)

    def __iter__(self) -> Iterator[K]:
        return iter(self.keys())

    def _find(self, key: K) -> V | Marker:
        found = self._staged_entries.get(key, UNKNOWN)
        return self._find_stored(key) if found is UNKNOWN else found

    def _find_stored(self, key: K) -> V | Marker:
        if self._is_deleted(key):
            return ABSENT
        found = self._loaded.get(key, UNKNOWN)
        if found is UNKNOWN:
            if len(self._loaded) >= MAX_LOADED_ENTRIES:
                self._loaded.clear()
            raw = self.context.partition.get(self._entry_prefix + self._encode_key(key))
            found = self._loaded[key] = self._decode(key, raw)
        return found

    def _is_deleted(self, key: K) -> bool:
        if self._cleared:
            return True
        deleted = self._deleted_prefixes
        return bool(deleted) and self._encode_key(key).startswith(deleted)

    def _decode(self, key: K, raw: bytes | None) -> V | Marker:
        if raw is None:
            return ABSENT
        return decode_stored(self._value_codec, raw, self._entry_prefix + self._encode_key(key))

    def _encode_key(self, key: K) -> bytes:
        known = self._keys
        if known is None:
            return key  # type: ignore[return-value]  # Raw keys are bytes.
        found = known.get(key)
        if found is None:
            if len(known) >= 2 * MAX_LOADED_ENTRIES:
                known.clear()
            found = known[key] = self._key_codec.to_bcs(key)
        return found

    def _scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        if self._was_empty:
            return []
        found = self.context.partition.scan(self._entry_prefix + prefix)
        if self._was_empty is None and not (found or prefix):
            self._was_empty = True
        return [(prefix + key, value) for key, value in found] if prefix else found

    def _merge_staged(
        self, stored: list[tuple[bytes, bytes]], prefix: bytes
    ) -> list[tuple[bytes, bytes]]:
        merged = dict(stored)
        for key, value in self._staged_entries.items():
            encoded = self._encode_key(key)
            if not encoded.startswith(prefix):
                continue
            if value is ABSENT:
                merged.pop(encoded, None)
            else:
                merged[encoded] = self._value_codec.to_bcs(value)  # type: ignore[arg-type]  # V.
        return sorted(merged.items())

    def _write(self, batch: Batch) -> bool:
        if self._cleared:
            batch.delete_prefix(self.base_key)
            return self._write_entries(batch) == 0
        for prefix in self._deleted_prefixes:
            batch.delete_prefix(self._entry_prefix + prefix)
        if self._staged_entries:
            self._write_entries(batch)
        return False

    def _write_entries(self, batch: Batch) -> int:
        encode, start, to_bcs = self._encode_key, self._entry_prefix, self._value_codec.to_bcs
        staged = [(encode(key), value) for key, value in self._staged_entries.items()]
        staged.sort(key=_first)
        for key, value in staged:
            if value is ABSENT:
                batch.delete(start + key)
            else:
                batch.put(start + key, to_bcs(value))  # type: ignore[arg-type]  # A value.
        return len(staged)

    def _mark_saved(self) -> None:
        if self._cleared:
            self._loaded = {}
            self._cleared = False
        elif self._deleted_prefixes:
            self._forget_deleted()
        if self._staged_entries:
            self._loaded.update(self._staged_entries)
            self._staged_entries = {}
            self._was_empty = False

    def _forget_deleted(self) -> None:
        deleted, loaded = self._deleted_prefixes, self._loaded
        self._deleted_prefixes = ()
        for key in [key for key in loaded if self._encode_key(key).startswith(deleted)]:
            loaded[key] = ABSENT

    def _rollback(self) -> None:
        if self._staged_entries:
            self._staged_entries = {}
        self._deleted_prefixes = ()
        self._cleared = False

    def _has_pending(self) -> bool:
        return bool(self._staged_entries or self._cleared or self._deleted_prefixes)

    def _clear(self) -> None:
        self._staged_entries = {}
        self._deleted_prefixes = ()
        self._cleared = True

    def _compute_hash(self) -> bytes:
        items = self.encoded_items()
        parts = [part for item in items for part in item]
        parts.append(len(items).to_bytes(4, "little"))
        return content_digest(b"".join(parts))

    def _staged(self) -> Any:
        if not self._has_pending():
            return None
        return dict(self._staged_entries), self._deleted_prefixes, self._cleared

    def _restore(self, picture: Any) -> None:
        staged, self._deleted_prefixes, self._cleared = picture
        self._staged_entries = dict(staged)


def _first(entry: tuple[bytes, Any]) -> bytes:
    return entry[0]
