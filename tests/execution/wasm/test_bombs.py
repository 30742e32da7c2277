"""A few bytes that declare a lot are refused before they cost anything."""

import pytest

from catenula.base.limits import (
    MAX_WASM_BRANCH_TARGETS,
    MAX_WASM_LOCALS,
    MAX_WASM_LOOP_NESTING,
    MAX_WASM_MODULE_BYTES,
    MAX_WASM_NESTING,
)
from catenula.execution.errors import ExecutionError
from catenula.execution.wasm.binary import encode_section, encode_sized, encode_unsigned
from catenula.execution.wasm.module import CODE, FUNCTION, HEADER, TYPE
from catenula.execution.wasm.prepare import check_service, prepare_contract
from tests.execution.wasm.guests import wat

U32 = b"\xff\xff\xff\xff\x0f"
BLOCK, LOOP, END = b"\x02\x40", b"\x03\x40", b"\x0b"


def module(*bodies: bytes) -> bytes:
    """A module of functions without parameters and results."""
    count = encode_unsigned(len(bodies))
    return b"".join(
        (
            HEADER,
            encode_section(TYPE, b"\x01\x60\x00\x00"),
            encode_section(FUNCTION, count + bytes(len(bodies))),
            encode_section(CODE, count + b"".join(map(encode_sized, bodies))),
        )
    )


def nested(opening: bytes, depth: int) -> bytes:
    """A body of blocks inside each other."""
    return b"\x00" + opening * depth + END * (depth + 1)


def locals_of(*counts: int) -> bytes:
    """A body that does nothing with so many locals of 64 bits, in groups."""
    groups = b"".join(encode_unsigned(count) + b"\x7e" for count in counts)
    return encode_unsigned(len(counts)) + groups + END


REFUSED = {
    "locals of one group": module(locals_of(MAX_WASM_LOCALS + 1)),
    "locals of several groups": module(locals_of(*[2**32 - 1] * 20)),
    "groups of locals": module(U32 + END),
    "blocks": module(nested(BLOCK, MAX_WASM_NESTING + 1)),
    "loops": module(nested(LOOP, MAX_WASM_LOOP_NESTING + 1)),
    "branch targets": module(b"\x00\x41\x00\x0e" + U32 + END),
    "branch targets that are there": module(
        b"\x00\x41\x00\x0e" + encode_unsigned(MAX_WASM_BRANCH_TARGETS + 1) + bytes(1 << 18) + END
    ),
    "types": HEADER + encode_section(TYPE, U32),
    "parameters": HEADER + encode_section(TYPE, b"\x01\x60" + U32),
    "functions": HEADER + encode_section(FUNCTION, U32 + bytes(100)),
    "a section": HEADER + b"\x01" + U32,
    "a name": HEADER + encode_section(0, U32),
    "bytes": HEADER + bytes(MAX_WASM_MODULE_BYTES),
}


@pytest.mark.parametrize("what", REFUSED)
def test_too_many(what: str) -> None:
    with pytest.raises(ExecutionError):
        prepare_contract(REFUSED[what])


@pytest.mark.parametrize(
    "code",
    [
        module(locals_of(MAX_WASM_LOCALS)),
        module(nested(BLOCK, MAX_WASM_NESTING)),
        module(nested(LOOP, MAX_WASM_LOOP_NESTING)),
    ],
)
def test_as_many_as_allowed(code: bytes) -> None:
    prepare_contract(code)


def test_services_have_the_limit_on_locals_too() -> None:
    check_service(module(locals_of(MAX_WASM_LOCALS)))
    with pytest.raises(ExecutionError):
        check_service(REFUSED["locals of several groups"])


def test_services_have_the_limit_on_loops_too() -> None:
    check_service(module(nested(LOOP, MAX_WASM_LOOP_NESTING)))
    with pytest.raises(ExecutionError):
        check_service(module(nested(LOOP, MAX_WASM_LOOP_NESTING + 1)))


SERVICE_CODE = """(module (memory 1) (table 2 funcref) (elem declare func 0) (data "abc")
  (global $g (mut externref) (ref.null extern))
  (func (param i32) (result i32 i64)
    (memory.fill (i32.const 0) (i32.const 1) (i32.const 2))
    (memory.copy (i32.const 0) (i32.const 1) (i32.const 2))
    (memory.init 0 (i32.const 0) (i32.const 1) (i32.const 2)) (data.drop 0)
    (table.set 0 (i32.const 0) (ref.func 0)) (drop (table.get 0 (i32.const 0)))
    (drop (table.grow 0 (ref.null func) (i32.const 1))) (drop (table.size 0))
    (table.fill 0 (i32.const 0) (ref.null func) (i32.const 1))
    (table.copy (i32.const 0) (i32.const 0) (i32.const 0))
    (drop (select (result i32) (i32.const 1) (i32.const 2) (i32.const 3)))
    (drop (ref.is_null (global.get $g)))
    (drop (i64.trunc_sat_f64_u (f64.const 1)))
    (drop (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15
      (v128.const i64x2 1 2) (v128.load offset=300 (i32.const 0))))
    (drop (v128.load8_lane 3 (i32.const 0) (v128.const i64x2 1 2)))
    (drop (i16x8.extract_lane_s 3 (v128.load32_zero (i32.const 0))))
    (drop (f64x2.add (v128.const i64x2 1 2) (v128.const i64x2 1 2)))
    (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1))) (atomic.fence)
    (drop (memory.atomic.notify (i32.const 0) (i32.const 1)))
    (block (loop (param) (br_table 0 1 1 (local.get 0))))
    (loop (loop (br_if 1 (i32.const 0))))
    (drop (memory.grow (i32.const 0))) (drop (memory.size))
    (i32.const 1) (i64.const -5)))"""


def test_a_service_may_use_all_that_services_may() -> None:
    check_service(wat(SERVICE_CODE))
    for refused in (
        "(func $f (return_call $f))",
        "(tag) (func (throw 0))",
        "(func (drop (ref.i31 (i32.const 1))))",
    ):
        with pytest.raises(ExecutionError, match="unknown"):
            check_service(wat(f"(module {refused})"))
