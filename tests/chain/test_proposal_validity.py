"""The checks of a proposal, one by one (spec 05 §5 steps 2-18)."""

from collections.abc import Callable

import pytest

from catenula.base.crypto import AccountSecretKey, SignatureInvalid
from catenula.base.errors import ArithmeticOverflow, ProtocolError
from catenula.base.identifiers import AccountOwner, CryptoHash
from catenula.base.integers import U32, U32_MAX, U64, BlockHeight, Epoch, TimeDelta, Timestamp
from catenula.chain import errors
from catenula.chain import proposal_validity as validity
from catenula.chain.ownership_rules import RoundRules
from catenula.chain.tip import TipState
from catenula.execution.errors import BlobsNotFound
from catenula.protocol import (
    BlobContent,
    BlobType,
    Block,
    BlockProposal,
    ChainOwnership,
    OracleAssert,
    OriginalFast,
    OriginalRegular,
    ProposalContent,
    ProposedBlock,
    Round,
    sign_proposal,
)
from catenula.protocol.certificates import CertificateRequiresQuorum
from tests.chain.node import (
    HISTORICAL,
    Node,
    account_key,
    committee_of,
    root_chain,
    transfer,
    validated,
    validator_key,
)

SUPER, REGULAR, STRANGER = account_key(0), account_key(1), account_key(2)
KEYS = [validator_key(number) for number in range(4)]
COMMITTEE = committee_of(KEYS)
OWNERSHIP = ChainOwnership(
    super_owners=(SUPER.owner(),),
    owners={REGULAR.owner(): U64(1)},
    multi_leader_rounds=U32(2),
)
RULES = RoundRules(OWNERSHIP, BlockHeight(0), COMMITTEE)
ROUND = Round.multi_leader(1)


@pytest.fixture(scope="module")
def block() -> Block:
    node = Node(KEYS[0], committee=COMMITTEE)
    return node.execute(node.describe(root_chain(0)), transfer(root_chain(1).chain_id))


def fresh(
    block: ProposedBlock, key: AccountSecretKey = REGULAR, round: Round = ROUND
) -> BlockProposal:
    return sign_proposal(ProposalContent(block, round), key)


def by(block: Block, signer: AccountOwner | None) -> ProposedBlock:
    """The proposed block, authenticated by ``signer``."""
    return block.proposed.replace(authenticated_signer=signer)


def refused(kind: type[ProtocolError], check: Callable[[], None]) -> ProtocolError:
    with pytest.raises(kind) as caught:
        check()
    return caught.value


def test_an_outcome_needs_the_certificate_that_locked_it(block: Block) -> None:
    content = ProposalContent(block.proposed, ROUND, block.outcome)
    error = refused(ProtocolError, lambda: validity.check_shape(sign_proposal(content, REGULAR)))
    assert error.code == "InvalidBlockProposal"


def test_the_signature_must_be_over_the_content(block: Block) -> None:
    proposal = fresh(block.proposed)
    validity.check_signature(proposal)
    other = ProposalContent(block.proposed, Round.multi_leader(0))
    refused(SignatureInvalid, lambda: validity.check_signature(proposal.replace(content=other)))


def test_the_block_must_follow_the_tip(block: Block) -> None:
    tip = TipState()
    validity.check_chaining(tip, block.proposed)
    later = block.proposed.replace(height=BlockHeight(1))
    refused(errors.UnexpectedBlockHeight, lambda: validity.check_chaining(tip, later))
    forked = block.proposed.replace(previous_block_hash=CryptoHash(bytes(32)))
    refused(errors.UnexpectedPreviousBlockHash, lambda: validity.check_chaining(tip, forked))


def test_the_epoch_must_be_the_chains(block: Block) -> None:
    validity.check_epoch(block.chain_id, Epoch(2), Epoch(2))
    error = refused(
        errors.InvalidEpoch, lambda: validity.check_epoch(block.chain_id, Epoch(2), Epoch(1))
    )
    assert error.fields["chain_epoch"] == 2


def test_the_size_is_that_of_the_proposed_block(block: Block) -> None:
    size = len(block.proposed.bcs)
    for limit, is_accepted in ((size, True), (size - 1, False)):
        policy = HISTORICAL.replace(maximum_block_proposal_size=U64(limit))
        committee = committee_of(KEYS, policy)
        if is_accepted:
            validity.check_size(block.proposed, committee)
        else:
            refused(
                errors.BlockProposalTooLarge,
                lambda: validity.check_size(block.proposed, committee),  # noqa: B023  # Called at once.
            )


@pytest.mark.parametrize(
    ("key", "round", "is_allowed"),
    [
        (SUPER, Round.FAST, True),
        (SUPER, Round.single_leader(3), True),
        (SUPER, Round.validator(0), True),
        (REGULAR, Round.FAST, False),
        (REGULAR, Round.multi_leader(99), True),
        (REGULAR, Round.single_leader(0), True),
        (REGULAR, Round.validator(0), False),
        (STRANGER, Round.multi_leader(0), False),
    ],
)
def test_who_may_propose(
    block: Block, key: AccountSecretKey, round: Round, is_allowed: bool
) -> None:
    proposal = fresh(block.proposed, key, round)
    if is_allowed:
        validity.check_proposer(proposal, RULES)
    else:
        refused(errors.InvalidOwner, lambda: validity.check_proposer(proposal, RULES))


def test_anyone_may_propose_in_open_rounds(block: Block) -> None:
    rules = RoundRules(OWNERSHIP.replace(open_multi_leader_rounds=True), BlockHeight(0), COMMITTEE)
    validity.check_proposer(fresh(block.proposed, STRANGER), rules)
    leader = fresh(block.proposed, STRANGER, Round.single_leader(0))
    refused(errors.InvalidOwner, lambda: validity.check_proposer(leader, rules))


def test_validators_lead_a_public_chain(block: Block) -> None:
    rules = RoundRules(ChainOwnership(), BlockHeight(0), COMMITTEE)
    leaders = {rules.leader(Round.validator(number)) for number in range(40)}
    accounts = {state.account_public_key.owner() for state in COMMITTEE.validators.values()}
    assert leaders == accounts


def test_a_fresh_block_is_authenticated_by_its_proposer(block: Block) -> None:
    for signer in (None, REGULAR.owner()):
        validity.check_original(fresh(by(block, signer)), RULES, COMMITTEE)
    forged = fresh(by(block, SUPER.owner()))
    refused(errors.InvalidSigner, lambda: validity.check_original(forged, RULES, COMMITTEE))


def test_a_locked_block_needs_a_quorum(block: Block) -> None:
    for count, is_valid in ((3, True), (2, False)):
        certificate = validated(block, Round.multi_leader(0), KEYS[:count]).lite()
        content = ProposalContent(block.proposed, ROUND, block.outcome)
        proposal = sign_proposal(content, REGULAR, OriginalRegular(certificate))
        validity.check_shape(proposal)
        if is_valid:
            validity.check_original(proposal, RULES, COMMITTEE)
        else:
            refused(
                CertificateRequiresQuorum,
                lambda: validity.check_original(proposal, RULES, COMMITTEE),  # noqa: B023  # At once.
            )


def test_a_fast_block_is_authenticated_by_its_super_owner(block: Block) -> None:
    def retry(signer: AccountOwner | None, key: AccountSecretKey) -> BlockProposal:
        proposed = by(block, signer)
        fast = key.sign(ProposalContent(proposed, Round.FAST).hash)
        return sign_proposal(ProposalContent(proposed, ROUND), REGULAR, OriginalFast(fast))

    validity.check_original(retry(SUPER.owner(), SUPER), RULES, COMMITTEE)
    validity.check_original(retry(None, SUPER), RULES, COMMITTEE)
    own = retry(REGULAR.owner(), SUPER)
    refused(errors.InvalidSigner, lambda: validity.check_original(own, RULES, COMMITTEE))
    not_super = retry(None, REGULAR)
    refused(errors.InvalidOwner, lambda: validity.check_original(not_super, RULES, COMMITTEE))
    good = retry(None, SUPER)
    content = good.content.replace(block=by(block, SUPER.owner()))
    moved = good.replace(content=content)
    refused(SignatureInvalid, lambda: validity.check_original(moved, RULES, COMMITTEE))


def test_all_missing_blobs_are_named() -> None:
    one, two = (BlobContent(BlobType.DATA, bytes((number,))) for number in (1, 2))
    validity.check_blobs_found({one.id: one})
    error = refused(BlobsNotFound, lambda: validity.check_blobs_found({one.id: None, two.id: None}))
    assert set(error.fields["blob_ids"]) == {one.id, two.id}


def test_a_block_may_lie_within_the_grace_period(block: Block) -> None:
    time = block.header.timestamp
    validity.check_timestamp(block.proposed, Timestamp(time - 5), TimeDelta(5))
    refused(
        errors.InvalidTimestamp,
        lambda: validity.check_timestamp(block.proposed, Timestamp(time - 6), TimeDelta(5)),
    )


def test_fast_blocks_use_no_oracles(block: Block) -> None:
    with_oracle = Block(block.header, block.body.replace(oracle_responses=((OracleAssert(),),)))
    validity.check_oracles(block, Round.FAST)
    validity.check_oracles(with_oracle, ROUND)
    refused(errors.FastBlockUsingOracles, lambda: validity.check_oracles(with_oracle, Round.FAST))


@pytest.mark.parametrize("total", ["num_operations", "num_outgoing_messages"])
def test_totals_stay_in_range(block: Block, total: str) -> None:
    validity.check_counters(TipState(), block)
    full = TipState().replace(**{total: U32_MAX})
    refused(ArithmeticOverflow, lambda: validity.check_counters(full, block))
