"""Certificates: values with signatures of a quorum (spec 01 §6.5)."""

from itertools import pairwise

from catenula.base.codec import MemoRecord, Record, declare_enum, newtype
from catenula.base.crypto import Secp256k1PublicKey, Secp256k1Signature, SignatureInvalid
from catenula.base.errors import DecodeError, ProtocolError
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.memo import cached_property
from catenula.protocol.blocks import Block, Timeout
from catenula.protocol.committee import Committee
from catenula.protocol.rounds import Round
from catenula.protocol.votes import CertificateKind, LiteValue, LiteVote, vote_hash

Signatures = tuple[tuple[Secp256k1PublicKey, Secp256k1Signature], ...]
"""Signers and their signatures, in key order where we emit them."""


class CertificateError(ProtocolError):
    """A certificate is not valid for a committee."""


class CertificateValidatorReuse(CertificateError):
    """A validator appears twice."""

    def __init__(self, validator: Secp256k1PublicKey) -> None:
        super().__init__("CertificateValidatorReuse", validator=validator)


class InvalidCertificateSigner(CertificateError):
    """A signer has no votes in the committee."""

    def __init__(self, validator: Secp256k1PublicKey) -> None:
        super().__init__("InvalidSigner", validator=validator)


class CertificateRequiresQuorum(CertificateError):
    """The signers weigh less than a quorum."""

    def __init__(self, weight: int, quorum: int) -> None:
        super().__init__("CertificateRequiresQuorum", weight=weight, quorum=quorum)


class InvalidCertificateSignature(CertificateError):
    """A signature in a certificate is not that validator's."""

    def __init__(self, validator: Secp256k1PublicKey) -> None:
        super().__init__("CryptoError", validator=validator)


def check_signatures(
    value: LiteValue, round_: Round, *, signatures: Signatures, committee: Committee
) -> None:
    """Raise `CertificateError` unless a quorum signed ``value``."""
    check_quorum(signatures, committee)
    digest = vote_hash(value.value_hash, round_, value.kind)
    for validator, signature in signatures:
        check_signature(validator, signature, digest)


def check_signature(
    validator: Secp256k1PublicKey, signature: Secp256k1Signature, digest: CryptoHash
) -> None:
    """Raise `InvalidCertificateSignature` unless ``validator`` signed."""
    try:
        signature.verify(validator, digest)
    except SignatureInvalid as error:
        raise InvalidCertificateSignature(validator) from error


def check_quorum(signatures: Signatures, committee: Committee) -> None:
    """The checks of a certificate that need no cryptography, in the protocol's order."""
    seen: set[Secp256k1PublicKey] = set()
    total = 0
    for validator, _ in signatures:
        if validator in seen:
            raise CertificateValidatorReuse(validator)
        seen.add(validator)
        weight = committee.weight(validator)
        if not weight:
            raise InvalidCertificateSigner(validator)
        total += weight
    if total < committee.quorum_threshold:
        raise CertificateRequiresQuorum(total, committee.quorum_threshold)


def sort_signatures(signatures: Signatures) -> Signatures:
    """The list in key order (stable)."""
    return tuple(sorted(signatures, key=_signature_key))


def _signature_key(entry: tuple[Secp256k1PublicKey, Secp256k1Signature]) -> bytes:
    return entry[0].order_key()


def check_signature_order(signatures: Signatures) -> None:
    """Full certificates inside other values list their signers in strictly increasing order."""
    keys = [validator.order_key() for validator, _ in signatures]
    if any(left >= right for left, right in pairwise(keys)):
        raise DecodeError("UnsortedSignatures")


class LiteCertificate(MemoRecord, frozen=True):
    """A certificate by hash; any order of signatures decodes and is kept."""

    value: LiteValue
    round: Round
    signatures: Signatures

    def check(self, committee: Committee) -> None:
        """Raise unless a quorum of ``committee`` signed."""
        check_signatures(self.value, self.round, signatures=self.signatures, committee=committee)


class _Certificate(MemoRecord, frozen=True):
    """Common part of the three certificates; subclasses add the fields."""

    def check_decoded(self) -> None:
        """Refuse unsorted signature lists."""
        check_signature_order(self.signatures)  # type: ignore[attr-defined]  # In each subclass.


class _BlockCertificate(_Certificate, frozen=True):
    value: Block
    round: Round
    signatures: Signatures

    @property
    def block(self) -> Block:
        """The certified block."""
        return self.value

    @property
    def hash(self) -> CryptoHash:
        """The block hash, which is also the hash of the certificate."""
        return self.value.hash

    @property
    def chain_id(self) -> ChainId:
        """The block's chain."""
        return self.value.header.chain_id


class ValidatedBlockCertificate(_BlockCertificate, frozen=True):
    """A quorum has validated a block in a round."""

    @cached_property
    def lite_value(self) -> LiteValue:
        """The certified value by hash."""
        return LiteValue(self.value.hash, self.chain_id, CertificateKind.VALIDATED)

    def lite(self) -> LiteCertificate:
        """The certificate without the block."""
        return LiteCertificate(self.lite_value, self.round, self.signatures)

    def check(self, committee: Committee) -> None:
        """Raise unless a quorum of ``committee`` signed."""
        check_signatures(
            self.lite_value, self.round, signatures=self.signatures, committee=committee
        )


class ConfirmedBlockCertificate(_BlockCertificate, frozen=True):
    """A quorum has confirmed a block: it is final."""

    @cached_property
    def lite_value(self) -> LiteValue:
        """The certified value by hash."""
        return LiteValue(self.value.hash, self.chain_id, CertificateKind.CONFIRMED)

    def lite(self) -> LiteCertificate:
        """The certificate without the block."""
        return LiteCertificate(self.lite_value, self.round, self.signatures)

    def check(self, committee: Committee) -> None:
        """Raise unless a quorum of ``committee`` signed."""
        check_signatures(
            self.lite_value, self.round, signatures=self.signatures, committee=committee
        )


class TimeoutCertificate(_Certificate, frozen=True):
    """A quorum has seen a round time out."""

    value: Timeout
    round: Round
    signatures: Signatures

    @property
    def hash(self) -> CryptoHash:
        """The hash of the timeout, which is also the hash of the certificate."""
        return self.value.hash

    @property
    def chain_id(self) -> ChainId:
        """The chain whose round timed out."""
        return self.value.chain_id

    @cached_property
    def lite_value(self) -> LiteValue:
        """The certified value by hash."""
        return LiteValue(self.value.hash, self.value.chain_id, CertificateKind.TIMEOUT)

    def lite(self) -> LiteCertificate:
        """The certificate without the value."""
        return LiteCertificate(self.lite_value, self.round, self.signatures)

    def check(self, committee: Committee) -> None:
        """Raise unless a quorum of ``committee`` signed."""
        check_signatures(
            self.lite_value, self.round, signatures=self.signatures, committee=committee
        )


class ValidatedCertificate(Record, frozen=True):
    """Variant of `Certificate`."""

    certificate: ValidatedBlockCertificate


class ConfirmedCertificate(Record, frozen=True):
    """Variant of `Certificate`."""

    certificate: ConfirmedBlockCertificate


class TimedOutCertificate(Record, frozen=True):
    """Variant of `Certificate`."""

    certificate: TimeoutCertificate


Certificate = ValidatedCertificate | ConfirmedCertificate | TimedOutCertificate
declare_enum(
    "Certificate",
    Certificate,
    newtype(ValidatedCertificate, "Validated"),
    newtype(ConfirmedCertificate, "Confirmed"),
    newtype(TimedOutCertificate, "Timeout"),
)


class SignatureAggregator:
    """Collects votes for one value until a quorum has signed (spec 01 §6.5)."""

    def __init__(self, value: LiteValue, round_: Round, committee: Committee) -> None:
        self.value, self.round, self.committee = value, round_, committee
        self.weight = 0
        self._signatures: dict[Secp256k1PublicKey, Secp256k1Signature] = {}

    def append(self, validator: Secp256k1PublicKey, signature: Secp256k1Signature) -> bool:
        """Add a vote; true exactly once, when the weight first reaches the quorum.

        Raises for a wrong signature, a repeated validator, and one without votes.
        """
        vote = LiteVote(self.value, self.round, signature)
        vote.verify(validator)
        return self.append_verified(validator, signature)

    def append_verified(self, validator: Secp256k1PublicKey, signature: Secp256k1Signature) -> bool:
        """As `append`, for a signature that was verified before."""
        if validator in self._signatures:
            raise CertificateValidatorReuse(validator)
        votes = self.committee.weight(validator)
        if not votes:
            raise InvalidCertificateSigner(validator)
        before, self.weight = self.weight, self.weight + votes
        self._signatures[validator] = signature
        return before < self.committee.quorum_threshold <= self.weight

    def signatures(self) -> Signatures:
        """The collected signatures in key order."""
        return sort_signatures(tuple(self._signatures.items()))


def validated_from_lite(lite: LiteCertificate, block: Block) -> ValidatedBlockCertificate:
    """Join a lite certificate with its block; `ProtocolError` when they differ."""
    _check_joins(lite, LiteValue(block.hash, block.chain_id, CertificateKind.VALIDATED))
    return ValidatedBlockCertificate(block, lite.round, sort_signatures(lite.signatures))


def confirmed_from_lite(lite: LiteCertificate, block: Block) -> ConfirmedBlockCertificate:
    """Join a lite certificate with its block; `ProtocolError` when they differ."""
    _check_joins(lite, LiteValue(block.hash, block.chain_id, CertificateKind.CONFIRMED))
    return ConfirmedBlockCertificate(block, lite.round, sort_signatures(lite.signatures))


def timeout_from_lite(lite: LiteCertificate, timeout: Timeout) -> TimeoutCertificate:
    """Join a lite certificate with its timeout; `ProtocolError` when they differ."""
    _check_joins(lite, LiteValue(timeout.hash, timeout.chain_id, CertificateKind.TIMEOUT))
    return TimeoutCertificate(timeout, lite.round, sort_signatures(lite.signatures))


def _check_joins(lite: LiteCertificate, value: LiteValue) -> None:
    if lite.value != value:
        raise ProtocolError("InvalidLiteCertificate", expected=value, found=lite.value)
