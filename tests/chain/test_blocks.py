"""Activation, execution and application of blocks (spec 05 §1.3, §5 step 16, §9; C11-C17)."""

from typing import Any

import pytest

from catenula.base.crypto import ValidatorSecretKey
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import BlockHeight, Timestamp
from catenula.chain.block_execution import activate, apply_confirmed_block
from catenula.chain.errors import (
    CorruptedChainState,
    InvalidBlockChaining,
    InvalidEpoch,
    MissingCrossChainUpdates,
)
from catenula.chain.info import chain_info
from catenula.chain.mailboxes import cross_chain_requests
from catenula.execution.block import ExecutedTransactions, execute_block
from catenula.execution.errors import BlobsNotFound, BlockRuleError, ExecutionError
from catenula.protocol import (
    Block,
    ChainInfoQuery,
    IncomingBundle,
    MessageAction,
    Round,
)
from tests.chain.node import (
    START,
    Node,
    account_key,
    root_chain,
    signed,
    transfer,
    validated,
    validator_key,
)

OWNER = account_key(0)
ROUND = Round.multi_leader(0)


@pytest.fixture
def node() -> Node:
    return Node(validator_key(0))


@pytest.fixture
def sender(node: Node) -> ChainId:
    return node.describe(root_chain(0))


@pytest.fixture
def recipient(node: Node) -> ChainId:
    return node.describe(root_chain(1))


# Activation


def test_an_unknown_chain_asks_for_its_description(node: Node) -> None:
    chain = node.chain(ChainId(b"\x09" * 32))
    with pytest.raises(BlobsNotFound) as caught:
        activate(chain, START)
    assert [blob_id.hash for blob_id in caught.value.blob_ids] == [chain.chain_id]
    assert not chain.is_described


def test_activation_happens_once_and_starts_the_first_round(node: Node, sender: ChainId) -> None:
    chain = node.chain(sender)
    assert activate(chain, Timestamp(START + 5)) is True
    node.save(chain)
    assert activate(chain, Timestamp(START + 9)) is False
    assert chain.manager.current_round == Round.multi_leader(0)
    assert chain.state_hash is not None
    node.reload()
    again = node.chain(sender)
    assert activate(again, START) is False
    assert chain_info(again) == chain_info(chain)


# Blocks


def test_blocks_advance_the_tip_and_the_log(
    node: Node, sender: ChainId, recipient: ChainId
) -> None:
    blocks = [node.execute(sender, transfer(recipient)) for _ in range(3)]
    chain = node.chain(sender)
    assert chain.tip.block_hash == blocks[-1].hash
    assert chain.confirmed_log.read() == [block.hash for block in blocks]
    assert chain.tip.num_operations == chain.tip.num_outgoing_messages == 3
    assert [chain.hash_at(block.height) for block in blocks] == [block.hash for block in blocks]
    assert chain.block_zero_executed_at == node.now
    node.reload()
    assert node.chain(sender).tip == chain.tip
    assert node.chain(sender).hash_at(BlockHeight(1)) == blocks[1].hash


def test_blocks_point_back_to_the_last_one_with_a_message(
    node: Node, sender: ChainId, recipient: ChainId
) -> None:
    other = node.describe(root_chain(2))
    first = node.execute(sender, transfer(recipient))
    second = node.execute(sender, transfer(other))
    third = node.execute(sender, transfer(recipient), transfer(other))
    assert first.body.previous_message_blocks == {}
    assert second.body.previous_message_blocks == {}
    assert third.body.previous_message_blocks == {
        recipient: (first.hash, 0),
        other: (second.hash, 1),
    }


class Executions:
    """Counts how often a block is really executed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0

        def counted(*arguments: Any) -> ExecutedTransactions:
            self.count += 1
            return execute_block(*arguments)

        monkeypatch.setattr("catenula.chain.block_execution.execute_block", counted)


def test_a_block_that_was_voted_for_is_not_executed_again(
    node: Node, sender: ChainId, recipient: ChainId, monkeypatch: pytest.MonkeyPatch
) -> None:
    executions = Executions(monkeypatch)
    block = node.vote(signed(node.propose(sender, transfer(recipient)), OWNER))
    node.lock(validated(block, ROUND, [key_of(node)]))
    node.confirm(block)
    assert executions.count == 1


def test_replaying_gives_the_same_stored_state(monkeypatch: pytest.MonkeyPatch) -> None:
    voter, follower = Node(validator_key(0)), Node(validator_key(0))
    for node in (voter, follower):
        node.describe(root_chain(0))
    sender = root_chain(0).chain_id
    executions = Executions(monkeypatch)
    for number in range(3):
        block = voter.vote(signed(voter.propose(sender, transfer(sender, number + 1)), OWNER))
        voter.confirm(block)
        follower.confirm(block)
    assert executions.count == 6
    assert voter.stored(sender) == follower.stored(sender)


def test_handling_a_proposal_twice_stores_the_same(
    node: Node, sender: ChainId, recipient: ChainId
) -> None:
    proposal = signed(node.propose(sender, transfer(recipient)), OWNER)
    node.vote(proposal)
    once = node.stored(sender)
    node.reload()
    chain = node.chain(sender)
    assert chain.manager.check_proposed_block(proposal).name == "SKIP"
    assert not node.save(chain).operations
    assert node.stored(sender) == once


def test_a_rejected_proposal_changes_only_consensus(
    node: Node, sender: ChainId, recipient: ChainId
) -> None:
    before = chain_info(node.active(sender))
    with pytest.raises(ExecutionError) as caught:
        node.vote(signed(node.propose(sender, transfer(recipient, 10**30)), OWNER))
    assert caught.value.code == "InsufficientBalance"
    chain = node.chain(sender)
    assert chain_info(chain) == before
    assert chain.manager.signed_proposal is not None
    assert chain.manager.proposed is None


def test_an_empty_block_is_refused(node: Node, sender: ChainId) -> None:
    with pytest.raises(BlockRuleError):
        node.vote(signed(node.propose(sender), OWNER))


def test_another_outcome_than_certified_is_corruption(
    node: Node, sender: ChainId, recipient: ChainId
) -> None:
    proposed = node.propose(sender, transfer(recipient))
    good = node.vote(signed(proposed, OWNER))
    bad = Block.of(proposed, good.outcome.replace(state_hash=CryptoHash(b"\x01" * 32)))
    stored = node.stored(sender)
    with pytest.raises(CorruptedChainState) as caught:
        node.confirm(bad)
    assert caught.value.fields["differences"] == ("state_hash",)
    assert node.stored(sender) == stored
    node.confirm(good)
    assert node.chain(sender).tip.block_hash == good.hash


def test_a_block_must_follow_the_tip(node: Node, sender: ChainId, recipient: ChainId) -> None:
    first = node.execute(sender, transfer(recipient))
    orphan = Block(
        first.header.replace(height=BlockHeight(1), previous_block_hash=CryptoHash(bytes(32))),
        first.body,
    )
    with pytest.raises(InvalidBlockChaining):
        node.confirm(orphan)


def test_a_block_must_be_of_the_chains_epoch(node: Node, sender: ChainId) -> None:
    block = node.vote(signed(node.propose(sender, transfer(sender)), OWNER))
    with pytest.raises(InvalidEpoch):
        node.confirm(Block(block.header.replace(epoch=1), block.body))


def test_the_manager_starts_anew_after_a_block(
    node: Node, sender: ChainId, recipient: ChainId
) -> None:
    block = node.vote(signed(node.propose(sender, transfer(recipient)), OWNER))
    node.lock(validated(block, ROUND, [key_of(node)]))
    chain = node.chain(sender)
    assert chain.manager.confirmed_vote is not None
    node.confirm(block)
    info = chain_info(chain, ChainInfoQuery(sender, request_manager_values=True)).manager
    assert info.pending is None
    assert info.requested_locking is None
    assert info.requested_proposed is None
    assert info.current_round == Round.multi_leader(0)


def key_of(node: Node) -> ValidatorSecretKey:
    assert node.key is not None
    return node.key


# Preprocessing


def test_a_block_above_a_gap_is_preprocessed_and_sends(
    node: Node, sender: ChainId, recipient: ChainId
) -> None:
    source = Node(validator_key(0))
    source.describe(root_chain(0))
    first = source.execute(sender, transfer(sender))
    second = source.execute(sender, transfer(recipient))
    third = source.execute(sender, transfer(recipient))

    node.confirm(third)
    chain = node.chain(sender)
    assert chain.next_block_height == 0
    assert chain.preprocessed_blocks() == {2: third.hash}
    assert chain.next_height_to_preprocess() == 3
    assert cross_chain_requests(chain) == [], "an earlier message to the recipient is missing"
    node.confirm(second)
    assert [item.bundles[0][1].height for item in cross_chain_requests(chain)] == [1]

    for block in (first, second, third):
        node.confirm(block)
    assert chain.preprocessed_blocks() == {}
    assert chain.tip == source.chain(sender).tip
    assert chain.next_height_to_preprocess() == 3
    requests = cross_chain_requests(chain, [recipient])
    assert [bundle.height for _, bundle in requests[0].bundles] == [1, 2]


# What a block costs


def test_a_warm_block_reads_nothing(node: Node, sender: ChainId, recipient: ChainId) -> None:
    for _ in range(2):
        run_one_block(node, sender, recipient)
    before = node.partitions[sender].reads
    run_one_block(node, sender, recipient)
    assert node.partitions[sender].reads == before


def run_one_block(node: Node, sender: ChainId, recipient: ChainId) -> None:
    block = node.vote(signed(node.propose(sender, transfer(recipient)), OWNER))
    node.lock(validated(block, ROUND, [key_of(node)]))
    node.confirm(block)
    chain_info(node.chain(sender))
    node.deliver(sender)


def test_writes_do_not_grow_with_recipients_or_history(node: Node, sender: ChainId) -> None:
    recipients = [node.describe(root_chain(number)) for number in range(1, 30)]
    counts = []
    for number in range(60):
        block = node.vote(signed(node.propose(sender, transfer(recipients[number % 29])), OWNER))
        chain = node.chain(sender)
        node.blocks[block.hash] = block
        apply_confirmed_block(chain, block, published_blobs={}, oracles=node.oracles, now=node.now)
        counts.append(len(node.save(chain)))
    assert max(counts[30:]) <= max(counts[1:10])


# Incoming bundles in blocks


def incoming(node: Node, chain_id: ChainId) -> tuple[IncomingBundle, ...]:
    return node.chain(chain_id).inboxes.pending(MessageAction.ACCEPT)


def test_a_received_bundle_is_taken_in(node: Node, sender: ChainId, recipient: ChainId) -> None:
    node.active(recipient)
    node.execute(sender, transfer(recipient, 7))
    node.deliver(sender)
    before = node.chain(recipient).execution.system.balance.get()
    node.execute(recipient, *incoming(node, recipient))
    assert node.chain(recipient).execution.system.balance.get() == before + 7
    assert incoming(node, recipient) == ()
    assert node.chain(recipient).tip.num_incoming_bundles == 1


def test_a_vote_needs_every_bundle_but_a_certificate_does_not(sender: ChainId) -> None:
    ahead, behind = Node(validator_key(0)), Node(validator_key(0))
    for node in (ahead, behind):
        node.describe(root_chain(0))
        node.describe(root_chain(1))
    recipient = root_chain(1).chain_id
    sent = ahead.execute(sender, transfer(recipient, 7))
    ahead.active(recipient)
    ahead.deliver(sender)
    proposal = signed(ahead.propose(recipient, *incoming(ahead, recipient)), OWNER)
    with pytest.raises(MissingCrossChainUpdates) as caught:
        behind.vote(proposal)
    assert caught.value.bundles == ((sender, 0),)

    block = ahead.vote(proposal)
    ahead.confirm(block)
    behind.confirm(block)
    assert behind.chain(recipient).inboxes.anticipated_height(sender) == 0
    behind.confirm(sent)
    behind.deliver(sender)
    assert behind.chain(recipient).inboxes.anticipated_height(sender) is None
    assert behind.chain(recipient).tip == ahead.chain(recipient).tip
