"""One pass over the instructions of a function: which are accepted, and where fuel is charged.

`scan_body` walks the bytes once, with a table of widths for what needs no thought and a handler
for everything else; it refuses every instruction outside the MVP and the sign extensions (spec 04
§9) and groups the rest into metered blocks (§7). Offsets stand for the positions of the spec: two
positions are equal exactly if their offsets are. Invariant: no recursion, one step per byte, and
the memory used is proportional to the body. Must not check types: the engine does.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from catenula.base.limits import (
    MAX_WASM_BRANCH_TARGETS,
    MAX_WASM_LOCALS,
    MAX_WASM_LOOP_NESTING,
    MAX_WASM_NESTING,
)
from catenula.execution.wasm.binary import (
    VALUE_TYPES,
    Reader,
    module_error,
    read_signed,
    read_unsigned,
)
from catenula.execution.wasm.work import CALL_INDIRECT, GROW, LOOP

MEMORY_GROW = 0x40
_WEIGHTS = (1, 16, 256, 4096)
"""How often something inside so many loops is taken to happen, to weigh how to charge."""


class Charge(NamedTuple):
    """``cost`` is due before the instruction at ``offset``."""

    offset: int
    cost: int


class Change(NamedTuple):
    """The bytes from ``offset`` to ``end`` are to be something else: see ``what``."""

    offset: int
    end: int
    what: bytes | None
    """What stands there instead; None: a call of the function that grows the memory."""


class Spaces(NamedTuple):
    """Sizes of the index spaces that instructions refer to."""

    types: int
    imported: int
    functions: int
    globals: int


class Call(NamedTuple):
    """A call of another function: its offset and the one behind it."""

    offset: int
    end: int
    may_leave: bool
    """Whether the function called may be one of the host's."""


class Body(NamedTuple):
    """What is to be changed in one function; offsets are those of the module."""

    locals: int
    """How many parameters and locals there are."""
    first: int
    """Offset of the first instruction."""
    charges: list[Charge]
    """Ascending by offset; their costs are those of spec 04 §7."""
    changes: list[Change]
    """Ascending by offset, outside each other."""
    calls: list[Call]
    """Calls, ascending by offset, ``memory.grow`` aside."""
    exits: list[int]
    """Offsets of the instructions that may end the function, traps aside."""
    loops: frozenset[int]
    """Offsets behind the headers of loops."""
    joints: int
    """What the compiler has to do where control parts or joins (`work.Shape`)."""
    charge_weight: int
    """How many charges are met in a run, if every loop goes round 16 times."""
    call_weight: int
    """The same of calls."""


def scan_body(reader: Reader, parameters: int, spaces: Spaces) -> Body:
    """Locals and instructions of one function body, whole (spec 04 §7, §9)."""
    copy = Reader(reader.data, reader.position, reader.end)
    scan = _Scan(copy, _count_locals(copy, parameters), spaces)
    try:
        scan.run()
    except IndexError as error:  # Only the last function of a module can run into its end.
        raise module_error("the function ends early", offset=reader.end) from error
    charges = [Charge(*charge) for charge in sorted(scan.charges)]
    return Body(
        locals=scan.locals,
        first=scan.first,
        charges=charges,
        changes=scan.changes,
        calls=scan.calls,
        exits=scan.exits,
        loops=frozenset(scan.loops),
        joints=scan.joints,
        charge_weight=scan.charge_weight,
        call_weight=scan.call_weight,
    )


def instruction_positions(reader: Reader, parameters: int, spaces: Spaces) -> dict[int, int]:
    """The number of each instruction of a body, as the spec counts them, by its offset."""
    copy = Reader(reader.data, reader.position, reader.end)
    return _Scan(copy, _count_locals(copy, parameters), spaces).trace()


def _count_locals(reader: Reader, parameters: int) -> int:
    total = parameters
    for _ in range(reader.count(MAX_WASM_LOCALS, "groups of locals")):
        total += reader.unsigned()
        reader.value_type()
        if total > MAX_WASM_LOCALS:
            raise reader.fail(f"{total} parameters and locals, at most {MAX_WASM_LOCALS}")
    return total


_U32 = rb"(?:[\x80-\xff]{0,3}[\x00-\x7f]|[\x80-\xff]{4}[\x00-\x0f])"
_ALIGNMENT = rb"[\x80-\xbf](?:\x80{0,3}\x00)|[\x00-\x3f]"
_LONG_FORMS = {
    "i32": re.compile(
        rb"[\x80-\xff]{0,3}[\x00-\x7f]|[\x80-\xff]{4}[\x00-\x07\x78-\x7f]", re.DOTALL
    ),
    "i64": re.compile(rb"[\x80-\xff]{0,8}[\x00-\x7f]|[\x80-\xff]{9}[\x00\x7f]", re.DOTALL),
    "f32": re.compile(rb".{4}", re.DOTALL),
    "f64": re.compile(rb".{8}", re.DOTALL),
    "access": re.compile(rb"(?:" + _ALIGNMENT + rb")" + _U32, re.DOTALL),
    "zero": re.compile(rb"\x00"),
    "none": re.compile(rb""),
}
"""Immediates by kind, as regular expressions over their bytes."""

_NONE, _LOCAL, _ONE_BYTE, _TWO_BYTES, _FREE, _SPECIAL = range(6)
_WIDTHS = bytearray((_SPECIAL,)) * 256
"""By opcode: how to step over it in the common case; a free instruction costs nothing."""
_IMMEDIATES: dict[int, str] = {0x43: "f32", 0x44: "f64", 0x3F: "zero"}
"""By opcode: the kind of its immediate when the common case does not apply."""

_WIDTHS[0x1B] = _NONE  # select
_WIDTHS[0x45:0xC5] = bytes((_NONE,)) * 0x80  # comparisons, arithmetic, conversions, extensions
for _opcode in (0x00, 0x01, 0x1A):  # unreachable, nop, drop
    _WIDTHS[_opcode] = _FREE
for _opcode in (0x20, 0x21, 0x22):  # local.get, local.set, local.tee
    _WIDTHS[_opcode] = _LOCAL
for _opcode, _kind in ((0x41, "i32"), (0x42, "i64")):
    _WIDTHS[_opcode] = _ONE_BYTE
    _IMMEDIATES[_opcode] = _kind
for _opcode in range(0x28, 0x3F):  # loads and stores
    _WIDTHS[_opcode] = _TWO_BYTES
    _IMMEDIATES[_opcode] = "access"

_BLOCK_TYPES = {-64: b"\x40", -1: b"\x7f", -2: b"\x7e", -3: b"\x7d", -4: b"\x7c"}
_SHORT_BLOCK_TYPES = VALUE_TYPES | {0x40}


class _Frame:
    """An open block: the lowest frame a forward branch leaves to, and the block being metered."""

    __slots__ = ("cost", "loop", "low", "start")

    def __init__(self, low: int, start: int, loop: bool) -> None:
        self.low = low
        self.start = start
        self.cost = 0
        self.loop = loop


class _Scan:
    """The state of one pass; handlers take the offset of an opcode and return the next one."""

    __slots__ = (
        *("call_weight", "calls", "changes", "charge_weight", "charges", "end", "exits"),
        *(
            "first",
            "frames",
            "joints",
            "locals",
            "loop_depth",
            "loops",
            "spaces",
            "weight",
            "whole",
        ),
    )

    def __init__(self, reader: Reader, local_count: int, spaces: Spaces) -> None:
        self.whole = reader.data
        self.first = reader.position
        self.end = reader.end
        self.locals = local_count
        self.spaces = spaces
        self.frames = [_Frame(0, reader.position, loop=False)]
        self.charges: list[tuple[int, int]] = []
        self.changes: list[Change] = []
        self.calls: list[Call] = []
        self.exits: list[int] = []
        self.loops: list[int] = []
        self.loop_depth = 0
        self.joints = 0
        self.weight = _WEIGHTS[0]
        self.charge_weight = 0
        self.call_weight = 0

    def run(self) -> None:
        """Walk all instructions; the last ``end`` must be the last byte."""
        data, widths, frames = self.whole, _WIDTHS, self.frames
        position, end = self.first, self.end
        short = (0, min(self.locals, 0x80), 0x80)
        cost = 0
        while position < end:
            opcode = data[position]
            width = widths[opcode]
            if width == _NONE:
                position += 1
                cost += 1
            elif width < _TWO_BYTES and data[position + 1] < short[width]:
                position += 2
                cost += 1
            elif width == _TWO_BYTES and data[position + 1] < 0x40 and data[position + 2] < 0x80:
                position += 3
                cost += 1
            elif width == _FREE:
                position += 1
            else:
                frames[-1].cost += cost
                cost = 0
                position = _HANDLERS[opcode](self, position)
                if not frames:
                    break
        if frames or position != end:
            raise module_error("the function does not end with its last block", offset=position)

    def trace(self) -> dict[int, int]:
        """The same walk without its short cuts; gives every offset its number."""
        positions: dict[int, int] = {}
        position = self.first
        while self.frames:
            positions[position] = len(positions)
            position = _HANDLERS[self.whole[position]](self, position)
        return positions

    def free(self, position: int) -> int:
        """An instruction without immediates that costs nothing."""
        return position + 1

    def plain(self, position: int) -> int:
        """An instruction of cost 1 whose immediate is not of the common form."""
        opcode = self.whole[position]
        found = _LONG_FORMS[_IMMEDIATES[opcode]].match(self.whole, position + 1, self.end)
        if found is None:
            raise self.fail(position, f"the immediate of instruction 0x{opcode:02x} is malformed")
        self.frames[-1].cost += 1
        return found.end()

    def unknown(self, position: int) -> int:
        """Everything that is not in the MVP; the reference calls it an unknown opcode."""
        raise self.fail(
            position,
            f"unknown opcode {self.whole[position]} (allowed are the Wasm MVP and sign extension:"
            " compile with -Ctarget-cpu=mvp)",
        )

    def block(self, position: int) -> int:
        """``block``: its instructions belong to the block being metered."""
        after = self._block_type(position)
        self.joints += 1
        self._open(self.frames[-1].start, loop=False)
        return after

    def loop(self, position: int) -> int:
        """``loop``: branches to it come back to its first instruction."""
        after = self._block_type(position)
        self._open(after, loop=True)
        self.loops.append(after)
        self.loop_depth += 1
        self.joints += LOOP
        if self.loop_depth > MAX_WASM_LOOP_NESTING:
            raise self.fail(position, f"more than {MAX_WASM_LOOP_NESTING} loops inside each other")
        self.weight = _WEIGHTS[min(self.loop_depth, len(_WEIGHTS) - 1)]
        return after

    def condition(self, position: int) -> int:
        """``if``."""
        after = self._block_type(position)
        self.frames[-1].cost += 1
        self.joints += 1
        self._open(after, loop=False)
        return after

    def otherwise(self, position: int) -> int:
        """``else``."""
        self.joints += 1
        self._close_block(position + 1)
        return position + 1

    def finish(self, position: int) -> int:
        """``end``."""
        after = position + 1
        self._close_block(after)
        closed = self.frames.pop()
        if closed.loop:
            self.loop_depth -= 1
            self.weight = _WEIGHTS[min(self.loop_depth, len(_WEIGHTS) - 1)]
        depth = len(self.frames)
        if depth:
            top = self.frames[-1]
            top.low = min(top.low, closed.low)
            if closed.low < depth:
                self._close_block(after)
        else:
            self.exits.append(position)
        return after

    def branch(self, position: int) -> int:
        """``br`` and ``br_if``."""
        label, after = self._unsigned(position + 1)
        self._leave(after, {label}, position)
        return after

    def branch_table(self, position: int) -> int:
        """``br_table``."""
        count, after = self._unsigned(position + 1)
        if count > min(MAX_WASM_BRANCH_TARGETS, self.end - after):
            raise self.fail(position, f"a branch table of {count} targets")
        self.joints += count
        labels = set()
        for _ in range(count + 1):
            label, after = self._unsigned(after)
            labels.add(label)
        self._leave(after, labels, position)
        return after

    def leave(self, position: int) -> int:
        """``return``."""
        self._leave(position + 1, {len(self.frames) - 1}, position)
        return position + 1

    def call(self, position: int) -> int:
        """``call``."""
        index, after = self._index(position + 1, self.spaces.functions, "function")
        self._call(position, after, index < self.spaces.imported)
        return after

    def call_indirect(self, position: int) -> int:
        """``call_indirect``: any table, however its number is encoded."""
        _, after = self._index(position + 1, self.spaces.types, "type")
        _, after = self._unsigned(after)
        self.joints += CALL_INDIRECT
        self._call(position, after, True)
        return after

    def local_access(self, position: int) -> int:
        """``local.get`` and the like: never of what preparation adds."""
        self.frames[-1].cost += 1
        return self._index(position + 1, self.locals, "local")[1]

    def global_access(self, position: int) -> int:
        """``global.get`` and ``global.set``: never of what preparation adds."""
        self.frames[-1].cost += 1
        return self._index(position + 1, self.spaces.globals, "global")[1]

    def grow(self, position: int) -> int:
        """``memory.grow``: becomes a call."""
        after = self.plain(position)
        self.joints += GROW
        self.changes.append(Change(position, after, None))
        return after

    def fail(self, position: int, reason: str) -> Exception:
        """A refusal of the instruction at ``position``."""
        return module_error(reason, offset=position)

    def _unsigned(self, position: int) -> tuple[int, int]:
        if position < self.end and self.whole[position] < 0x80:
            return self.whole[position], position + 1
        return read_unsigned(self.whole, position, self.end)

    def _index(self, position: int, space: int, what: str) -> tuple[int, int]:
        index, after = self._unsigned(position)
        if index >= space:
            raise self.fail(position, f"{what} {index} of {space}")
        return index, after

    def _call(self, position: int, after: int, may_leave: bool) -> None:
        self.frames[-1].cost += 1
        self.joints += 1
        self.calls.append(Call(position, after, may_leave))
        self.call_weight += self.weight

    def _block_type(self, position: int) -> int:
        after = position + 2
        if after <= self.end and self.whole[position + 1] in _SHORT_BLOCK_TYPES:
            return after
        value, after = read_signed(self.whole, position + 1, self.end, bits=32)
        if value not in _BLOCK_TYPES:
            raise self.fail(position, f"unknown block type {value}")
        self.changes.append(Change(position + 1, after, _BLOCK_TYPES[value]))
        return after

    def _open(self, start: int, *, loop: bool) -> None:
        depth = len(self.frames)
        if depth > MAX_WASM_NESTING:
            raise self.fail(start, f"more than {MAX_WASM_NESTING} blocks inside each other")
        self.frames.append(_Frame(depth, start, loop))

    def _close_block(self, after: int) -> None:
        frames = self.frames
        top = frames[-1]
        start, cost = top.start, top.cost
        top.start = after
        top.cost = 0
        if len(frames) > 1 and frames[-2].start == start:
            frames[-2].cost += cost
        elif cost:
            self.charges.append((start, cost))
            self.charge_weight += self.weight

    def _leave(self, after: int, labels: set[int], position: int) -> None:
        frames = self.frames
        top = frames[-1]
        top.cost += 1
        self.joints += 1
        self._close_block(after)
        last = len(frames) - 1
        for label in labels:
            if label > last:
                raise self.fail(position, f"a branch out of {label} of {last} blocks")
            if label == last:
                self.exits.append(position)
            if not frames[last - label].loop:
                top.low = min(top.low, last - label)


_HANDLERS: list[Callable[[_Scan, int], int]] = [_Scan.unknown] * 256
for _opcode in range(256):
    if _WIDTHS[_opcode] == _NONE:
        _IMMEDIATES[_opcode] = "none"
    elif _WIDTHS[_opcode] == _FREE:
        _HANDLERS[_opcode] = _Scan.free
for _opcode in _IMMEDIATES:
    _HANDLERS[_opcode] = _Scan.plain
_IMMEDIATES[MEMORY_GROW] = "zero"
for _opcode, _handler in {
    0x02: _Scan.block,
    0x03: _Scan.loop,
    0x04: _Scan.condition,
    0x05: _Scan.otherwise,
    0x0B: _Scan.finish,
    0x0C: _Scan.branch,
    0x0D: _Scan.branch,
    0x0E: _Scan.branch_table,
    0x0F: _Scan.leave,
    0x10: _Scan.call,
    0x11: _Scan.call_indirect,
    0x20: _Scan.local_access,
    0x21: _Scan.local_access,
    0x22: _Scan.local_access,
    0x23: _Scan.global_access,
    0x24: _Scan.global_access,
    MEMORY_GROW: _Scan.grow,
}.items():
    _HANDLERS[_opcode] = _handler
