"""What staging does with transactions that fail (spec 02 §13)."""

from collections.abc import Callable

import pytest

from catenula.base.identifiers import ApplicationId, CryptoHash
from catenula.base.integers import Amount
from catenula.execution.errors import BlobsNotFound, BlockRuleError, ExecutionError
from catenula.execution.runtime import ContractRuntime, SendMessageRequest
from catenula.execution.staging import StagedBlock, StagingMode, StagingPolicy
from catenula.protocol import (
    Account,
    BlobId,
    BlobType,
    ChainOwnership,
    CloseChain,
    Credit,
    Epoch,
    ExecuteOperation,
    IncomingBundle,
    MessageAction,
    MessageKind,
    OutgoingMessage,
    ReceiveMessages,
    ResourceControlPolicy,
    Transfer,
    UserMessage,
    VerifyBlob,
)
from catenula.storage import Batch
from catenula.testing.execution_world import ALICE, BOB, CHAIN, Chain, World, bundle
from tests.execution.scripted import install, scripted


@pytest.fixture
def app(world: World, alice: Chain) -> ApplicationId:
    """Takes messages that tell it what to do."""

    def obey(runtime: ContractRuntime, message: bytes) -> None:
        batch = Batch()
        batch.put(message, b"")
        runtime.write_batch(batch)
        runtime.create_data_blob(message)
        runtime.send_message(SendMessageRequest(alice.chain_id, message))
        if message == b"fail":
            raise ExecutionError("UserError")
        if message == b"fetch":
            raise BlobsNotFound((BlobId(CryptoHash(bytes(32)), BlobType.DATA),))
        if message.startswith(b"burn "):
            runtime.consume_fuel(int(message[5:]))

    return install(world, alice, "obedient", scripted(message=obey))


def limit_fuel(world: World, fuel: int) -> None:
    policy = ResourceControlPolicy(maximum_wasm_fuel_per_block=fuel)  # type: ignore[arg-type]  # A u64.
    world.committees[Epoch(0)] = world.committees[Epoch(0)].replace(policy=policy)


def order(
    app: ApplicationId, origin: Chain, command: bytes, kind: MessageKind = MessageKind.TRACKED
) -> IncomingBundle:
    message = OutgoingMessage(
        origin.chain_id, None, Amount(0), None, kind, UserMessage(app, command)
    )
    return bundle(origin, message, index=int.from_bytes(command[-2:], "big"))


def actions(staged: StagedBlock) -> list[MessageAction | None]:
    return [
        transaction.bundle.action if isinstance(transaction, ReceiveMessages) else None
        for transaction in staged.block.transactions
    ]


ACCEPT, REJECT = MessageAction.ACCEPT, MessageAction.REJECT


def test_a_failing_bundle_is_rejected_and_leaves_no_trace(
    app: ApplicationId, alice: Chain, bob: Chain
) -> None:
    """Invariant E2."""
    good, bad = order(app, bob, b"good"), order(app, bob, b"fail")
    staged = alice.stage(good, bad, CloseChain())
    assert actions(staged) == [ACCEPT, REJECT, None]
    ((rejected, reason),) = staged.rejected
    assert (rejected, reason.code) == (bad, "UserError")
    executed = alice.try_run(staged.block)
    assert executed[:6] == staged.executed[:6]
    assert executed.resources == staged.executed.resources
    assert executed.costs == staged.executed.costs
    assert executed.messages[1][0].kind is MessageKind.BOUNCING
    assert executed.blobs[1] == ()


def test_a_bundle_over_a_limit_waits_for_a_later_block_with_all_of_its_origin(
    world: World, app: ApplicationId, alice: Chain, bob: Chain
) -> None:
    limit_fuel(world, 10)
    carol = world.open_root(ChainOwnership.single(BOB))
    bundles = [
        order(app, bob, b"burn 6"),
        order(app, carol, b"burn 7"),
        order(app, bob, b"burn 4"),
        order(app, carol, b"other"),
    ]
    staged = alice.stage(*bundles, CloseChain())
    assert [t for t in staged.block.transactions if isinstance(t, ReceiveMessages)] == [
        ReceiveMessages(bundles[0]),
        ReceiveMessages(bundles[2]),
    ]
    assert staged.dropped == (bundles[1], bundles[3])
    assert staged.block.transactions[-1] == ExecuteOperation(CloseChain())


def test_a_first_bundle_over_a_limit_is_rejected(
    world: World, app: ApplicationId, alice: Chain, bob: Chain
) -> None:
    limit_fuel(world, 10)
    assert actions(alice.stage(order(app, bob, b"burn 11"))) == [REJECT]


def test_after_too_many_limit_failures_no_more_bundles_are_tried(
    world: World, app: ApplicationId, alice: Chain, bob: Chain
) -> None:
    limit_fuel(world, 10)
    first = order(app, bob, b"burn 10")
    others = [world.open_root(ChainOwnership.single(BOB)) for _ in range(4)]
    over = [order(app, chain, b"burn 1") for chain in others]
    small = order(app, others[3], b"small")
    staged = alice.stage(first, *over, small, policy=StagingPolicy(maximum_failures=2))
    assert staged.block.transactions == (ReceiveMessages(first),)
    assert set(staged.dropped) == {*over, small}


def test_protected_bundles_are_held_back_with_their_origin(
    app: ApplicationId, alice: Chain, bob: Chain
) -> None:
    bad = order(app, bob, b"fail", MessageKind.PROTECTED)
    staged = alice.stage(bad, order(app, bob, b"good"), CloseChain())
    assert actions(staged) == [None]
    assert staged.held_origins == (bob.chain_id,)


def test_bundles_of_never_reject_applications_are_held_back(
    app: ApplicationId, alice: Chain, bob: Chain
) -> None:
    policy = StagingPolicy(never_reject=frozenset({app}))
    staged = alice.stage(order(app, bob, b"fail"), CloseChain(), policy=policy)
    assert staged.held_origins == (bob.chain_id,)
    assert staged.rejected == ()


def test_a_block_of_which_nothing_is_left_is_empty(
    app: ApplicationId, alice: Chain, bob: Chain
) -> None:
    policy = StagingPolicy(never_reject=frozenset({app}))
    with pytest.raises(BlockRuleError, match="EmptyBlock"):
        alice.stage(order(app, bob, b"fail"), policy=policy)


def test_missing_data_stops_staging(app: ApplicationId, alice: Chain, bob: Chain) -> None:
    with pytest.raises(BlobsNotFound):
        alice.stage(order(app, bob, b"fetch"), CloseChain())


def test_a_failing_operation_stops_staging(alice: Chain, bob: Chain) -> None:
    overdraft = Transfer(CHAIN, Account(bob.chain_id, ALICE), Amount(10**6))
    with pytest.raises(ExecutionError, match="InsufficientBalance"):
        alice.stage(overdraft)
    with pytest.raises(BlobsNotFound):
        alice.stage(VerifyBlob(BlobId(CryptoHash(bytes(32)), BlobType.DATA)))


def test_errors_that_are_not_of_execution_stop_staging(alice: Chain, bob: Chain) -> None:
    credit = OutgoingMessage(
        alice.chain_id, None, Amount(0), None, MessageKind.TRACKED, Credit(BOB, Amount(1), CHAIN)
    )
    with pytest.raises(BlockRuleError, match="ClosedChain"):
        alice.stage(CloseChain(), bundle(bob, credit))


def test_a_rejection_that_fails_stops_staging(alice: Chain, bob: Chain) -> None:
    credit = OutgoingMessage(
        alice.chain_id, None, Amount(5), None, MessageKind.SIMPLE, Credit(BOB, Amount(1), CHAIN)
    )
    with pytest.raises(ExecutionError, match="InternalError"):
        alice.stage(bundle(bob, credit, action=MessageAction.REJECT))


def test_in_abort_mode_the_first_error_stops_staging(
    app: ApplicationId, alice: Chain, bob: Chain
) -> None:
    with pytest.raises(ExecutionError, match="UserError"):
        alice.stage(order(app, bob, b"fail"), policy=StagingPolicy(StagingMode.ABORT))


def test_when_the_time_is_up_no_bundle_is_started(
    app: ApplicationId, alice: Chain, bob: Chain
) -> None:
    policy = StagingPolicy(is_time_up=_true_after(1))
    bundles = [order(app, bob, b"one"), order(app, bob, b"two")]
    staged = alice.stage(bundles[0], bundles[1], CloseChain(), policy=policy)
    assert actions(staged) == [ACCEPT, None]
    assert staged.dropped == (bundles[1],)


def test_an_unchanged_block_stays_the_same_object(alice: Chain, bob: Chain) -> None:
    block = alice.propose(CloseChain())
    staged = alice.stage(CloseChain())
    assert staged.block == block
    assert alice.balance() == 1000


def _true_after(calls: int) -> Callable[[], bool]:
    counter = iter(range(1000))
    return lambda: next(counter) >= calls
