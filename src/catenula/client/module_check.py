"""Trying modules on this machine before they are published: a block with one cannot be undone.

Every node refuses the same modules, so that what is refused here would be refused wherever an
application is created of it. What is compiled meanwhile is kept for that application. Must not
judge what a module does.
"""

from catenula.base.compression import decompress
from catenula.base.identifiers import ChainId
from catenula.base.integers import U32, BlockHeight
from catenula.base.limits import MAX_WASM_MODULE_BYTES
from catenula.client.applications import Module
from catenula.client.errors import Explanation, ModuleUnusable, Reason
from catenula.execution.applications import ApplicationLoader
from catenula.execution.wasm.binary import ModuleRefused, module_error
from catenula.execution.wasm.prepare import exported_names
from catenula.protocol import (
    ApplicationDescription,
    BlobContent,
    BlobType,
    ModuleId,
    VmRuntime,
)

_ADVICE = "build it for wasm32-unknown-unknown with the SDK of this release, then publish it"


def check_module(applications: ApplicationLoader, module: Module) -> None:
    """Raise `ModuleUnusable` for a module that no node will run; takes as long as compiling it.

    Only modules for WebAssembly are tried.
    """
    if module.module_id.vm_runtime is not VmRuntime.WASM:
        return
    found = _refusal(applications, module)
    if found is None:
        return
    which, refusal = found
    if _refusal(applications, _swapped(module)) is None:
        told = Explanation(
            "The two files seem to be swapped, so nothing was published",
            reasons=(Reason("the first is a service, and the second a contract"),),
            next_step="give the contract first, then the service",
        )
    else:
        told = Explanation(
            f"The {which} can run on no node, so nothing was published",
            reasons=(Reason(refusal.message()),),
            next_step=_ADVICE,
        )
    raise ModuleUnusable(told) from refusal


def _refusal(applications: ApplicationLoader, module: Module) -> tuple[str, ModuleRefused] | None:
    """Which half of a module is refused and why, None when it can run."""
    from catenula.execution.wasm.instance import CONTRACT_EXPORTS, SERVICE_EXPORTS

    blobs = {blob.id: blob.bytes for blob in module.blobs}
    description = ApplicationDescription(
        module.module_id, ChainId(bytes(32)), BlockHeight(0), U32(0), b"", ()
    )
    contract, service = module.blobs
    which = "contract"
    try:
        applications.contract(description, blobs.__getitem__)
        _require(contract, CONTRACT_EXPORTS)
        which = "service"
        applications.service(description, blobs.__getitem__)
        _require(service, SERVICE_EXPORTS)
    except ModuleRefused as refusal:
        return which, refusal
    return None


def _require(bytecode: BlobContent, exports: tuple[str, ...]) -> None:
    found = exported_names(decompress(bytecode.bytes, MAX_WASM_MODULE_BYTES))
    missing = [name for name in exports if name not in found]
    if missing:
        raise module_error(f"it does not export {missing[0]}")


def _swapped(module: Module) -> Module:
    contract, service = (blob.bytes for blob in module.blobs)
    blobs = (
        BlobContent(BlobType.CONTRACT_BYTECODE, service),
        BlobContent(BlobType.SERVICE_BYTECODE, contract),
    )
    return Module(ModuleId(blobs[0].hash, blobs[1].hash, VmRuntime.WASM), blobs)
