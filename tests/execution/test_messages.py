"""Message kinds, rejection, bounces, grants and refunds (spec 02 §5)."""

import pytest

from catenula.base.identifiers import ChainId
from catenula.base.integers import Amount
from catenula.execution.errors import BlockRuleError, ExecutionError
from catenula.execution.resources import MessageResources
from catenula.execution.runtime import SendMessageRequest
from catenula.protocol import (
    Account,
    ChainOwnership,
    CloseChain,
    Credit,
    MessageAction,
    MessageKind,
    OutgoingMessage,
    ResourceControlPolicy,
    Transfer,
    UserMessage,
    UserOperation,
)
from catenula.testing.execution_world import (
    ALICE,
    BOB,
    CHAIN,
    EVE,
    Chain,
    World,
    bundle,
    messages_to,
)
from tests.execution.scripted import COUNTER, install, read_counter, scripted

REJECT = MessageAction.REJECT


def credit_of(
    amount: int, kind: MessageKind, grant: int = 0, refund: Account | None = None
) -> OutgoingMessage:
    message = Credit(BOB, Amount(amount), ALICE)
    return OutgoingMessage(ChainId(bytes(32)), ALICE, Amount(grant), refund, kind, message)


def test_an_accepted_credit_reaches_the_target(alice: Chain, bob: Chain) -> None:
    bob.execute(bundle(alice, credit_of(5, MessageKind.TRACKED)), signer=BOB)
    assert bob.balance(BOB) == 5


def test_a_bouncing_credit_returns_to_its_source(alice: Chain, bob: Chain) -> None:
    bob.execute(bundle(alice, credit_of(5, MessageKind.BOUNCING)), signer=BOB)
    assert (bob.balance(BOB), bob.balance(ALICE)) == (0, 5)


def test_a_rejected_tracked_message_bounces_with_body_signer_and_grant(
    alice: Chain, bob: Chain
) -> None:
    refund = Account(alice.chain_id, ALICE)
    message = credit_of(5, MessageKind.TRACKED, grant=3, refund=refund)
    executed = bob.execute(bundle(alice, message, action=REJECT), signer=BOB)
    assert executed.messages == (
        (message.replace(destination=alice.chain_id, kind=MessageKind.BOUNCING),),
    )


def test_a_bounce_without_grant_drops_the_refund_account(alice: Chain, bob: Chain) -> None:
    message = credit_of(5, MessageKind.TRACKED, refund=Account(alice.chain_id, ALICE))
    executed = bob.execute(bundle(alice, message, action=REJECT), signer=BOB)
    assert executed.messages[0][0].refund_grant_to is None


@pytest.mark.parametrize("kind", [MessageKind.SIMPLE, MessageKind.BOUNCING])
def test_other_rejected_messages_only_refund_their_grant(
    alice: Chain, bob: Chain, kind: MessageKind
) -> None:
    refund = Account(alice.chain_id, EVE)
    executed = bob.execute(
        bundle(alice, credit_of(5, kind, grant=3, refund=refund), action=REJECT), signer=BOB
    )
    (sent,) = executed.messages[0]
    assert sent == OutgoingMessage(
        alice.chain_id, None, Amount(0), None, MessageKind.TRACKED, Credit(EVE, Amount(3), ALICE)
    )


def test_the_grant_of_a_system_message_is_refunded_in_full(alice: Chain, bob: Chain) -> None:
    refund = Account(bob.chain_id, EVE)
    executed = bob.execute(
        bundle(alice, credit_of(5, MessageKind.TRACKED, grant=9, refund=refund)), signer=BOB
    )
    assert executed.messages[0][0].message == Credit(EVE, Amount(9), ALICE)
    assert executed.messages[0][0].destination == bob.chain_id


def test_a_left_over_grant_without_refund_account_fails(alice: Chain, bob: Chain) -> None:
    with pytest.raises(ExecutionError, match="InternalError"):
        bob.try_run(bob.propose(bundle(alice, credit_of(5, MessageKind.TRACKED, grant=9))))


def test_a_protected_message_cannot_be_rejected_on_an_open_chain(alice: Chain, bob: Chain) -> None:
    block = bob.propose(bundle(alice, credit_of(5, MessageKind.PROTECTED), action=REJECT))
    with pytest.raises(BlockRuleError, match="CannotRejectMessage"):
        bob.try_run(block)


def test_a_closed_chain_rejects_everything_and_takes_nothing_else(alice: Chain, bob: Chain) -> None:
    bob.execute(CloseChain(), signer=BOB)
    protected = bundle(alice, credit_of(5, MessageKind.PROTECTED), action=REJECT)
    bob.execute(protected, bundle(alice, credit_of(5, MessageKind.TRACKED), action=REJECT))
    for item in (bundle(alice, credit_of(1, MessageKind.TRACKED)), CloseChain()):
        with pytest.raises(BlockRuleError, match="ClosedChain"):
            bob.try_run(bob.propose(item))


def test_after_closing_the_rest_of_the_block_runs_but_accepts_no_bundle(
    alice: Chain, bob: Chain
) -> None:
    transfer = Transfer(CHAIN, Account.chain(alice.chain_id), Amount(1))
    bob.try_run(bob.propose(CloseChain(), transfer, signer=BOB))
    accept = bundle(alice, credit_of(1, MessageKind.TRACKED))
    with pytest.raises(BlockRuleError, match="ClosedChain"):
        bob.try_run(bob.propose(CloseChain(), accept, signer=BOB))


def test_a_user_message_arrives_and_runs(world: World, alice: Chain, bob: Chain) -> None:
    counter = install(world, alice, "counter", COUNTER)
    message = OutgoingMessage(
        bob.chain_id, None, Amount(0), None, MessageKind.SIMPLE, UserMessage(counter, b"\x05")
    )
    executed = bob.execute(bundle(alice, message), signer=BOB)
    store = bob.state.users.try_load(counter)
    assert store is not None
    assert read_counter(store.get(b"value")) == 5
    assert executed.operation_results == ()
    assert executed.messages == ((),)


PRICED = ResourceControlPolicy(read_operation=Amount(10), wasm_fuel_unit=Amount(1))


def test_a_grant_is_paid_by_the_sender_spent_by_the_message_and_the_rest_refunded() -> None:
    world = World(PRICED)
    alice = world.open_root(ChainOwnership.single(ALICE), 1000)
    bob = world.open_root(ChainOwnership.single(BOB), 1000)
    module = scripted(
        operation=lambda runtime, _: runtime.send_message(
            SendMessageRequest(bob.chain_id, b"hi", True, MessageResources(wasm_fuel=25))
        ),
        message=lambda runtime, _: runtime.read_value(b"key"),
    )
    app = install(world, alice, "relay", module)
    sent = alice.execute(UserOperation(app, b""))
    (message,) = sent.messages[0]
    assert (message.grant, message.authenticated_signer) == (25, ALICE)
    assert message.refund_grant_to == Account(alice.chain_id, ALICE)
    assert alice.balance() == 975
    received = bob.execute(bundle(alice, message), signer=BOB)
    assert bob.balance() == 1000
    assert received.messages[0][0].message == Credit(ALICE, Amount(15), ALICE)


def test_what_exceeds_the_grant_is_paid_by_the_block_signer_never_by_the_chain() -> None:
    world = World(PRICED)
    alice = world.open_root(ChainOwnership.single(ALICE), 1000)
    bob = world.open_root(ChainOwnership.single(BOB), 1000)
    app = install(
        world,
        alice,
        "reader",
        scripted(message=lambda runtime, _: [runtime.read_value(b"key") for _ in range(2)]),
    )
    message = OutgoingMessage(
        bob.chain_id,
        ALICE,
        Amount(15),
        Account(alice.chain_id, ALICE),
        MessageKind.TRACKED,
        UserMessage(app, b""),
    )
    with pytest.raises(ExecutionError, match="FeesExceedFunding"):
        bob.try_run(bob.propose(bundle(alice, message), signer=BOB))
    bob.execute(Transfer(CHAIN, Account(bob.chain_id, BOB), Amount(100)), signer=BOB)
    received = bob.execute(bundle(alice, message), signer=BOB)
    assert (bob.balance(), bob.balance(BOB)) == (900, 95)
    assert received.messages == ((),)


def test_transfers_reach_their_recipient_across_chains(alice: Chain, bob: Chain) -> None:
    sent = alice.execute(Transfer(CHAIN, Account.chain(bob.chain_id), Amount(30)))
    bob.execute(bundle(alice, *messages_to(sent, bob)), signer=BOB)
    assert (alice.balance(), bob.balance()) == (970, 1030)
