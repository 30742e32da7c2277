"""Small guests in text form, for figures that need no more of an application."""

from functools import cache

GUEST_FOLDER = "network"
LARGE_CONTRACT_BYTES = 300_000
"""What a module of ordinary size takes, uncompressed."""

_FRAME = """(memory (export "memory") 17)
  (global $top (mut i32) (i32.const 65536))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (global.set $top (i32.add (global.get $top) (local.get 3)))
    (i32.sub (global.get $top) (local.get 3)))"""
_ENTRY = "linera:app/contract-entrypoints#"
_ENTRIES = f"""(func (export "{_ENTRY}instantiate") (param i32 i32))
  (func (export "{_ENTRY}execute-operation") (param i32 i32) (result i32) (i32.const 8))
  (func (export "{_ENTRY}finalize"))"""
_FUNCTION = """(func (param i64 i64) (result i64) (local $x i64)
  (loop
    (local.set $x (i64.add (i64.mul (local.get 0) (i64.const {number})) (local.get $x)))
    (if (i64.lt_u (local.get $x) (local.get 1))
      (then (local.set $x (i64.xor (local.get $x) (i64.shl (local.get 0) (i64.const 7))))
        (i64.store (i32.wrap_i64 (local.get 1)) (local.get $x))))
    (br_if 0 (i64.ne (i64.const 0)
      (local.tee 0 (i64.sub (local.get 0) (i64.const 1))))))
  (local.get $x))"""
_FUNCTION_BYTES = 66


def idle_contract() -> bytes:
    """A contract that does nothing."""
    return _binary(f"(module {_FRAME} {_ENTRIES})")


@cache
def large_contract() -> bytes:
    """The same among functions that make it `LARGE_CONTRACT_BYTES` large."""
    count = LARGE_CONTRACT_BYTES // _FUNCTION_BYTES
    functions = "".join(_FUNCTION.format(number=number) for number in range(count))
    return _binary(f"(module {_FRAME} {_ENTRIES} {functions})")


def calling_service() -> bytes:
    """A service that calls ``get-block-height`` as often as the query says, as a u32."""
    return _binary(f"""(module
      (import "linera:app/base-runtime-api" "get-block-height" (func $height (result i64)))
      {_FRAME}
      (func (export "linera:app/service-entrypoints#handle-query")
        (param $at i32) (param i32) (result i32) (local $left i32)
        (local.set $left (i32.load (local.get $at)))
        (block (loop
          (br_if 1 (i32.eqz (local.get $left)))
          (drop (call $height))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br 0)))
        (i32.const 8)))""")


def _binary(text: str) -> bytes:
    from wasmtime import wat2wasm

    return bytes(wat2wasm(text))
