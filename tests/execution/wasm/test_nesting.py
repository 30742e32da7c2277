"""Applications that call each other, and how deep they may go."""

import struct
from functools import cache

import pytest

from catenula.base.limits import MAX_CALL_DEPTH
from catenula.execution.errors import ExecutionError
from catenula.testing.contracts import Application, ContractTest
from tests.execution.wasm.guests import wat

# Recurses ``$levels`` deep, then calls the first application of its argument with the rest of it.
_CALLER = """(module
  (import "linera:app/contract-runtime-api" "try-call-application"
    (func $call (param i32 i64 i64 i64 i64 i32 i32 i32)))
  (memory (export "memory") 2)
  (global $next (mut i32) (i32.const 1024))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (global.set $next (i32.add (global.get $next) (local.get 3)))
    (i32.sub (global.get $next) (local.get 3)))
  (func (export "linera:app/contract-entrypoints#instantiate") (param i32 i32))
  (func $descend (param $from i32) (param $size i32) (param $levels i32)
    (if (local.get $levels)
      (then (call $descend
        (local.get $from) (local.get $size) (i32.sub (local.get $levels) (i32.const 1))))
      (else (if (i32.ge_u (local.get $size) (i32.const 32))
        (then (call $call (i32.const 1)
          (i64.load (local.get $from)) (i64.load offset=8 (local.get $from))
          (i64.load offset=16 (local.get $from)) (i64.load offset=24 (local.get $from))
          (i32.add (local.get $from) (i32.const 32))
          (i32.sub (local.get $size) (i32.const 32)) (i32.const 8)))))))
  (func (export "linera:app/contract-entrypoints#execute-operation")
    (param $from i32) (param $size i32) (result i32)
    (call $descend (local.get $from) (local.get $size) (i32.const LEVELS))
    (i32.const 16))
  (func (export "linera:app/contract-entrypoints#finalize")))"""


@cache
def caller(levels: int) -> bytes:
    return wat(_CALLER.replace("LEVELS", str(levels)))


def chain_of_calls(count: int, levels: int = 0) -> tuple[Application, bytes]:
    """The first of ``count`` applications, and the argument that makes each call the next."""
    test = ContractTest()
    code = caller(levels)
    applications = [test.deploy(code, code, parameters=number) for number in range(count)]
    words = [struct.unpack(">4Q", each.application_id) for each in applications[1:]]
    return applications[0], b"".join(struct.pack("<4Q", *each) for each in words)


def test_applications_call_each_other_as_deep_as_the_limit() -> None:
    application, argument = chain_of_calls(MAX_CALL_DEPTH)
    fuel_of_one = application.execute(b"").wasm_fuel
    assert application.execute(argument).wasm_fuel > MAX_CALL_DEPTH * fuel_of_one


def test_one_call_deeper_is_refused() -> None:
    application, argument = chain_of_calls(MAX_CALL_DEPTH + 1)
    with pytest.raises(ExecutionError, match="ExcessiveCallDepth"):
        application.execute(argument)
    assert application.execute(b"").wasm_fuel


def test_guests_that_use_much_stack_may_go_less_deep() -> None:
    application, argument = chain_of_calls(20, levels=3_000)
    with pytest.raises(ExecutionError, match="ExcessiveCallDepth"):
        application.execute(argument)


def test_a_guest_that_exhausts_its_own_stack_is_stopped() -> None:
    application, _ = chain_of_calls(1, levels=10_000_000)
    with pytest.raises(ExecutionError, match="stack exhausted"):
        application.execute(b"")


def test_a_call_that_cannot_be_answered_does_not_pass_for_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even what goes wrong in the frames between engine and host, such as a full stack."""
    application, argument = chain_of_calls(2)

    def out_of_stack(*_: object, **__: object) -> bytes:
        raise RecursionError

    monkeypatch.setattr("catenula.execution.runtime.ContractRuntime.call_application", out_of_stack)
    with pytest.raises(RecursionError):
        application.execute(argument)
