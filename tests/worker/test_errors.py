"""What clients are told when a handler refuses (spec 06 §4.11)."""

import pytest

from catenula.base.crypto import SignatureInvalid
from catenula.base.errors import ArithmeticOverflow, DecodeError, ProtocolError
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import BlockHeight, Epoch, Timestamp
from catenula.chain import errors as chain
from catenula.execution.errors import (
    BlobsNotFound,
    BlockRuleError,
    EventsNotFound,
    ExecutionError,
)
from catenula.protocol import (
    BlobId,
    BlobType,
    InvalidBlockProposal,
    Round,
    epoch_event_id,
    node_error,
)
from catenula.protocol.certificates import CertificateRequiresQuorum, InvalidCertificateSignature
from catenula.testing.keys import account_key, validator_key
from catenula.worker.errors import (
    BlobNotRequired,
    InvalidLiteCertificate,
    MissingCertificateValue,
    downgrade_missing_updates,
    to_node_error,
)

CHAIN, ORIGIN = ChainId(b"c" * 32), ChainId(b"o" * 32)
BLOB = BlobId(CryptoHash(b"b" * 32), BlobType.DATA)
EVENT = epoch_event_id(CHAIN, Epoch(3))
HEIGHT, ROUND = BlockHeight(4), Round.single_leader(2)
BUNDLES = ((ORIGIN, HEIGHT), (ORIGIN, BlockHeight(5)))
OWNER = account_key(0).owner()


@pytest.mark.parametrize(
    ("error", "wire"),
    [
        (chain.InactiveChain(chain_id=CHAIN), node_error.InactiveChain(CHAIN)),
        (BlockRuleError("InactiveChain", chain_id=CHAIN), node_error.InactiveChain(CHAIN)),
        (chain.WrongRound(round=ROUND), node_error.WrongRound(ROUND)),
        (
            chain.UnexpectedBlockHeight(expected=HEIGHT, found=BlockHeight(9)),
            node_error.UnexpectedBlockHeight(HEIGHT, BlockHeight(9)),
        ),
        (
            chain.MissingCrossChainUpdates(chain_id=CHAIN, bundles=BUNDLES),
            node_error.MissingCrossChainUpdates(CHAIN, BUNDLES),
        ),
        (BlobsNotFound((BLOB,)), node_error.BlobsNotFound((BLOB,))),
        (BlobNotRequired(BLOB), node_error.BlobsNotFound((BLOB,))),
        (EventsNotFound((EVENT,)), node_error.EventsNotFound((EVENT,))),
        (MissingCertificateValue(), node_error.MissingCertificateValue()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_clients_act_on_keeps_its_structure(
    error: ProtocolError, wire: node_error.NodeError
) -> None:
    assert to_node_error(error) == wire


@pytest.mark.parametrize(
    "error",
    [
        chain.UnexpectedPreviousBlockHash(expected=None, found=None),
        chain.InsufficientRound(round=ROUND),
        chain.InsufficientRoundStrict(round=ROUND),
        chain.MustBeNewerThanLockingBlock(height=HEIGHT, round=ROUND),
        chain.HasIncompatibleConfirmedVote(height=HEIGHT, round=ROUND),
        chain.RoundDoesNotTimeOut(),
        chain.NotTimedOutYet(deadline=Timestamp(1)),
        chain.MissingEarlierBlocks(current_block_height=HEIGHT),
        chain.BlockProposalTooLarge(size=2, limit=1),
        chain.CorruptedChainState(reason="test"),
        ExecutionError("InsufficientBalance", balance=0),
        BlockRuleError("EmptyBlock", chain_id=CHAIN),
        BlockRuleError("InternalError", reason="test"),
        ArithmeticOverflow("addition"),
        CertificateRequiresQuorum(1, 3),
        InvalidCertificateSignature(validator_key(0).public_key()),
    ],
    ids=lambda error: f"{type(error).__name__}-{error.code}",
)
def test_other_rules_of_the_chain_travel_as_text(error: ProtocolError) -> None:
    wire = to_node_error(error)
    assert isinstance(wire, node_error.ChainError)
    assert error.code in wire.error


@pytest.mark.parametrize(
    "error",
    [
        chain.InvalidEpoch(chain_id=CHAIN, chain_epoch=Epoch(0), epoch=Epoch(1)),
        chain.InvalidOwner(owner=OWNER),
        chain.InvalidSigner(owner=OWNER),
        chain.FastBlockUsingOracles(),
        chain.InvalidBlockChaining(),
        chain.UnexpectedBlob(blob_id=BLOB),
        chain.TooManyPublishedBlobs(limit=1),
        chain.NoFallbackMode(),
        InvalidBlockProposal("test"),
        InvalidLiteCertificate("test"),
        SignatureInvalid("Ed25519", b"key"),
        DecodeError("Anything"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_everything_else_is_an_error_of_the_worker(error: ProtocolError) -> None:
    assert isinstance(to_node_error(error), node_error.WorkerError)


def test_a_block_from_the_future_tells_both_times_to_machines() -> None:
    error = chain.InvalidTimestamp(block_timestamp=Timestamp(2_000), local_time=Timestamp(500))
    wire = to_node_error(error)
    assert isinstance(wire, node_error.WorkerError)
    assert wire.error.endswith("[us:2000:500]")


def test_older_clients_are_told_of_the_first_missing_bundle() -> None:
    full = node_error.MissingCrossChainUpdates(CHAIN, BUNDLES)
    assert downgrade_missing_updates(full) == node_error.MissingCrossChainUpdate(
        CHAIN, ORIGIN, HEIGHT
    )
    nothing = node_error.MissingCrossChainUpdates(CHAIN, ())
    assert isinstance(downgrade_missing_updates(nothing), node_error.ChainError)
    other = node_error.WrongRound(ROUND)
    assert downgrade_missing_updates(other) is other
