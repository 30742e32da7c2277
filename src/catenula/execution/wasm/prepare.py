"""Modules are made ready for the engine: contracts are rewritten, services are checked.

A prepared contract counts its fuel down in a global that it exports under `FUEL_EXPORT`: the host
writes what may be spent before it enters the code and reads what is left whenever the code calls
it or returns (spec 04 §7). A charge that leaves less than nothing ends in ``unreachable``, with
the global negative. ``memory.grow`` goes through an added function that stops an instance before
it can hold more than `MAX_WASM_MEMORY_PAGES`, and says why in the global `STOP_EXPORT`.

Invariants: nothing that existed changes its index, so what is added comes last in every section;
the code cannot refer to anything added (`module`, `metering`); accepted bytes give a module that
behaves as the reference's rewritten one does. Custom sections are dropped, names included. Must
not know the engine.
"""

from collections.abc import Iterator
from typing import NamedTuple

from catenula.base.limits import (
    MAX_WASM_EXPORTS,
    MAX_WASM_TABLE_ELEMENTS,
    MAX_WASM_TABLES,
)
from catenula.execution.errors import ExecutionError
from catenula.execution.wasm.assembly import (
    FUEL_EXPORT,
    STOP_EXPORT,
    STOP_MEMORY_LIMIT,
    STOP_MEMORY_REFUSED,
    assemble,
)
from catenula.execution.wasm.binary import Reader, module_error
from catenula.execution.wasm.metering import (
    Body,
    Spaces,
    instruction_positions,
    scan_body,
)
from catenula.execution.wasm.module import (
    CODE,
    EXPORT,
    MEMORY,
    METER_TYPE,
    START,
    TABLE,
    FunctionType,
    Module,
    function_bodies,
    parse_contract,
    read_limits,
    read_memory,
    split_sections,
    type_space,
)
from catenula.execution.wasm.service_code import service_shape, service_types
from catenula.execution.wasm.work import Shape, Work

__all__ = [
    "FUEL_EXPORT",
    "STOP_EXPORT",
    "STOP_MEMORY_LIMIT",
    "STOP_MEMORY_REFUSED",
    "MeteredBlock",
    "Prepared",
    "check_service",
    "exported_names",
    "metered_blocks",
    "prepare",
    "prepare_contract",
]


class MeteredBlock(NamedTuple):
    """A charge in the terms of spec 04 §7: positions count instructions, bodies from 0."""

    body: int
    start: int
    cost: int


class Prepared(NamedTuple):
    """What the engine is given to compile."""

    code: bytes
    is_hard: bool
    """Whether the usual compiler would take too long."""


def prepare(code: bytes, *, is_service: bool) -> Prepared:
    """Make a module of either kind ready; `ModuleRefused` when it is not acceptable."""
    if is_service:
        check_service(code)
        return Prepared(code, False)
    module = parse_contract(code)
    bodies, work = _measured_bodies(module)
    return Prepared(_rewrite(module, bodies), work.is_hard)


def prepare_contract(code: bytes, *, is_charged: bool = True) -> bytes:
    """The module that runs instead of ``code``; `ExecutionError` when it is not acceptable.

    Without charges nothing stops it: that is for measuring what they cost.
    """
    module = parse_contract(code)
    bodies, _ = _measured_bodies(module)
    return _rewrite(module, bodies, is_charged=is_charged)


def _measured_bodies(module: Module) -> tuple[list[Body], Work]:
    """The functions, scanned until they are too much work for the compiler."""
    work = Work()
    for kind in module.types:
        work.add_type(len(kind.parameters) + len(kind.results))
    bodies = []
    for number, body in enumerate(scan_bodies(module)):
        bodies.append(body)
        work.add_function(_shape(module, number, body))
    return bodies, work


def _shape(module: Module, number: int, body: Body) -> Shape:
    reader, kind = module.bodies[number], _type_of(module, number)
    results = len(kind.results)
    return Shape(
        size=reader.end - reader.position,
        values=len(kind.parameters) + results,
        width=body.locals + results,
        joints=body.joints,
        loops=len(body.loops),
    )


def _rewrite(module: Module, bodies: list[Body], *, is_charged: bool = True) -> bytes:
    _check_start(module, bodies)
    if not is_charged:
        bodies = [body._replace(charges=[], calls=[], charge_weight=0) for body in bodies]
    return assemble(module, bodies)


def check_service(code: bytes) -> None:
    """Refuse a service beyond the limits of this program; the engine checks everything else.

    Services are neither metered nor rewritten (spec 04 §7, §9).
    """
    sections = split_sections(code)
    if START in sections:
        # It would run before the instance is there to answer and to be stopped.
        raise sections[START].fail("a service has a start function")
    memory = sections.get(MEMORY)
    if memory is not None:
        for _ in range(memory.count(1, "memories")):
            read_memory(memory)
    table = sections.get(TABLE)
    if table is not None:
        _check_service_tables(table)
    _check_service_work(sections)


def exported_names(code: bytes) -> frozenset[str]:
    """The names that an accepted module exports."""
    sections = split_sections(code)
    names = set()
    if EXPORT in sections:
        reader = sections[EXPORT]
        for _ in range(reader.count(MAX_WASM_EXPORTS, "exports")):
            names.add(reader.name())
            reader.byte()
            reader.unsigned()
    return frozenset(names)


def scan_bodies(module: Module) -> Iterator[Body]:
    """Scan the functions of a module in order; an error names the function."""
    spaces = _spaces(module)
    for number, reader in enumerate(module.bodies):
        try:
            yield scan_body(reader, _parameters(module, number), spaces)
        except ExecutionError as error:
            error.fields["function"] = len(module.imported) + number
            raise


def metered_blocks(code: bytes) -> Iterator[MeteredBlock]:
    """All charges of a contract in order, for comparison with recorded ones."""
    module = parse_contract(code)
    spaces = _spaces(module)
    for number, reader in enumerate(module.bodies):
        parameters = _parameters(module, number)
        positions = instruction_positions(reader, parameters, spaces)
        for charge in scan_body(reader, parameters, spaces).charges:
            yield MeteredBlock(number, positions[charge.offset], charge.cost)


def _check_service_work(sections: dict[int, Reader]) -> None:
    types = service_types(sections)
    work = Work()
    for parameters, results in types.sizes:
        work.add_type(parameters + results)
    bodies = function_bodies(sections[CODE]) if CODE in sections else ()
    for number, reader in enumerate(bodies):
        body = Reader(reader.data, reader.position, reader.end)
        work.add_function(service_shape(body, number, types))


def _check_service_tables(reader: Reader) -> None:
    elements = 0
    for _ in range(reader.count(MAX_WASM_TABLES, "tables")):
        reader.byte()
        elements += read_limits(reader).initial
    if elements > MAX_WASM_TABLE_ELEMENTS:
        raise reader.fail(f"{elements} table elements, at most {MAX_WASM_TABLE_ELEMENTS}")


def _spaces(module: Module) -> Spaces:
    return Spaces(
        types=type_space(module),
        imported=len(module.imported),
        functions=module.function_count,
        globals=module.globals,
    )


def _parameters(module: Module, number: int) -> int:
    return len(_type_of(module, number).parameters)


def _type_of(module: Module, number: int) -> FunctionType:
    index = module.functions[number]
    return module.types[index] if index < len(module.types) else METER_TYPE


def _check_start(module: Module, bodies: list[Body]) -> None:
    """A start function may not be metered: its charge would come too early (spec 04 §1.1)."""
    if module.start is None:
        return
    number = module.start - len(module.imported)
    if number < 0 or bodies[number].charges:
        raise module_error("the start function contains instructions", function=module.start)
