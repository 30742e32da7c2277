"""Whole commands on a network of four validators."""

import pytest

from catenula.base.identifiers import AccountOwner
from catenula.base.integers import Amount, Epoch, TimeDelta, tokens
from catenula.client import (
    ChainClient,
    ClientError,
    ClientOptions,
    Committed,
    Conflict,
    InMemorySigner,
    NoQuorum,
    WaitForTimeout,
)
from catenula.client.candidate import pending_of
from catenula.client.errors import (
    ChainClosed,
    InactiveChain,
    InvalidAmount,
    MissingKey,
    NoOwnerConfigured,
    NotAnOwner,
    Overdraft,
    UnknownChain,
    WrongOwner,
)
from catenula.client.propose import Request, propose_operations
from catenula.client.staging import stage_new_block
from catenula.client.synchronize import synchronize_chain
from catenula.protocol import (
    Account,
    ChainId,
    ChainOwnership,
    ConfirmedBlockCertificate,
    EventId,
    Round,
    TimeoutConfig,
    Transfer,
    ValidatedBlockCertificate,
    epoch_event_id,
)
from catenula.storage.memory import MemoryStore
from tests.client.world import World, asynchronous, committed, owner


@asynchronous
async def test_a_transfer_arrives_at_a_chain_of_another_client() -> None:
    world = World()
    alice, bob = await world.user(1), await world.user(2)
    committed(await alice.transfer(Account.chain(bob.chain_id), "1.5"))
    await world.settled()
    await bob.synchronize()
    certificates, stopped = await bob.process_inbox()
    assert (len(certificates), stopped) == (1, None)
    assert await bob.local_balance() == tokens(11) + tokens(1) // 2
    assert await alice.local_balance() == tokens(8) + tokens(1) // 2


@asynchronous
async def test_a_balance_counts_waiting_messages_when_asked_so() -> None:
    world = World()
    alice, bob = await world.user(1), await world.user(2)
    committed(await alice.transfer(Account.chain(bob.chain_id), "1"))
    await world.settled()
    await bob.synchronize()
    assert await bob.query_balance() == tokens(11)
    assert await bob.local_balance() == tokens(10)


@asynchronous
async def test_received_messages_are_looked_for_once() -> None:
    """Invariant K6."""
    world = World()
    alice, bob = await world.user(1), await world.user(2)
    for _ in range(3):
        committed(await alice.transfer(Account.chain(bob.chain_id), "1"))
    await world.settled()
    await bob.synchronize()
    trackers = dict(bob.state().received_certificate_trackers.items())
    # The parent's block that created the chain sent it nothing.
    assert set(trackers.values()) == {3}
    await bob.process_inbox()
    assert await bob.local_balance() == tokens(13)


@asynchronous
async def test_commands_that_cannot_work_are_explained() -> None:
    world = World()
    alice = await world.user(1)
    recipient = Account.chain(world.root)
    for expected, command in (
        (Overdraft, alice.transfer(recipient, "11")),
        (InvalidAmount, alice.transfer(recipient, "one")),
        (InvalidAmount, alice.transfer(recipient, "0")),
        (WrongOwner, alice.transfer(recipient, "1", owner=owner(2))),
    ):
        with pytest.raises(expected) as caught:
            await command
        text, data = caught.value.message(), caught.value.to_json()
        assert "next:" in text
        assert data["code"] == expected.__name__
    assert alice.pending_proposal() is None


@asynchronous
async def test_an_overdraft_says_what_where_why_who_and_what_next() -> None:
    world = World()
    alice = await world.user(1)
    with pytest.raises(Overdraft) as caught:
        await alice.transfer(Account.chain(world.root), "11")
    lines = caught.value.message().splitlines()
    assert lines[0] == "The chain holds 10 tokens, less than is to be taken from it"
    assert lines[1] == f"  where: chain {alice.chain_id}, height 0"
    assert lines[2].startswith("  why:   InsufficientBalance")
    assert lines[3] == f"  who:   owner {owner(1)}"
    assert lines[4].startswith("  next:  send less")


@asynchronous
async def test_an_unknown_chain_is_named() -> None:
    world = World()
    unknown = ChainId(b"\x01" * 32)
    with pytest.raises(UnknownChain) as caught:
        await world.client(1).assign(owner(1), unknown)
    assert str(unknown) in caught.value.message()
    assert len(caught.value.explanation.reasons) == 4


@asynchronous
async def test_only_owners_with_a_key_can_propose() -> None:
    world = World()
    chain_id = await world.open(ChainOwnership.single(owner(1)))
    client = world.client(2)
    with pytest.raises(NotAnOwner):
        await client.assign(owner(2), chain_id)
    followed = await client.follow(chain_id)
    recipient = Account.chain(world.root)
    with pytest.raises(NoOwnerConfigured):
        await followed.transfer(recipient, "1")
    followed.set_preferred_owner(owner(2))
    with pytest.raises(NotAnOwner):
        await followed.transfer(recipient, "1")
    followed.set_preferred_owner(owner(1))
    with pytest.raises(MissingKey):
        await followed.transfer(recipient, "1")


@asynchronous
async def test_a_closed_chain_refuses_operations_and_bounces_messages() -> None:
    world = World()
    alice, bob = await world.user(1), await world.user(2)
    committed(await alice.close_chain())
    with pytest.raises(ChainClosed):
        await alice.transfer(Account.chain(bob.chain_id), "1")
    assert await alice.close_chain() == Committed(None)
    committed(await bob.transfer(Account.chain(alice.chain_id), "2"))
    await world.settled()
    await alice.synchronize()
    certificates, _ = await alice.process_inbox()
    assert len(certificates) == 1
    await world.settled()
    await bob.synchronize()
    await bob.process_inbox()
    assert await bob.local_balance() == tokens(10)


@asynchronous
async def test_a_chain_without_owners_is_deactivated() -> None:
    world = World()
    alice = await world.user(1)
    committed(await alice.change_ownership(ChainOwnership()))
    with pytest.raises(InactiveChain):
        await alice.transfer(Account.chain(world.root), "1")


@asynchronous
async def test_a_chain_changes_hands() -> None:
    world = World()
    alice = await world.user(1)
    committed(await alice.transfer_ownership(owner(2)))
    bob = await world.client(2).assign(owner(2), alice.chain_id)
    committed(await bob.transfer(Account.chain(world.root), "1"))
    with pytest.raises(NotAnOwner):
        await alice.synchronize()
        await alice.transfer(Account.chain(world.root), "1")


@asynchronous
async def test_two_owners_take_turns() -> None:
    world = World()
    alice = await world.user(1)
    committed(await alice.share_ownership(owner(2)))
    bob = await world.client(2).assign(owner(2), alice.chain_id)
    recipient = Account.chain(world.root)
    for chain in (bob, alice, bob, bob, alice):
        committed(await chain.transfer(recipient, "1"))
    assert await alice.local_balance() == tokens(5)


@asynchronous
async def test_anyone_may_propose_on_an_open_chain() -> None:
    world = World()
    shape = ChainOwnership.single(owner(1)).replace(open_multi_leader_rounds=True)
    chain_id = await world.open(shape)
    stranger = await world.client(9).assign(owner(9), chain_id)
    source = await world.user(3)
    committed(await source.transfer(Account(chain_id, owner(9)), "3"))
    await world.settled()
    await stranger.synchronize()
    await stranger.process_inbox()
    recipient = Account.chain(world.root)
    committed(await stranger.transfer(recipient, "1", owner=owner(9)))
    assert await stranger.local_balance(owner(9)) == tokens(2)


@asynchronous
async def test_validators_run_a_public_chain() -> None:
    world = World()
    chains = await public_chain_with_a_message(world)
    outcomes = [(await chain.process_inbox()) for chain in chains]
    assert sum(len(certificates) for certificates, _ in outcomes) == 1
    (round_,) = [c[0].round for c, _ in outcomes if c]
    assert round_ == Round.validator(0)
    assert await chains[0].query_balance() in (tokens(13), tokens(10))


@asynchronous
async def test_a_silent_leader_is_timed_out() -> None:
    """Liveness L1."""
    world = World()
    chains = await public_chain_with_a_message(world)
    leader = chains[0].state().manager.rules.leader(Round.validator(0))
    others = [chain for chain in chains if chain.owner != leader]
    waiting = [await chain.execute() for chain in others]
    assert all(isinstance(outcome, WaitForTimeout) for outcome in waiting)
    certificate = await pass_rounds(world, others)
    assert certificate.round > Round.validator(0)
    assert await others[0].query_balance() == tokens(13)


async def public_chain_with_a_message(world: World) -> list[ChainClient]:
    """A public chain that was sent 3 tokens, as the client of each validator sees it."""
    public = ChainOwnership(
        timeout_config=TimeoutConfig(fallback_duration=TimeDelta(0)),
    )
    chain_id = await world.open(public)
    source = await world.user(3)
    committed(await source.transfer(Account.chain(chain_id), "3"))
    await world.settled()
    accounts = [keys.account for keys in world.network.configuration.validators]
    chains = []
    for key in accounts:
        client = world.client(signer=InMemorySigner([key]))
        chains.append(await client.assign(key.owner(), chain_id))
        await chains[-1].synchronize()
    return chains


async def pass_rounds(world: World, chains: list[ChainClient]) -> ConfirmedBlockCertificate:
    """Let rounds time out until one of these pending blocks is final."""
    for _ in range(40):
        for chain in chains:
            outcome = await chain.process_pending_block()
            if isinstance(outcome, Committed) and outcome.value is not None:
                return outcome.value
        deadline = chains[0].state().manager.round_deadline
        assert deadline is not None
        world.clock.advance(max(0, deadline - world.clock.now()))
    raise AssertionError("no leader proposed")


@asynchronous
async def test_a_dead_validator_is_not_missed_and_catches_up() -> None:
    world = World()
    alice = await world.user(1)
    recipient = Account.chain(world.root)
    dead = world.network.validators[2]
    await dead.stop()
    for _ in range(5):
        committed(await alice.transfer(recipient, "1"))
    dead.start()
    committed(await alice.transfer(recipient, "1"))
    await alice.context.updates.settled()
    assert dead.driver is not None
    assert dead.driver.worker.chain(alice.chain_id).next_block_height == 6
    # It votes again: the others without it are no quorum.
    await world.network.validators[0].stop()
    committed(await alice.transfer(recipient, "1"))


@asynchronous
async def test_without_a_quorum_the_block_stays_pending_and_is_finished_later() -> None:
    world = World()
    alice = await world.user(1)
    recipient = Account.chain(world.root)
    for validator in world.network.validators[:2]:
        await validator.stop()
    with pytest.raises(NoQuorum) as caught:
        await alice.transfer(recipient, "1")
    text = caught.value.message()
    assert "validator 1" in text
    assert "is not running" in text
    assert alice.pending_proposal() is not None
    for validator in world.network.validators[:2]:
        validator.start()
    outcome = await alice.transfer(recipient, "2")
    # The earlier block goes first, and nothing of the later request was executed.
    assert isinstance(outcome, Conflict)
    assert await alice.local_balance() == tokens(9)
    committed(await alice.transfer(recipient, "2"))
    assert await alice.local_balance() == tokens(7)


@asynchronous
async def test_a_pending_block_survives_a_crash_of_the_client() -> None:
    world = World()
    chain_id = await world.open(ChainOwnership.single(owner(1)))
    store = MemoryStore("memory:")
    alice = await world.client(1, store=store).assign(owner(1), chain_id)
    for validator in world.network.validators[:2]:
        await validator.stop()
    with pytest.raises(NoQuorum):
        await alice.transfer(Account.chain(world.root), "1")
    pending = alice.pending_proposal()
    for validator in world.network.validators[:2]:
        validator.start()
    again = world.client(1, store=store).chain(chain_id)
    assert again.owner == owner(1)
    assert again.pending_proposal() == pending
    assert pending is not None
    foreseen = await again.estimate_pending()
    assert foreseen is not None
    assert foreseen[0] == pending.block
    assert foreseen[1].messages == 1
    assert again.pending_proposal() == pending
    certificate = committed(await again.process_pending_block())
    assert certificate is not None
    assert await again.local_balance() == tokens(9)
    assert await again.estimate_pending() is None
    last = world.client(1, store=store).chain(chain_id)
    assert last.pending_proposal() is None
    committed(await last.transfer(Account.chain(world.root), "1"))


@asynchronous
async def test_a_client_that_was_away_follows_and_proposes_again() -> None:
    world = World()
    chain_id = await world.open(ChainOwnership.single(owner(1)))
    here = await world.client(1).assign(owner(1), chain_id)
    there = await world.client(1).assign(owner(1), chain_id)
    recipient = Account.chain(world.root)
    for _ in range(3):
        committed(await here.transfer(recipient, "1"))
        world.clock.advance(1)
    committed(await there.transfer(recipient, "1"))
    assert there.state().next_block_height == 4
    assert await there.local_balance() == tokens(6)


@asynchronous
async def test_another_owners_validated_block_is_finalized_first() -> None:
    """Invariant K5."""
    world = World()
    alice = await world.user(1)
    committed(await alice.share_ownership(owner(2)))
    bob = await world.client(2).assign(owner(2), alice.chain_id)
    for validator in world.network.validators[:2]:
        validator.node.stop()
    await lock_partially(world, alice)
    for validator in world.network.validators[:2]:
        validator.node.replace(validator.driver)
    outcome = await bob.transfer(Account.chain(world.root), "3")
    assert isinstance(outcome, Conflict)
    assert await bob.local_balance() == tokens(9)
    committed(await bob.transfer(Account.chain(world.root), "3"))
    assert await bob.local_balance() == tokens(6)


async def lock_partially(world: World, alice: "object") -> None:
    """Alice's block is validated by all and locked on two validators, then she is gone."""
    from catenula.client.candidate import Candidate, make_proposal
    from catenula.client.certify import _submit
    from catenula.client.chain_client import ChainClient
    from catenula.client.votes import validated_certificate

    assert isinstance(alice, ChainClient)
    context, session = alice.context, alice.session
    for validator in world.network.validators[:2]:
        validator.node.replace(validator.driver)
    operation = Transfer(AccountOwner.CHAIN, Account.chain(world.root), tokens(1))
    staged = await stage_new_block(context, session, (operation,), blobs=())
    session.pending = pending_of(staged, ())
    candidate = Candidate(staged.block, (), owner(1))
    proposal = await make_proposal(context, session, candidate, round_=Round.multi_leader(0))
    committee = alice.state().current_committee()
    agreement = await _submit(context, proposal, committee, {})
    certificate = validated_certificate(staged.block, agreement)
    assert isinstance(certificate, ValidatedBlockCertificate)
    for validator in world.network.validators[2:]:
        await validator.node.handle_validated_certificate(certificate)


@asynchronous
async def test_a_super_owner_can_use_the_fast_round() -> None:
    world = World()
    chain_id = await world.open(ChainOwnership.single_super(owner(1)))
    options = ClientOptions(allow_fast_blocks=True)
    alice = await world.client(1, options=options).assign(owner(1), chain_id)
    first = committed(await alice.transfer(Account.chain(world.root), "1"))
    assert first.round == Round.FAST
    committed(await alice.transfer(Account.chain(world.root), "1"))
    bold = await world.client(1).assign(owner(1), chain_id)
    second = committed(await bold.transfer(Account.chain(world.root), "1"))
    assert second.round == Round.multi_leader(0)
    assert await bold.local_balance() == tokens(7)


@asynchronous
async def test_a_block_with_published_blobs_is_committed() -> None:
    world = World()
    alice = await world.user(1)
    certificate = committed(await alice.publish_data_blob(b"some bytes"))
    assert len(certificate.block.published_blob_ids) == 1


@asynchronous
async def test_an_estimate_signs_nothing() -> None:
    world = World()
    alice = await world.user(1)
    operation = Transfer(AccountOwner.CHAIN, Account.chain(world.root), Amount(1))
    estimate = await alice.estimate((operation, operation))
    assert (estimate.fees, estimate.messages, len(estimate.transaction_fees)) == (0, 2, 2)
    assert alice.pending_proposal() is None
    assert alice.state().next_block_height == 0


@asynchronous
async def test_opened_chains_with_own_keys_enter_the_wallet() -> None:
    world = World()
    alice = await world.user(1)
    client = alice.context
    description = committed(await alice.open_chain(ChainOwnership.single(owner(1)), "2"))
    row = client.wallet.chain(description.chain_id)
    assert row is not None
    assert row.owner == owner(1)
    other = committed(await alice.open_chain(ChainOwnership.single(owner(5)), "2"))
    assert client.wallet.chain(other.chain_id) is None


@asynchronous
async def test_a_committee_change_is_followed() -> None:
    world = World()
    alice = await world.user(1)
    root = await world.root_chain()
    committee = root.state().current_committee()
    committed(await root.stage_new_committee(committee.replace(policy=committee.policy)))
    assert root.state().epoch == 1
    await alice.synchronize()
    committed(await alice.transfer(Account.chain(world.root), "1"))
    assert alice.state().epoch == 1
    committed(await root.revoke_epochs(root.state().epoch.__class__(0)))
    committed(await alice.transfer(Account.chain(world.root), "1"))
    await alice.synchronize()
    committed(await alice.transfer(Account.chain(world.root), "1"))
    assert sorted(alice.state().execution.system.committees.get()) == [1]


@asynchronous
async def test_the_event_of_the_next_epoch_is_looked_for_until_events_are_written() -> None:
    world = World()
    root = await world.root_chain()
    local = root.context.local
    looked_for: list[EventId] = []
    ask = local.shared.has_event

    def counting(event_id: EventId) -> bool:
        looked_for.append(event_id)
        return ask(event_id)

    local.shared.has_event = counting  # type: ignore[method-assign]  # To see what is read.
    event_id = epoch_event_id(world.root, Epoch(1))
    assert not local.has_event(event_id)
    assert not local.has_event(event_id)
    assert looked_for == [event_id]
    committee = root.state().current_committee()
    committed(await root.stage_new_committee(committee.replace(policy=committee.policy)))
    assert local.has_event(event_id)


@asynchronous
async def test_blocks_of_a_revoked_epoch_are_synchronized() -> None:
    world = World()
    alice = await world.user(1)
    late_client = world.client(1)
    late = await late_client.assign(owner(1), alice.chain_id)
    committed(await alice.transfer(Account.chain(world.root), "1"))
    root = await world.root_chain()
    committee = root.state().current_committee()
    committed(await root.stage_new_committee(committee.replace(policy=committee.policy)))
    committed(await root.revoke_epochs(Epoch(0)))
    await world.settled()
    await late_client.chain(world.root).synchronize()
    await synchronize_chain(late_client.context, alice.chain_id)
    assert late.state().next_block_height == 1
    committed(await late.transfer(Account.chain(world.root), "1"))
    assert late.state().epoch == 1


@asynchronous
async def test_a_message_from_an_unknown_epoch_makes_the_client_catch_up() -> None:
    world = World()
    alice, bob = await world.user(1), await world.user(2)
    root = await world.root_chain()
    committee = root.state().current_committee()
    committed(await root.stage_new_committee(committee))
    await alice.synchronize()
    committed(await alice.transfer(Account.chain(bob.chain_id), "1"))
    committed(await alice.transfer(Account.chain(bob.chain_id), "1"))
    await world.settled()
    await bob.find_received_certificates()
    await bob.process_inbox()
    assert await bob.local_balance() == tokens(12)


def test_errors_of_the_client_form_one_tree() -> None:
    assert issubclass(NoQuorum, ClientError)
    assert callable(propose_operations)
    assert Request().operations == ()
