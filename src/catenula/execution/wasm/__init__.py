"""Applications compiled to WebAssembly: module preparation, engine, host functions (spec 04)."""

from catenula.execution.wasm.prepare import check_service, prepare_contract

__all__ = ["check_service", "prepare_contract"]
