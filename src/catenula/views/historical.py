"""The historical hash: a chain over the write batches of a view (spec 03 §4).

The view lies below ``01``, the hash at ``02``.
"""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from catenula.storage.batch import Batch
from catenula.views.base import (
    INNER_TAG,
    MEMO_TAG,
    UNKNOWN,
    Context,
    Marker,
    View,
    content_digest,
)

W = TypeVar("W", bound=View)

ZERO_HASH = bytes(32)


def chain_step(stored: bytes, batch: Batch) -> bytes:
    """The hash after ``batch``; ``stored`` itself when the batch is empty (spec 03 §4)."""
    if not batch.operations:
        return stored
    return content_digest(stored + batch.to_bcs())


class HistoricalView(View, Generic[W]):
    """A view with a historical hash.

    `inner` is for reading; `inner_for_writing` also tells that a change follows.
    """

    __slots__ = ("_chained", "_hash_key", "_stored_chain", "inner")

    def __init__(self, context: Context, inner: W) -> None:
        super().__init__(context)
        self.inner = inner
        self._hash_key = self.base_key + MEMO_TAG
        self._stored_chain: bytes | Marker | None = UNKNOWN
        self._chained: bytes | Marker | None = UNKNOWN

    @staticmethod
    def inner_context(context: Context) -> Context:
        """The place of the inner view."""
        return context.child(INNER_TAG)

    def inner_for_writing(self) -> W:
        """The inner view, about to be changed."""
        self._chained = None
        return self.inner

    def historical_hash(self) -> bytes:
        """The chain hash with the pending changes as its next step."""
        found = self._chained
        if found is UNKNOWN:
            found = self._chained = self._stored()
        if type(found) is not bytes:
            batch = Batch()
            self.inner.write_pending(batch)
            found = self._chained = chain_step(self._stored() or ZERO_HASH, batch)
        return found

    def _stored(self) -> bytes | None:
        if self._stored_chain is UNKNOWN:
            self._stored_chain = self.context.partition.get(self._hash_key)
        return self._stored_chain  # type: ignore[return-value]  # Loaded now.

    def _write(self, batch: Batch) -> bool:
        self.inner.write_pending(batch)
        chained = self.historical_hash()
        if chained != self._stored():
            batch.put(self._hash_key, chained)
        return False

    def _mark_saved(self) -> None:
        self._stored_chain = self._chained = self.historical_hash()
        self.inner.mark_saved()

    def _rollback(self) -> None:
        self.inner.rollback()
        self._chained = self._stored_chain

    def _has_pending(self) -> bool:
        return self._stored() is None or self.inner.has_pending_changes()

    def _clear(self) -> None:
        self.inner.clear()
        self._chained = None

    def _compute_hash(self) -> bytes:
        return self.historical_hash()

    def _staged(self) -> Any:
        return self.inner.staged(), self._chained

    def _restore(self, picture: Any) -> None:
        changes, self._chained = picture
        self.inner.restore(changes)

    def _cold_keys(self) -> list[bytes]:
        own = [self._hash_key] if self._stored_chain is UNKNOWN else []
        return own + self.inner.cold_keys()

    def _accept(self, values: Mapping[bytes, bytes | None]) -> None:
        if self._stored_chain is UNKNOWN:
            self._stored_chain = values[self._hash_key]
            if self._chained is UNKNOWN:
                self._chained = self._stored_chain
        self.inner.accept(values)
