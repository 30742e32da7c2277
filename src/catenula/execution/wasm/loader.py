"""`WasmApplications`: the loader of applications compiled to WebAssembly (spec 04 §9).

Bytecode is decompressed, filtered and rewritten (contracts) or checked (services), compiled and
kept. A module that is not acceptable is refused each time it is loaded; why is found out once. The
engine and its library are loaded with the first application. Nodes in one process share a loader:
compiled code is the same for all of them.
"""

import threading
from functools import partial
from pathlib import Path

from catenula.base.compression import DecompressedTooLarge, decompress
from catenula.base.errors import DecodeError
from catenula.base.limits import MAX_WASM_MODULE_BYTES
from catenula.execution.applications import (
    BytecodeSource,
    ContractInstance,
    ContractModule,
    ServiceInstance,
    ServiceModule,
)
from catenula.execution.errors import ExecutionError
from catenula.execution.runtime import ContractRuntime
from catenula.execution.service_runtime import ServiceRuntime
from catenula.execution.wasm.binary import ModuleRefused
from catenula.execution.wasm.engine import CompiledModule, Engine
from catenula.execution.wasm.host_functions import contract_imports, service_imports
from catenula.execution.wasm.instance import (
    WasmContract,
    WasmService,
    answering,
    is_time_up,
    prepare_traps,
    unanswered,
)
from catenula.execution.wasm.module_cache import ModuleCache
from catenula.execution.wasm.prepare import Prepared, prepare
from catenula.protocol import ApplicationDescription, BlobId, ModuleId, VmRuntime


class _Contract:
    """A compiled contract."""

    def __init__(self, module: CompiledModule) -> None:
        self._module = module

    def instance(self, runtime: ContractRuntime) -> ContractInstance:
        return WasmContract(self._module, runtime)


class _Service:
    """A compiled service."""

    def __init__(self, module: CompiledModule) -> None:
        self._module = module

    def instance(self, runtime: ServiceRuntime) -> ServiceInstance:
        return WasmService(self._module, runtime)


class WasmApplications:
    """Compiles and keeps modules; ``folder`` keeps compiled code between processes.

    Without a folder it is kept in memory only. Safe to use from any thread.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._caches: dict[bool, ModuleCache] = {}

    def is_ready(self, description: ApplicationDescription, *, service: bool) -> bool:
        """Whether the code is compiled already, here or by an earlier process."""
        module_id = description.module_id
        if module_id.vm_runtime is not VmRuntime.WASM:
            return True
        return _blob_id(module_id, service).hash in self._cache(is_contract=not service)

    def contract(
        self, description: ApplicationDescription, bytecode: BytecodeSource
    ) -> ContractModule:
        """The contract of the application's module."""
        return _Contract(self._module(description, bytecode, service=False))

    def service(
        self, description: ApplicationDescription, bytecode: BytecodeSource
    ) -> ServiceModule:
        """The service of the application's module."""
        return _Service(self._module(description, bytecode, service=True))

    def _module(
        self, description: ApplicationDescription, bytecode: BytecodeSource, *, service: bool
    ) -> CompiledModule:
        module_id = description.module_id
        if module_id.vm_runtime is not VmRuntime.WASM:
            raise ExecutionError("UnsupportedVmRuntime", module_id=module_id)
        blob_id = _blob_id(module_id, service)
        cache = self._cache(is_contract=not service)
        return cache.get(blob_id.hash, partial(_engine_code, blob_id, bytecode, service))

    def _cache(self, *, is_contract: bool) -> ModuleCache:
        with self._lock:
            cache = self._caches.get(is_contract)
            if cache is None:
                imports = contract_imports() if is_contract else service_imports()
                prepare_traps()
                engine = Engine(
                    imports,
                    is_contract=is_contract,
                    answering=answering,
                    unanswered=unanswered,
                    is_time_up=is_time_up,
                )
                cache = self._caches[is_contract] = ModuleCache(engine, self._folder)
            return cache


def _blob_id(module_id: ModuleId, service: bool) -> BlobId:
    return module_id.bytecode_blob_ids()[int(service)]


def _engine_code(blob_id: BlobId, bytecode: BytecodeSource, service: bool) -> Prepared:
    """What the engine is given to compile."""
    compressed = bytecode(blob_id)
    try:
        code = decompress(compressed, MAX_WASM_MODULE_BYTES)
    except (DecodeError, DecompressedTooLarge) as error:
        raise ModuleRefused("WasmError", reason=error.message(), blob_id=blob_id) from error
    return prepare(code, is_service=service)
