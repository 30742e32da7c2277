"""Contracts may use the MVP, sign extensions and mutable globals, and nothing else (spec 04 §9)."""

import pytest
import wasmtime

from catenula.base.limits import MAX_WASM_MEMORY_PAGES
from catenula.execution.errors import ExecutionError
from catenula.execution.wasm.prepare import (
    FUEL_EXPORT,
    STOP_MEMORY_LIMIT,
    check_service,
    prepare_contract,
)
from tests.execution.wasm.guests import ENGINE, Guest, wat

ACCEPTED = {
    "empty": "",
    "sign extensions": "(func (drop (i32.extend8_s (i32.const 1))))",
    "mutable globals": '(global (export "g") (mut i32) (i32.const 1))',
    "floats": "(func (drop (f64.sqrt (f64.const 2))))",
    "indirect calls": "(table 1 funcref) (func (call_indirect (i32.const 0)))",
    "an idle start function": "(func $f nop) (start $f)",
}
REFUSED = {
    "bulk memory": "(memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))",
    "saturating conversions": "(func (drop (i32.trunc_sat_f32_s (f32.const 0))))",
    "reference types": "(table 1 externref)",
    "typed select": "(func (drop (select (result i32) (i32.const 1) (i32.const 1) (i32.const 1))))",
    "vectors": "(func (drop (v128.const i64x2 0 0)))",
    "atomics": "(memory 1 1 shared)",
    "several results": "(func (result i32 i32) (i32.const 1) (i32.const 2))",
    "block parameters": "(func (i32.const 1) (block (param i32) (drop)))",
    "tail calls": "(func $f (return_call $f))",
    "two memories": "(memory 1) (memory 1)",
    "a memory of 64 bits": "(memory i64 1)",
    "a passive segment": '(memory 1) (data "a")',
    "a data count": '(memory 1) (func (data.drop 0)) (data "a")',
    "extended constants": "(global i32 (i32.add (i32.const 1) (i32.const 1)))",
    "an imported memory": '(import "env" "memory" (memory 1))',
    "a start function that does something": "(func $f (drop (i32.const 1))) (start $f)",
    "too large a memory": f"(memory {MAX_WASM_MEMORY_PAGES + 1})",
    "too large a table": "(table 10000000 funcref)",
}


@pytest.mark.parametrize("what", ACCEPTED)
def test_contracts_may_use(what: str) -> None:
    wasmtime.Module.validate(ENGINE, prepare_contract(wat(f"(module {ACCEPTED[what]})")))


@pytest.mark.parametrize("what", REFUSED)
def test_contracts_may_not_use(what: str) -> None:
    with pytest.raises(ExecutionError) as refused:
        prepare_contract(wat(f"(module {REFUSED[what]})"))
    assert refused.value.code == "WasmModule"


def test_a_table_number_may_be_padded() -> None:
    plain = wat("(module (table 1 funcref) (func (call_indirect (i32.const 0))))")
    padded = plain.replace(b"\x0a\x09\x01\x07", b"\x0a\x0d\x01\x0b").replace(
        b"\x11\x00\x00", b"\x11\x00\x80\x80\x80\x80\x00"
    )
    assert len(padded) == len(plain) + 4
    wasmtime.Module.validate(ENGINE, prepare_contract(padded))


@pytest.mark.parametrize(
    "text",
    [
        "(global (mut i64) (i64.const 0)) (func (global.set 0 (i64.const 9)))",
        "(memory 1) (func (drop (memory.grow (i32.const 1)))) (func (call 0))",
    ],
)
def test_contracts_cannot_name_what_is_added(text: str) -> None:
    """Invariant A1."""
    code = wat(f"(module {text})")
    wasmtime.Module.validate(ENGINE, prepare_contract(code))
    beyond = code.replace(b"\x24\x00", b"\x24\x01").replace(b"\x10\x00", b"\x10\x02")
    assert beyond != code
    with pytest.raises(ExecutionError):
        prepare_contract(beyond)


def test_an_export_under_a_reserved_name_is_not_the_fuel() -> None:
    guest = Guest(
        wat(f"""(module (global (export "{FUEL_EXPORT}") (mut i64) (i64.const 77))
          (func (export "run") (drop (i32.const 1))))""")
    )
    guest.fuel = 5
    guest.call("run")
    assert guest.fuel == 4


GROWING = """(module (memory (export "memory") 1 {maximum})
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"""


def test_memory_grows_up_to_the_limit_and_no_further() -> None:
    guest = Guest(wat(GROWING.format(maximum="")))
    guest.fuel = 100
    assert guest.call("grow", 2) == 1
    assert guest.call("grow", 65_534) == -1
    assert guest.call("grow", -1) == -1
    assert guest.call("grow", 0) == 3
    assert guest.stop == 0
    with pytest.raises(wasmtime.Trap):
        guest.call("grow", MAX_WASM_MEMORY_PAGES - 2)
    assert guest.stop == STOP_MEMORY_LIMIT
    assert guest.fuel == 100 - 5 * 2


def test_memory_does_not_grow_beyond_its_declared_maximum() -> None:
    guest = Guest(wat(GROWING.format(maximum="3")))
    guest.fuel = 100
    assert guest.call("grow", 3) == -1
    assert guest.call("grow", 2) == 1
    assert guest.stop == 0


def test_services_are_checked_for_size_only() -> None:
    check_service(wat("(module (memory 1) (func (result i32 i32) (i32.const 1) (i32.const 2)))"))
    for refused in ("(memory 9999)", "(memory 1 1 shared)", "(table 10000000 funcref)"):
        with pytest.raises(ExecutionError):
            check_service(wat(f"(module {refused})"))
