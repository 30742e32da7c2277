"""Entries that hold one value in several forms: JSON, BCS, bincode, text, hash, derived values."""

from typing import Any

from catenula.base.codec import Codec
from catenula.base.hashing import typed_hash
from catenula.conformance.block_fields import BLOCK_FIELDS
from catenula.conformance.entries import Entry
from catenula.conformance.key_fields import KEY_FIELDS
from catenula.conformance.text_entries import show_text
from catenula.conformance.value_fields import VALUE_FIELDS, Fields
from catenula.protocol.registry import codec_by_name

_FIELDS: dict[str, Fields] = {**VALUE_FIELDS, **BLOCK_FIELDS, **KEY_FIELDS}
_PROSE_TYPES = ("NodeError",)
"""Types whose printed form is prose of the program that recorded it, and no form of the value."""
_FORMS = ("json", "bcs", "bincode", "hash_name", "hash", "display")


def run_value_entry(entry: Entry) -> None:
    """Compare every form of the entry's value, and every value derived from it."""
    codec = codec_by_name(entry["type"])
    value = None
    with entry.step("json"):
        value = codec.from_json(entry["json"])
    if value is None:
        return
    _compare_forms(entry, codec, value)
    if entry["type"] in _PROSE_TYPES:
        entry.ignore("display")
    elif "display" in entry:
        with entry.step("display"):
            entry.expect("display", show_text(entry["type"], value))
    if "hash" in entry:
        _compare_hash(entry, value)
    fields = _FIELDS.get(entry["type"], {})
    for field in entry.data:
        if field in fields and field not in _FORMS:
            with entry.step(field):
                fields[field](entry, value)


def _compare_forms(entry: Entry, codec: Codec[Any], value: Any) -> None:
    """JSON to both binary forms, and both back to JSON and to an equal value."""
    for form in ("bcs", "bincode"):
        if form not in entry:
            continue
        with entry.step(f"json → {form}"):
            written = codec.to_bcs(value) if form == "bcs" else codec.to_bincode(value)
            entry.expect(form, written.hex())
        with entry.step(f"{form} → json"):
            data = entry.raw(form)
            read = codec.from_bcs(data) if form == "bcs" else codec.from_bincode(data)
            entry.compare(f"{form} → json", entry["json"], codec.to_json(read))
            if read != value:
                entry.complain(f"{form} → value: not equal to the value of the JSON form")


def _compare_hash(entry: Entry, value: Any) -> None:
    with entry.step("hash"):
        if "hash_name" in entry:
            entry.expect("hash", str(typed_hash(entry["hash_name"], entry.raw("bcs"))))
        if hasattr(value, "hash"):
            entry.expect("hash", str(value.hash))
        elif "hash_name" not in entry:
            entry.complain("hash: values of this type have no hash")
