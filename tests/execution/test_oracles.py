"""Recording and replaying oracle responses (spec 02 §10)."""

import pytest

from catenula.base.integers import U16, U32, Timestamp
from catenula.execution.block import execute_block
from catenula.execution.environment import HttpRequest
from catenula.execution.errors import BlockRuleError, ExecutionError
from catenula.execution.queries import QueryInputs, query_application
from catenula.execution.runtime import ContractRuntime
from catenula.protocol import (
    ApplicationPermissions,
    BlockHeight,
    CloseChain,
    HttpHeader,
    HttpResponse,
    OracleAssert,
    OracleBlob,
    OracleHttp,
    OracleResponse,
    OracleRound,
    OracleService,
    ResourceControlPolicy,
    UserOperation,
    VerifyBlob,
    data_blob,
)
from catenula.testing.execution_world import START, Chain, World
from tests.execution.scripted import COUNTER, install, scripted

URL = "https://api.example.com:8443/price?of=it"


def allow(world: World, *hosts: str, **limits: int) -> World:
    committee = world.committees[0]  # type: ignore[index]  # Epoch 0.
    policy = ResourceControlPolicy(http_request_allow_list=hosts, **limits)  # type: ignore[arg-type]  # Limits by name.
    world.committees[0] = committee.replace(policy=policy)  # type: ignore[index]  # Epoch 0.
    return world


def replay(chain: Chain, *responses: OracleResponse) -> None:
    """Execute a block that verifies a blob with these recorded responses."""
    blob_id = chain.world.add_blob(data_blob(b"blob"))
    block = chain.propose(VerifyBlob(blob_id))
    try:
        execute_block(chain.state, block, chain.inputs(replay=(responses,)))
    finally:
        chain.state.rollback()


def test_replay_takes_the_recorded_responses_in_order(alice: Chain) -> None:
    """Invariants E1 and E4."""
    replay(alice, OracleBlob(data_blob(b"blob").id))


@pytest.mark.parametrize(
    ("responses", "code"),
    [
        ((), "MissingOracleResponse"),
        ((OracleBlob(data_blob(b"other").id),), "OracleResponseMismatch"),
        ((OracleBlob(data_blob(b"blob").id), OracleAssert()), "UnexpectedOracleResponse"),
    ],
)
def test_replay_refuses_other_responses(
    alice: Chain, responses: tuple[OracleResponse, ...], code: str
) -> None:
    """Invariant E4."""
    with pytest.raises(ExecutionError, match=code):
        replay(alice, *responses)


def test_replay_needs_a_list_per_transaction(alice: Chain) -> None:
    """Invariant E7."""
    block = alice.propose(CloseChain())
    with pytest.raises(BlockRuleError, match="MissingOracleResponseList"):
        execute_block(alice.state, block, alice.inputs(replay=()))


def test_time_is_checked_in_validation_and_trusted_in_replay(world: World, alice: Chain) -> None:
    """Invariant E1."""
    app = install(
        world,
        alice,
        "deadline",
        scripted(operation=lambda runtime, _: runtime.assert_before(Timestamp(START + 5))),
    )
    block = alice.propose(UserOperation(app, b""))
    executed = alice.try_run(block)
    assert executed.oracle_responses == ((OracleAssert(),),)
    world.oracles.now = Timestamp(START + 5)
    with pytest.raises(ExecutionError, match="AssertBefore"):
        alice.try_run(block)
    execute_block(alice.state, block, alice.inputs(replay=executed.oracle_responses))


@pytest.mark.parametrize("number", [None, 4])
def test_the_round_is_recorded_and_replayed(world: World, alice: Chain, number: int | None) -> None:
    seen: list[int | None] = []
    app = install(
        world,
        alice,
        "rounds",
        scripted(operation=lambda runtime, _: seen.append(runtime.validation_round())),
    )
    executed = alice.run(alice.propose(UserOperation(app, b"")), round_number=number)
    recorded = None if number is None else U32(number)
    assert executed.oracle_responses == ((OracleRound(recorded),),)
    assert seen == [number, number]


# HTTP


def fetching(runtime: ContractRuntime, url: bytes) -> bytes:
    return runtime.http_request(HttpRequest("GET", url.decode(), (), b"")).body


RESPONSE = HttpResponse(U16(200), (HttpHeader("a", b"12"),), b"body")


def test_an_http_response_is_recorded_and_not_asked_for_again(world: World) -> None:
    allow(world, "api.example.com")
    chain = world.admin
    world.oracles.responses[URL] = RESPONSE
    app = install(world, chain, "web", scripted(operation=fetching))
    executed = chain.execute(UserOperation(app, URL.encode()))
    assert executed.oracle_responses == ((OracleHttp(RESPONSE),),)
    assert executed.operation_results == (b"body",)
    assert len(world.oracles.requests) == 1


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://example.com/", "UnauthorizedHttpRequest"),
        ("https://sub.api.example.com/", "UnauthorizedHttpRequest"),
        ("api.example.com/", "InvalidUrlForHttpRequest"),
        ("https://[broken/", "InvalidUrlForHttpRequest"),
    ],
)
def test_http_requests_that_are_refused(world: World, url: str, code: str) -> None:
    allow(world, "api.example.com")
    app = install(world, world.admin, "web", scripted(operation=fetching))
    with pytest.raises(ExecutionError, match=code):
        world.admin.try_run(world.admin.propose(UserOperation(app, url.encode())))
    assert world.oracles.requests == []


@pytest.mark.parametrize("limit", ["maximum_http_response_bytes", "maximum_oracle_response_bytes"])
def test_http_responses_are_limited_headers_included(world: World, limit: str) -> None:
    """Invariant E5."""
    world.oracles.responses[URL] = RESPONSE
    app = install(world, world.admin, "web", scripted(operation=fetching))
    block = world.admin.propose(UserOperation(app, URL.encode()))
    allow(world, "api.example.com", **{limit: 7})
    world.admin.try_run(block)
    allow(world, "api.example.com", **{limit: 6})
    with pytest.raises(ExecutionError, match="HttpResponseSizeLimitExceeded"):
        world.admin.try_run(block)


def test_header_names_and_values_are_checked(world: World) -> None:
    allow(world, "api.example.com")
    for header, code in (
        (HttpHeader("a b", b""), "InvalidHeaderName"),
        (HttpHeader("a", b"\n"), "InvalidHeaderValue"),
    ):
        request = HttpRequest("GET", URL, (header,), b"")
        app = install(
            world,
            world.admin,
            code,
            scripted(operation=lambda runtime, _, sent=request: runtime.http_request(sent)),  # type: ignore[misc]  # An Entry.
        )
        with pytest.raises(ExecutionError, match=code):
            world.admin.try_run(world.admin.propose(UserOperation(app, b"")))


def test_permissions_name_the_applications_that_may_use_oracles(world: World) -> None:
    chain = allow(world, "api.example.com").admin
    counter = install(world, chain, "counter", COUNTER)
    web = install(world, chain, "web", scripted(operation=fetching))
    asking = install(
        world,
        chain,
        "asking",
        scripted(operation=lambda runtime, _: runtime.query_service(counter, b"")),
    )
    permissions = ApplicationPermissions(call_service_as_oracle=(), make_http_requests=())
    chain.state.system.application_permissions.set(permissions)
    chain.save()
    for app in (web, asking):
        with pytest.raises(ExecutionError, match="UnauthorizedApplication"):
            chain.try_run(chain.propose(UserOperation(app, URL.encode())))


# Services


def test_a_service_runs_in_validation_only_and_sees_the_writes_before_it(
    world: World, alice: Chain
) -> None:
    counter = install(world, alice, "counter", COUNTER, argument=b"\x05")

    def ask(runtime: ContractRuntime, _: bytes) -> bytes:
        runtime.call_application(counter, b"\x02", authenticated=False)
        return runtime.query_service(counter, b"")

    app = install(world, alice, "asking", scripted(operation=ask))
    executed = alice.execute(UserOperation(app, b""))
    assert executed.operation_results == (b"7",)
    assert executed.oracle_responses == ((OracleService(b"7"),),)
    assert world.oracles.service_runs == 1


def test_a_service_oracle_may_not_schedule_operations(world: World, alice: Chain) -> None:
    counter = install(world, alice, "counter", COUNTER)
    app = install(
        world,
        alice,
        "asking",
        scripted(operation=lambda runtime, _: runtime.query_service(counter, b"add 1")),
    )
    with pytest.raises(ExecutionError, match="ServiceOracleQueryOperations"):
        alice.try_run(alice.propose(UserOperation(app, b"")))


def test_a_service_oracle_leaves_no_trace_of_blobs_it_was_first_to_use(
    world: World, alice: Chain, bob: Chain
) -> None:
    counter = install(world, alice, "counter", COUNTER)
    app = install(
        world,
        bob,
        "asking",
        scripted(operation=lambda runtime, _: runtime.query_service(counter, b"")),
    )
    bob.execute(UserOperation(app, b""))


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"maximum_oracle_response_bytes": 0}, "ServiceOracleResponseTooLarge"),
        (
            {"maximum_service_oracle_execution_ms": 2},
            "MaximumServiceOracleExecutionTimeExceeded",
        ),
    ],
)
def test_service_oracles_are_limited_in_size_and_time_over_the_block(
    world: World, limits: dict[str, int], code: str
) -> None:
    chain = world.admin
    counter = install(world, chain, "counter", COUNTER)
    app = install(
        world,
        chain,
        "asking",
        scripted(operation=lambda runtime, _: runtime.query_service(counter, b"")),
    )
    allow(world, **limits)
    operation = UserOperation(app, b"")
    with pytest.raises(ExecutionError, match=code):
        chain.try_run(chain.propose(operation, operation))


def test_a_query_answers_and_schedules_operations_without_changing_anything(
    world: World, alice: Chain, bob: Chain
) -> None:
    counter = install(world, alice, "counter", COUNTER, argument=b"\x05")
    inputs = QueryInputs(BlockHeight(9), START, world, world.oracles)
    outcome = query_application(alice.state, counter, b"add 3", inputs=inputs)
    assert outcome.response == b"5"
    assert outcome.operations == (UserOperation(counter, (3).to_bytes(8, "little")),)
    query_application(bob.state, counter, b"", inputs=inputs)
    assert not alice.state.has_pending_changes()
    assert not bob.state.has_pending_changes()
