"""Block proposals and their signatures (spec 01 §6.6)."""

from catenula.base.codec import MemoRecord, Record, declare_enum, newtype
from catenula.base.crypto import AccountSecretKey, AccountSignature
from catenula.base.errors import ProtocolError
from catenula.base.hashing import typed_hash
from catenula.base.identifiers import AccountOwner, CryptoHash
from catenula.base.memo import cached_property
from catenula.protocol.blocks import Block, BlockExecutionOutcome, ProposedBlock
from catenula.protocol.certificates import LiteCertificate, ValidatedBlockCertificate
from catenula.protocol.identifiers import BlobId
from catenula.protocol.rounds import Round
from catenula.protocol.votes import CertificateKind, LiteValue


class ProposalContent(MemoRecord, frozen=True):
    """What a proposer signs."""

    block: ProposedBlock
    round: Round
    outcome: BlockExecutionOutcome | None = None

    @cached_property
    def hash(self) -> CryptoHash:
        """Keccak of ``ProposalContent``."""
        return typed_hash("ProposalContent", self.bcs)


class OriginalFast(Record, frozen=True):
    """Retry of a fast proposal: the super owner's signature over it."""

    signature: AccountSignature


class OriginalRegular(Record, frozen=True):
    """Retry of a validated block: the certificate that locked it."""

    certificate: LiteCertificate


OriginalProposal = OriginalFast | OriginalRegular
declare_enum(
    "OriginalProposal",
    OriginalProposal,
    newtype(OriginalFast, "Fast"),
    newtype(OriginalRegular, "Regular")._replace(shape="struct"),
)


class InvalidBlockProposal(ProtocolError):
    """The parts of a proposal do not fit together."""

    def __init__(self, reason: str) -> None:
        super().__init__("InvalidBlockProposal", reason=reason)


class BlockProposal(MemoRecord, frozen=True):
    """A signed proposal, fresh or a retry of an earlier one."""

    content: ProposalContent
    signature: AccountSignature
    original_proposal: OriginalProposal | None = None

    @property
    def owner(self) -> AccountOwner:
        """The proposer, as the signature says."""
        return self.signature.signer()

    def verify_signature(self) -> None:
        """Raise unless the proposer signed the content."""
        self.signature.verify(self.content.hash)

    def check_invariants(self) -> None:
        """Raise `InvalidBlockProposal` unless content and original proposal fit (spec 01 §6.6)."""
        original, content = self.original_proposal, self.content
        if original is None:
            if content.outcome is not None:
                raise InvalidBlockProposal("an outcome without the certificate that locked it")
        elif isinstance(original, OriginalFast):
            if content.outcome is not None:
                raise InvalidBlockProposal("an outcome in the retry of a fast proposal")
            if content.round.is_fast:
                raise InvalidBlockProposal("the retry of a fast proposal in the fast round")
        else:
            self._check_regular(original.certificate)

    def _check_regular(self, certificate: LiteCertificate) -> None:
        content = self.content
        if content.outcome is None:
            raise InvalidBlockProposal("the retry of a validated block without its outcome")
        if content.round <= certificate.round:
            raise InvalidBlockProposal("a round that is not above the locking certificate's")
        block = self.locked_block
        expected = LiteValue(block.hash, block.chain_id, CertificateKind.VALIDATED)
        if certificate.value != expected:
            raise InvalidBlockProposal("a certificate of another block")

    @cached_property
    def locked_block(self) -> Block:
        """The block of a retry that carries its outcome."""
        outcome = self.content.outcome
        if outcome is None:
            raise InvalidBlockProposal("no outcome in this proposal")
        return Block.of(self.content.block, outcome)

    @cached_property
    def required_blob_ids(self) -> frozenset[BlobId]:
        """Published blobs and, with an outcome, the blobs its oracles used (spec 05 §5 step 13)."""
        published = self.content.block.published_blob_ids
        if self.content.outcome is None:
            return published
        return published | self.locked_block.oracle_blob_ids

    @cached_property
    def expected_blob_ids(self) -> frozenset[BlobId]:
        """Required blobs plus those the carried outcome creates."""
        if self.content.outcome is None:
            return self.required_blob_ids
        return self.required_blob_ids | self.locked_block.created_blobs.keys()


def sign_proposal(
    content: ProposalContent,
    secret: AccountSecretKey,
    original_proposal: OriginalProposal | None = None,
) -> BlockProposal:
    """A proposal signed with ``secret``."""
    return BlockProposal(content, secret.sign(content.hash), original_proposal)


class LockingFast(Record, frozen=True):
    """A lock by a fast proposal."""

    proposal: BlockProposal

    @property
    def round(self) -> Round:
        """The fast round."""
        return Round.FAST

    @property
    def block_chain_id(self) -> bytes:
        """The chain of the locked block."""
        return self.proposal.content.block.chain_id


class LockingRegular(Record, frozen=True):
    """A lock by a validated block."""

    certificate: ValidatedBlockCertificate

    @property
    def round(self) -> Round:
        """The round in which the block was validated."""
        return self.certificate.round

    @property
    def block_chain_id(self) -> bytes:
        """The chain of the locked block."""
        return self.certificate.chain_id


LockingBlock = LockingFast | LockingRegular
declare_enum(
    "LockingBlock", LockingBlock, newtype(LockingFast, "Fast"), newtype(LockingRegular, "Regular")
)
