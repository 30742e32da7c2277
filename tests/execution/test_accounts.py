"""Transfers and claims (spec 02 §2, §4)."""

import pytest

from catenula.base.identifiers import AccountOwner
from catenula.base.integers import U128_MAX, Amount
from catenula.execution.errors import ExecutionError
from catenula.protocol import (
    Account,
    ChainOwnership,
    Claim,
    Credit,
    MessageKind,
    OutgoingMessage,
    Transfer,
    Withdraw,
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


def local(chain: Chain, owner: AccountOwner = CHAIN) -> Account:
    return Account(chain.chain_id, owner)


def test_a_remote_transfer_debits_the_chain_and_sends_a_tracked_credit_without_signer(
    alice: Chain, bob: Chain
) -> None:
    executed = alice.execute(Transfer(CHAIN, local(bob), Amount(30)))
    assert executed.messages == (
        (
            OutgoingMessage(
                bob.chain_id,
                None,
                Amount(0),
                None,
                MessageKind.TRACKED,
                Credit(CHAIN, Amount(30), CHAIN),
            ),
        ),
    )
    assert executed.operation_results == (b"",)
    assert alice.balance() == 970


def test_a_local_transfer_credits_at_once_and_sends_nothing(alice: Chain) -> None:
    executed = alice.execute(Transfer(CHAIN, local(alice, BOB), Amount(30)))
    assert executed.messages == ((),)
    assert (alice.balance(), alice.balance(BOB)) == (970, 30)


def test_an_account_debited_to_zero_disappears(alice: Chain) -> None:
    alice.execute(Transfer(CHAIN, local(alice, ALICE), Amount(30)))
    alice.execute(Transfer(ALICE, local(alice), Amount(30)))
    assert not alice.state.system.balances.contains(ALICE)


@pytest.mark.parametrize(
    ("attempt", "code"),
    [
        ((CHAIN, ALICE, 1001), "InsufficientBalance"),
        ((CHAIN, EVE, 1), "UnauthenticatedTransferOwner"),
        ((CHAIN, None, 1), "UnauthenticatedTransferOwner"),
        ((BOB, ALICE, 1), "UnauthenticatedTransferOwner"),
        ((ALICE, ALICE, 1), "InsufficientBalance"),
        ((CHAIN, ALICE, 0), "IncorrectTransferAmount"),
    ],
)
def test_transfers_that_are_refused(
    alice: Chain, attempt: tuple[AccountOwner, AccountOwner | None, int], code: str
) -> None:
    """Invariant E3."""
    owner, signer, amount = attempt
    operation = Transfer(owner, Account(alice.chain_id, EVE), Amount(amount))
    with pytest.raises(ExecutionError) as refusal:
        alice.try_run(alice.propose(operation, signer=signer))
    assert refusal.value.code == code
    assert str(refusal.value.context) == "Operation(0)"


def test_a_refused_block_leaves_no_trace(alice: Chain, bob: Chain) -> None:
    before = alice.state.content_hash()
    block = alice.propose(
        Transfer(CHAIN, local(bob), Amount(1)), Transfer(CHAIN, local(bob), Amount(5000))
    )
    with pytest.raises(ExecutionError, match="InsufficientBalance"):
        alice.try_run(block)
    assert alice.state.content_hash() == before


def test_credits_saturate(world: World, alice: Chain, bob: Chain) -> None:
    alice.state.system.balances.insert(BOB, Amount(U128_MAX - 1))
    alice.save()
    alice.execute(Transfer(CHAIN, local(alice, BOB), Amount(30)))
    assert alice.balance(BOB) == U128_MAX


def test_a_claim_of_a_remote_account_sends_a_simple_withdraw_with_the_signer(
    alice: Chain, bob: Chain
) -> None:
    executed = alice.execute(Claim(ALICE, bob.chain_id, local(alice), Amount(7)))
    (message,) = executed.messages[0]
    assert message == OutgoingMessage(
        bob.chain_id,
        ALICE,
        Amount(0),
        None,
        MessageKind.SIMPLE,
        Withdraw(ALICE, Amount(7), local(alice)),
    )


def test_a_claim_goes_to_the_account_and_comes_back_as_a_credit(alice: Chain, bob: Chain) -> None:
    bob.execute(Transfer(CHAIN, local(bob, ALICE), Amount(10)), signer=BOB)
    claimed = alice.execute(Claim(ALICE, bob.chain_id, local(alice, EVE), Amount(7)))
    withdrawn = bob.execute(bundle(alice, *messages_to(claimed, bob)), signer=BOB)
    alice.execute(bundle(bob, *messages_to(withdrawn, alice)))
    assert (bob.balance(ALICE), alice.balance(EVE)) == (3, 7)


def test_a_local_claim_is_a_transfer(alice: Chain) -> None:
    alice.execute(Transfer(CHAIN, local(alice, ALICE), Amount(10)))
    alice.execute(Claim(ALICE, alice.chain_id, local(alice, BOB), Amount(4)))
    assert (alice.balance(ALICE), alice.balance(BOB)) == (6, 4)


@pytest.mark.parametrize(
    ("owner", "amount", "code"),
    [
        (BOB, 1, "UnauthenticatedClaimOwner"),
        (CHAIN, 1, "UnauthenticatedClaimOwner"),
        (ALICE, 0, "IncorrectClaimAmount"),
    ],
)
def test_claims_that_are_refused(
    alice: Chain, bob: Chain, owner: AccountOwner, amount: int, code: str
) -> None:
    operation = Claim(owner, bob.chain_id, local(alice), Amount(amount))
    with pytest.raises(ExecutionError, match=code):
        alice.try_run(alice.propose(operation))


def test_a_withdrawal_is_not_authenticated_where_it_arrives_but_needs_the_balance(
    alice: Chain, bob: Chain
) -> None:
    withdraw = OutgoingMessage(
        bob.chain_id,
        None,
        Amount(0),
        None,
        MessageKind.SIMPLE,
        Withdraw(CHAIN, Amount(5000), local(alice)),
    )
    with pytest.raises(ExecutionError, match="InsufficientBalance") as refusal:
        bob.try_run(bob.propose(bundle(alice, withdraw), signer=BOB))
    assert str(refusal.value.context) == "IncomingBundle(0)"


def test_a_super_owner_may_spend_the_chain_balance(world: World, bob: Chain) -> None:
    chain = world.open_root(ChainOwnership.single_super(EVE), 50)
    chain.execute(Transfer(CHAIN, local(bob), Amount(50)), signer=EVE)
    assert chain.balance() == 0
