"""Modules that would keep the compiler busy for long are refused before it sees them."""

from pathlib import Path

import pytest

from catenula.base.limits import MAX_WASM_COMPILE_WORK
from catenula.execution.errors import ExecutionError
from catenula.execution.wasm import work
from catenula.execution.wasm.binary import encode_section, encode_unsigned
from catenula.execution.wasm.module import HEADER, TYPE
from catenula.execution.wasm.prepare import check_service, prepare
from tests.execution.wasm.guests import wat
from tests.execution.wasm.test_bombs import module

EXAMPLES = Path(__file__).parents[3] / "examples" / "applications"
HEADROOM = 5
END = b"\x0b"
GET = b"\x20\x00"


def declared(count: int) -> bytes:
    """Declarations of so many locals of 32 bits."""
    return b"\x01" + encode_unsigned(count) + b"\x7f"


def each(count: int, code: bytes) -> bytes:
    """``code`` behind the opcode of local.get, for each local."""
    return b"".join(b"\x20" + encode_unsigned(index) + code for index in range(count))


def count_up(count: int) -> bytes:
    """Add one to each local."""
    return b"".join(
        b"\x20" + number + b"\x41\x01\x6a\x21" + number
        for number in map(encode_unsigned, range(count))
    )


# What each took when it was measured, without a bound, is in decision 0055.
BOMBS = {
    "locals that live across branches": module(
        declared(5_000) + (GET + b"\x04\x40" + END) * 10_000 + each(5_000, b"\x1a") + END
    ),
    "loops after each other": module(
        declared(1) + (b"\x03\x40" + GET + b"\x0d\x00" + END) * 20_000 + END
    ),
    "locals changed in loops inside each other": module(
        declared(4_000) + b"\x03\x40" * 150 + count_up(4_000) + (GET + b"\x0d\0" + END) * 150 + END,
        declared(4_000) + b"\x03\x40" * 150 + count_up(4_000) + (GET + b"\x0d\0" + END) * 150 + END,
        declared(4_000) + b"\x03\x40" * 150 + count_up(4_000) + (GET + b"\x0d\0" + END) * 150 + END,
    ),
    "branch tables back to where many locals meet": module(
        declared(1_000)
        + b"\x03\x40"
        + count_up(1_000)
        + b"\x41\x00\x0e"
        + encode_unsigned(50_000)
        + bytes(50_001)
        + END * 2
    ),
    "branches back to a loop among indirect calls": module(
        declared(1) + b"\x03\x40" + (GET + b"\x0d\x00" + GET + b"\x11\0\0") * 12_000 + END * 2
    ),
    "indirect calls": module(*[declared(1) + b"\x41\x00\x11\x00\x00" * 20_000 + END] * 30),
    "locals of many functions": module(*[declared(50_000) + END] * 401),
    "types with many parameters": HEADER
    + encode_section(
        TYPE,
        encode_unsigned(5_000)
        + (b"\x60" + encode_unsigned(1_000) + b"\x7e" * 1_000 + b"\0") * 5_000,
    ),
    "functions with many parameters": HEADER
    + encode_section(TYPE, b"\x01\x60" + encode_unsigned(1_000) + b"\x7e" * 1_000 + b"\0")
    + encode_section(3, encode_unsigned(30_000) + bytes(30_000))
    + encode_section(10, encode_unsigned(30_000) + b"\x02\x00\x0b" * 30_000),
}


@pytest.mark.parametrize("is_service", [False, True], ids=["contract", "service"])
@pytest.mark.parametrize("what", BOMBS)
def test_compile_bombs_are_refused_by_name(what: str, is_service: bool) -> None:
    with pytest.raises(ExecutionError, match="compiling it takes more than"):
        prepare(BOMBS[what], is_service=is_service)


SERVICE_BOMBS = {
    "blocks that pass many values": "(type $t (func (param {many}) (result {many})))"
    "(func (param {many}) {gets} " + "(block (type $t))" * 2_000 + " unreachable)",
    "calls with many results": "(func $f (result {many}) unreachable)"
    "(func " + "(call $f)" * 60_000 + " unreachable)",
    "tables copied": "(table 1 funcref) (func "
    + "(table.copy (i32.const 0) (i32.const 0) (i32.const 0))" * 80_000
    + ")",
    "references of the host in globals": "(global $g (mut externref) (ref.null extern))"
    "(func " + "(global.set $g (global.get $g))" * 65_000 + ")",
}


@pytest.mark.parametrize("what", SERVICE_BOMBS)
def test_what_only_services_may_do_is_counted_too(what: str) -> None:
    count = 100
    code = SERVICE_BOMBS[what].replace("{many}", " i32" * count)
    gets = "".join(f"(local.get {index})" for index in range(count))
    with pytest.raises(ExecutionError, match="compiling it takes more than"):
        check_service(wat(f"(module {code.replace('{gets}', gets)})"))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/*.wasm")), ids=lambda path: path.stem)
def test_real_programs_stay_far_below_the_bound(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "MAX_WASM_COMPILE_WORK", MAX_WASM_COMPILE_WORK // HEADROOM)
    prepared = prepare(path.read_bytes(), is_service=path.stem.endswith("service"))
    assert not prepared.is_hard


def test_what_is_hard_is_less_than_what_is_refused() -> None:
    """Many joints in one function: the usual compiler's time grows with their square."""

    def joints(count: int) -> bytes:
        return module(declared(1) + (GET + b"\x04\x40" + END) * count + END)

    assert [prepare(joints(n), is_service=False).is_hard for n in (1_000, 50_000)] == [False, True]


def test_constants_of_globals_are_stepped_over() -> None:
    constants = ["i32.const -5", "i64.const 1", "f32.const 1", "f64.const 2"]
    globals_ = "".join(f"(global {each.split('.')[0]} ({each}))" for each in constants)
    check_service(wat(f"(module {globals_} (global funcref (ref.func 0)) (func))"))
