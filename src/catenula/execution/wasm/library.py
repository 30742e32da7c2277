"""The C functions of the Wasm engine that this program calls, and errors that come from them.

The shared library is the one inside the ``wasmtime`` wheel; its own Python binding is not used
for running code because a call through it costs several times as much (decision 0037). `library`
loads it on first use.

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


class Library(NamedTuple):
    """The loaded library: ``functions`` is called, ``ffi`` makes what it is called with."""

    ffi: Any
    functions: Any


@lru_cache(maxsize=1)
def library() -> Library:
    """The library, loaded once; `LocalError` when this machine has none."""
    from catenula.execution.wasm.compiled_declarations import ffi

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
