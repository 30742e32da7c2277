"""The C functions of the Wasm engine that this program calls, and errors that come from them.

The shared library is the one inside the ``wasmtime`` wheel; its own Python binding is not used
for running code because a call through it costs several times as much (decision 0037). Loading the
library takes tens of milliseconds, so `library` does it on first use.

Ownership follows the C header: what a function returns as an error or a trap belongs to the
caller; `take_message` and `take_trap` free it. Must not know what a contract is.
"""

import platform
import sys
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from catenula.base.errors import LocalError

_DECLARATIONS = """
typedef struct wasm_config_t wasm_config_t;
typedef struct wasm_engine_t wasm_engine_t;
typedef struct wasm_trap_t wasm_trap_t;
typedef struct wasm_valtype_t wasm_valtype_t;
typedef struct wasm_functype_t wasm_functype_t;
typedef struct wasmtime_error_t wasmtime_error_t;
typedef struct wasmtime_module_t wasmtime_module_t;
typedef struct wasmtime_store_t wasmtime_store_t;
typedef struct wasmtime_context_t wasmtime_context_t;
typedef struct wasmtime_linker_t wasmtime_linker_t;
typedef struct wasmtime_instance_pre_t wasmtime_instance_pre_t;
typedef struct wasmtime_caller_t wasmtime_caller_t;

typedef struct { size_t size; char *data; } wasm_byte_vec_t;
typedef struct { size_t size; wasm_valtype_t **data; } wasm_valtype_vec_t;

typedef struct { uint64_t store_id; size_t private1; } wasmtime_instance_t;
typedef struct { uint64_t store_id; void *private1; } wasmtime_func_t;
typedef struct {
  uint64_t store_id; uint32_t private1; uint32_t padding; uint32_t private2;
} wasmtime_memory_t;
typedef struct {
  uint64_t store_id; uint32_t private1; uint32_t private2; uint32_t private3;
} wasmtime_global_t;
typedef struct {
  uint8_t kind;
  union {
    wasmtime_func_t func; wasmtime_global_t variable; wasmtime_memory_t memory; uint64_t room[3];
  } of;
} wasmtime_extern_t;
typedef struct {
  uint8_t kind;
  union { int32_t i32; int64_t i64; uint64_t room[3]; } of;
} wasmtime_val_t;

typedef size_t (*host_function_t)(void *, wasmtime_caller_t *, uint64_t *, size_t);
typedef size_t (*epoch_function_t)(wasmtime_context_t *, void *, uint64_t *, uint8_t *);

void wasm_byte_vec_delete(wasm_byte_vec_t *);
wasm_config_t *wasm_config_new(void);
wasm_engine_t *wasm_engine_new_with_config(wasm_config_t *);
void wasm_engine_delete(wasm_engine_t *);
wasm_valtype_t *wasm_valtype_new(uint8_t);
void wasm_valtype_vec_new(wasm_valtype_vec_t *, size_t, wasm_valtype_t *const *);
wasm_functype_t *wasm_functype_new(wasm_valtype_vec_t *, wasm_valtype_vec_t *);
void wasm_functype_delete(wasm_functype_t *);
void wasm_trap_message(const wasm_trap_t *, wasm_byte_vec_t *);
void wasm_trap_delete(wasm_trap_t *);
wasm_trap_t *wasmtime_trap_new(const char *, size_t);
bool wasmtime_trap_code(const wasm_trap_t *, uint8_t *);
wasmtime_error_t *wasmtime_error_new(const char *);
void wasmtime_error_message(const wasmtime_error_t *, wasm_byte_vec_t *);
void wasmtime_error_delete(wasmtime_error_t *);

void wasmtime_config_epoch_interruption_set(wasm_config_t *, bool);
void wasmtime_config_max_wasm_stack_set(wasm_config_t *, size_t);
void wasmtime_config_cranelift_nan_canonicalization_set(wasm_config_t *, bool);
void wasmtime_config_cranelift_opt_level_set(wasm_config_t *, uint8_t);
void wasmtime_config_cranelift_regalloc_algorithm_set(wasm_config_t *, uint8_t);
void wasmtime_config_wasm_tail_call_set(wasm_config_t *, bool);
void wasmtime_config_wasm_memory64_set(wasm_config_t *, bool);
void wasmtime_config_wasm_multi_memory_set(wasm_config_t *, bool);
void wasmtime_config_wasm_relaxed_simd_set(wasm_config_t *, bool);
void wasmtime_config_wasm_function_references_set(wasm_config_t *, bool);
void wasmtime_config_wasm_gc_set(wasm_config_t *, bool);
void wasmtime_config_wasm_exceptions_set(wasm_config_t *, bool);
void wasmtime_config_memory_may_move_set(wasm_config_t *, bool);
void wasmtime_engine_increment_epoch(wasm_engine_t *);

wasmtime_error_t *wasmtime_module_new(
  wasm_engine_t *, const uint8_t *, size_t, wasmtime_module_t **);
wasmtime_error_t *wasmtime_module_serialize(wasmtime_module_t *, wasm_byte_vec_t *);
wasmtime_error_t *wasmtime_module_deserialize(
  wasm_engine_t *, const uint8_t *, size_t, wasmtime_module_t **);
void wasmtime_module_delete(wasmtime_module_t *);

wasmtime_store_t *wasmtime_store_new(wasm_engine_t *, void *, void *);
wasmtime_context_t *wasmtime_store_context(wasmtime_store_t *);
void wasmtime_store_limiter(wasmtime_store_t *, int64_t, int64_t, int64_t, int64_t, int64_t);
void wasmtime_store_epoch_deadline_callback(wasmtime_store_t *, epoch_function_t, void *, void *);
void wasmtime_context_set_epoch_deadline(wasmtime_context_t *, uint64_t);
void wasmtime_store_delete(wasmtime_store_t *);

wasmtime_linker_t *wasmtime_linker_new(wasm_engine_t *);
wasmtime_error_t *wasmtime_linker_define_func_unchecked(
  wasmtime_linker_t *, const char *, size_t, const char *, size_t, const wasm_functype_t *,
  host_function_t, void *, void *);
wasmtime_error_t *wasmtime_linker_instantiate_pre(
  const wasmtime_linker_t *, const wasmtime_module_t *, wasmtime_instance_pre_t **);
wasmtime_error_t *wasmtime_instance_pre_instantiate(
  const wasmtime_instance_pre_t *, wasmtime_context_t *, wasmtime_instance_t *, wasm_trap_t **);
void wasmtime_instance_pre_delete(wasmtime_instance_pre_t *);
bool wasmtime_instance_export_get(
  wasmtime_context_t *, const wasmtime_instance_t *, const char *, size_t, wasmtime_extern_t *);

wasmtime_error_t *wasmtime_func_call_unchecked(
  wasmtime_context_t *, const wasmtime_func_t *, uint64_t *, size_t, wasm_trap_t **);
wasm_functype_t *wasmtime_func_type(const wasmtime_context_t *, const wasmtime_func_t *);
const wasm_valtype_vec_t *wasm_functype_params(const wasm_functype_t *);
const wasm_valtype_vec_t *wasm_functype_results(const wasm_functype_t *);
uint8_t wasm_valtype_kind(const wasm_valtype_t *);
unsigned long pthread_self(void);
int pthread_getattr_np(unsigned long, void *);
int pthread_attr_getstack(const void *, void **, size_t *);
int pthread_attr_destroy(void *);

uint8_t *wasmtime_memory_data(const wasmtime_context_t *, const wasmtime_memory_t *);
size_t wasmtime_memory_data_size(const wasmtime_context_t *, const wasmtime_memory_t *);
void wasmtime_global_get(wasmtime_context_t *, const wasmtime_global_t *, wasmtime_val_t *);
wasmtime_error_t *wasmtime_global_set(
  wasmtime_context_t *, const wasmtime_global_t *, const wasmtime_val_t *);
"""


class Library(NamedTuple):
    """The loaded library: ``functions`` is called, ``ffi`` makes what it is called with."""

    ffi: Any
    functions: Any


@lru_cache(maxsize=1)
def library() -> Library:
    """The library, loaded once; `LocalError` when this machine has none."""
    from cffi import FFI

    ffi = FFI()
    ffi.cdef(_DECLARATIONS)
    path = _location()
    try:
        return Library(ffi, ffi.dlopen(str(path)))
    except OSError as error:
        raise LocalError(f"the Wasm engine cannot be loaded: {error}", retryable=False) from error


_FILE_NAMES = {
    "linux": "_libwasmtime.so",
    "darwin": "_libwasmtime.dylib",
    "win32": "_wasmtime.dll",
}
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def _location() -> Path:
    found = find_spec("wasmtime")
    if found is None or found.origin is None or sys.platform not in _FILE_NAMES:
        raise LocalError(
            "the Wasm engine is missing: install the wasmtime package", retryable=False
        )
    machine = platform.machine().lower()
    folder = f"{sys.platform}-{_MACHINES.get(machine, machine)}"
    return Path(found.origin).parent / folder / _FILE_NAMES[sys.platform]


@lru_cache(maxsize=1)
def engine_version() -> str:
    """Version of the engine and the machine it compiles for; compiled code is only good there."""
    from importlib.metadata import version

    return f"wasmtime {version('wasmtime')} {sys.platform} {platform.machine()}"


def take_message(error: Any) -> str:
    """The text of an error of the engine, which is freed."""
    ffi, functions = library()
    text = ffi.new("wasm_byte_vec_t *")
    functions.wasmtime_error_message(error, text)
    functions.wasmtime_error_delete(error)
    return _cause(_take(text))


def take_trap(trap: Any) -> tuple[int | None, str]:
    """Code (None for a trap of the host's) and text of a trap, which is freed."""
    ffi, functions = library()
    code = ffi.new("uint8_t *")
    known = functions.wasmtime_trap_code(trap, code)
    text = ffi.new("wasm_byte_vec_t *")
    functions.wasm_trap_message(trap, text)
    functions.wasm_trap_delete(trap)
    return (code[0] if known else None), _cause(_take(text))


def _cause(text: str) -> str:
    """What an error says without a guest's backtrace, whose numbers mean nothing to anybody."""
    return text.rpartition("Caused by:")[2].strip().removeprefix("wasm trap: ")


def _take(text: Any) -> str:
    ffi, functions = library()
    message: str = ffi.buffer(text.data, text.size)[:].rstrip(b"\0").decode("utf-8", "replace")
    functions.wasm_byte_vec_delete(text)
    return message
