"""What a validator refuses to vote on, and in which order it looks (spec 05 §5)."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from catenula.base.errors import ProtocolError
from catenula.base.identifiers import CryptoHash
from catenula.base.integers import U64, BlockHeight, Epoch, Timestamp
from catenula.protocol import (
    BlobContent,
    BlobType,
    BlockProposal,
    ExecuteOperation,
    Operation,
    OriginalFast,
    ProposalContent,
    ProposedBlock,
    PublishDataBlob,
    ReceiveMessages,
    Round,
    sign_proposal,
)
from catenula.testing.keys import account_key
from catenula.testing.tiny_network import NO_FEES, TinyNetwork, transfer

MISSING_BLOB = BlobContent(BlobType.DATA, b"nobody has it")
STRANGER = account_key(77)
SOMEBODY = account_key(78).owner()
CURRENT, LATER, EARLIER = (Round.multi_leader(number) for number in (2, 3, 1))
SIZE_LIMIT = 2_000


class Rule(NamedTuple):
    """A row of spec 05 §5: the code of its error, and how a block or proposal breaks it."""

    row: str
    code: str
    break_block: Callable[["Scene", ProposedBlock], ProposedBlock] | None = None


class Scene:
    """A validator in round `CURRENT` of the second chain, at height 0."""

    def __init__(self) -> None:
        self.network = TinyNetwork(
            policy=NO_FEES.replace(maximum_block_proposal_size=U64(SIZE_LIMIT))
        )
        self.sender, self.chain_id, _ = self.network.chain_ids
        self.node = self.network.node
        self.network.execute(self.sender, transfer(self.chain_id))
        self.network.deliver()
        raising = self.network.draft(self.chain_id, transfer(self.sender, 10**12))
        with pytest.raises(ProtocolError, match="Insufficient"):
            self.node.propose(self.network.sign(raising, CURRENT))

    def proposal(self, broken: set[str]) -> BlockProposal:
        """A proposal that breaks exactly these rows."""
        block = self.network.draft(self.chain_id, transfer(self.sender))
        for rule in RULES:
            if rule.row in broken and rule.break_block is not None:
                block = rule.break_block(self, block)
        round_ = EARLIER if "11 round" in broken else LATER
        key = STRANGER if "9 owner" in broken else self.network.owners[1]
        original = None
        if "2 shape" in broken:
            round_ = Round.FAST
            original = OriginalFast(key.sign(CryptoHash(bytes(32))))
        proposal = sign_proposal(ProposalContent(block, round_), key, original)
        if "3 signature" in broken:
            wrong = key.sign(CryptoHash(bytes(32)))
            proposal = proposal.replace(signature=wrong)
        return proposal


def _with_operation(block: ProposedBlock, *operations: Operation) -> ProposedBlock:
    added = tuple(ExecuteOperation(item) for item in operations)
    return block.replace(transactions=(*block.transactions, *added))


def _wrong_height(scene: Scene, block: ProposedBlock) -> ProposedBlock:
    return block.replace(height=BlockHeight(7))


def _wrong_parent(scene: Scene, block: ProposedBlock) -> ProposedBlock:
    return block.replace(previous_block_hash=CryptoHash(b"p" * 32))


def _wrong_epoch(scene: Scene, block: ProposedBlock) -> ProposedBlock:
    return block.replace(epoch=Epoch(1))


def _too_large(scene: Scene, block: ProposedBlock) -> ProposedBlock:
    return _with_operation(block, *[transfer(scene.sender)] * (SIZE_LIMIT // 50))


def _false_signer(scene: Scene, block: ProposedBlock) -> ProposedBlock:
    return block.replace(authenticated_signer=SOMEBODY)


def _missing_blob(scene: Scene, block: ProposedBlock) -> ProposedBlock:
    return _with_operation(block, PublishDataBlob(MISSING_BLOB.hash))


def _too_young(scene: Scene, block: ProposedBlock) -> ProposedBlock:
    return block.replace(timestamp=Timestamp(block.timestamp + 10**7))


def _missing_bundle(scene: Scene, block: ProposedBlock) -> ProposedBlock:
    (bundle,) = scene.network.incoming(scene.chain_id)
    received = ReceiveMessages(bundle)
    return block.replace(transactions=(received, *block.transactions))


def _overdraft(scene: Scene, block: ProposedBlock) -> ProposedBlock:
    return _with_operation(block, transfer(scene.sender, 10**12))


RULES = (
    Rule("2 shape", "InvalidBlockProposal"),
    Rule("3 signature", "InvalidSignature"),
    Rule("4 height", "UnexpectedBlockHeight", _wrong_height),
    Rule("5 parent", "UnexpectedPreviousBlockHash", _wrong_parent),
    Rule("7 epoch", "InvalidEpoch", _wrong_epoch),
    Rule("8 size", "BlockProposalTooLarge", _too_large),
    Rule("9 owner", "InvalidOwner"),
    Rule("10a signer", "InvalidSigner", _false_signer),
    Rule("11 round", "InsufficientRound"),
    Rule("13 blobs", "BlobsNotFound", _missing_blob),
    Rule("14 timestamp", "InvalidTimestamp", _too_young),
    Rule("15 bundles", "MissingCrossChainUpdates", _missing_bundle),
    Rule("16 execution", "InsufficientBalance", _overdraft),
)


@pytest.mark.parametrize("position", range(len(RULES)), ids=[rule.row for rule in RULES])
def test_of_several_broken_rules_the_first_one_is_reported(position: int) -> None:
    scene = Scene()
    broken = {rule.row for rule in RULES[position:]}
    with pytest.raises(ProtocolError) as caught:
        scene.node.propose(scene.proposal(broken))
    assert caught.value.code == RULES[position].code


@pytest.mark.parametrize("rule", RULES, ids=[rule.row for rule in RULES])
def test_a_single_broken_rule_is_reported_and_nothing_is_voted_on(rule: Rule) -> None:
    scene = Scene()
    before = scene.node.info(scene.chain_id)
    with pytest.raises(ProtocolError) as caught:
        scene.node.propose(scene.proposal({rule.row}))
    assert caught.value.code == rule.code
    after = scene.node.info(scene.chain_id)
    # C16: only the round and the signed proposal may have moved.
    moved = {"current_round", "round_timeout", "requested_signed_proposal", "leader"}
    kept = {name for name in type(after.manager).__struct_fields__ if name not in moved}
    assert {name: getattr(after.manager, name) for name in kept} == {
        name: getattr(before.manager, name) for name in kept
    }
    assert after.replace(manager=before.manager) == before


def test_the_unbroken_proposal_gets_a_vote() -> None:
    scene = Scene()
    assert scene.node.propose(scene.proposal(set())).manager.pending is not None
