"""Rules of the chain layer that a peer, a user or a damaged store can break.

    ProtocolError
      ChainError     reported as a chain error; some keep their structure on the wire
        InboxError   contradictions between one inbox and a bundle
      WorkerError    reported as a worker error (spec 06 §4.11)

The class name is the reference's name of the rule and becomes ``code``. The annotated names of a
class are its fields, readable as attributes and in ``fields``. Missing blobs and events, and blocks
that execution refuses, raise the errors of `catenula.execution.errors`; proposals whose parts do
not fit and invalid certificates those of `catenula.protocol`.
"""

from typing import Any

from catenula.base.errors import ProtocolError
from catenula.base.identifiers import AccountOwner, ChainId, CryptoHash
from catenula.base.integers import BlockHeight, Epoch, Timestamp
from catenula.protocol import BlobId, BlockExecutionOutcome, Round


class _NamedError(ProtocolError):
    """An error whose code is its class name and whose fields are attributes."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(type(self).__name__, **fields)
        self.__dict__.update(fields)


class ChainError(_NamedError):
    """A rule of chain state, mailboxes or consensus is broken."""


class WorkerError(_NamedError):
    """A request to a chain is refused before or beside consensus."""


class InactiveChain(ChainError):
    """The chain has no committee for its epoch, or its ownership is empty."""

    chain_id: ChainId


class UnexpectedBlockHeight(ChainError):
    """The block is not for the height that is being decided."""

    expected: BlockHeight
    found: BlockHeight


class UnexpectedPreviousBlockHash(ChainError):
    """The block does not follow the chain's last block."""

    expected: CryptoHash | None
    found: CryptoHash | None


class MissingEarlierBlocks(ChainError):
    """A timeout certificate is for a later height than the one being decided."""

    current_block_height: BlockHeight


class BlockHeightOverflow(ChainError):
    """No block can follow the last height."""


class WrongRound(ChainError):
    """The proposal or request is not for the current round."""

    round: Round


class InsufficientRound(ChainError):
    """The round must be at least the given one."""

    round: Round


class InsufficientRoundStrict(ChainError):
    """The round must be greater than the given one."""

    round: Round


class MustBeNewerThanLockingBlock(ChainError):
    """A block of the same or a later round is locked at this height."""

    height: BlockHeight
    round: Round


class HasIncompatibleConfirmedVote(ChainError):
    """This validator confirmed a block at this height that the proposal does not build on."""

    height: BlockHeight
    round: Round


class RoundDoesNotTimeOut(ChainError):
    """The current round has no deadline."""


class NotTimedOutYet(ChainError):
    """The deadline of the current round lies ahead."""

    deadline: Timestamp


class BlockProposalTooLarge(ChainError):
    """The proposed block is longer than the policy allows."""

    size: int
    limit: int


class IncorrectBundleTimestamp(ChainError):
    """A bundle is younger than the block that takes it in."""

    chain_id: ChainId
    bundle_timestamp: Timestamp
    block_timestamp: Timestamp


class IncorrectMessageOrder(ChainError):
    """The block takes in a bundle that was consumed or skipped before."""

    chain_id: ChainId
    origin: ChainId
    height: BlockHeight
    transaction_index: int


class CannotSkipMessage(ChainError):
    """The block passes over a bundle that must be taken in."""

    chain_id: ChainId
    origin: ChainId
    height: BlockHeight
    transaction_index: int


class UnexpectedMessage(ChainError):
    """The block takes in a bundle that differs from the one received."""

    chain_id: ChainId
    origin: ChainId
    height: BlockHeight
    transaction_index: int


class MissingCrossChainUpdates(ChainError):
    """The block takes in bundles that have not been received; all of them, origins ascending."""

    chain_id: ChainId
    bundles: tuple[tuple[ChainId, BlockHeight], ...]


class CorruptedChainState(ChainError):
    """What this node stores contradicts what a quorum certified."""

    reason: str
    computed: BlockExecutionOutcome | None = None
    """What executing the certified block gave here; too large to be a field of the message."""


class InvalidCrossChainRequest(ChainError):
    """The bundles of an update are not in the order of their heights."""


class InboxGapDetected(ChainError):
    """An update starts after a bundle that never arrived."""

    origin: ChainId
    expected_height: BlockHeight
    actual_height: BlockHeight | None


class InboxError(ChainError):
    """A bundle contradicts what one inbox holds."""

    height: BlockHeight
    transaction_index: int


class IncorrectOrder(InboxError):
    """The bundle lies below the inbox's cursor."""


class UnexpectedBundle(InboxError):
    """The bundle differs from the one the inbox holds, or skips an anticipated one."""


class UnskippableBundle(InboxError):
    """An older bundle that must not be skipped waits in the inbox."""


class InvalidEpoch(WorkerError):
    """The block or certificate is for another epoch than the chain's."""

    chain_id: ChainId
    chain_epoch: Epoch
    epoch: Epoch


class InvalidOwner(WorkerError):
    """The signer may not propose in this round."""

    owner: AccountOwner


class InvalidSigner(WorkerError):
    """The block claims an authenticated signer who did not sign it."""

    owner: AccountOwner


class InvalidTimestamp(WorkerError):
    """The block lies further in the future than the grace period allows."""

    block_timestamp: Timestamp
    local_time: Timestamp


class FastBlockUsingOracles(WorkerError):
    """A block of the fast round recorded an oracle response."""


class InvalidBlockChaining(WorkerError):
    """A certified block does not follow the chain's last block."""


class UnexpectedBlob(WorkerError):
    """No pending block asked for the uploaded blob."""

    blob_id: BlobId


class TooManyPublishedBlobs(WorkerError):
    """A pending proposal lists as many blobs as a block may publish."""

    limit: int


class NoFallbackMode(WorkerError):
    """Fallback votes are not given on this network."""


class ReadCertificatesError(WorkerError):
    """Blocks whose hashes this chain knows are not in storage."""

    hashes: tuple[CryptoHash, ...]
