"""Proposals a validator votes on, in every form, and what the votes commit it to (spec 05 §7)."""

import pytest

from catenula.base.crypto import AccountSecretKey
from catenula.base.identifiers import ChainId
from catenula.chain.errors import (
    FastBlockUsingOracles,
    HasIncompatibleConfirmedVote,
    InsufficientRoundStrict,
    InvalidOwner,
    InvalidSigner,
    MustBeNewerThanLockingBlock,
    WrongRound,
)
from catenula.protocol import (
    BlobContent,
    BlobType,
    Block,
    BlockProposal,
    CertificateKind,
    ChainOwnership,
    LockingFast,
    LockingRegular,
    OriginalFast,
    OriginalRegular,
    ProposalContent,
    ProposedBlock,
    Round,
    ValidatedBlockCertificate,
    VerifyBlob,
    sign_proposal,
)
from catenula.protocol.certificates import CertificateRequiresQuorum
from catenula.testing.keys import account_key
from catenula.testing.tiny_network import FIRST_ROUND, TinyNetwork, transfer

SECOND_ROUND = Round.multi_leader(1)
ALICE, BOB, CAROL = (account_key(number) for number in range(3))


def shared_chain(**changes: object) -> TinyNetwork:
    """Chain 0 belongs to Alice and Bob."""
    ownership = ChainOwnership.multiple((ALICE.owner(), BOB.owner()))
    ownership = ownership.replace(**changes)
    return TinyNetwork(ownerships=[ownership, ChainOwnership.single(BOB.owner())])


def super_chain() -> TinyNetwork:
    """Chain 0 belongs to Alice, who may use the fast round, and to Bob, who may not."""
    ownership = ChainOwnership.multiple((BOB.owner(),)).replace(super_owners=(ALICE.owner(),))
    return TinyNetwork(ownerships=[ownership, ChainOwnership.single(BOB.owner())])


def retry(
    certificate: ValidatedBlockCertificate, round_: Round, key: AccountSecretKey = BOB
) -> BlockProposal:
    """The proposal of a validated block again, by anyone."""
    block = certificate.block
    content = ProposalContent(block.proposed, round_, block.outcome)
    return sign_proposal(content, key, OriginalRegular(certificate.lite()))


def staged(network: TinyNetwork, amount: int, round_: Round = FIRST_ROUND) -> Block:
    """A block of Alice that differs by its amount."""
    chain_id = network.chain_ids[0]
    return network.stage(network.draft(chain_id, transfer(network.chain_ids[1], amount)), round_)


def fresh(
    block: Block | ProposedBlock, round_: Round, key: AccountSecretKey = ALICE
) -> BlockProposal:
    proposed = block.proposed if isinstance(block, Block) else block
    return sign_proposal(ProposalContent(proposed, round_), key)


def chain_of(network: TinyNetwork) -> ChainId:
    return network.chain_ids[0]


def test_a_fresh_proposal_gets_a_vote_to_validate() -> None:
    network = shared_chain()
    block = staged(network, 1)
    vote = network.node.propose(fresh(block, FIRST_ROUND)).manager.pending
    assert vote is not None
    assert vote.value.kind is CertificateKind.VALIDATED
    assert vote.value.value_hash == block.hash
    assert vote.round == FIRST_ROUND
    vote.verify(network.node.public_key)


def test_a_block_without_signer_may_be_proposed_by_an_owner() -> None:
    network = shared_chain()
    draft = network.draft(
        chain_of(network),
        *[VerifyBlob(network.genesis.committee_blob.id)],
        anonymous=True,
    )
    assert network.node.propose(fresh(draft, FIRST_ROUND)).manager.pending is not None


def test_the_same_proposal_again_is_answered_with_the_stored_vote() -> None:
    network = shared_chain()
    proposal = fresh(staged(network, 1), FIRST_ROUND)
    first = network.node.propose(proposal)
    commits, stored = network.node.store.commits, network.node.stored(chain_of(network))
    assert network.node.propose(proposal) == first
    assert network.node.store.commits == commits
    assert network.node.stored(chain_of(network)) == stored  # C15


def test_a_second_block_in_the_same_round_gets_no_vote() -> None:
    network = shared_chain()
    network.node.propose(fresh(staged(network, 1), FIRST_ROUND))
    with pytest.raises(InsufficientRoundStrict):
        network.node.propose(fresh(staged(network, 2), FIRST_ROUND))


def test_another_block_may_be_validated_in_a_later_round() -> None:
    network = shared_chain()
    network.node.propose(fresh(staged(network, 1), FIRST_ROUND))
    later = staged(network, 2, SECOND_ROUND)
    info = network.node.propose(fresh(later, SECOND_ROUND))
    assert info.manager.pending is not None
    assert info.manager.pending.value.value_hash == later.hash
    assert info.manager.current_round == SECOND_ROUND


def test_a_stranger_may_propose_where_multi_leader_rounds_are_open() -> None:
    network = shared_chain(open_multi_leader_rounds=True)
    draft = network.draft(
        chain_of(network), VerifyBlob(network.genesis.committee_blob.id), anonymous=True
    )
    assert network.node.propose(fresh(draft, FIRST_ROUND, CAROL)).manager.pending is not None


def test_a_locked_block_is_not_given_up_for_a_fresh_one() -> None:
    network = shared_chain()
    network.node.lock(network.validated(staged(network, 1)))
    with pytest.raises(MustBeNewerThanLockingBlock):
        network.node.propose(fresh(staged(network, 2), FIRST_ROUND))
    with pytest.raises(HasIncompatibleConfirmedVote):
        network.node.propose(fresh(staged(network, 2), SECOND_ROUND))


def test_a_proposal_against_a_confirmed_vote_still_raises_the_round() -> None:
    network = shared_chain()
    network.node.lock(network.validated(staged(network, 1)))
    network.node.notifications.clear()
    with pytest.raises(HasIncompatibleConfirmedVote):
        network.node.propose(fresh(staged(network, 2), SECOND_ROUND))
    (notification,) = network.node.notifications
    assert notification.reason.round == SECOND_ROUND  # type: ignore[union-attr]  # NewRound.
    network.node.crash()
    assert network.node.info(chain_of(network)).manager.current_round == SECOND_ROUND


def test_a_locked_block_is_validated_again_when_it_comes_with_its_certificate() -> None:
    network = shared_chain()
    block = staged(network, 1)
    network.node.lock(network.validated(block))
    info = network.node.propose(retry(network.validated(block), SECOND_ROUND))
    vote = info.manager.pending
    assert vote is not None
    assert (vote.round, vote.value.value_hash) == (SECOND_ROUND, block.hash)
    assert vote.value.kind is CertificateKind.VALIDATED


def test_another_block_may_be_validated_when_a_later_certificate_vouches_for_it() -> None:
    network = shared_chain()
    network.node.lock(network.validated(staged(network, 1)))
    other = staged(network, 2, SECOND_ROUND)
    proposal = retry(network.validated(other, SECOND_ROUND), Round.multi_leader(2))
    info = network.node.propose(proposal)
    assert info.manager.pending is not None
    assert info.manager.pending.value.value_hash == other.hash
    locking = network.node.chain(chain_of(network)).manager.locking_block
    assert isinstance(locking, LockingRegular)
    assert locking.certificate.block == other


def test_a_retry_is_not_executed_but_its_signer_is_taken_as_it_is() -> None:
    network = shared_chain()
    block = staged(network, 1)
    assert block.header.authenticated_signer == ALICE.owner()
    info = network.node.propose(retry(network.validated(block), SECOND_ROUND, BOB))
    assert info.manager.pending is not None


def test_a_retry_needs_a_valid_certificate() -> None:
    network = shared_chain()
    certificate = network.validated(staged(network, 1)).replace(signatures=())
    with pytest.raises(CertificateRequiresQuorum):
        network.node.propose(retry(certificate, SECOND_ROUND))


def test_the_fast_round_confirms_at_once() -> None:
    network = super_chain()
    block = staged(network, 1, Round.FAST)
    vote = network.node.propose(fresh(block, Round.FAST)).manager.pending
    assert vote is not None
    assert vote.value.kind is CertificateKind.CONFIRMED
    assert isinstance(network.node.chain(chain_of(network)).manager.locking_block, LockingFast)
    network.node.confirm(network.confirmed(block, Round.FAST))
    assert network.node.info(chain_of(network)).next_block_height == 1


def test_only_super_owners_propose_in_the_fast_round() -> None:
    network = super_chain()
    draft = network.draft(chain_of(network), transfer(network.chain_ids[1]), signer=BOB)
    with pytest.raises(InvalidOwner):
        network.node.propose(fresh(draft, Round.FAST, BOB))


def test_regular_owners_wait_for_the_fast_round_to_end() -> None:
    network = super_chain()
    draft = network.draft(chain_of(network), transfer(network.chain_ids[1]), signer=BOB)
    with pytest.raises(WrongRound):
        network.node.propose(fresh(draft, FIRST_ROUND, BOB))


def test_a_fast_block_may_not_use_an_oracle() -> None:
    network = super_chain()
    blob = BlobContent(BlobType.DATA, b"data")
    network.client.store_blobs(blob)
    network.node.store_blobs(blob)
    draft = network.draft(chain_of(network), VerifyBlob(blob.id))
    with pytest.raises(FastBlockUsingOracles):
        network.node.propose(fresh(draft, Round.FAST))


def test_only_one_fast_block_gets_a_vote() -> None:
    network = super_chain()
    network.node.propose(fresh(staged(network, 1, Round.FAST), Round.FAST))
    with pytest.raises(MustBeNewerThanLockingBlock):
        network.node.propose(fresh(staged(network, 2, Round.FAST), Round.FAST))


def test_a_fast_block_is_proposed_again_with_its_first_signature() -> None:
    network = super_chain()
    block = staged(network, 1, Round.FAST)
    proposal = fresh(block, Round.FAST)
    network.node.propose(proposal)
    network.node.time_out(network.timed_out(chain_of(network), 0, Round.FAST))
    again = sign_proposal(
        ProposalContent(block.proposed, FIRST_ROUND), BOB, OriginalFast(proposal.signature)
    )
    vote = network.node.propose(again).manager.pending
    assert vote is not None
    assert (vote.value.kind, vote.round) == (CertificateKind.VALIDATED, FIRST_ROUND)
    assert vote.value.value_hash == block.hash


def test_a_fast_retry_needs_the_signature_of_a_super_owner() -> None:
    network = super_chain()
    block = staged(network, 1, Round.FAST)
    network.node.time_out(network.timed_out(chain_of(network), 0, Round.FAST))
    by_bob = fresh(block, Round.FAST, BOB).signature
    again = sign_proposal(ProposalContent(block.proposed, FIRST_ROUND), BOB, OriginalFast(by_bob))
    with pytest.raises(InvalidOwner):
        network.node.propose(again)


def test_a_fast_retry_speaks_for_the_super_owner_only() -> None:
    network = super_chain()
    draft = network.draft(chain_of(network), transfer(network.chain_ids[1]), signer=BOB)
    network.node.time_out(network.timed_out(chain_of(network), 0, Round.FAST))
    by_alice = fresh(draft, Round.FAST, ALICE).signature
    again = sign_proposal(ProposalContent(draft, FIRST_ROUND), BOB, OriginalFast(by_alice))
    with pytest.raises(InvalidSigner):
        network.node.propose(again)


def test_only_the_leader_proposes_in_a_single_leader_round() -> None:
    network = shared_chain()
    round_ = Round.single_leader(0)
    network.node.info(chain_of(network))
    leader = network.node.chain(chain_of(network)).manager.rules.leader(round_)
    keys = {key.owner(): key for key in (ALICE, BOB)}
    assert leader is not None
    other = next(owner for owner in keys if owner != leader)
    with pytest.raises(InvalidOwner):
        network.node.propose(_by(network, keys[other], round_))
    assert network.node.propose(_by(network, keys[leader], round_)).manager.pending is not None


def test_a_later_single_leader_round_is_entered_by_certificates_only() -> None:
    network = shared_chain()
    network.node.info(chain_of(network))
    round_ = Round.single_leader(1)
    leader = network.node.chain(chain_of(network)).manager.rules.leader(round_)
    key = next(key for key in (ALICE, BOB) if key.owner() == leader)
    with pytest.raises(WrongRound):
        network.node.propose(_by(network, key, round_))
    network.node.time_out(network.timed_out(chain_of(network), 0, Round.single_leader(0)))
    assert network.node.propose(_by(network, key, round_)).manager.pending is not None


def test_the_validators_propose_on_a_public_chain() -> None:
    timeouts = ChainOwnership().timeout_config.replace(fallback_duration=0)
    public = ChainOwnership(timeout_config=timeouts)
    network = TinyNetwork(ownerships=[ChainOwnership.single(ALICE.owner()), public])
    chain_id, round_ = network.chain_ids[1], Round.validator(0)
    assert network.node.info(chain_id).manager.current_round == round_
    validator = account_key(1000)
    assert network.node.info(chain_id).manager.leader == validator.owner()
    draft = network.draft(chain_id, VerifyBlob(network.genesis.committee_blob.id), signer=validator)
    info = network.node.propose(fresh(draft, round_, validator))
    assert info.manager.pending is not None
    assert info.manager.pending.round == round_


def test_a_node_without_a_key_checks_and_locks_but_never_votes() -> None:
    network = super_chain()
    block = staged(network, 1, Round.FAST)
    info = network.client.propose(fresh(block, Round.FAST))
    assert info.manager.pending is None  # W6
    assert isinstance(network.client.chain(chain_of(network)).manager.locking_block, LockingFast)


def test_a_client_node_takes_blocks_from_the_future() -> None:
    network = shared_chain()
    draft = network.draft(chain_of(network), transfer(network.chain_ids[1]))
    future = draft.replace(timestamp=draft.timestamp + 10**12)
    assert network.client.propose(fresh(future, FIRST_ROUND)).chain_id == chain_of(network)


def _by(network: TinyNetwork, key: AccountSecretKey, round_: Round) -> BlockProposal:
    draft = network.draft(
        chain_of(network),
        transfer(network.chain_ids[1]),
        signer=key,
    )
    return fresh(draft, round_, key)


def test_a_stranger_may_not_propose() -> None:
    network = shared_chain()
    draft = network.draft(chain_of(network), transfer(network.chain_ids[1]), signer=CAROL)
    with pytest.raises(InvalidOwner):
        network.node.propose(fresh(draft, FIRST_ROUND, CAROL))
