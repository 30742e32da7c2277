"""The instructions that charge fuel, in two forms that give the same totals (spec 04 §7).

A function that charges more often than it calls others keeps what is left in a local of its own
and hands it to the global only where the function calls or ends; the engine then has it in a
register. Every other function works on the global itself.

It is looked at only where it matters whether fuel is left: at the first charge of a function that
calls, in front of every round of a loop, and in front of every call that may be one of the host.
What lies between is finite and undone with the transaction. The host looks again when the code
returns.
"""

from functools import lru_cache
from typing import NamedTuple

from catenula.base.limits import MAX_WASM_LOCALS
from catenula.execution.wasm.binary import (
    Reader,
    encode_signed,
    encode_unsigned,
    read_unsigned,
)
from catenula.execution.wasm.metering import Body

RELOADED, CHARGED, STORED, CHANGED = range(4)
"""In this order additions at one offset follow each other."""

_STOP_IF_NEGATIVE = b"\x42\x00\x53\x04\x40"
_TRAP = b"\x00\x0b"


class Mark(NamedTuple):
    """``what`` stands in the place of the bytes from ``offset`` to ``end``, which may be none."""

    offset: int
    rank: int
    what: bytes
    end: int


class FuelCode:
    """Additions to the functions of one module whose fuel is the global ``fuel``."""

    def __init__(self, fuel: int) -> None:
        number = encode_unsigned(fuel)
        self._get = b"\x23" + number
        self._set = b"\x24" + number
        self._charge_global = lru_cache(1 << 12)(self._global_charge)

    def marks(self, reader: Reader, body: Body) -> tuple[list[Mark], bytes]:
        """What to add to a body, and its declarations of locals."""
        if (
            body.charge_weight > body.call_weight + 2
            and body.locals < MAX_WASM_LOCALS
            and body.loops
        ):
            return self._with_local(body), _one_more_local(reader, body.first)
        return self._with_global(body), reader.data[reader.position : body.first]

    def _with_global(self, body: Body) -> list[Mark]:
        look = b"".join((self._get, _STOP_IF_NEGATIVE, _TRAP))
        marks = [
            Mark(at, CHARGED, self._charge_global(cost, _looks(body, at)), at)
            for at, cost in body.charges
        ]
        marks += [Mark(at, STORED, look, at) for at, _, may_leave in body.calls if may_leave]
        return marks

    def _global_charge(self, cost: int, looks: bool) -> bytes:
        charge = b"".join((self._get, b"\x42", encode_signed(cost), b"\x7d", self._set))
        return charge + self._get + _STOP_IF_NEGATIVE + _TRAP if looks else charge

    def _with_local(self, body: Body) -> list[Mark]:
        number = encode_unsigned(body.locals)
        get = b"\x20" + number
        load = b"".join((self._get, b"\x21", number))
        store = get + self._set
        look = b"".join((_STOP_IF_NEGATIVE, store, _TRAP))
        marks = [Mark(body.first, RELOADED, load, body.first)]
        for at, cost in body.charges:
            left = b"".join((get, b"\x42", encode_signed(cost), b"\x7d"))
            if _looks(body, at):
                marks.append(Mark(at, CHARGED, b"".join((left, b"\x22", number, look)), at))
            else:
                marks.append(Mark(at, CHARGED, b"".join((left, b"\x21", number)), at))
        for at, end, may_leave in body.calls:
            marks.append(Mark(at, STORED, get + look + store if may_leave else store, at))
            marks.append(Mark(end, RELOADED, load, end))
        marks += [Mark(at, STORED, store, at) for at in body.exits]
        return marks


def _looks(body: Body, offset: int) -> bool:
    return offset in body.loops or (offset == body.first and bool(body.calls))


def _one_more_local(reader: Reader, first: int) -> bytes:
    groups, behind = read_unsigned(reader.data, reader.position, first)
    return encode_unsigned(groups + 1) + reader.data[behind:first] + b"\x01\x7e"
