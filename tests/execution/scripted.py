"""Native applications whose entry points are functions of the test."""

from collections.abc import Callable
from typing import Any

from catenula.base.identifiers import ApplicationId
from catenula.execution.applications import Contract, NativeModule, Service, StreamUpdate
from catenula.execution.runtime import ContractRuntime
from catenula.protocol import CreateApplication, ModuleId
from catenula.storage import Batch
from catenula.testing.execution_world import Chain, World

Entry = Callable[[ContractRuntime, Any], Any]


def scripted(
    *,
    operation: Entry | None = None,
    message: Entry | None = None,
    streams: Entry | None = None,
    instantiate: Entry | None = None,
    finalize: Callable[[ContractRuntime], None] | None = None,
) -> NativeModule:
    """A module that runs the given functions; what is not given refuses, or does nothing."""

    class Scripted(Contract):
        def instantiate(self, argument: bytes) -> None:
            if instantiate is not None:
                instantiate(self.runtime, argument)

        def execute_operation(self, operation_bytes: bytes) -> bytes:
            if operation is None:
                return super().execute_operation(operation_bytes)
            return operation(self.runtime, operation_bytes) or b""

        def execute_message(self, message_bytes: bytes) -> None:
            if message is None:
                super().execute_message(message_bytes)
            else:
                message(self.runtime, message_bytes)

        def process_streams(self, updates: tuple[StreamUpdate, ...]) -> None:
            if streams is None:
                super().process_streams(updates)
            else:
                streams(self.runtime, updates)

        def finalize(self) -> None:
            if finalize is not None:
                finalize(self.runtime)

    return NativeModule(Scripted)


class Counter(Contract):
    """Adds numbers: instantiated with a start value, operations and messages add to it."""

    def instantiate(self, argument: bytes) -> None:
        self._store(int.from_bytes(argument, "little"))

    def execute_operation(self, operation: bytes) -> bytes:
        value = read_counter(self.runtime.read_value(b"value")) + int.from_bytes(
            operation, "little"
        )
        self._store(value)
        return value.to_bytes(8, "little")

    def execute_message(self, message: bytes) -> None:
        self.execute_operation(message)

    def _store(self, value: int) -> None:
        batch = Batch()
        batch.put(b"value", value.to_bytes(8, "little"))
        self.runtime.write_batch(batch)


class CounterService(Service):
    """Tells the counter's value; ``add N`` schedules an operation."""

    def handle_query(self, argument: bytes) -> bytes:
        if argument.startswith(b"add "):
            self.runtime.schedule_operation(int(argument[4:]).to_bytes(8, "little"))
        return str(read_counter(self.runtime.read_value(b"value"))).encode()


COUNTER = NativeModule(Counter, CounterService)


def read_counter(value: bytes | None) -> int:
    """The number in a stored value; 0 when there is none."""
    return int.from_bytes(value or b"", "little")


def create(
    chain: Chain,
    module_id: ModuleId,
    *,
    argument: bytes = b"",
    parameters: bytes = b"",
    required: tuple[ApplicationId, ...] = (),
) -> ApplicationId:
    """Create an application on ``chain`` in a block of its own."""
    executed = chain.execute(CreateApplication(module_id, parameters, argument, required))
    return ApplicationId(executed.blobs[0][0].id.hash)


def install(
    world: World, chain: Chain, name: str, module: NativeModule, **options: Any
) -> ApplicationId:
    """Register a module and create an application of it."""
    return create(chain, world.add_module(name, module), **options)
