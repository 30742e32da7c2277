"""How deep the loops of a service's function are, found by stepping over its instructions.

Services are not rewritten, so nothing else reads their code before the compiler, which does work
for every local in every loop. What is stepped over is what spec 04 §9 lists for services: the MVP,
sign extension, reference types, vectors, bulk memory, several values and atomics; anything else
is refused here, whatever the engine would say. Must not check types: the engine does.
"""

import re

from catenula.base.limits import MAX_WASM_BRANCH_TARGETS, MAX_WASM_LOOP_NESTING
from catenula.execution.wasm.binary import Reader, module_error, read_unsigned

_LEB = rb"[\x80-\xff]{0,9}[\x00-\x7f]"
_NOTHING = b""
_ONE, _TWO, _THREE = _LEB, _LEB * 2, _LEB * 3

_IMMEDIATES: dict[int, bytes] = {}
"""By opcode: the bytes that follow it, as a regular expression."""
for _first, _last, _form in (
    (0x00, 0x01, _NOTHING),
    (0x02, 0x04, _ONE),  # block, loop, if: the block's type
    (0x05, 0x05, _NOTHING),
    (0x0B, 0x0B, _NOTHING),
    (0x0C, 0x0D, _ONE),
    (0x0F, 0x0F, _NOTHING),
    (0x10, 0x10, _ONE),
    (0x11, 0x11, _TWO),
    (0x1A, 0x1B, _NOTHING),
    (0x1C, 0x1C, b"\x01."),  # select of one type
    (0x20, 0x26, _ONE),
    (0x28, 0x3E, _TWO),
    (0x3F, 0x42, _ONE),
    (0x43, 0x43, b".{4}"),
    (0x44, 0x44, b".{8}"),
    (0x45, 0xC4, _NOTHING),
    (0xD0, 0xD0, _ONE),
    (0xD1, 0xD1, _NOTHING),
    (0xD2, 0xD2, _ONE),
):
    _IMMEDIATES |= dict.fromkeys(range(_first, _last + 1), _form)

_BULK = dict.fromkeys(range(8), _NOTHING) | {
    number: _TWO if number in (8, 10, 12, 14) else _ONE for number in range(8, 18)
}
_MEMORY_ACCESSES = (*range(12), 92, 93)
_LANES = range(21, 35)
_LANE_ACCESSES = range(84, 92)
_VECTORS = (
    dict.fromkeys(range(256), _NOTHING)
    | dict.fromkeys(_MEMORY_ACCESSES, _TWO)
    | dict.fromkeys((12, 13), b".{16}")
    | dict.fromkeys(_LANES, b".")
    | dict.fromkeys(_LANE_ACCESSES, _TWO + b".")
)
_ATOMICS = {number: b"." if number == 3 else _TWO for number in range(79)}
_PREFIXES = {0xFC: _BULK, 0xFD: _VECTORS, 0xFE: _ATOMICS}

_BLOCK, _LOOP, _IF, _END, _BRANCH_TABLE = 0x02, 0x03, 0x04, 0x0B, 0x0E
_STEPS = {opcode: re.compile(form, re.DOTALL) for opcode, form in _IMMEDIATES.items()}
_PREFIXED_STEPS = {
    prefix: {number: re.compile(form, re.DOTALL) for number, form in forms.items()}
    for prefix, forms in _PREFIXES.items()
}


def most_loops(reader: Reader) -> int:
    """How many loops are inside each other at most, from the reader's position to its end.

    `ExecutionError` when it is more than `MAX_WASM_LOOP_NESTING`, or for what is no instruction.
    """
    data, position, end = reader.data, reader.position, reader.end
    opened: list[bool] = []
    depth = most = 0
    while position < end:
        opcode = data[position]
        if opcode == _LOOP:
            depth += 1
            most = max(most, depth)
            if depth > MAX_WASM_LOOP_NESTING:
                raise _refusal(position, f"more than {MAX_WASM_LOOP_NESTING} loops in each other")
        if _BLOCK <= opcode <= _IF:
            opened.append(opcode == _LOOP)
        elif opcode == _END and opened:
            depth -= opened.pop()
        position = _behind(data, position, end)
    return most


def _behind(data: bytes, position: int, end: int) -> int:
    """The offset behind the instruction at ``position``."""
    opcode = data[position]
    step = _STEPS.get(opcode)
    after = position + 1
    if opcode == _BRANCH_TABLE:
        count, after = read_unsigned(data, after, end)
        if count > min(MAX_WASM_BRANCH_TARGETS, end - after):
            raise _refusal(position, f"a branch table of {count} targets")
        for _ in range(count + 1):
            _, after = read_unsigned(data, after, end)
        return after
    if opcode in _PREFIXED_STEPS:
        number, after = read_unsigned(data, after, end)
        step = _PREFIXED_STEPS[opcode].get(number)
    found = step.match(data, after, end) if step is not None else None
    if found is None:
        raise _refusal(position, f"unknown opcode {opcode}")
    return found.end()


def _refusal(position: int, reason: str) -> Exception:
    return module_error(reason, offset=position)
