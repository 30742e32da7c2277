"""Validated, timeout and lite certificates (spec 05 §9.3-§9.4, 06 §4.4, §4.7-§4.8)."""

from collections.abc import Callable

import pytest

from catenula.base.errors import ProtocolError
from catenula.base.integers import BlockHeight, Epoch
from catenula.chain.errors import (
    InsufficientRound,
    InsufficientRoundStrict,
    InvalidEpoch,
    MissingEarlierBlocks,
    NotTimedOutYet,
    RoundDoesNotTimeOut,
    UnexpectedBlockHeight,
    WrongRound,
)
from catenula.execution.errors import BlobsNotFound
from catenula.protocol import (
    BlobContent,
    BlobType,
    Block,
    CertificateKind,
    ChainInfoQuery,
    ChainOwnership,
    LiteCertificate,
    LockingRegular,
    NewRound,
    PublishDataBlob,
    Round,
)
from catenula.protocol.certificates import (
    CertificateRequiresQuorum,
    CertificateValidatorReuse,
    InvalidCertificateSignature,
    InvalidCertificateSigner,
    Signatures,
)
from catenula.testing.keys import account_key, validator_key
from catenula.testing.tiny_network import FIRST_ROUND, TinyNetwork, transfer
from catenula.worker.errors import InvalidLiteCertificate, MissingCertificateValue

SECOND_ROUND = Round.multi_leader(1)
LAST_MULTI_LEADER = Round.multi_leader(4)
BLOB = BlobContent(BlobType.DATA, b"published")


@pytest.fixture
def network() -> TinyNetwork:
    return TinyNetwork()


def staged(network: TinyNetwork, amount: int = 1, round_: Round = FIRST_ROUND) -> Block:
    chain_id, other, _ = network.chain_ids
    return network.stage(network.draft(chain_id, transfer(other, amount)), round_)


def publishing(network: TinyNetwork) -> Block:
    draft = network.draft(network.chain_ids[0], PublishDataBlob(BLOB.hash))
    return network.stage(draft, blobs=[BLOB])


# Validated certificates


def test_a_validated_block_is_locked_and_confirmed(network: TinyNetwork) -> None:
    block = staged(network)
    info = network.node.lock(network.validated(block))
    vote = info.manager.pending
    assert vote is not None
    assert (vote.value.kind, vote.value.value_hash) == (CertificateKind.CONFIRMED, block.hash)
    locking = network.node.chain(block.chain_id).manager.locking_block
    assert locking == LockingRegular(network.validated(block))


def test_a_validated_certificate_again_changes_nothing(network: TinyNetwork) -> None:
    certificate = network.validated(staged(network))
    first = network.node.lock(certificate)
    commits = network.node.store.commits
    assert network.node.lock(certificate) == first
    assert network.node.store.commits == commits  # C15


def test_a_validated_certificate_raises_the_round(network: TinyNetwork) -> None:
    block = staged(network, round_=SECOND_ROUND)
    info = network.node.lock(network.validated(block, SECOND_ROUND))
    assert info.manager.current_round == SECOND_ROUND
    (notification,) = network.node.notifications
    assert notification.chain_id == block.chain_id
    assert notification.reason == NewRound(BlockHeight(0), SECOND_ROUND)


def test_a_certificate_of_a_passed_round_locks_without_a_vote(network: TinyNetwork) -> None:
    block = staged(network)
    network.node.time_out(network.timed_out(block.chain_id, 0, LAST_MULTI_LEADER))
    info = network.node.lock(network.validated(block))
    assert info.manager.pending is None
    assert network.node.chain(block.chain_id).manager.locking_block is not None


def test_a_certificate_below_the_lock_is_refused(network: TinyNetwork) -> None:
    later = staged(network, 2, SECOND_ROUND)
    network.node.lock(network.validated(later, SECOND_ROUND))
    with pytest.raises(InsufficientRoundStrict):
        network.node.lock(network.validated(staged(network)))


def test_a_certificate_below_a_validated_vote_is_refused(network: TinyNetwork) -> None:
    later = staged(network, 2, SECOND_ROUND)
    network.node.propose(network.sign(later.proposed, SECOND_ROUND))
    with pytest.raises(InsufficientRound):
        network.node.lock(network.validated(staged(network)))


@pytest.mark.parametrize("height", [0, 2])
def test_a_validated_certificate_of_another_height_is_refused(
    network: TinyNetwork, height: int
) -> None:
    block = staged(network)
    network.node.confirm(network.confirmed(block))
    other = block.replace(header=block.header.replace(height=BlockHeight(height)))
    with pytest.raises(UnexpectedBlockHeight):
        network.node.lock(network.validated(other))


def test_the_epoch_is_looked_at_before_the_signatures(network: TinyNetwork) -> None:
    block = staged(network)
    other = block.replace(header=block.header.replace(epoch=Epoch(1)))
    with pytest.raises(InvalidEpoch):
        network.node.lock(network.validated(other).replace(signatures=()))


def _none(good: Signatures) -> Signatures:
    return ()


def _twice(good: Signatures) -> Signatures:
    return (*good, good[0])


def _stranger(good: Signatures) -> Signatures:
    return (*good, (validator_key(99).public_key(), good[0][1]))


def _wrong(good: Signatures) -> Signatures:
    return (*good[:-1], (good[-1][0], good[0][1]))


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (_none, CertificateRequiresQuorum),
        (_twice, CertificateValidatorReuse),
        (_stranger, InvalidCertificateSigner),
        (_wrong, InvalidCertificateSignature),
    ],
)
@pytest.mark.parametrize("kind", ["validated", "confirmed", "timeout"])
def test_a_certificate_without_a_true_quorum_is_refused(
    spoil: Callable[[Signatures], Signatures], error: type[ProtocolError], kind: str
) -> None:
    network = TinyNetwork(validators=4)
    block = staged(network)
    with pytest.raises(error):
        if kind == "validated":
            good = network.validated(block)
            network.node.lock(good.replace(signatures=spoil(good.signatures)))
        elif kind == "confirmed":
            final = network.confirmed(block)
            network.node.confirm(final.replace(signatures=spoil(final.signatures)))
        else:
            timeout = network.timed_out(block.chain_id, 0, FIRST_ROUND)
            network.node.time_out(timeout.replace(signatures=spoil(timeout.signatures)))
    assert network.node.info(block.chain_id).next_block_height == 0


def test_a_validated_certificate_without_its_blobs_waits_for_them(network: TinyNetwork) -> None:
    certificate = network.validated(publishing(network))
    with pytest.raises(BlobsNotFound) as caught:
        network.node.lock(certificate)
    assert caught.value.blob_ids == (BLOB.id,)
    assert network.node.info(certificate.chain_id).manager.pending is None
    network.node.crash()
    network.node.upload(certificate.chain_id, BLOB)
    assert network.node.lock(certificate).manager.pending is not None


def test_locked_blobs_can_be_downloaded(network: TinyNetwork) -> None:
    certificate = network.validated(publishing(network))
    with pytest.raises(BlobsNotFound):
        network.node.lock(certificate)
    network.node.upload(certificate.chain_id, BLOB)
    network.node.lock(certificate)
    found = network.node.run(
        lambda worker, _: worker.download_pending_blob(certificate.chain_id, BLOB.id)
    )
    assert found == BLOB


# Timeouts


def test_a_timeout_certificate_ends_its_round(network: TinyNetwork) -> None:
    chain_id = network.chain_ids[0]
    network.node.info(chain_id)
    certificate = network.timed_out(chain_id, 0, LAST_MULTI_LEADER)
    info = network.node.time_out(certificate)
    assert info.manager.current_round == Round.single_leader(0)
    assert info.manager.timeout == certificate
    (notification,) = network.node.notifications
    assert notification.reason == NewRound(BlockHeight(0), Round.single_leader(0))


def test_an_older_timeout_certificate_changes_nothing(network: TinyNetwork) -> None:
    chain_id = network.chain_ids[0]
    network.node.time_out(network.timed_out(chain_id, 0, LAST_MULTI_LEADER))
    stored = network.node.stored(chain_id)
    network.node.time_out(network.timed_out(chain_id, 0, FIRST_ROUND))
    assert network.node.stored(chain_id) == stored


def test_a_timeout_of_a_decided_height_is_ignored(network: TinyNetwork) -> None:
    block = staged(network)
    network.node.confirm(network.confirmed(block))
    certificate = network.timed_out(block.chain_id, 0, LAST_MULTI_LEADER)
    info = network.node.time_out(certificate)
    assert info.manager.current_round == FIRST_ROUND


def test_a_timeout_of_a_later_height_tells_that_blocks_are_missing(network: TinyNetwork) -> None:
    with pytest.raises(MissingEarlierBlocks):
        network.node.time_out(network.timed_out(network.chain_ids[0], 1, FIRST_ROUND))


def test_a_timeout_of_another_epoch_is_refused(network: TinyNetwork) -> None:
    with pytest.raises(InvalidEpoch):
        network.node.time_out(network.timed_out(network.chain_ids[0], 0, FIRST_ROUND, epoch=1))


def ask_timeout(network: TinyNetwork, round_: Round, height: int = 0) -> ChainInfoQuery:
    question = (BlockHeight(height), round_)
    return ChainInfoQuery(network.chain_ids[0], request_leader_timeout=question)


def single_leader_network() -> TinyNetwork:
    ownership = ChainOwnership.multiple((account_key(0).owner(),), multi_leader_rounds=0)
    network = TinyNetwork(ownerships=[ownership])
    network.node.info(network.chain_ids[0])
    return network


def test_a_timeout_is_signed_after_the_deadline_and_once() -> None:
    network = single_leader_network()
    round_ = Round.single_leader(0)
    with pytest.raises(NotTimedOutYet):
        network.node.ask(ask_timeout(network, round_))
    network.clock.advance(10_000_000)
    info = network.node.ask(ask_timeout(network, round_))
    vote = info.manager.timeout_vote
    assert vote is not None
    vote.verify(network.node.public_key)
    assert (vote.round, vote.value.kind) == (round_, CertificateKind.TIMEOUT)
    commits = network.node.store.commits
    network.clock.advance(1)
    assert network.node.ask(ask_timeout(network, round_)) == info
    assert network.node.store.commits == commits  # C13


def test_a_timeout_vote_does_not_stop_votes_on_blocks() -> None:
    network = single_leader_network()
    network.clock.advance(10_000_000)
    network.node.ask(ask_timeout(network, Round.single_leader(0)))
    draft = network.draft(network.chain_ids[0], transfer(network.chain_ids[0]))
    info = network.node.propose(network.sign(draft, Round.single_leader(0)))
    assert info.manager.pending is not None


def test_a_timeout_is_signed_for_the_current_round_and_height_only(network: TinyNetwork) -> None:
    network.node.info(network.chain_ids[0])
    with pytest.raises(WrongRound) as caught:
        network.node.ask(ask_timeout(network, SECOND_ROUND))
    assert caught.value.fields == {"round": FIRST_ROUND}
    with pytest.raises(UnexpectedBlockHeight):
        network.node.ask(ask_timeout(network, FIRST_ROUND, 1))
    with pytest.raises(RoundDoesNotTimeOut):
        network.node.ask(ask_timeout(network, FIRST_ROUND))


def test_a_chain_that_is_not_set_up_gives_no_timeout_vote(network: TinyNetwork) -> None:
    with pytest.raises(WrongRound):
        network.node.ask(ask_timeout(network, FIRST_ROUND))


# Lite certificates


def test_a_lite_certificate_stands_for_the_block_this_node_voted_on(network: TinyNetwork) -> None:
    block = staged(network)
    network.node.propose(network.sign(block.proposed))
    info = network.node.lite(network.validated(block).lite())
    assert info.manager.pending is not None
    assert info.manager.pending.value.kind is CertificateKind.CONFIRMED
    assert network.node.lite(network.confirmed(block).lite()).next_block_height == 1


def test_a_lite_certificate_of_an_unknown_block_asks_for_the_full_one(
    network: TinyNetwork,
) -> None:
    with pytest.raises(MissingCertificateValue):
        network.node.lite(network.validated(staged(network)).lite())


def test_a_lite_certificate_must_match_its_block(network: TinyNetwork) -> None:
    block = staged(network)
    network.node.propose(network.sign(block.proposed))
    lite = network.validated(block).lite()
    elsewhere = lite.value.replace(chain_id=network.chain_ids[1])
    with pytest.raises(InvalidLiteCertificate):
        network.node.lite(LiteCertificate(elsewhere, lite.round, lite.signatures))


def test_a_lite_timeout_is_refused(network: TinyNetwork) -> None:
    block = staged(network)
    network.node.propose(network.sign(block.proposed))
    lite = network.validated(block).lite()
    timeout = lite.value.replace(kind=CertificateKind.TIMEOUT)
    with pytest.raises(InvalidLiteCertificate):
        network.node.lite(LiteCertificate(timeout, lite.round, lite.signatures))


def test_a_lite_certificate_with_unordered_signatures_is_as_good() -> None:
    network = TinyNetwork(validators=4)
    block = staged(network)
    network.node.propose(network.sign(block.proposed))
    lite = network.validated(block).lite()
    unordered = LiteCertificate(lite.value, lite.round, tuple(reversed(lite.signatures)))
    assert network.node.lite(unordered).manager.pending is not None
