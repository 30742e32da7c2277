"""Votes of validators (spec 01 §6.3-§6.4)."""

from catenula.base.codec import Record, VariantEnum
from catenula.base.crypto import Secp256k1PublicKey, Secp256k1Signature, ValidatorSecretKey
from catenula.base.hashing import typed_hash
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.protocol.blocks import Block, Timeout
from catenula.protocol.rounds import Round


class CertificateKind(VariantEnum):
    """What a vote or certificate is about; numbering of votes and protobuf."""

    TIMEOUT = 0
    VALIDATED = 1
    CONFIRMED = 2


VoteValue = tuple[CryptoHash, Round, CertificateKind]
"""What validators sign: value hash, round, kind."""


class LiteValue(Record, frozen=True):
    """A voted value by hash."""

    value_hash: CryptoHash
    chain_id: ChainId
    kind: CertificateKind


def vote_hash(value_hash: CryptoHash, round_: Round, kind: CertificateKind) -> CryptoHash:
    """The 32 bytes a validator signs for a vote."""
    return typed_hash("VoteValue", value_hash + round_ + bytes((kind,)))


class LiteVote(Record, frozen=True):
    """A vote by hash; it does not name its validator."""

    value: LiteValue
    round: Round
    signature: Secp256k1Signature

    def verify(self, validator: Secp256k1PublicKey) -> None:
        """Raise unless ``validator`` signed this vote."""
        value = self.value
        self.signature.verify(validator, vote_hash(value.value_hash, self.round, value.kind))


def sign_vote(value: LiteValue, round_: Round, secret: ValidatorSecretKey) -> LiteVote:
    """Sign a vote. The caller must have made it durable before it leaves the node."""
    digest = vote_hash(value.value_hash, round_, value.kind)
    return LiteVote(value, round_, secret.sign(digest))


class BlockVote(Record, frozen=True):
    """A vote with its block (``Vote<ValidatedBlock>``, ``Vote<ConfirmedBlock>``)."""

    value: Block
    round: Round
    signature: Secp256k1Signature


class TimeoutVote(Record, frozen=True):
    """A vote with its timeout (``Vote<Timeout>``)."""

    value: Timeout
    round: Round
    signature: Secp256k1Signature
