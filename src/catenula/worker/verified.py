"""Signatures this node has made or verified itself, so that it need not verify them again.

A node's own memory, never shared with another node: a validator's own vote inside a certificate,
votes that a client checked while it collected them, and what the node has had verified ahead.
"""

from catenula.base.crypto import (
    Secp256k1PublicKey,
    Secp256k1Signature,
    SignatureScheme,
    SignedHash,
)
from catenula.base.identifiers import CryptoHash
from catenula.base.limits import MAX_VERIFIED_SIGNATURES
from catenula.protocol import (
    BlockProposal,
    ConfirmedBlockCertificate,
    LiteCertificate,
    LiteValue,
    LiteVote,
    Round,
    ValidatedBlockCertificate,
    vote_hash,
)
from catenula.protocol.certificates import Signatures, check_quorum, check_signature
from catenula.protocol.committee import Committee

BlockCertificate = LiteCertificate | ValidatedBlockCertificate | ConfirmedBlockCertificate

_SCHEME = bytes((SignatureScheme.SECP256K1,))
"""What an account signature of the validators' scheme begins with."""


class VerifiedSignatures:
    """A bounded set of signed hashes known to be right.

    It is kept in two generations: when the younger one is full, the older one is forgotten.
    """

    def __init__(self, capacity: int = MAX_VERIFIED_SIGNATURES) -> None:
        self._generation_size = max(capacity // 2, 1)
        self._recent: set[SignedHash] = set()
        self._older: set[SignedHash] = set()

    def add(self, signed: SignedHash) -> None:
        """Remember a signature that was made or verified here."""
        if len(self._recent) >= self._generation_size:
            self._older, self._recent = self._recent, set()
        self._recent.add(signed)

    def __contains__(self, signed: SignedHash) -> bool:
        return signed in self._recent or signed in self._older

    def __len__(self) -> int:
        return len(self._recent) + len(self._older)

    def add_vote(self, vote: LiteVote, validator: Secp256k1PublicKey) -> None:
        """Remember a vote that was made or verified here."""
        value = vote.value
        digest = vote_hash(value.value_hash, vote.round, value.kind)
        self.add(signed_by_validator(digest, validator, vote.signature))

    def check(
        self, value: LiteValue, round_: Round, signatures: Signatures, *, committee: Committee
    ) -> None:
        """As `check_signatures`, without repeating what is known.

        Raises `CertificateError` unless a quorum signed ``value``.
        """
        check_quorum(signatures, committee)
        digest = vote_hash(value.value_hash, round_, value.kind)
        recent, older = self._recent, self._older
        for validator, signature in signatures:
            signed = (digest, _SCHEME + signature + validator)
            if signed not in recent and signed not in older:
                check_signature(validator, signature, digest)

    def unknown(self, certificate: BlockCertificate, committee: Committee) -> list[SignedHash]:
        """What `check` would have to verify.

        Nothing where it refuses signers outside of the committee, too many or too few of them.
        """
        signatures = certificate.signatures
        weights = [committee.weight(validator) for validator, _ in signatures]
        is_plausible = all(weights) and sum(weights) >= committee.quorum_threshold
        if not is_plausible or len(signatures) > len(committee.validators):
            return []
        if isinstance(certificate, LiteCertificate):
            value = certificate.value
        else:
            value = certificate.lite_value
        digest = vote_hash(value.value_hash, certificate.round, value.kind)
        signed = [signed_by_validator(digest, *entry) for entry in signatures]
        return [item for item in signed if item not in self]


def signed_by_validator(
    digest: CryptoHash, validator: Secp256k1PublicKey, signature: Secp256k1Signature
) -> SignedHash:
    """A validator's signature of a hash."""
    return digest, _SCHEME + signature + validator


def signed_by_proposer(proposal: BlockProposal) -> SignedHash:
    """What makes a proposal its proposer's."""
    return proposal.content.hash, proposal.signature
