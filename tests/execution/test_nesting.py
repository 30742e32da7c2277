"""One bound on guests inside each other, whatever they are and however they were entered."""

from functools import partial

import pytest

from catenula.base.identifiers import ApplicationId
from catenula.base.limits import MAX_CALL_DEPTH
from catenula.execution.applications import NativeModule, Service
from catenula.execution.errors import ExecutionError
from catenula.execution.runtime import ContractRuntime
from catenula.protocol import ModuleId, UserOperation
from catenula.testing.execution_world import Chain, World
from tests.execution.scripted import create, scripted

ID_BYTES = 32


def call_next(runtime: ContractRuntime, ids: bytes) -> bytes:
    """Call the first application of a list with the rest of it."""
    if not ids:
        return b"done"
    callee = ApplicationId(ids[:ID_BYTES])
    return runtime.call_application(callee, ids[ID_BYTES:], authenticated=False)


def ask_next(runtime: ContractRuntime, ids: bytes) -> bytes:
    """Ask the service of the first application of a list."""
    return runtime.query_service(ApplicationId(ids[:ID_BYTES]), ids[ID_BYTES:])


class AskNext(Service):
    """Asks the first service of a list with the rest of it."""

    def handle_query(self, argument: bytes) -> bytes:
        if not argument:
            return b"done"
        callee = ApplicationId(argument[:ID_BYTES])
        return self.runtime.query_application(callee, argument[ID_BYTES:])


def module(world: World, operation: object) -> ModuleId:
    contract = scripted(operation=operation).contract  # type: ignore[arg-type]  # A function.
    return world.add_module("link", NativeModule(contract, AskNext))


def chain_of(alice: Chain, module_id: ModuleId, count: int) -> UserOperation:
    """An operation that has ``count`` guests active in the end."""
    applications = [create(alice, module_id) for _ in range(count)]
    return UserOperation(applications[0], b"".join(applications[1:]))


@pytest.mark.parametrize("first", [call_next, ask_next], ids=["contracts", "services"])
def test_native_guests_may_be_as_deep_as_wasm_guests(
    world: World, alice: Chain, first: object
) -> None:
    module_id = module(world, first)
    deepest = chain_of(alice, module_id, MAX_CALL_DEPTH)
    assert alice.execute(deepest).operation_results == (b"done",)
    with pytest.raises(ExecutionError, match="ExcessiveCallDepth"):
        alice.try_run(alice.propose(chain_of(alice, module_id, MAX_CALL_DEPTH + 1)))
    assert alice.execute(deepest).operation_results == (b"done",), "a failure leaves no depth"


def test_the_instantiation_of_a_created_application_counts(world: World, alice: Chain) -> None:
    empty = world.add_module("empty", scripted(instantiate=lambda runtime, _: b""))

    def create_at_the_end(runtime: ContractRuntime, ids: bytes) -> bytes:
        if ids:
            return call_next(runtime, ids)
        return runtime.create_application(
            empty, parameters=b"", argument=b"", required_application_ids=()
        )

    last = partial(chain_of, alice, module(world, create_at_the_end))
    assert alice.execute(last(MAX_CALL_DEPTH - 1)).operation_results
    with pytest.raises(ExecutionError, match="ExcessiveCallDepth"):
        alice.try_run(alice.propose(last(MAX_CALL_DEPTH)))
