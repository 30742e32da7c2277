"""A failing disk or a crash of the client never executes a request twice (K3, K4)."""

import asyncio
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

import pytest

from catenula.base.crypto import AccountSignature
from catenula.base.errors import InvariantViolation, LocalError
from catenula.base.identifiers import AccountOwner
from catenula.base.integers import tokens
from catenula.client import ChainClient, Client, Committed, Conflict, NoQuorum
from catenula.client.candidate import Candidate, make_proposal
from catenula.client.errors import MissingKey
from catenula.client.signers import Signer, missing_key
from catenula.client.staging import stage_new_block
from catenula.client.synchronize import take_lock
from catenula.protocol import (
    Account,
    BlockProposal,
    ChainInfoQuery,
    ChainOwnership,
    LockingRegular,
    Round,
    Transfer,
)
from catenula.storage.engine import Fence, Group, open_store
from catenula.storage.memory import MemoryStore
from catenula.testing.faulty_store import Fault, FaultyStore
from tests.client.world import World, asynchronous, committed, owner
from tests.validator.scene import turns

COMMITS_PER_TRANSFER = 2
"""The pending proposal, then the confirmed block."""


async def start(world: World, store: FaultyStore) -> tuple[Client, ChainClient]:
    chain_id = await world.open(ChainOwnership.single(owner(1)))
    client = world.client(1, store=store)
    return client, await client.assign(owner(1), chain_id)


async def finish(world: World, chain: ChainClient) -> None:
    """Send one more token; whatever was begun before counts once at most."""
    world.clock.advance(1)
    outcome = await chain.transfer(Account.chain(world.root), "1")
    begun = isinstance(outcome, Conflict)
    if begun:
        assert await chain.local_balance() == tokens(9)
        committed(await chain.transfer(Account.chain(world.root), "1"))
    executed = chain.state().next_block_height
    assert executed in (1, 2)
    assert await chain.local_balance() == tokens(10 - executed)


@pytest.mark.parametrize("fault", [Fault.BEFORE, Fault.AFTER])
@pytest.mark.parametrize("number", range(1, COMMITS_PER_TRANSFER + 2))
@pytest.mark.parametrize("restarts", [False, True])
def test_a_write_that_fails_loses_and_doubles_nothing(
    fault: Fault, number: int, restarts: bool
) -> None:
    @asynchronous
    async def run() -> None:
        world = World()
        store = FaultyStore(MemoryStore("memory:"))
        _, chain = await start(world, store)
        store.fail_at(store.commits + number, fault)
        try:
            first = await chain.transfer(Account.chain(world.root), "1")
        except LocalError:
            first = None
        store.heal()
        await chain.context.updates.settled()
        if restarts:
            chain = world.client(1, store=store.inner).chain(chain.chain_id)
        if first is not None:
            assert number > COMMITS_PER_TRANSFER
            assert isinstance(first, Committed)
        await finish(world, chain)
        if first is not None:
            assert chain.state().next_block_height == 2

    run()


@asynchronous
async def test_a_proposal_is_stored_before_a_validator_sees_it() -> None:
    """Invariant K3."""
    world = World()
    store = FaultyStore(MemoryStore("memory:"))
    _, chain = await start(world, store)
    store.fail_next()
    with pytest.raises(LocalError):
        await chain.transfer(Account.chain(world.root), "1")
    for validator in world.network.validators:
        assert validator.driver is not None
        manager = validator.driver.worker.chain(chain.chain_id).manager
        assert manager.proposed is None


@asynchronous
async def test_a_block_whose_answers_got_lost_is_recognised() -> None:
    world = World()
    chain_id = await world.open(ChainOwnership.multiple((owner(1), owner(2))))
    alice = await world.client(1).assign(owner(1), chain_id)
    bob = await world.client(2).assign(owner(2), chain_id)
    # The validators lock Alice's block, but she hears of two only.
    nodes = alice.context.nodes()
    originals = [node.node for node in nodes]
    for node in nodes[:2]:
        node.node = DeafNode(node.node)  # type: ignore[assignment]  # Forwards every method.
    with pytest.raises(NoQuorum):
        await alice.transfer(Account.chain(world.root), "1")
    for node, original in zip(nodes, originals, strict=True):
        node.node = original
    # Bob finds the lock and finishes her block before his own.
    assert isinstance(await bob.transfer(Account.chain(world.root), "2"), Conflict)
    # What Alice had begun is done; it is not done again.
    outcome = await alice.process_pending_block()
    assert isinstance(outcome, Committed)
    assert outcome.value is not None
    assert await alice.local_balance() == tokens(9)
    assert alice.pending_proposal() is None


def test_a_lock_that_several_validators_tell_of_at_once_is_taken_once(tmp_path: Path) -> None:
    """Those that waited for the chain find it there, which is no error."""

    @asynchronous
    async def run() -> None:
        world = World()
        chain_id = await world.open(ChainOwnership.multiple((owner(1), owner(2))))
        alice = await world.client(1).assign(owner(1), chain_id)
        client = world.client(2, store=open_store(f"sqlite:{tmp_path / 'bob'}"))
        bob = await client.assign(owner(2), chain_id)
        nodes = alice.context.nodes()
        for node in nodes[:2]:
            node.node = DeafNode(node.node)  # type: ignore[assignment]  # As above.
        with pytest.raises(NoQuorum):
            await alice.transfer(Account.chain(world.root), "1")
        query = ChainInfoQuery(chain_id, request_manager_values=True)
        remotes = bob.context.nodes()
        locks = [(await remote.chain_info(query)).manager.requested_locking for remote in remotes]
        told = [
            (remote, lock.certificate)
            for remote, lock in zip(remotes, locks, strict=True)
            if isinstance(lock, LockingRegular)
        ]
        assert len(told) > 1
        # A write to the chain goes before, so that all of them have looked before any is served.
        trackers = {told[0][0].public_key: 1}
        await asyncio.gather(
            client.context.local.update_received_trackers(chain_id, trackers),
            *(take_lock(bob.context, remote, certificate) for remote, certificate in told),
        )
        assert isinstance(bob.state().manager.locking_block, LockingRegular)
        await client.close()

    run()


class DeafNode:
    """Hands requests on and loses the answers to certificates."""

    def __init__(self, node: object) -> None:
        self._node = node

    def __getattr__(self, name: str) -> object:
        method = getattr(self._node, name)
        if name not in ("handle_lite_certificate", "handle_validated_certificate"):
            return method

        async def lose(*arguments: object, **options: object) -> object:
            await method(*arguments, **options)
            raise LocalError("the answer got lost", retryable=True)

        return lose


@asynchronous
async def test_a_second_proposal_in_a_round_is_never_signed() -> None:
    """Invariant K2, the last guard behind the choice of the round."""
    world = World()
    alice = await world.user(1)
    context, session = alice.context, alice.session
    signing = []
    for amount in (1, 2):
        operation = Transfer(AccountOwner.CHAIN, Account.chain(world.root), tokens(amount))
        staged = await stage_new_block(context, session, (operation,), blobs=())
        signing.append(Candidate(staged.block, (), owner(1)))
    round_ = Round.multi_leader(0)
    first = await make_proposal(context, session, signing[0], round_=round_)
    assert await make_proposal(context, session, signing[0], round_=round_) == first
    with pytest.raises(InvariantViolation, match="K2"):
        await make_proposal(context, session, signing[1], round_=round_)


class Answer(Enum):
    """What a signer does when it is asked."""

    SIGNS = "signs"
    REFUSES = "refuses"
    HANGS = "hangs"


class SlowWallet:
    """A signer, and the writes of a wallet, which a test holds up."""

    def __init__(self, signer: Signer, answer: Answer) -> None:
        self._signer, self._answer = signer, answer
        self.asked, self.stored = asyncio.Event(), asyncio.Event()
        self.failure: LocalError | None = None

    async def contains_key(self, account: AccountOwner) -> bool:
        return await self._signer.contains_key(account)

    async def sign(self, account: AccountOwner, digest: bytes) -> AccountSignature:
        self.asked.set()
        if self._answer is Answer.REFUSES:
            raise missing_key(account)
        if self._answer is Answer.HANGS:
            await asyncio.Event().wait()
        return await self._signer.sign(account, digest)

    async def commit(self, groups: Sequence[Group], fence: Fence | None = None) -> None:
        await self.stored.wait()
        if self.failure is not None:
            raise self.failure


async def proposing(answer: Answer) -> tuple[SlowWallet, asyncio.Task[BlockProposal]]:
    """A proposal that is being stored while the signer is asked."""
    world = World()
    _, chain = await start(world, FaultyStore(MemoryStore("memory:")))
    context = chain.context
    slow = context.signer = SlowWallet(context.signer, answer)
    context.wallet._committer.commit = slow.commit  # type: ignore[method-assign]  # Held up.
    operation = Transfer(AccountOwner.CHAIN, Account.chain(world.root), tokens(1))
    staged = await stage_new_block(context, chain.session, (operation,), blobs=())
    candidate = Candidate(staged.block, (), owner(1))
    making = make_proposal(context, chain.session, candidate, round_=Round.multi_leader(0))
    task = asyncio.ensure_future(making)
    await slow.asked.wait()
    return slow, task


async def store_at_last(slow: SlowWallet, task: asyncio.Task[BlockProposal]) -> None:
    """Let the disk answer; before, nothing may have come out."""
    await turns()
    assert not task.done()
    slow.stored.set()


@asynchronous
async def test_a_proposal_is_signed_while_it_is_stored_and_comes_out_afterwards() -> None:
    """Invariants K2, K3: before it is durable, nobody gets the signature."""
    slow, task = await proposing(Answer.SIGNS)
    await store_at_last(slow, task)
    proposal = await task
    proposal.signature.verify(proposal.content.hash)


@asynchronous
async def test_a_signer_that_refuses_meanwhile_is_heard_once_all_is_stored() -> None:
    slow, task = await proposing(Answer.REFUSES)
    await store_at_last(slow, task)
    with pytest.raises(MissingKey):
        await task


@pytest.mark.parametrize("answer", Answer)
def test_what_cannot_be_stored_is_not_proposed_whatever_the_signer_says(answer: Answer) -> None:
    @asynchronous
    async def run() -> None:
        slow, task = await proposing(answer)
        slow.failure = LocalError("the disk is full", retryable=False)
        slow.stored.set()
        with pytest.raises(LocalError, match="full"):
            await task
        await turns()
        assert not [left for left in asyncio.all_tasks() if "sign" in repr(left.get_coro())]

    run()
