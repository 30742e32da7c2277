"""Whatever bytes come, preparing ends in a refusal or in what is as valid as the bytes were."""

from contextlib import suppress
from random import Random

import wasmtime
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catenula.execution.errors import ExecutionError
from catenula.execution.wasm.binary import encode_section, encode_unsigned
from catenula.execution.wasm.module import HEADER, METER_TYPE, TYPE, parse_contract
from catenula.execution.wasm.prepare import check_service, prepare_contract, scan_bodies
from tests.execution.wasm.guests import ENGINE, wat
from tests.execution.wasm.programs import program

MODULES = (
    '(module (memory 1 2) (data (i32.const 8) "abc") (func (result f32) (f32.const 1)))',
    "(module (table 3 funcref) (elem (i32.const 1) 0 0) (func (param i64) (local f64 i32)))",
    '(module (import "a" "" (func (param i64))) (global (mut i32) (i32.const 5)) (start 1) (func))',
    "(module (func (result i64) (i64.load offset=70000 align=2 (i32.const 123456))) (memory 1))",
)
FUZZ = settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])


def _valid(code: bytes) -> bool:
    try:
        wasmtime.Module.validate(ENGINE, code)
    except wasmtime.WasmtimeError:
        return False
    return True


def _check(code: bytes) -> None:
    try:
        prepared = prepare_contract(code)
    except ExecutionError:
        return
    if _valid(code):
        assert _valid(prepared)
    elif _valid(prepared):
        # What the reference adds or writes anew may be all that was wrong with it.
        module = parse_contract(code)
        renewed = any(c.what for body in scan_bodies(module) for c in body.changes)
        assert renewed or _valid(_with_meter_type(code))


def _with_meter_type(code: bytes) -> bytes:
    module = parse_contract(code)
    types = encode_unsigned(len(module.types) + 1) + module.content(TYPE) + b"\x60\x01\x7e\x00"
    rest = b"".join(
        encode_section(identifier, reader.data[reader.position : reader.end])
        for identifier, reader in module.sections.items()
        if identifier != TYPE
    )
    return HEADER + encode_section(TYPE, types) + rest if METER_TYPE not in module.types else code


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid module with a few bytes changed, removed or inserted."""
    random = draw(st.randoms(use_true_random=False))
    code = bytearray(wat(draw(st.sampled_from((*MODULES, program(random))))))
    for _ in range(draw(st.integers(0, 4))):
        _mutate(random, code)
    return bytes(code)


def _mutate(random: Random, code: bytearray) -> None:
    position = random.randrange(8, len(code))
    kind = random.randrange(4)
    if kind == 0:
        code[position] = random.randrange(256)
    elif kind == 1:
        code[position] ^= 1 << random.randrange(8)
    elif kind == 2:
        del code[position : position + random.randint(1, 3)]
    else:
        code[position:position] = random.randbytes(random.randint(1, 3))
    code.extend(bytes(max(0, 9 - len(code))))


@given(mutated())
@FUZZ
def test_mutated_modules_are_refused_or_stay_what_they_were(code: bytes) -> None:
    """Invariant A3."""
    _check(code)


@given(st.binary(max_size=200))
@FUZZ
def test_random_bytes_are_refused(code: bytes) -> None:
    _check(code)
    _check(HEADER + code)


@given(st.one_of(mutated(), st.binary(max_size=200).map(HEADER.__add__)))
@FUZZ
def test_checking_a_service_ends_in_a_refusal_or_nothing(code: bytes) -> None:
    with suppress(ExecutionError):
        check_service(code)
