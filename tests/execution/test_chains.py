"""Opening, closing and initialising chains, ownership and permissions (spec 02 §1.3, §6, §7)."""

import pytest

from catenula.base.identifiers import AccountOwner, ApplicationId, ChainId, CryptoHash
from catenula.base.integers import U32, U64, Amount, BlockHeight, Epoch, Timestamp
from catenula.execution.errors import BlobsNotFound, BlockRuleError, EventsNotFound, ExecutionError
from catenula.execution.initialization import initialize_chain, is_active
from catenula.execution.policy import MANDATORY_ACCEPTED_FLAG
from catenula.execution.runtime import ContractRuntime
from catenula.execution.state import ExecutionState
from catenula.protocol import (
    ApplicationPermissions,
    BlobId,
    BlobType,
    ChainDescription,
    ChainOwnership,
    ChangeApplicationPermissions,
    ChangeOwnership,
    Child,
    CloseChain,
    MessageAction,
    MessageKind,
    OpenChain,
    OpenChainConfig,
    OutgoingMessage,
    ProcessNewEpoch,
    ResourceControlPolicy,
    TimeoutConfig,
    UserMessage,
    UserOperation,
    change_ownership_to,
)
from catenula.storage import open_store
from catenula.testing.execution_world import ALICE, BOB, EVE, START, Chain, World, bundle
from catenula.views import Context
from tests.execution.scripted import install, scripted

APP = ApplicationId(b"\x77" * 32)


def open_chain(balance: int, owner: AccountOwner = BOB) -> OpenChain:
    return OpenChain(OpenChainConfig(ChainOwnership.single(owner), Amount(balance)))


def test_opening_a_chain_creates_its_description_and_takes_its_funds(alice: Chain) -> None:
    executed = alice.execute(open_chain(100), open_chain(50))
    first, second = (blobs[0] for blobs in executed.blobs)
    description = ChainDescription.from_bcs(first.bytes)
    assert description.origin == Child(alice.chain_id, BlockHeight(0), U32(0))
    assert ChainDescription.from_bcs(second.bytes).origin == Child(
        alice.chain_id, BlockHeight(0), U32(1)
    )
    assert (description.timestamp, description.config.balance) == (START, 100)
    assert (description.config.epoch, description.config.max_active_epoch) == (0, 0)
    assert executed.messages == ((), ())
    assert alice.balance() == 850
    child = alice.world.chain(ChainId(first.hash))
    assert child.balance() == 100
    assert not alice.state.system.used_blobs.contains(first.id)


def test_chain_indices_restart_in_every_block(alice: Chain) -> None:
    alice.execute(open_chain(1), open_chain(1))
    executed = alice.execute(open_chain(1))
    origin = ChainDescription.from_bcs(executed.blobs[0][0].bytes).origin
    assert origin == Child(alice.chain_id, BlockHeight(1), U32(0))


def test_a_chain_cannot_be_funded_with_more_than_there_is(alice: Chain) -> None:
    with pytest.raises(ExecutionError, match="InsufficientBalance"):
        alice.try_run(alice.propose(open_chain(1001)))


def test_initialisation_takes_everything_from_the_description(world: World, bob: Chain) -> None:
    system = bob.state.system
    assert system.description.get() is not None
    assert system.ownership.get() == ChainOwnership.single(BOB)
    assert system.admin_chain_id.get() == world.admin.chain_id
    assert dict(system.committees.get()) == world.committees
    assert is_active(bob.state, world)
    assert initialize_chain(bob.state, world) is None


def test_initialisation_of_an_unknown_chain_names_its_description(world: World) -> None:
    chain_id = ChainId(b"\x05" * 32)
    state = ExecutionState(Context(open_store("memory:").partition(b"")).field(0), chain_id)
    with pytest.raises(BlobsNotFound) as refusal:
        initialize_chain(state, world)
    assert refusal.value.blob_ids == (BlobId(CryptoHash(chain_id), BlobType.CHAIN_DESCRIPTION),)
    assert not state.has_pending_changes()


def test_initialisation_without_a_committee_names_the_epoch_event(
    world: World, alice: Chain
) -> None:
    executed = alice.execute(open_chain(1))
    description = ChainDescription.from_bcs(executed.blobs[0][0].bytes)
    later = description.replace(config=description.config.replace(max_active_epoch=Epoch(2)))
    world.add_blob(later.blob)
    with pytest.raises(EventsNotFound) as refusal:
        world.chain(later.chain_id)
    assert [event.index for event in refusal.value.event_ids] == [1, 2]


def test_an_ownership_without_owners_makes_a_chain_inactive(world: World, alice: Chain) -> None:
    alice.execute(change_ownership_to(ChainOwnership()))
    assert not is_active(alice.state, world)
    public = ChainOwnership(timeout_config=TimeoutConfig(fallback_duration=Timestamp(0)))  # type: ignore[arg-type]  # A duration.
    alice.execute(change_ownership_to(public))
    assert is_active(alice.state, world)


def test_the_last_weight_of_a_repeated_owner_wins(alice: Chain) -> None:
    operation = ChangeOwnership(
        (EVE, EVE), ((BOB, U64(1)), (ALICE, U64(3)), (BOB, U64(2))), U32(4), True, TimeoutConfig()
    )
    alice.execute(operation)
    ownership = alice.state.system.ownership.get()
    assert ownership.super_owners == (EVE,)
    assert ownership.owners == {ALICE: 3, BOB: 2}
    assert ownership.open_multi_leader_rounds


def test_a_block_may_not_go_back_in_time(alice: Chain) -> None:
    """Invariant M12."""
    alice.execute(CloseChain())
    alice.state.system.closed.set(False)
    alice.save()
    alice.timestamp = Timestamp(START - 1)
    with pytest.raises(BlockRuleError, match="InvalidBlockTimestamp"):
        alice.try_run(alice.propose(CloseChain()))


def test_a_block_needs_a_transaction(alice: Chain) -> None:
    with pytest.raises(BlockRuleError, match="EmptyBlock"):
        alice.try_run(alice.propose())


# Application permissions


def permit(chain: Chain, **permissions: object) -> None:
    chain.state.system.application_permissions.set(
        ApplicationPermissions(**permissions)  # type: ignore[arg-type]  # Fields by name.
    )
    chain.save()


def test_restricted_chains_take_operations_of_listed_applications_only(
    world: World, alice: Chain
) -> None:
    app = install(world, alice, "app", scripted(operation=lambda runtime, _: b"done"))
    permit(alice, execute_operations=(app,))
    assert alice.execute(UserOperation(app, b"")).operation_results == (b"done",)
    for operation in (CloseChain(), UserOperation(APP, b"")):
        with pytest.raises(BlockRuleError, match="AuthorizedApplications"):
            alice.try_run(alice.propose(operation))


def test_mandatory_applications_must_be_served(world: World, alice: Chain) -> None:
    app = install(world, alice, "app", scripted(operation=lambda runtime, _: b""))
    permit(alice, mandatory_applications=(app,))
    with pytest.raises(BlockRuleError, match="MissingMandatoryApplications"):
        alice.try_run(alice.propose(CloseChain()))
    alice.try_run(alice.propose(CloseChain(), UserOperation(app, b"")))


def test_epoch_operations_lift_the_duty_to_serve(alice: Chain) -> None:
    permit(alice, mandatory_applications=(APP,), execute_operations=(APP,))
    with pytest.raises(EventsNotFound):
        alice.try_run(alice.propose(ProcessNewEpoch(Epoch(1))))


@pytest.mark.parametrize("flags", [(), (MANDATORY_ACCEPTED_FLAG,)])
def test_a_rejected_message_serves_unless_the_policy_wants_it_accepted(
    flags: tuple[str, ...],
) -> None:
    world = World(ResourceControlPolicy(http_request_allow_list=flags))
    chain = world.open_root(ChainOwnership.single(ALICE))
    permit(chain, mandatory_applications=(APP,))
    message = OutgoingMessage(
        chain.chain_id, None, Amount(0), None, MessageKind.SIMPLE, UserMessage(APP, b"")
    )
    block = chain.propose(bundle(world.admin, message, action=MessageAction.REJECT))
    if flags:
        with pytest.raises(BlockRuleError, match="MissingMandatoryApplications"):
            chain.try_run(block)
    else:
        chain.try_run(block)


def test_contracts_close_and_change_the_chain_only_with_permission(
    world: World, alice: Chain
) -> None:
    def act(runtime: ContractRuntime, _: bytes) -> bytes:
        outcomes = (
            runtime.change_ownership(ChainOwnership.single(EVE)),
            runtime.close_chain(),
            runtime.change_application_permissions(ApplicationPermissions()),
        )
        return bytes(outcomes)

    app = install(world, alice, "app", scripted(operation=act))
    executed = alice.try_run(alice.propose(UserOperation(app, b"")))
    assert executed.operation_results == (b"\0\0\0",)
    permit(alice, close_chain=(app,), change_application_permissions=(app,))
    assert alice.execute(UserOperation(app, b"")).operation_results == (b"\1\1\1",)
    assert alice.state.system.closed.get()
    assert alice.state.system.ownership.get() == ChainOwnership.single(EVE)
    assert alice.state.system.application_permissions.get() == ApplicationPermissions()


def test_a_contract_opens_a_chain_from_the_chain_balance(world: World, alice: Chain) -> None:
    app = install(
        world,
        alice,
        "app",
        scripted(
            operation=lambda runtime, _: runtime.open_chain(
                ChainOwnership.single(EVE), ApplicationPermissions(), Amount(40)
            )
        ),
    )
    executed = alice.execute(UserOperation(app, b""))
    child = world.chain(ChainId(executed.operation_results[0]))
    assert (child.balance(), alice.balance()) == (40, 960)


def test_changed_permissions_bind_the_next_block_only(alice: Chain) -> None:
    closed_to_all = ApplicationPermissions(execute_operations=())
    alice.execute(ChangeApplicationPermissions(closed_to_all), CloseChain())
    assert alice.state.system.closed.get()
