"""Services that stay alive between queries (spec 04 §5.1)."""

import pytest

from catenula.base.identifiers import ApplicationId
from catenula.base.integers import BlockHeight
from catenula.execution import live_services
from catenula.execution.applications import NativeModule, Service
from catenula.execution.errors import ExecutionError
from catenula.execution.live_services import LiveServices
from catenula.execution.queries import QueryInputs, QueryOutcome
from catenula.execution.service_runtime import ServiceRuntime
from catenula.protocol import UserOperation
from catenula.testing.execution_world import Chain, World
from tests.execution.scripted import Counter, install


class Remembering(Service):
    """A service that says how often its instance was asked; it breaks with every third query."""

    def __init__(self, runtime: ServiceRuntime) -> None:
        super().__init__(runtime)
        self.asked = 0

    def handle_query(self, argument: bytes) -> bytes:
        self.asked += 1
        if argument == b"schedule":
            self.runtime.schedule_operation(b"\x01")
        if argument == b"fail" or (argument == b"fragile" and self.asked > 2):
            self.runtime.schedule_operation(b"never")
            raise ExecutionError("UserError", reason="on purpose")
        if argument.startswith(b"other "):
            return self.runtime.query_application(ApplicationId(argument[6:]), b"")
        return str(self.asked).encode()


class Asked:
    """A chain with two such services, and a way to ask the first."""

    def __init__(self, world: World, chain: Chain) -> None:
        module = NativeModule(Counter, Remembering)
        self.chain, self.world = chain, world
        self.service = install(world, chain, "one", module)
        self.other = install(world, chain, "two", module)
        self.living = LiveServices()

    def ask(self, query: bytes = b"") -> QueryOutcome:
        height = BlockHeight(self.chain.height)
        inputs = QueryInputs(height, self.world.oracles.now, self.world, self.world.oracles)
        return self.living.query(self.chain.state, self.service, query, inputs=inputs)


@pytest.fixture
def asked(world: World, alice: Chain) -> Asked:
    return Asked(world, alice)


def test_an_instance_is_kept_while_the_height_is_the_same(asked: Asked) -> None:
    assert [asked.ask().response for _ in range(3)] == [b"1", b"2", b"3"]
    asked.chain.execute(UserOperation(asked.service, b"\x01"))
    assert asked.ask().response == b"1"


def test_services_that_are_asked_by_services_are_kept_too(asked: Asked) -> None:
    query = b"other " + asked.other
    assert [asked.ask(query).response for _ in range(2)] == [b"1", b"2"]


def test_scheduled_operations_belong_to_their_query(asked: Asked) -> None:
    operation = UserOperation(asked.service, b"\x01")
    assert asked.ask(b"schedule").operations == (operation,)
    assert asked.ask().operations == ()
    with pytest.raises(ExecutionError, match="on purpose"):
        asked.ask(b"fail")
    assert asked.ask(b"schedule").operations == (operation,)


def test_a_failed_query_takes_the_instances_with_it(asked: Asked) -> None:
    asked.ask()
    with pytest.raises(ExecutionError, match="on purpose") as failed:
        asked.ask(b"fail")
    assert str(failed.value.context) == "Query"
    assert asked.ask().response == b"1"


def test_what_only_a_used_instance_refuses_is_asked_of_a_fresh_one(asked: Asked) -> None:
    asked.ask()
    asked.ask()
    assert asked.ask(b"fragile").response == b"1"


def test_only_so_many_chains_have_living_services(
    asked: Asked, bob: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_services, "MAX_CHAINS_WITH_LIVE_SERVICES", 1)
    first = asked.chain
    asked.ask()
    asked.chain = bob
    asked.ask()
    assert len(asked.living) == 1
    asked.chain = first
    assert asked.ask().response == b"1"
