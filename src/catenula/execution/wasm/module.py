"""The sections of a contract module, parsed as the reference's instrumenter parses them.

`parse_contract` accepts the section-level part of spec 04 §9: the MVP with mutable globals, one
result at most per function, function imports only (nothing else can be linked, §1.1), segments
of table 0 and memory 0. Every index into an index space that preparation extends (types,
functions, globals) is checked here or in `bodies`, because a reference just past the end would
otherwise meet what was added. Types of instructions are not checked: the engine validates what
preparation returns. Must not change anything.
"""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct, field

from catenula.base.limits import (
    MAX_WASM_EXPORTS,
    MAX_WASM_FUNCTIONS,
    MAX_WASM_GLOBALS,
    MAX_WASM_IMPORTS,
    MAX_WASM_MEMORY_PAGES,
    MAX_WASM_MODULE_BYTES,
    MAX_WASM_PARAMETERS,
    MAX_WASM_SEGMENTS,
    MAX_WASM_TABLE_ELEMENTS,
    MAX_WASM_TABLES,
    MAX_WASM_TYPES,
)
from catenula.execution.wasm.binary import Reader, module_error

HEADER = b"\0asm\x01\0\0\0"
CUSTOM, TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEMENT, CODE, DATA = range(
    12
)
DATA_COUNT = 12

EXTERNAL_FUNCTION, EXTERNAL_TABLE, EXTERNAL_MEMORY, EXTERNAL_GLOBAL = range(4)
FUNCTION_FORM = 0x60
ANY_FUNCTION = 0x70
LIMIT_PAGES = 65_536
"""Pages of the address space of 32 bits."""

_END = 0x0B
_CONSTANTS = {0x41: 32, 0x42: 64}
_FLOATS = {0x43: 4, 0x44: 8}


class FunctionType(NamedTuple):
    """Parameters and results, a byte each."""

    parameters: bytes
    results: bytes


class Export(NamedTuple):
    """A name for something of this module; ``kind`` is one of the ``EXTERNAL_`` constants."""

    name: str
    kind: int
    number: int


class Limits(NamedTuple):
    """Initial and largest size of a table or memory."""

    initial: int
    maximum: int | None


class Module(Struct):
    """What preparation needs to know of a module; ``code`` holds the bytes it was read from."""

    code: bytes
    sections: dict[int, Reader] = field(default_factory=dict)
    types: list[FunctionType] = field(default_factory=list)
    imported: list[int] = field(default_factory=list)
    """Type indices of the imported functions."""
    functions: list[int] = field(default_factory=list)
    """Type indices of the module's own functions."""
    tables: list[Limits] = field(default_factory=list)
    memory: Limits | None = None
    globals: int = 0
    exports: list[Export] = field(default_factory=list)
    start: int | None = None
    bodies: list[Reader] = field(default_factory=list)
    """Locals and instructions of the own functions."""

    @property
    def function_count(self) -> int:
        """Functions, imported and own."""
        return len(self.imported) + len(self.functions)

    def index_of_type(self, wanted: FunctionType) -> int:
        """The first equal type's index, or the index it would be appended at."""
        return self.types.index(wanted) if wanted in self.types else len(self.types)

    def content(self, section: int) -> bytes:
        """The bytes of a section after its count; empty when it is absent."""
        reader = self.sections.get(section)
        if reader is None:
            return b""
        copy = Reader(reader.data, reader.position, reader.end)
        copy.unsigned()
        return copy.take(copy.end - copy.position)


METER_TYPE = FunctionType(b"\x7e", b"")
"""Type of the reference's metering import, which it appends when no equal type exists (§7)."""


def parse_contract(code: bytes) -> Module:
    """Parse a contract; `ExecutionError` names what is not acceptable, and where."""
    module = Module(code, split_sections(code))
    for identifier, reader in module.sections.items():
        if identifier == DATA_COUNT:
            raise reader.fail("a data count belongs to bulk memory operations")
        copy = Reader(code, reader.position, reader.end)
        _SECTIONS[identifier](module, copy)
        if not copy.at_end:
            raise copy.fail("the section has bytes left over")
    if len(module.bodies) != len(module.functions):
        raise module_error(
            "declared and defined functions differ in number",
            declared=len(module.functions),
            defined=len(module.bodies),
        )
    return module


def split_sections(code: bytes) -> dict[int, Reader]:
    """The known sections in their order, custom ones checked and left out."""
    if len(code) > MAX_WASM_MODULE_BYTES:
        raise module_error(f"{len(code)} bytes, at most {MAX_WASM_MODULE_BYTES}")
    if code[:8] != HEADER:
        raise module_error("this is not a Wasm module of version 1", offset=0)
    whole = Reader(code, 8, len(code))
    sections: dict[int, Reader] = {}
    latest = 0
    while not whole.at_end:
        identifier = whole.byte()
        length = whole.unsigned()
        if length > whole.end - whole.position:
            raise whole.fail(f"section {identifier} ends after the module")
        reader = Reader(code, whole.position, whole.position + length)
        whole.position = reader.end
        if identifier == CUSTOM:
            reader.name()
            continue
        rank = _RANKS.get(identifier)
        if rank is None or rank <= latest:
            raise reader.fail(f"section {identifier} is unknown, repeated or out of order")
        latest = rank
        sections[identifier] = reader
    return sections


def _types(module: Module, reader: Reader) -> None:
    for _ in range(reader.count(MAX_WASM_TYPES, "types")):
        if reader.byte() != FUNCTION_FORM:
            raise reader.fail("a type is not that of a function")
        parameters = _value_types(reader, MAX_WASM_PARAMETERS)
        module.types.append(FunctionType(parameters, _value_types(reader, 1)))


def _value_types(reader: Reader, limit: int) -> bytes:
    count = reader.count(limit, "values of a function type")
    return bytes(reader.value_type() for _ in range(count))


def _imports(module: Module, reader: Reader) -> None:
    space = type_space(module)
    for _ in range(reader.count(MAX_WASM_IMPORTS, "imports")):
        source, name = reader.name(), reader.name()
        if reader.byte() != EXTERNAL_FUNCTION:
            raise reader.fail(f"the import {name} of {source} is not a function")
        module.imported.append(_index(reader, space, "type"))


def _functions(module: Module, reader: Reader) -> None:
    space = type_space(module)
    for _ in range(reader.count(MAX_WASM_FUNCTIONS, "functions")):
        module.functions.append(_index(reader, space, "type"))


def type_space(module: Module) -> int:
    """How many types may be referred to: the reference's own one included (`METER_TYPE`)."""
    return max(len(module.types), module.index_of_type(METER_TYPE) + 1)


def _index(reader: Reader, space: int, what: str) -> int:
    index = reader.unsigned()
    if index >= space:
        raise reader.fail(f"{what} {index} of {space}")
    return index


def _tables(module: Module, reader: Reader) -> None:
    for _ in range(reader.count(MAX_WASM_TABLES, "tables")):
        if reader.byte() != ANY_FUNCTION:
            raise reader.fail("a table holds something else than functions")
        module.tables.append(read_limits(reader))
    elements = sum(limits.initial for limits in module.tables)
    if elements > MAX_WASM_TABLE_ELEMENTS:
        raise reader.fail(f"{elements} table elements, at most {MAX_WASM_TABLE_ELEMENTS}")


def _memories(module: Module, reader: Reader) -> None:
    for _ in range(reader.count(1, "memories")):
        module.memory = read_memory(reader)


def read_memory(reader: Reader) -> Limits:
    """The limits of a memory that is small enough to begin with."""
    limits = read_limits(reader)
    if limits.initial > MAX_WASM_MEMORY_PAGES:
        raise reader.fail(f"{limits.initial} pages of memory, at most {MAX_WASM_MEMORY_PAGES}")
    return limits


def read_limits(reader: Reader) -> Limits:
    """Limits without the flags of later proposals (shared, 64 bits)."""
    flags = reader.byte()
    if flags > 1:
        raise reader.fail(f"unknown limits 0x{flags:02x}")
    return Limits(reader.unsigned(), reader.unsigned() if flags else None)


def _globals(module: Module, reader: Reader) -> None:
    module.globals = reader.count(MAX_WASM_GLOBALS, "globals")
    for _ in range(module.globals):
        reader.value_type()
        if reader.byte() > 1:
            raise reader.fail("a global is neither constant nor mutable")
        _constant(reader)


def _constant(reader: Reader) -> None:
    """One constant and its ``end``; no global can be imported, so none can be referred to."""
    opcode = reader.byte()
    if opcode in _CONSTANTS:
        reader.signed(_CONSTANTS[opcode])
    elif opcode in _FLOATS:
        reader.take(_FLOATS[opcode])
    else:
        raise reader.fail("an initial value is not a constant")
    if reader.byte() != _END:
        raise reader.fail("an initial value is not a single constant")


def _exports(module: Module, reader: Reader) -> None:
    spaces = (
        module.function_count,
        len(module.tables),
        int(module.memory is not None),
        module.globals,
    )
    names = set()
    for _ in range(reader.count(MAX_WASM_EXPORTS, "exports")):
        name, kind = reader.name(), reader.byte()
        if kind > EXTERNAL_GLOBAL:
            raise reader.fail(f"the export {name} is of an unknown kind")
        if name in names:
            raise reader.fail(f"the export {name} is repeated")
        names.add(name)
        module.exports.append(Export(name, kind, _index(reader, spaces[kind], f"export {name}:")))


def _start(module: Module, reader: Reader) -> None:
    module.start = _index(reader, module.function_count, "start function")


def _elements(module: Module, reader: Reader) -> None:
    space = module.function_count
    for _ in range(reader.count(MAX_WASM_SEGMENTS, "element segments")):
        if reader.unsigned() != 0:
            raise reader.fail("an element segment is not of table 0")
        _constant(reader)
        for _ in range(reader.count(MAX_WASM_TABLE_ELEMENTS, "elements")):
            _index(reader, space, "function")


def _bodies(module: Module, reader: Reader) -> None:
    module.bodies.extend(function_bodies(reader))


def function_bodies(reader: Reader) -> Iterator[Reader]:
    """Locals and instructions of each function of a code section."""
    for _ in range(reader.count(MAX_WASM_FUNCTIONS, "function bodies")):
        length = reader.count(MAX_WASM_MODULE_BYTES, "bytes of a function")
        yield Reader(reader.data, reader.position, reader.position + length)
        reader.position += length


def _segments(module: Module, reader: Reader) -> None:
    for _ in range(reader.count(MAX_WASM_SEGMENTS, "data segments")):
        if reader.unsigned() != 0:
            raise reader.fail("a data segment is not of memory 0")
        _constant(reader)
        reader.take(reader.count(MAX_WASM_MODULE_BYTES, "bytes of a data segment"))


_SECTIONS = {
    TYPE: _types,
    IMPORT: _imports,
    FUNCTION: _functions,
    TABLE: _tables,
    MEMORY: _memories,
    GLOBAL: _globals,
    EXPORT: _exports,
    START: _start,
    ELEMENT: _elements,
    CODE: _bodies,
    DATA: _segments,
}
_RANKS = {
    identifier: rank
    for rank, identifier in enumerate((*range(TYPE, ELEMENT + 1), DATA_COUNT, CODE, DATA), start=1)
}
