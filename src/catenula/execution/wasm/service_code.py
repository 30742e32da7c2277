"""The shapes of a service's functions, found by stepping over their instructions.

Services are not rewritten, so nothing else reads their code before the compiler, whose time depends
on it (`work`). What is stepped over is what spec 04 §9 lists for services: the MVP, sign extension,
reference types, vectors, bulk memory, several values and atomics; anything else is refused here,
whatever the engine would say. Must not check types: the engine does.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from catenula.base.limits import (
    MAX_WASM_BRANCH_TARGETS,
    MAX_WASM_FUNCTIONS,
    MAX_WASM_GLOBALS,
    MAX_WASM_IMPORTS,
    MAX_WASM_LOCALS,
    MAX_WASM_LOOP_NESTING,
    MAX_WASM_PARAMETERS,
    MAX_WASM_TYPES,
)
from catenula.execution.wasm.binary import (
    VALUE_TYPES,
    Reader,
    module_error,
    read_signed,
    read_unsigned,
)
from catenula.execution.wasm.module import (
    EXTERNAL_FUNCTION,
    FUNCTION,
    FUNCTION_FORM,
    GLOBAL,
    IMPORT,
    TYPE,
)
from catenula.execution.wasm.work import CALL_INDIRECT, GROW, LOOP, Shape

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
_CALL, _CALL_INDIRECT, _GLOBAL_GET, _GLOBAL_SET, _BULK_PREFIX = 0x10, 0x11, 0x23, 0x24, 0xFC
_JOINTS = {
    **dict.fromkeys((_BLOCK, _IF, 0x05, 0x0C, 0x0D, 0x0F, _CALL, 0xD2), 1),
    _LOOP: LOOP,
    _CALL_INDIRECT: CALL_INDIRECT,
    **dict.fromkeys((0x25, 0x26), 32),  # table.get, table.set
    0x40: GROW,
}
"""Joints by opcode (`work.Shape`), branch tables aside."""
_BULK_JOINTS = {8: 8, 10: 8, 11: 8, 12: 64, 14: 64, 15: 48, 17: 64}
"""The same behind `_BULK_PREFIX`: memories, then tables."""
_REFERENCE_GLOBAL_JOINTS = 40
"""The same of an access to a global, where one may hold a reference of the host."""
_HOST_REFERENCE, _FUNCTION_REFERENCE, _VECTOR = 0x6F, 0x70, 0x7B
_SERVICE_VALUES = VALUE_TYPES | {_HOST_REFERENCE, _FUNCTION_REFERENCE, _VECTOR}
_STEPS = {opcode: re.compile(form, re.DOTALL) for opcode, form in _IMMEDIATES.items()}
_PREFIXED_STEPS = {
    prefix: {number: re.compile(form, re.DOTALL) for number, form in forms.items()}
    for prefix, forms in _PREFIXES.items()
}


class ServiceTypes(NamedTuple):
    """What the instructions of a service refer to."""

    sizes: list[tuple[int, int]]
    """Numbers of parameters and results of each function type."""
    functions: list[int]
    """Type indices of all functions, imported ones first."""
    imported: int
    """How many functions are imported."""
    global_joints: int
    """Joints of an access to a global."""

    def values(self, index: int) -> tuple[int, int]:
        """Parameters and results of a type; `ExecutionError` when there is none."""
        if index >= len(self.sizes):
            raise module_error(f"type {index} of {len(self.sizes)}")
        return self.sizes[index]


def service_types(sections: dict[int, Reader]) -> ServiceTypes:
    """Types, functions and globals of a service; nothing but functions may be imported."""
    imported = list(_imported(_section(sections, IMPORT)))
    reader = _section(sections, FUNCTION)
    count = reader.count(MAX_WASM_FUNCTIONS, "functions")
    own = [reader.unsigned() for _ in range(count)]
    return ServiceTypes(
        sizes=list(_type_sizes(_section(sections, TYPE))),
        functions=imported + own,
        imported=len(imported),
        global_joints=_global_joints(_section(sections, GLOBAL)),
    )


def service_shape(reader: Reader, number: int, types: ServiceTypes) -> Shape:
    """The shape of the own function ``number``, whose locals and instructions are in ``reader``.

    `ExecutionError` when its loops are nested deeper than `MAX_WASM_LOOP_NESTING`, or for what is
    no instruction.
    """
    size = reader.end - reader.position
    index = types.imported + number
    if index >= len(types.functions):
        raise module_error("declared and defined functions differ in number")
    values = sum(types.values(types.functions[index]))
    width = values + _local_count(reader, values)
    scan = _Scan(types)
    scan.run(reader)
    return Shape(size, values, width + scan.widest, scan.joints, scan.loops)


class _Scan:
    """One pass over the instructions of a function."""

    def __init__(self, types: ServiceTypes) -> None:
        self._types = types
        self._opened: list[bool] = []
        self._depth = 0
        self.joints = self.loops = self.widest = 0

    def run(self, reader: Reader) -> None:
        """From the reader's position to its end."""
        data, position, end = reader.data, reader.position, reader.end
        while position < end:
            opcode = data[position]
            if _BLOCK <= opcode <= _IF:
                self._open(data, position, end)
            elif opcode == _END and self._opened:
                self._depth -= self._opened.pop()
            after = _behind(data, position, end)
            self.joints += _JOINTS.get(opcode, 0) or self._more_joints(data, position, after)
            if opcode in (_CALL, _CALL_INDIRECT):
                self.joints += self._results(opcode, read_unsigned(data, position + 1, end)[0])
            position = after

    def _open(self, data: bytes, position: int, end: int) -> None:
        is_loop = data[position] == _LOOP
        self._opened.append(is_loop)
        self._depth += is_loop
        if self._depth > MAX_WASM_LOOP_NESTING:
            raise _refusal(position, f"more than {MAX_WASM_LOOP_NESTING} loops in each other")
        index, _ = read_signed(data, position + 1, end, bits=33)
        passed = sum(self._types.values(index)) if index >= 0 else 0
        self.widest = max(self.widest, passed)
        self.loops += is_loop + passed

    def _more_joints(self, data: bytes, position: int, after: int) -> int:
        opcode = data[position]
        if opcode == _BRANCH_TABLE:
            return read_unsigned(data, position + 1, after)[0] + 1
        if opcode in (_GLOBAL_GET, _GLOBAL_SET):
            return self._types.global_joints
        if opcode == _BULK_PREFIX:
            return _BULK_JOINTS.get(read_unsigned(data, position + 1, after)[0], 0)
        return 0

    def _results(self, opcode: int, index: int) -> int:
        if opcode == _CALL_INDIRECT:
            return self._types.values(index)[1]
        if index >= len(self._types.functions):
            raise module_error(f"function {index} of {len(self._types.functions)}")
        return self._types.values(self._types.functions[index])[1]


def _section(sections: dict[int, Reader], identifier: int) -> Reader:
    """A section to read from its start; without anything in it when it is absent."""
    found = sections.get(identifier)
    return Reader(found.data, found.position, found.end) if found else Reader(b"\0", 0, 1)


def _local_count(reader: Reader, parameters: int) -> int:
    total = 0
    for _ in range(reader.count(MAX_WASM_LOCALS, "groups of locals")):
        total += reader.unsigned()
        reader.byte()
        if parameters + total > MAX_WASM_LOCALS:
            raise reader.fail(f"more than {MAX_WASM_LOCALS} parameters and locals")
    return total


def _type_sizes(reader: Reader) -> Iterator[tuple[int, int]]:
    for _ in range(reader.count(MAX_WASM_TYPES, "types")):
        if reader.byte() != FUNCTION_FORM:
            raise reader.fail("a type is not that of a function")
        yield _value_count(reader), _value_count(reader)


def _value_count(reader: Reader) -> int:
    count = reader.count(MAX_WASM_PARAMETERS, "values of a function type")
    if not _SERVICE_VALUES.issuperset(reader.take(count)):
        raise reader.fail("unknown value type")
    return count


def _imported(reader: Reader) -> Iterator[int]:
    for _ in range(reader.count(MAX_WASM_IMPORTS, "imports")):
        source, name = reader.name(), reader.name()
        if reader.byte() != EXTERNAL_FUNCTION:
            raise reader.fail(f"the import {name} of {source} is not a function")
        yield reader.unsigned()


def _global_joints(reader: Reader) -> int:
    found = 0
    for _ in range(reader.count(MAX_WASM_GLOBALS, "globals")):
        if reader.byte() == _HOST_REFERENCE:
            found = _REFERENCE_GLOBAL_JOINTS
        reader.byte()
        opcode = None
        while opcode != _END:
            opcode = reader.data[reader.position] if not reader.at_end else _END
            reader.position = _behind(reader.data, reader.position, reader.end)
    return found


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
