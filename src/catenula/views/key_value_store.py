"""The byte key-value store an application writes to (spec 03 §2.1, §4.2, §4.3).

Entries lie below ``01``; the store's own memo lies at ``04``.
"""

from typing import Any, ClassVar

from catenula.storage.batch import DELETE, PUT, Batch
from catenula.views.base import RAW, UNKNOWN, Context, View
from catenula.views.entries import EntryView

ENTRY_TAG = b"\x01"
STORE_MEMO_TAG = b"\x04"


class KeyValueStoreView(EntryView[bytes, bytes]):
    """Raw keys and values; removals by key and by prefix."""

    __slots__ = ()

    def __init__(self, context: Context) -> None:
        super().__init__(context, RAW, RAW)
        self._entry_prefix = self.base_key + ENTRY_TAG
        self._memo_key = self.base_key + STORE_MEMO_TAG
        self._hash = self._stored_hash = UNKNOWN

    def insert(self, key: bytes, value: bytes) -> None:
        """Stage ``value`` for ``key``."""
        self._hash = None
        self.touched = True
        self._staged_entries[key] = value

    def write_batch(self, batch: Batch) -> None:
        """Stage the writes of an application, in order; keys are relative to the store."""
        self._hash = None
        self.touched = True
        for kind, key, value in batch.operations:
            if kind == PUT:
                self._staged_entries[key] = value
            elif kind == DELETE:
                self.remove(key)
            else:
                self.remove_by_prefix(key)

    def _write_memo(self, batch: Batch, emptied: bool) -> None:
        if self._cleared:
            self._replace_memo(batch, None)
        elif self._hash is not self._stored_hash:
            self._replace_memo(batch, self._known_memo())

    def items(self) -> list[tuple[bytes, bytes]]:
        """All entries, ascending."""
        return self.encoded_items()

    def find_by_prefix(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """(key without ``prefix``, value) of all entries below ``prefix``, ascending."""
        skip = len(prefix)
        return [(key[skip:], value) for key, value in self.encoded_items(prefix)]


class HashedKeyValueStoreView(View):
    """A key-value store inside a memo: two memos, one of the store and one around it."""

    __slots__ = ("_store",)
    HASHED: ClassVar[bool] = True

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._store = KeyValueStoreView(self.context)

    def get(self, key: bytes) -> bytes | None:
        """The value of ``key``, or None."""
        return self._store.get(key)

    def items(self) -> list[tuple[bytes, bytes]]:
        """All entries, ascending."""
        return self._store.items()

    def find_by_prefix(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """As `KeyValueStoreView.find_by_prefix`."""
        return self._store.find_by_prefix(prefix)

    def write_batch(self, batch: Batch) -> None:
        """As `KeyValueStoreView.write_batch`."""
        self._hash = None
        self._store.write_batch(batch)

    def _write(self, batch: Batch) -> bool:
        return self._store.write_pending(batch)

    def _mark_saved(self) -> None:
        self._store.mark_saved()

    def _rollback(self) -> None:
        self._store.rollback()

    def _has_pending(self) -> bool:
        return self._store.has_pending_changes()

    def _clear(self) -> None:
        self._store.clear()

    def _compute_hash(self) -> bytes:
        return self._store.content_hash()

    def _staged(self) -> Any:
        return self._store.staged()

    def _restore(self, picture: Any) -> None:
        self._store.restore(picture)
