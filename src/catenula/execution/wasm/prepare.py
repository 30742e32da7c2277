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
    LARGE_WASM_FUNCTION_BYTES,
    MAX_WASM_LOCAL_WORK,
    MAX_WASM_LOCALS,
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
    MEMORY,
    METER_TYPE,
    START,
    TABLE,
    Module,
    function_bodies,
    parse_contract,
    read_limits,
    read_memory,
    split_sections,
    type_space,
)
from catenula.execution.wasm.service_code import most_loops

__all__ = [
    "FUEL_EXPORT",
    "STOP_EXPORT",
    "STOP_MEMORY_LIMIT",
    "STOP_MEMORY_REFUSED",
    "MeteredBlock",
    "check_service",
    "has_large_function",
    "metered_blocks",
    "prepare_contract",
]


class MeteredBlock(NamedTuple):
    """A charge in the terms of spec 04 §7: positions count instructions, bodies from 0."""

    body: int
    start: int
    cost: int


def prepare_contract(code: bytes, *, is_charged: bool = True) -> bytes:
    """The module that runs instead of ``code``; `ExecutionError` when it is not acceptable.

    Without charges nothing stops it: that is for measuring what they cost.
    """
    module = parse_contract(code)
    bodies = list(scan_bodies(module))
    _check_work(sum(body.locals * (1 + body.most_loops) for body in bodies))
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
    _check_work(sum(map(_service_work, _bodies(sections))))


def has_large_function(code: bytes) -> bool:
    """Whether a module is to be compiled by the method that is made for large functions.

    ``code`` may be of a contract, prepared or not, or of a service, and has been accepted before.
    """
    bodies = _bodies(split_sections(code))
    return any(body.end - body.position > LARGE_WASM_FUNCTION_BYTES for body in bodies)


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


def _bodies(sections: dict[int, Reader]) -> Iterator[Reader]:
    return function_bodies(sections[CODE]) if CODE in sections else iter(())


def _check_work(work: int) -> None:
    if work > MAX_WASM_LOCAL_WORK:
        raise module_error(f"{work} locals in loops, at most {MAX_WASM_LOCAL_WORK}")


def _check_service_tables(reader: Reader) -> None:
    elements = 0
    for _ in range(reader.count(MAX_WASM_TABLES, "tables")):
        reader.byte()
        elements += read_limits(reader).initial
    if elements > MAX_WASM_TABLE_ELEMENTS:
        raise reader.fail(f"{elements} table elements, at most {MAX_WASM_TABLE_ELEMENTS}")


def _service_work(reader: Reader) -> int:
    total = 0
    for _ in range(reader.count(MAX_WASM_LOCALS, "groups of locals")):
        total += reader.unsigned()
        reader.byte()
    return total * (1 + most_loops(reader))


def _spaces(module: Module) -> Spaces:
    return Spaces(
        types=type_space(module),
        imported=len(module.imported),
        functions=module.function_count,
        globals=module.globals,
    )


def _parameters(module: Module, number: int) -> int:
    index = module.functions[number]
    kind = module.types[index] if index < len(module.types) else METER_TYPE
    return len(kind.parameters)


def _check_start(module: Module, bodies: list[Body]) -> None:
    """A start function may not be metered: its charge would come too early (spec 04 §1.1)."""
    if module.start is None:
        return
    number = module.start - len(module.imported)
    if number < 0 or bodies[number].charges:
        raise module_error("the start function contains instructions", function=module.start)
