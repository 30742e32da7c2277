"""`StructView`: several views under one base key, numbered in declaration order (spec 03 §4.2)."""

from collections.abc import Mapping
from typing import Any

from catenula.storage.batch import Batch
from catenula.views.base import Context, View, content_digest


class StructView(View):
    """A view made of fields.

    A subclass builds its fields at ``context.field(i)`` and hands them to `set_fields`. The fields
    are changed directly; so the struct itself keeps no memo.
    """

    __slots__ = ("fields",)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.fields: tuple[View, ...] = ()

    def set_fields(self, *fields: View) -> None:
        """Declare the fields, in the order of their numbers."""
        self.fields = fields

    def content_hash(self) -> bytes:
        """SHA3-256 of the fields' hashes in order."""
        return content_digest(b"".join([field.content_hash() for field in self.fields]))

    def _write(self, batch: Batch) -> bool:
        emptied = True
        for field in self.fields:
            if not (field.touched and field.write_pending(batch)):
                emptied = False
        return emptied

    def _mark_saved(self) -> None:
        for field in self.fields:
            if field.touched:
                field.mark_saved()

    def _rollback(self) -> None:
        for field in self.fields:
            if field.touched:
                field.rollback()

    def _has_pending(self) -> bool:
        return any(field.has_pending_changes() for field in self.fields)

    def _clear(self) -> None:
        for field in self.fields:
            field.clear()

    def _compute_hash(self) -> bytes:
        return self.content_hash()

    def _staged(self) -> Any:
        return tuple([field.staged() if field.touched else None for field in self.fields])

    def _restore(self, picture: Any) -> None:
        for field, changes in zip(self.fields, picture, strict=True):
            if changes is not None:
                field.restore(changes)
            elif field.touched:
                field.rollback()

    def _cold_keys(self) -> list[bytes]:
        return [key for field in self.fields for key in field.cold_keys()]

    def _accept(self, values: Mapping[bytes, bytes | None]) -> None:
        for field in self.fields:
            field.accept(values)
