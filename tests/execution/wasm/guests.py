"""Small Wasm guests for tests, and the engine's own binding to run them without our loader."""

import atexit
from typing import Any

import wasmtime

from catenula.execution.wasm.prepare import FUEL_EXPORT, STOP_EXPORT, prepare_contract

ENGINE = wasmtime.Engine()
atexit.register(ENGINE.close)  # While its library is still there to do it.


def wat(text: str) -> bytes:
    """The binary of a module in text form."""
    return bytes(wasmtime.wat2wasm(text))


class Guest:
    """A prepared contract in a store of its own; its host functions answer 0 or nothing."""

    def __init__(self, code: bytes) -> None:
        self.store = wasmtime.Store(ENGINE)
        module = wasmtime.Module(ENGINE, prepare_contract(code))
        self.calls: list[tuple[str, int]] = []
        imports = [self._host(kind) for kind in module.imports]
        self.exports = wasmtime.Instance(self.store, module, imports).exports(self.store)

    def _host(self, kind: Any) -> wasmtime.Func:
        def answer(*_: int) -> list[int] | None:
            self.calls.append((kind.name, self.fuel))
            return [0] * len(kind.type.results) if kind.type.results else None

        return wasmtime.Func(self.store, kind.type, answer)

    @property
    def fuel(self) -> int:
        """What is left."""
        return int(self._global(FUEL_EXPORT).value(self.store))

    @fuel.setter
    def fuel(self, value: int) -> None:
        self._global(FUEL_EXPORT).set_value(self.store, value)

    @property
    def stop(self) -> int:
        """Why growing the memory ended the code."""
        return int(self._global(STOP_EXPORT).value(self.store))

    def call(self, name: str, *arguments: int) -> Any:
        """Call an export."""
        function = self.exports[name]
        assert isinstance(function, wasmtime.Func)
        return function(self.store, *arguments)

    def spent(self, name: str, *arguments: int) -> int:
        """The fuel one call costs."""
        self.fuel = 1 << 40
        self.call(name, *arguments)
        return (1 << 40) - self.fuel

    def _global(self, name: str) -> wasmtime.Global:
        found = self.exports[name]
        assert isinstance(found, wasmtime.Global)
        return found
