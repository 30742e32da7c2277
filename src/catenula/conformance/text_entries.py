"""Entries about reading: text forms, JSON forms, byte strings, orders and compressed data."""

from collections.abc import Callable
from typing import Any

from catenula.base.codec import codec_of
from catenula.base.codec.ordering import value_order
from catenula.base.compression import decompress, decompressed_size_at_most
from catenula.base.errors import DecodeError
from catenula.base.identifiers import AccountOwner, decode_hex
from catenula.base.integers import (
    U32_MAX,
    U64_MAX,
    U128_MAX,
    format_amount,
    parse_amount,
    parse_unsigned,
)
from catenula.base.timestamps import format_timestamp, parse_timestamp
from catenula.conformance.entries import Entry
from catenula.conformance.value_fields import DECOMPRESSION_LIMIT_BYTES
from catenula.protocol import VmRuntime
from catenula.protocol.registry import codec_by_name

_PRINTERS: dict[str, Callable[[Any], str]] = {
    "Amount": format_amount,
    "Timestamp": format_timestamp,
    "StreamName": bytes.hex,
}
_PARSERS: dict[str, Callable[[str], Any]] = {
    "Amount": parse_amount,
    "Timestamp": parse_timestamp,
    "TimeDelta": lambda text: parse_unsigned(text, U64_MAX),
    "BlockHeight": lambda text: parse_unsigned(text, U64_MAX),
    "Epoch": lambda text: parse_unsigned(text, U32_MAX),
    "U128": lambda text: parse_unsigned(text, U128_MAX),
    "StreamName": lambda text: decode_hex(text, "StreamName"),
    "VmRuntime": VmRuntime.parse_text,
}


def show_text(type_name: str, value: Any) -> str:
    """The printed text form of a value."""
    return _PRINTERS.get(type_name, str)(value)


def parse_text(type_name: str, text: str) -> Any:
    """The value of a text form, or `DecodeError`; `LookupError` for types without one."""
    parser = _PARSERS.get(type_name)
    if parser is None:
        cls = getattr(codec_by_name(type_name).node, "cls", None)
        parser = getattr(cls, "parse", None)
    if parser is None:
        raise LookupError(f"{type_name} has no text form here")
    return parser(text)


def run_text_entry(entry: Entry) -> None:
    """Parse a text form."""
    _run_reader(entry, lambda: parse_text(entry["type"], entry["text"]))


def run_json_text_entry(entry: Entry) -> None:
    """Read a JSON text."""
    _run_reader(entry, lambda: codec_by_name(entry["type"]).from_json_text(entry["json_text"]))


def _run_reader(entry: Entry, read: Callable[[], Any]) -> None:
    """Accepted: the value's JSON and BCS are compared; refused: reading must be a `DecodeError`."""
    entry.ignore("error")
    try:
        value = read()
    except DecodeError as error:
        entry.expect("accepted", False)
        if entry["accepted"]:
            entry.complain(f"refused with {error}")
        return
    entry.expect("accepted", True)
    if not entry["accepted"]:
        return
    codec = codec_by_name(entry["type"])
    if "json" in entry:
        entry.expect("json", codec.to_json(value))
    if "bcs" in entry:
        entry.expect("bcs", codec.to_bcs(value).hex())


def run_decode_entry(entry: Entry) -> None:
    """Decode a byte string in one binary form and encode the value again."""
    codec, form, data = codec_by_name(entry["type"]), entry["codec"], entry.raw("bytes")
    if form not in ("bcs", "bincode"):
        entry.complain(f"codec: unknown form {form!r}")
        return
    is_bcs = form == "bcs"
    _run_reader(entry, lambda: codec.from_bcs(data) if is_bcs else codec.from_bincode(data))
    if not entry["accepted"] or entry.found_differences:
        return
    value = codec.from_bcs(data) if is_bcs else codec.from_bincode(data)
    written = codec.to_bcs(value) if is_bcs else codec.to_bincode(value)
    expected = entry["reencoded"] if "reencoded" in entry else entry["bytes"]
    entry.compare("reencoded", expected, written.hex())


def run_order_entry(entry: Entry) -> None:
    """Sort values by value order and by their BCS bytes."""
    codec = codec_by_name(entry["type"])
    by_value = [codec.from_json(data) for data in entry["sorted"]]
    by_bytes = [codec.from_json(data) for data in entry["by_bcs"]]
    in_order = sorted(by_bytes, key=value_order(codec.node))
    entry.expect("sorted", [codec.to_json(value) for value in in_order])
    in_bytes_order = sorted(by_value, key=codec.to_bcs)
    entry.expect("by_bcs", [codec.to_json(value) for value in in_bytes_order])


def run_decompress_entry(entry: Entry) -> None:
    """Decompress, and compare the size with limits."""
    entry.ignore("error")
    compressed = entry.raw("compressed")
    try:
        content = decompress(compressed, DECOMPRESSION_LIMIT_BYTES)
    except DecodeError:
        entry.expect("accepted", False)
    else:
        entry.expect("accepted", True)
        if entry["accepted"]:
            entry.expect("bytes", content.hex())
    for case in entry.parts("size_checks"):
        _check_size(case, compressed)


def _check_size(case: Entry, compressed: bytes) -> None:
    try:
        fits = decompressed_size_at_most(compressed, case["limit"])
    except DecodeError as error:
        case.ignore("error")
        if "error" not in case:
            case.complain(f"refused with {error}")
        return
    if "error" in case:
        case.complain(f"expected a refusal, found {fits}")
    else:
        case.expect("at_most", fits)


def run_owner_entry(entry: Entry) -> None:
    """Convert 32 raw bytes to an owner."""
    owner = AccountOwner.from_bytes32(entry.raw("bytes"))
    entry.expect("owner", codec_of(AccountOwner).to_json(owner))
