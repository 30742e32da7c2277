"""`Engine`: compiles modules of one kind and makes instances of them.

There is one engine for contracts and one for services per process; both are safe to use from any
thread. A store holds one instance and belongs to the thread that made it. Code of a contract gives
the same outcome everywhere: floating-point results that are not numbers are made canonical, and
only features that the filter in front lets through reach the engine (`prepare`). Services run
with the engine's usual features (spec 04 §9).

Guest code is interrupted by epochs: while guests run, a `Ticker` advances the epoch, and at each
advance the running guest asks its host whether time is up.
"""

import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from catenula.base.errors import LocalError
from catenula.base.limits import (
    MAX_WASM_MEMORY_PAGES,
    MAX_WASM_STACK_BYTES,
    MIN_RECURSION_LIMIT,
    WASM_EPOCH_SECONDS,
)
from catenula.execution.errors import ExecutionError
from catenula.execution.wasm.binary import ModuleRefused
from catenula.execution.wasm.host_functions import HostFunction
from catenula.execution.wasm.library import library, take_message, take_trap

HostCall = Callable[[Any, Any, Any, int], int]
"""Answers a call of the guest that runs on this thread: engine's data, caller, raw slots and their
number; 0, or the address of a trap."""

_FUNCTION, _GLOBAL, _MEMORY = 0, 1, 3
_PAGE_BYTES = 65_536
_STORE_TABLE_ELEMENTS = 10_000_000
_ONE_OF_EACH = 1
_MANY_TABLES = 100
_NO_OPTIMIZATION = 0
_SINGLE_PASS = 1


class Engine:
    """Settings, host functions and the compiler for one kind of module."""

    def __init__(
        self,
        imports: dict[tuple[str, str], HostFunction],
        *,
        is_contract: bool,
        answering: Callable[[HostFunction], HostCall],
        unanswered: Callable[..., int],
        is_time_up: Callable[[], bool],
    ) -> None:
        self.is_contract = is_contract
        # How deep guests may call each other must not depend on who runs them (`MAX_CALL_DEPTH`).
        sys.setrecursionlimit(max(sys.getrecursionlimit(), MIN_RECURSION_LIMIT))
        self._library = library()
        self._engine = self._library.functions.wasm_engine_new_with_config(
            _config(is_contract, is_quick=not is_contract)
        )
        self._callbacks: list[Any] = []
        self._linker = self._make_linker(imports, answering, unanswered)
        self.ticker = Ticker(self._engine)
        self._on_epoch = self._epoch_callback(is_time_up)

    # Host functions

    def _make_linker(
        self,
        imports: dict[tuple[str, str], HostFunction],
        answering: Callable[[HostFunction], HostCall],
        unanswered: Callable[..., int],
    ) -> Any:
        ffi, functions = self._library
        linker = functions.wasmtime_linker_new(self._engine)
        for (module, name), function in imports.items():
            callback = ffi.callback("host_function_t", answering(function), onerror=unanswered)
            self._callbacks.append(callback)
            kind = _function_type(*function.core_type)
            where, what = module.encode(), name.encode()
            error = functions.wasmtime_linker_define_func_unchecked(
                linker, where, len(where), what, len(what), kind, callback, ffi.NULL, ffi.NULL
            )
            functions.wasm_functype_delete(kind)
            if error != ffi.NULL:
                raise ExecutionError("WasmError", reason=take_message(error))
        return linker

    def _epoch_callback(self, is_time_up: Callable[[], bool]) -> Any:
        ffi, functions = self._library

        def advanced(_context: Any, _data: Any, delta: Any, kind: Any) -> int:
            if is_time_up():
                return int(ffi.cast("size_t", functions.wasmtime_error_new(b"interrupted")))
            delta[0], kind[0] = 1, 0
            return 0

        return ffi.callback("epoch_function_t", advanced)

    # Modules

    def compile(self, code: bytes, *, is_hard: bool = False) -> "CompiledModule":
        """Compile a module; `ModuleRefused` when it is not valid, or nothing offers its imports.

        A contract that ``is_hard`` for the usual compiler gets the quick one, whose code this
        engine runs like its own. Other errors (`ExecutionError`) are failures of the compiler.
        """
        # Functions are validated one by one as they are compiled, the last after all the others.
        self._validate(code)
        if is_hard and self.is_contract:
            return self.deserialize(_compile_quickly(code))
        return self._module(self._library.functions.wasmtime_module_new, code)

    def _validate(self, code: bytes) -> None:
        ffi, functions = self._library
        error = functions.wasmtime_module_validate(self._engine, ffi.from_buffer(code), len(code))
        if error != ffi.NULL:
            raise ModuleRefused("WasmError", reason=take_message(error))

    def deserialize(self, compiled: bytes | memoryview) -> "CompiledModule":
        """Take code compiled earlier by this engine; `ExecutionError` when it is from another.

        What is given here is executed as it is: it must come from a trusted place.
        """
        return self._module(self._library.functions.wasmtime_module_deserialize, compiled)

    def _module(self, make: Any, content: bytes | memoryview) -> "CompiledModule":
        ffi, functions = self._library
        found = ffi.new("wasmtime_module_t **")
        error = make(self._engine, ffi.from_buffer(content), len(content), found)
        if error != ffi.NULL:
            raise ExecutionError("WasmError", reason=take_message(error))
        module = ffi.gc(found[0], functions.wasmtime_module_delete)
        prepared = ffi.new("wasmtime_instance_pre_t **")
        error = functions.wasmtime_linker_instantiate_pre(self._linker, module, prepared)
        if error != ffi.NULL:
            raise ModuleRefused("WasmError", reason=take_message(error))
        ready = ffi.gc(prepared[0], functions.wasmtime_instance_pre_delete)
        return CompiledModule(self, module, ready)

    # Instances

    def new_store(self) -> Any:
        """A store for one instance, which is interrupted at the next epoch.

        A service that wants more memory than `MAX_WASM_MEMORY_PAGES` is told that there is none;
        a prepared contract stops by itself.
        """
        ffi, functions = self._library
        store = functions.wasmtime_store_new(self._engine, ffi.NULL, ffi.NULL)
        functions.wasmtime_store_limiter(
            store,
            MAX_WASM_MEMORY_PAGES * _PAGE_BYTES,
            _STORE_TABLE_ELEMENTS,
            _ONE_OF_EACH,
            _MANY_TABLES,
            _ONE_OF_EACH,
        )
        functions.wasmtime_store_epoch_deadline_callback(store, self._on_epoch, ffi.NULL, ffi.NULL)
        functions.wasmtime_context_set_epoch_deadline(functions.wasmtime_store_context(store), 1)
        return ffi.gc(store, functions.wasmtime_store_delete)


class CompiledModule:
    """Machine code, linked with the host functions."""

    def __init__(self, engine: Engine, module: Any, prepared: Any) -> None:
        self.engine, self._module, self._prepared = engine, module, prepared
        self._checked: dict[str, bool] = {}

    def serialize(self) -> bytes:
        """The machine code, for `Engine.deserialize`."""
        return _serialize(self._module)

    def instantiate(self) -> "Instance":
        """A fresh instance in a store of its own; runs nothing but an empty start function."""
        return Instance(self, self._prepared)

    def has_type(self, name: str, expected: Any, *, context: Any, function: Any) -> bool:
        """Whether an exported function has this core type; looked at once per module."""
        found = self._checked.get(name)
        if found is None:
            found = self._checked[name] = _core_type_of(context, function) == expected
        return found


class Instance:
    """One instance and its exports; belongs to the thread that made it."""

    def __init__(self, module: CompiledModule, prepared: Any) -> None:
        self._module = module
        self._library = library()
        ffi, functions = self._library
        self._store = module.engine.new_store()
        self.context = functions.wasmtime_store_context(self._store)
        self._instance = ffi.new("wasmtime_instance_t *")
        trap = ffi.new("wasm_trap_t **")
        error = functions.wasmtime_instance_pre_instantiate(
            prepared, self.context, self._instance, trap
        )
        if trap[0] != ffi.NULL:
            raise ExecutionError("WasmError", reason=take_trap(trap[0])[1])
        if error != ffi.NULL:
            # The module is good and linked: what is missing is this machine's to give.
            reason = take_message(error)
            raise LocalError(f"the Wasm engine gave no instance: {reason}", retryable=True)
        self._trap = trap

    def function(self, name: str, core_type: Any) -> Any:
        """An exported function of this type, None when there is none of the name.

        Raises `ExecutionError` when it has another type.
        """
        found = self._export(name, _FUNCTION)
        if found is None:
            return None
        function = self._library.ffi.new("wasmtime_func_t *", found.of.func)
        if not self._module.has_type(name, core_type, context=self.context, function=function):
            raise ExecutionError("WasmError", reason=f"the export {name} has another signature")
        return function

    def memory(self, name: str) -> Any:
        """An exported memory, None when there is none."""
        found = self._export(name, _MEMORY)
        return found and self._library.ffi.new("wasmtime_memory_t *", found.of.memory)

    def global_variable(self, name: str) -> Any:
        """An exported global, None when there is none."""
        found = self._export(name, _GLOBAL)
        return found and self._library.ffi.new("wasmtime_global_t *", found.of.variable)

    def _export(self, name: str, kind: int) -> Any:
        ffi, functions = self._library
        extern = ffi.new("wasmtime_extern_t *")
        text = name.encode()
        found = functions.wasmtime_instance_export_get(
            self.context, self._instance, text, len(text), extern
        )
        return extern if found and extern.kind == kind else None

    def call(self, function: Any, slots: Any, count: int) -> tuple[int | None, str] | None:
        """Run a function on raw slots; None, or code and text of the trap that ended it."""
        ffi, functions = self._library
        trap = self._trap
        trap[0] = ffi.NULL
        error = functions.wasmtime_func_call_unchecked(self.context, function, slots, count, trap)
        if error == ffi.NULL and trap[0] == ffi.NULL:
            return None
        if error != ffi.NULL:
            return None, take_message(error)
        return take_trap(trap[0])


class Ticker:
    """Advances the epoch of an engine while guests run, and rests when none has for a while."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._running = 0
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None

    def guest_enters(self) -> None:
        """A guest starts to run on this thread."""
        with self._lock:
            self._running += 1
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="catenula-wasm-epochs", daemon=True
                )
                self._thread.start()
        if not self._wanted.is_set():
            self._wanted.set()

    def guest_leaves(self) -> None:
        """A guest has ended."""
        with self._lock:
            self._running -= 1

    def _run(self) -> None:
        functions = library().functions
        stop = threading.Event()
        while True:
            self._wanted.wait()
            stop.wait(WASM_EPOCH_SECONDS)
            if self._is_needed():
                functions.wasmtime_engine_increment_epoch(self._engine)
                continue
            self._wanted.clear()
            # A guest may have entered in between, and found it still set.
            if self._is_needed():
                self._wanted.set()

    def _is_needed(self) -> bool:
        with self._lock:
            return self._running > 0


def _compile_quickly(code: bytes) -> bytes:
    """Machine code of a contract by the quick compiler."""
    ffi, functions = library()
    engine = functions.wasm_engine_new_with_config(_config(True, is_quick=True))
    found = ffi.new("wasmtime_module_t **")
    error = functions.wasmtime_module_new(engine, ffi.from_buffer(code), len(code), found)
    functions.wasm_engine_delete(engine)
    if error != ffi.NULL:
        raise ExecutionError("WasmError", reason=take_message(error))
    return _serialize(ffi.gc(found[0], functions.wasmtime_module_delete))


def _serialize(module: Any) -> bytes:
    ffi, functions = library()
    content = ffi.new("wasm_byte_vec_t *")
    error = functions.wasmtime_module_serialize(module, content)
    if error != ffi.NULL:
        raise ExecutionError("WasmError", reason=take_message(error))
    serialized: bytes = ffi.buffer(content.data, content.size)[:]
    functions.wasm_byte_vec_delete(content)
    return serialized


def _config(is_contract: bool, *, is_quick: bool) -> Any:
    """Settings of one kind of module; a quick compiler does not optimize."""
    functions = library().functions
    config = functions.wasm_config_new()
    functions.wasmtime_config_epoch_interruption_set(config, True)
    functions.wasmtime_config_max_wasm_stack_set(config, MAX_WASM_STACK_BYTES)
    functions.wasmtime_config_cranelift_nan_canonicalization_set(config, is_contract)
    # Instances keep the address of their memory.
    functions.wasmtime_config_memory_may_move_set(config, False)
    functions.wasmtime_config_wasm_relaxed_simd_set(config, False)
    functions.wasmtime_config_wasm_tail_call_set(config, False)
    functions.wasmtime_config_wasm_memory64_set(config, False)
    functions.wasmtime_config_wasm_multi_memory_set(config, False)
    if is_quick:
        # A query runs briefly, but a service is large: it shall be compiled three times as fast.
        functions.wasmtime_config_cranelift_opt_level_set(config, _NO_OPTIMIZATION)
        functions.wasmtime_config_cranelift_regalloc_algorithm_set(config, _SINGLE_PASS)
    return config


def _function_type(parameters: Iterable[int], results: Iterable[int]) -> Any:
    functions = library().functions
    return functions.wasm_functype_new(_types(parameters), _types(results))


def _types(kinds: Iterable[int]) -> Any:
    ffi, functions = library()
    types = [functions.wasm_valtype_new(kind) for kind in kinds]
    vector = ffi.new("wasm_valtype_vec_t *")
    functions.wasm_valtype_vec_new(vector, len(types), ffi.new("wasm_valtype_t *[]", types))
    return vector


def _core_type_of(context: Any, function: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    functions = library().functions
    kind = functions.wasmtime_func_type(context, function)
    sides = (functions.wasm_functype_params(kind), functions.wasm_functype_results(kind))
    parameters, results = (
        tuple(functions.wasm_valtype_kind(side.data[index]) for index in range(side.size))
        for side in sides
    )
    functions.wasm_functype_delete(kind)
    return parameters, results
