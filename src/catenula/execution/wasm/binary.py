"""Primitives of the Wasm binary format: a bounded reader over bytes, and the few encoders needed.

Every read is bounded by the reader's end and raises `ExecutionError` with the offset in the
module; nothing is allocated from a declared length before that length was compared with what is
there. Must not know sections or instructions.
"""

from typing import Any

from catenula.base.limits import MAX_WASM_NAME_BYTES
from catenula.execution.errors import ExecutionError

VALUE_TYPES = frozenset((0x7F, 0x7E, 0x7D, 0x7C))
"""i32, i64, f32 and f64; the only types of the MVP."""


class ModuleRefused(ExecutionError):
    """A module is not acceptable, here and on every other node; asking again changes nothing."""


def module_error(reason: str, **fields: Any) -> ModuleRefused:
    """The refusal of a module: ``reason`` says what is wrong, ``fields`` where (spec 04 §9)."""
    return ModuleRefused("WasmModule", reason=reason, **fields)


class Reader:
    """Reads ``data`` from ``position`` up to ``end`` (an offset in the module)."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes, position: int, end: int) -> None:
        self.data = data
        self.position = position
        self.end = end

    @property
    def at_end(self) -> bool:
        """Whether everything was read."""
        return self.position >= self.end

    def fail(self, reason: str) -> ExecutionError:
        """A refusal that names the current offset."""
        return module_error(reason, offset=self.position)

    def byte(self) -> int:
        """One byte."""
        if self.position >= self.end:
            raise self.fail("the section ends early")
        value = self.data[self.position]
        self.position += 1
        return value

    def unsigned(self) -> int:
        """An LEB128 u32, padded or not."""
        value, self.position = read_unsigned(self.data, self.position, self.end)
        return value

    def signed(self, bits: int) -> int:
        """An LEB128 integer of 32 or 64 bits, padded or not."""
        value, self.position = read_signed(self.data, self.position, self.end, bits=bits)
        return value

    def count(self, limit: int, what: str) -> int:
        """The length of a list of ``what``: at most ``limit``, and a byte each must be there."""
        value = self.unsigned()
        if value > limit:
            raise self.fail(f"{value} {what}, at most {limit}")
        if value > self.end - self.position:
            raise self.fail(f"{value} {what} do not fit into the section")
        return value

    def take(self, length: int) -> bytes:
        """The next ``length`` bytes."""
        start = self.position
        if length > self.end - start:
            raise self.fail("the section ends early")
        self.position = start + length
        return self.data[start : self.position]

    def name(self) -> str:
        """A UTF-8 name."""
        raw = self.take(self.count(MAX_WASM_NAME_BYTES, "bytes of a name"))
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise self.fail("a name is not UTF-8") from error

    def value_type(self) -> int:
        """The byte of one of the four value types."""
        value = self.byte()
        if value not in VALUE_TYPES:
            raise self.fail(f"unknown value type 0x{value:02x}")
        return value


def read_unsigned(data: bytes, position: int, end: int) -> tuple[int, int]:
    """An LEB128 u32 at ``position`` and the offset behind it."""
    value = 0
    for shift in (0, 7, 14, 21, 28):
        if position >= end:
            raise module_error("an integer ends early", offset=position)
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 32:
                break
            return value, position
    raise module_error("an integer does not fit into 32 bits", offset=position - 1)


def read_signed(data: bytes, position: int, end: int, *, bits: int) -> tuple[int, int]:
    """A signed LEB128 integer of ``bits`` at ``position`` and the offset behind it."""
    value = shift = 0
    while shift < bits:
        if position >= end:
            raise module_error("an integer ends early", offset=position)
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            value -= (byte & 0x40) << shift - 6
            if not -(1 << bits - 1) <= value < 1 << bits - 1:
                break
            return value, position
    raise module_error(f"an integer does not fit into {bits} bits", offset=position - 1)


def encode_unsigned(value: int) -> bytes:
    """LEB128 without padding."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def encode_signed(value: int) -> bytes:
    """Signed LEB128 without padding."""
    encoded = bytearray()
    while not -0x40 <= value < 0x40:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value & 0x7F)
    return bytes(encoded)


def encode_sized(content: bytes) -> bytes:
    """``content`` after its length."""
    return encode_unsigned(len(content)) + content


def encode_section(identifier: int, content: bytes) -> bytes:
    """A section of a module."""
    return bytes((identifier,)) + encode_sized(content)
