"""The canonical ABI in the form contracts and services use (spec 04 §1.2, §1.3, §1.5).

A `Type` knows its layout in guest memory and its flat form, and moves values both ways. Guest
memory is allocated only by the guest's own allocator, whose work is paid for: number, order, size
and alignment of allocations are part of consensus, so everything here follows §1.5 to the letter
(empty lists allocate too, padding is not cleared).

Raw slots are unsigned 64-bit integers whose upper half is undefined for an ``i32``. Must not know
what a host function does.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from struct import Struct
from typing import Any, Protocol

from catenula.execution.errors import ExecutionError

I32, I64 = 0, 1
"""Core types, by their number in the engine."""

MAX_FLAT_PARAMETERS = 16
_LOW_HALF = 0xFFFF_FFFF
_POINTER_PAIR = Struct("<II")


def abi_error(reason: str, **fields: Any) -> ExecutionError:
    """The guest passed something that cannot be read."""
    error = ExecutionError("WasmError", reason=reason, **fields)
    error.raised_by_runtime = True
    return error


class Memory(Protocol):
    """The linear memory of a guest; an access outside of it raises `ExecutionError`."""

    def read(self, address: int, size: int) -> bytes:
        """Copy bytes out."""
        ...

    def claim(self, elements: int) -> None:
        """Refuse a list of so many elements when that is more than may be passed."""
        ...

    def write(self, address: int, content: bytes) -> None:
        """Copy bytes in."""
        ...

    def allocate(self, alignment: int, size: int) -> int:
        """Call the guest's allocator."""
        ...


class Type(ABC):
    """A type of the interface: ``size`` and ``alignment`` in bytes, ``flat`` core types."""

    size: int
    alignment: int
    flat: tuple[int, ...]

    @abstractmethod
    def load(self, memory: Memory, address: int) -> Any:
        """Read a value from memory."""

    @abstractmethod
    def store(self, memory: Memory, address: int, value: Any) -> None:
        """Write a value to memory, allocating what it points to."""

    @abstractmethod
    def lift(self, memory: Memory, slots: Iterator[int]) -> Any:
        """Take a value from raw slots, exactly as many as ``flat`` has."""


class Integer(Type):
    """An unsigned integer of 1, 2, 4 or 8 bytes."""

    def __init__(self, size: int, make: Callable[[int], Any] = int) -> None:
        self.size = self.alignment = size
        self.flat = (I64 if size == 8 else I32,)
        self._mask = (1 << 8 * size) - 1
        self._make = make

    def load(self, memory: Memory, address: int) -> Any:
        """Little-endian."""
        return self._make(int.from_bytes(memory.read(address, self.size), "little"))

    def store(self, memory: Memory, address: int, value: Any) -> None:
        """Little-endian."""
        memory.write(address, int(value).to_bytes(self.size, "little"))

    def lift(self, memory: Memory, slots: Iterator[int]) -> Any:
        """The low bits of the slot."""
        return self._make(next(slots) & self._mask)


class Boolean(Type):
    """One byte; anything but zero is true."""

    size = alignment = 1
    flat = (I32,)

    def load(self, memory: Memory, address: int) -> bool:
        """Whether the byte is not zero."""
        return memory.read(address, 1) != b"\0"

    def store(self, memory: Memory, address: int, value: bool) -> None:
        """Zero or one."""
        memory.write(address, b"\1" if value else b"\0")

    def lift(self, memory: Memory, slots: Iterator[int]) -> bool:
        """Whether the low half of the slot is not zero."""
        return next(slots) & _LOW_HALF != 0


class Enumeration(Type):
    """A variant without payloads; values are what ``cases`` holds."""

    size = alignment = 1
    flat = (I32,)

    def __init__(self, *cases: Any) -> None:
        self._cases = cases

    def load(self, memory: Memory, address: int) -> Any:
        """The case of the byte."""
        return self._case(memory.read(address, 1)[0])

    def store(self, memory: Memory, address: int, value: Any) -> None:
        """The number of the case."""
        memory.write(address, bytes((self._cases.index(value),)))

    def lift(self, memory: Memory, slots: Iterator[int]) -> Any:
        """The case of the low byte."""
        return self._case(next(slots) & 0xFF)

    def _case(self, number: int) -> Any:
        if number >= len(self._cases):
            raise abi_error("unknown case of an enumeration", number=number)
        return self._cases[number]


class Words(Type):
    """A record of 64-bit integers that stands for one value, read and written in one go."""

    alignment = 8

    def __init__(
        self, count: int, from_words: Callable[..., Any], to_words: Callable[[Any], Sequence[int]]
    ) -> None:
        self.size = 8 * count
        self.flat = (I64,) * count
        self._layout = Struct(f"<{count}Q")
        self._from_words, self._to_words = from_words, to_words

    def load(self, memory: Memory, address: int) -> Any:
        """Little-endian words in order."""
        return self._from_words(*self._layout.unpack(memory.read(address, self.size)))

    def store(self, memory: Memory, address: int, value: Any) -> None:
        """Little-endian words in order."""
        memory.write(address, self._layout.pack(*self._to_words(value)))

    def lift(self, memory: Memory, slots: Iterator[int]) -> Any:
        """One slot per word."""
        return self._from_words(*[next(slots) for _ in self.flat])


class Bytes(Type):
    """``list<u8>``."""

    size, alignment = 8, 4
    flat = (I32, I32)

    def load(self, memory: Memory, address: int) -> Any:
        """Follow the pointer."""
        return memory.read(*_POINTER_PAIR.unpack(memory.read(address, 8)))

    def store(self, memory: Memory, address: int, value: Any) -> None:
        """Allocate, point there, fill."""
        base = memory.allocate(1, len(value))
        memory.write(address, _POINTER_PAIR.pack(base, len(value)))
        memory.write(base, value)

    def lift(self, memory: Memory, slots: Iterator[int]) -> Any:
        """A pointer and a length."""
        return memory.read(*flat_pair(slots))


class Text(Bytes):
    """``string``: UTF-8."""

    def load(self, memory: Memory, address: int) -> str:
        """Follow the pointer."""
        return _text(super().load(memory, address))

    def store(self, memory: Memory, address: int, value: str) -> None:
        """Allocate, point there, fill."""
        super().store(memory, address, value.encode())

    def lift(self, memory: Memory, slots: Iterator[int]) -> str:
        """A pointer and a length."""
        return _text(super().lift(memory, slots))


class List(Type):
    """A list of anything but bytes; values are tuples."""

    size, alignment = 8, 4
    flat = (I32, I32)

    def __init__(self, element: Type) -> None:
        self._element = element

    def load(self, memory: Memory, address: int) -> tuple[Any, ...]:
        """Follow the pointer."""
        return self._elements(memory, *_POINTER_PAIR.unpack(memory.read(address, 8)))

    def lift(self, memory: Memory, slots: Iterator[int]) -> tuple[Any, ...]:
        """A pointer and a length."""
        return self._elements(memory, *flat_pair(slots))

    def _elements(self, memory: Memory, base: int, count: int) -> tuple[Any, ...]:
        element = self._element
        memory.claim(count)
        return tuple(
            element.load(memory, base + position * element.size) for position in range(count)
        )

    def store(self, memory: Memory, address: int, value: Sequence[Any]) -> None:
        """Allocate, point there, then the elements in order."""
        base = self.allocate(memory, value)
        memory.write(address, _POINTER_PAIR.pack(base, len(value)))
        self.fill(memory, base, value)

    def allocate(self, memory: Memory, value: Sequence[Any]) -> int:
        """Room for the elements, even if there are none."""
        return memory.allocate(self._element.alignment, len(value) * self._element.size)

    def fill(self, memory: Memory, base: int, value: Sequence[Any]) -> None:
        """Write the elements, each with what it points to."""
        element = self._element
        for position, item in enumerate(value):
            element.store(memory, base + position * element.size, item)


class Record(Type):
    """Fields in order; ``make`` builds the value of them, ``take`` gives them back."""

    def __init__(
        self,
        *fields: Type,
        make: Callable[..., Any] = lambda *values: values,
        take: Callable[[Any], Sequence[Any]] = lambda value: value,
    ) -> None:
        self._make, self._take = make, take
        self.layout, self.size, self.alignment = lay_out(fields)
        self.flat = tuple(slot for field in fields for slot in field.flat)

    def load(self, memory: Memory, address: int) -> Any:
        """The fields in order."""
        return self._make(*[field.load(memory, address + at) for field, at in self.layout])

    def store(self, memory: Memory, address: int, value: Any) -> None:
        """The fields in order."""
        for (field, at), item in zip(self.layout, self._take(value), strict=True):
            field.store(memory, address + at, item)

    def lift(self, memory: Memory, slots: Iterator[int]) -> Any:
        """The fields in order."""
        return self._make(*[field.lift(memory, slots) for field, _ in self.layout])


class Variant(Type):
    """A tag and the payload of that case; ``make`` joins the two and ``take`` parts them."""

    def __init__(
        self,
        *cases: Type | None,
        make: Callable[[int, Any], Any],
        take: Callable[[Any], tuple[int, Any]],
    ) -> None:
        self._cases, self._make, self._take = cases, make, take
        payloads = [case for case in cases if case is not None]
        self.alignment = max([1, *(case.alignment for case in payloads)])
        self._offset = self.alignment
        largest = max([0, *(case.size for case in payloads)])
        self.size = _aligned(self._offset + largest, self.alignment)
        # Where cases disagree about a slot it is the wider one.
        columns = zip_longest(*(case.flat for case in payloads), fillvalue=I32)
        self._payload_slots = tuple(max(column) for column in columns)
        self.flat = (I32, *self._payload_slots)

    def load(self, memory: Memory, address: int) -> Any:
        """The tag, then the payload of its case."""
        tag = memory.read(address, 1)[0]
        case = self._case(tag)
        return self._make(tag, case and case.load(memory, address + self._offset))

    def store(self, memory: Memory, address: int, value: Any) -> None:
        """The tag, then the payload of its case."""
        tag, payload = self._take(value)
        memory.write(address, bytes((tag,)))
        case = self._cases[tag]
        if case is not None:
            case.store(memory, address + self._offset, payload)

    def lift(self, memory: Memory, slots: Iterator[int]) -> Any:
        """The tag, then the slots of its case; the others are ignored."""
        tag = next(slots) & 0xFF
        payload = [next(slots) for _ in self._payload_slots]
        case = self._case(tag)
        if case is None:
            return self._make(tag, None)
        for slot, narrow, wide in zip(payload, case.flat, self._payload_slots, strict=False):
            if narrow == I32 and wide == I64 and not -(1 << 31) <= _signed(slot) < 1 << 31:
                raise abi_error("a value does not fit its type", value=slot)
        return self._make(tag, case.lift(memory, iter(payload)))

    def _case(self, tag: int) -> Type | None:
        if tag >= len(self._cases):
            raise abi_error("unknown case of a variant", number=tag)
        return self._cases[tag]


def option(content: Type) -> Variant:
    """``option<T>``; None is the absent value."""
    return Variant(
        None,
        content,
        make=lambda tag, payload: payload if tag else None,
        take=lambda value: (0, None) if value is None else (1, value),
    )


def lay_out(fields: Sequence[Type]) -> tuple[list[tuple[Type, int]], int, int]:
    """Fields with their offsets, and size and alignment of the whole."""
    layout, end, alignment = [], 0, 1
    for field in fields:
        start = _aligned(end, field.alignment)
        layout.append((field, start))
        end, alignment = start + field.size, max(alignment, field.alignment)
    return layout, _aligned(end, alignment), alignment


def flat_pair(slots: Iterator[int]) -> tuple[int, int]:
    """Pointer and length from two slots; pointers of the upper half are refused (spec 04 §1.6)."""
    pointer, length = next(slots) & _LOW_HALF, next(slots) & _LOW_HALF
    if pointer >> 31:
        raise abi_error("a pointer has its top bit set", pointer=pointer)
    return pointer, length


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise abi_error("a text is not UTF-8") from error


def _aligned(address: int, alignment: int) -> int:
    return -(-address // alignment) * alignment


def _signed(slot: int) -> int:
    return slot - (1 << 64) if slot >> 63 else slot
