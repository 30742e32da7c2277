"""Who pays, what costs what, limits and flags (spec 02 §14)."""

from collections.abc import Callable
from typing import Any

import pytest

from catenula.base.codec import codec_of
from catenula.base.identifiers import ChainId
from catenula.base.integers import U64, Amount
from catenula.execution.errors import ExecutionError, LimitExceeded
from catenula.execution.policy import FREE_APPLICATION_PREFIX, FREE_REJECT_FLAG, PolicyFacts
from catenula.execution.resources import MessageResources
from catenula.execution.runtime import ContractRuntime, SendMessageRequest
from catenula.protocol import (
    TESTNET,
    Account,
    ApplicationPermissions,
    BlobContent,
    BlobType,
    ChainOwnership,
    CloseChain,
    Credit,
    Epoch,
    Event,
    MessageAction,
    MessageKind,
    OracleResponse,
    OutgoingMessage,
    ProposedBlock,
    PublishCommitteeBlob,
    PublishDataBlob,
    ResourceControlPolicy,
    Transaction,
    Transfer,
    UserMessage,
    UserOperation,
    VerifyBlob,
    VmRuntime,
    data_blob,
)
from catenula.storage import Batch
from catenula.testing.execution_world import ALICE, BOB, CHAIN, Chain, World, bundle
from tests.execution.scripted import install, scripted

NO_PERMISSIONS = ApplicationPermissions()


def priced(**prices: int) -> ResourceControlPolicy:
    return ResourceControlPolicy(**prices)  # type: ignore[arg-type]  # Prices by name.


def set_policy(world: World, policy: ResourceControlPolicy) -> None:
    world.committees[Epoch(0)] = world.committees[Epoch(0)].replace(policy=policy)


BOB_CHAIN = ChainId(b"\x0b" * 32)


def to_bob(amount: int = 1) -> Transfer:
    return Transfer(CHAIN, Account(BOB_CHAIN, BOB), Amount(amount))


def fee_of(world: World, action: Callable[[ContractRuntime, Any], Any], **prices: int) -> int:
    """What one operation that runs ``action`` costs under these prices alone."""
    chain = world.open_root(ChainOwnership.single(ALICE), 10**9)
    app = install(world, chain, "measured", scripted(operation=lambda r, o: action(r, o) and b""))
    set_policy(world, priced(**prices))
    executed = chain.execute(UserOperation(app, b""))
    spent = 10**9 - chain.balance()
    assert executed.costs[0].fees == spent == executed.resources.fees
    return spent


def writes(*entries: tuple[bytes, bytes]) -> Batch:
    batch = Batch()
    for key, value in entries:
        batch.put(key, value)
    batch.delete(b"gone")
    batch.delete_prefix(b"pre")
    return batch


ACTIONS: list[tuple[str, int, Callable[[ContractRuntime, Any], Any]]] = [
    ("wasm_fuel_unit", 70, lambda r, _: r.consume_fuel(70)),
    ("evm_fuel_unit", 70, lambda r, _: r.consume_fuel(70, VmRuntime.EVM)),
    ("read_operation", 1, lambda r, _: r.read_value(b"key")),
    ("read_operation", 1, lambda r, _: r.contains_keys_new([b"a", b"b"])),
    ("read_operation", 1, lambda r, _: r.find_key_values(b"")),
    ("write_operation", 4, lambda r, _: r.write_batch(writes((b"a", b"12"), (b"b", b"")))),
    ("byte_written", 11, lambda r, _: r.write_batch(writes((b"a", b"12"), (b"b", b"")))),
    ("byte_written", 5, lambda r, _: r.emit(b"name", b"value")),
    ("byte_runtime", 32, lambda r, _: r.chain_id()),
    ("byte_runtime", 8, lambda r, _: r.block_height()),
    ("byte_runtime", 32, lambda r, _: r.application_id()),
    ("byte_runtime", 32, lambda r, _: r.application_creator_chain_id()),
    ("byte_runtime", 0, lambda r, _: r.application_parameters()),
    ("byte_runtime", 8, lambda r, _: r.system_timestamp()),
    ("byte_runtime", 16, lambda r, _: r.chain_balance()),
    ("byte_runtime", 16, lambda r, _: r.owner_balance(ALICE)),
    ("byte_runtime", 0, lambda r, _: r.owner_balances()),
    ("byte_runtime", 36 + 32 + 8, lambda r, _: r.chain_ownership()),
    ("byte_runtime", 0, lambda r, _: r.application_permissions()),
    ("byte_runtime", 0, lambda r, _: r.authenticated_signer()),
    (
        "byte_runtime",
        8,
        lambda r, _: r.open_chain(ChainOwnership.single(BOB), NO_PERMISSIONS, Amount(0)),
    ),
    ("blob_published", 2, lambda r, _: [r.create_data_blob(bytes((n,))) for n in (1, 2, 1)]),
    ("blob_byte_published", 7, lambda r, _: r.create_data_blob(b"content")),
    ("operation", 1, lambda r, _: None),
    ("message", 1, lambda r, _: r.send_message(SendMessageRequest(BOB_CHAIN, b"12345"))),
    ("message_byte", 5, lambda r, _: r.send_message(SendMessageRequest(BOB_CHAIN, b"12345"))),
]


@pytest.mark.parametrize(
    ("price", "units", "action"),
    ACTIONS,
    ids=[f"{number}-{name}-{units}" for number, (name, units, _) in enumerate(ACTIONS)],
)
def test_what_an_action_costs(
    world: World, price: str, units: int, action: Callable[[ContractRuntime, Any], Any]
) -> None:
    assert fee_of(world, action, **{price: 1000}) == units * 1000


def test_values_read_are_priced_by_their_bytes(world: World) -> None:
    def act(runtime: ContractRuntime, _: bytes) -> None:
        batch = Batch()
        batch.put(b"key1", b"123")
        batch.put(b"key2", b"4567")
        runtime.write_batch(batch)
        runtime.read_value(b"key1")
        runtime.find_keys(b"k")
        runtime.find_key_values(b"key")
        runtime.contains_key(b"key1")

    assert fee_of(world, act, byte_read=1) == 3 + 6 + (2 + 7)


def test_operation_bytes_are_priced_for_user_operations_only(world: World) -> None:
    chain = world.open_root(ChainOwnership.single(ALICE), 1000)
    app = install(world, chain, "app", scripted(operation=lambda runtime, _: b""))
    set_policy(world, priced(operation=3, operation_byte=10))
    executed = chain.execute(CloseChain(), UserOperation(app, b"1234"))
    assert [cost.fees for cost in executed.costs] == [3, 43]
    assert chain.balance() == 954


def test_the_chain_pays_first_then_the_signers_account_which_stays_with_zero(
    world: World,
) -> None:
    chain = world.open_root(ChainOwnership.single(ALICE), 30)
    chain.execute(Transfer(CHAIN, Account(chain.chain_id, ALICE), Amount(20)))
    set_policy(world, priced(operation=15))
    chain.execute(VerifyBlob(world.add_blob(data_blob(b"x"))))
    assert (chain.balance(), chain.balance(ALICE)) == (0, 15)
    chain.execute(VerifyBlob(world.add_blob(data_blob(b"x"))))
    assert chain.state.system.balances.get(ALICE) == 0
    with pytest.raises(ExecutionError, match="FeesExceedFunding"):
        chain.try_run(chain.propose(CloseChain()))


def test_without_signer_only_the_chain_pays(world: World) -> None:
    chain = world.open_root(ChainOwnership.single(ALICE), 10)
    chain.execute(Transfer(CHAIN, Account(chain.chain_id, ALICE), Amount(10)))
    set_policy(world, priced(operation=1))
    with pytest.raises(ExecutionError, match="FeesExceedFunding"):
        chain.try_run(chain.propose(CloseChain(), signer=None))
    chain.try_run(chain.propose(CloseChain(), signer=ALICE))


def test_the_operation_is_paid_after_it_ran_its_messages_after_that(world: World) -> None:
    chain = world.open_root(ChainOwnership.single(ALICE), 10)
    set_policy(world, priced(operation=2, message=3))
    chain.try_run(chain.propose(to_bob(5)))
    with pytest.raises(ExecutionError, match="FeesExceedFunding"):
        chain.try_run(chain.propose(to_bob(6)))


def test_an_action_that_moves_its_own_fees_away_fails_when_it_is_settled(world: World) -> None:
    chain = world.open_root(ChainOwnership.single(ALICE), 100)

    def spend_all(runtime: ContractRuntime, _: bytes) -> None:
        runtime.consume_fuel(1)
        runtime.transfer(CHAIN, Account(BOB_CHAIN, BOB), runtime.chain_balance())

    app = install(world, chain, "spender", scripted(operation=spend_all))
    set_policy(world, priced(wasm_fuel_unit=1))
    with pytest.raises(ExecutionError, match="FeesExceedFunding"):
        chain.try_run(chain.propose(UserOperation(app, b"")))


def test_an_action_that_costs_more_than_there_is_stops(world: World) -> None:
    chain = world.open_root(ChainOwnership.single(ALICE), 100)
    seen: list[int] = []

    def burn(runtime: ContractRuntime, _: bytes) -> None:
        seen.append(runtime.remaining_fuel())
        runtime.consume_fuel(51)

    app = install(world, chain, "burner", scripted(operation=burn))
    set_policy(world, priced(wasm_fuel_unit=2))
    with pytest.raises(ExecutionError, match="FeesExceedFunding"):
        chain.try_run(chain.propose(UserOperation(app, b"")))
    assert seen == [50]


def burn_ten(runtime: ContractRuntime, _: bytes) -> None:
    runtime.consume_fuel(10)


def emit_five(runtime: ContractRuntime, _: bytes) -> None:
    runtime.emit(b"", b"12345")


LIMITS: list[tuple[str, int, str, Callable[[ContractRuntime, Any], Any]]] = [
    ("maximum_wasm_fuel_per_block", 10, "MaximumFuelExceeded", burn_ten),
    ("maximum_bytes_written_per_block", 6, "ExcessiveWrite", emit_five),
]


@pytest.mark.parametrize(("limit", "enough", "code", "action"), LIMITS)
def test_fuel_limits_are_inclusive_byte_limits_exclusive(
    world: World, limit: str, enough: int, code: str, action: Any
) -> None:
    chain = world.open_root(ChainOwnership.single(ALICE), 100)
    app = install(world, chain, "app", scripted(operation=action))
    block = chain.propose(UserOperation(app, b""))
    set_policy(world, priced(**{limit: enough}))
    chain.try_run(block)
    set_policy(world, priced(**{limit: enough - 1}))
    with pytest.raises(LimitExceeded, match=code):
        chain.try_run(block)


# Blobs


def test_published_blobs_cost_by_number_and_size_committees_nothing(world: World) -> None:
    chain = world.admin
    chain.state.system.balance.set(Amount(1000))
    chain.save()
    set_policy(world, priced(blob_published=100, blob_byte_published=1))
    blob = data_blob(b"12345")
    committee = BlobContent(BlobType.COMMITTEE, world.committees[Epoch(0)].to_bcs())
    executed = chain.execute(
        PublishDataBlob(blob.hash),
        PublishCommitteeBlob(committee.hash),
        published=(blob, committee),
    )
    assert [cost.fees for cost in executed.costs] == [105, 0]


def test_reading_a_data_blob_costs_every_time_checking_it_nothing_per_byte(world: World) -> None:
    blob = data_blob(b"12345")
    world.add_blob(blob)

    def act(runtime: ContractRuntime, _: bytes) -> None:
        runtime.read_data_blob(blob.hash)
        runtime.read_data_blob(blob.hash)
        runtime.assert_data_blob_exists(blob.hash)

    assert fee_of(world, act, blob_read=100, blob_byte_read=1) == 2 * 105 + 100


def test_blobs_are_limited_in_size(world: World) -> None:
    """Invariant E5."""
    chain = world.open_root(ChainOwnership.single(ALICE), 100)
    app = install(
        world, chain, "app", scripted(operation=lambda r, content: r.create_data_blob(content))
    )
    set_policy(world, priced(maximum_blob_size=4))
    chain.try_run(chain.propose(UserOperation(app, b"1234")))
    with pytest.raises(ExecutionError, match="BlobTooLarge") as refusal:
        chain.try_run(chain.propose(UserOperation(app, b"12345")))
    assert str(refusal.value.context) == "Operation(0)"
    blob = data_blob(b"12345")
    with pytest.raises(ExecutionError, match="BlobTooLarge") as refusal:
        chain.try_run(chain.propose(CloseChain(), PublishDataBlob(blob.hash)), blob)
    assert str(refusal.value.context) == "Block"


# Block size


OUTCOME_ITEMS = (OracleResponse, OutgoingMessage, Event, BlobContent)


def block_size(chain: Chain, block: ProposedBlock) -> int:
    """Expected size: 94, and per transaction its bytes, its outcome and its result."""
    size = 94
    executed = chain.try_run(block)
    outcome = (executed.oracle_responses, executed.messages, executed.events, executed.blobs)
    for index, transaction in enumerate(block.transactions):
        size += len(codec_of(Transaction).to_bcs(transaction)) - 1
        for lists, item in zip(outcome, OUTCOME_ITEMS, strict=True):
            size += 1 + sum(len(codec_of(item).to_bcs(value)) for value in lists[index])
        size += 1
    return size


def test_the_running_size_of_a_block_is_limited(world: World) -> None:
    chain = world.open_root(ChainOwnership.single(ALICE), 1000)
    credit = OutgoingMessage(
        chain.chain_id, None, Amount(0), None, MessageKind.TRACKED, Credit(BOB, Amount(1), CHAIN)
    )
    block = chain.propose(
        bundle(world.admin, credit), to_bob(), VerifyBlob(world.add_blob(data_blob(b"x")))
    )
    size = block_size(chain, block)
    set_policy(world, priced(maximum_block_size=size))
    assert chain.try_run(block).resources.block_size == size
    set_policy(world, priced(maximum_block_size=size - 1))
    with pytest.raises(LimitExceeded, match="BlockTooLarge"):
        chain.try_run(block)


# Flags and prices


def test_bounces_are_free_under_the_flag(world: World) -> None:
    chain = world.open_root(ChainOwnership.single(ALICE), 10)
    credit = OutgoingMessage(
        chain.chain_id, None, Amount(0), None, MessageKind.TRACKED, Credit(BOB, Amount(1), CHAIN)
    )
    block = chain.propose(bundle(world.admin, credit, action=MessageAction.REJECT))
    set_policy(world, priced(message=4))
    assert chain.try_run(block).resources.fees == 4
    set_policy(world, priced(message=4).replace(http_request_allow_list=(FREE_REJECT_FLAG,)))
    assert chain.try_run(block).resources.fees == 0


def busy(runtime: ContractRuntime, _: bytes) -> None:
    runtime.consume_fuel(5)
    runtime.create_data_blob(b"12345")
    runtime.send_message(
        SendMessageRequest(BOB_CHAIN, b"123", False, MessageResources(wasm_fuel=2))
    )


def test_messages_of_a_free_application_cost_nothing_its_operations_pay(world: World) -> None:
    chain = world.open_root(ChainOwnership.single(ALICE), 1000)
    app = install(world, chain, "busy", scripted(operation=busy, message=busy))
    flag = f"{FREE_APPLICATION_PREFIX}{app}.linera.network"
    prices = priced(wasm_fuel_unit=1, blob_published=10, message=100, maximum_blob_size=4)
    set_policy(world, prices.replace(http_request_allow_list=(flag,)))
    message = OutgoingMessage(
        chain.chain_id, None, Amount(0), None, MessageKind.SIMPLE, UserMessage(app, b"")
    )
    executed = chain.try_run(chain.propose(bundle(world.admin, message)))
    assert executed.resources.fees == 0
    assert executed.messages[0][0].grant == 2
    assert executed.costs[0].wasm_fuel == 5
    prices = prices.replace(maximum_blob_size=U64(5), http_request_allow_list=(flag,))
    set_policy(world, prices)
    executed = chain.try_run(chain.propose(UserOperation(app, b"")))
    assert executed.resources.fees == 5 + 2 + 10


def test_free_status_ends_when_a_message_fails(world: World) -> None:
    chain = world.open_root(ChainOwnership.single(ALICE), 1000)

    def fail(runtime: ContractRuntime, _: bytes) -> None:
        raise ExecutionError("UserError")

    app = install(world, chain, "app", scripted(message=fail))
    flag = f"{FREE_APPLICATION_PREFIX}{app}.linera.network"
    set_policy(world, priced(operation=7).replace(http_request_allow_list=(flag,)))
    message = OutgoingMessage(
        chain.chain_id, None, Amount(0), None, MessageKind.SIMPLE, UserMessage(app, b"")
    )
    staged = chain.stage(bundle(world.admin, message), CloseChain())
    assert staged.executed.resources.fees == 7


def test_a_grant_has_a_price_per_resource() -> None:
    names = (
        ("wasm_fuel", "wasm_fuel_unit"),
        ("evm_fuel", "evm_fuel_unit"),
        ("read_operations", "read_operation"),
        ("write_operations", "write_operation"),
        ("bytes_runtime", "byte_runtime"),
        ("bytes_to_read", "byte_read"),
        ("bytes_to_write", "byte_written"),
        ("blobs_to_read", "blob_read"),
        ("blobs_to_publish", "blob_published"),
        ("blob_bytes_to_read", "blob_byte_read"),
        ("blob_bytes_to_publish", "blob_byte_published"),
        ("messages", "message"),
        ("message_size", "message_byte"),
        ("storage_size_delta", "byte_stored"),
        ("service_as_oracle_queries", "service_as_oracle_query"),
        ("http_requests", "http_request"),
    )
    for resource, price in names:
        facts = PolicyFacts(priced(**{price: 3}))
        assert facts.total_price(MessageResources(**{resource: 5})) == 15
    everything = MessageResources(*range(1, 17))
    assert PolicyFacts(TESTNET).total_price(everything) == sum(
        getattr(everything, resource) * getattr(TESTNET, price) for resource, price in names
    )
