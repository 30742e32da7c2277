"""Compile the C declarations of the Wasm engine's library to Python."""

from pathlib import Path

from cffi import FFI

HEADER = Path(__file__).with_name("wasm_engine.h")
MODULE = "catenula.execution.wasm.compiled_declarations"
TARGET = HEADER.parents[1] / "src" / MODULE.replace(".", "/")


def compile_declarations(target: Path) -> None:
    """Write the module that `catenula.execution.wasm.library` loads."""
    ffi = FFI()
    ffi.cdef(HEADER.read_text(encoding="utf-8"))
    ffi.set_source(MODULE, None)
    ffi.emit_python_code(str(target))
    generated = target.read_text(encoding="utf-8").partition("\n")[2]
    heading = '"""Made of tools/wasm_engine.h by tools/compile_declarations.py; do not edit."""'
    target.write_text(f"{heading}\n{generated}", encoding="utf-8")


if __name__ == "__main__":
    compile_declarations(TARGET.with_suffix(".py"))
