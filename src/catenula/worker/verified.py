"""Signatures this node has made or verified itself, so that it need not verify them again.

A node's own memory, never shared with another node: a validator's own vote inside a certificate,
or votes that a client checked while it collected them.
"""

from catenula.base.crypto import Secp256k1PublicKey, Secp256k1Signature
from catenula.base.identifiers import CryptoHash
from catenula.protocol import LiteValue, LiteVote, Round, vote_hash
from catenula.protocol.certificates import Signatures, check_quorum
from catenula.protocol.committee import Committee

_CAPACITY = 20_000

Entry = tuple[CryptoHash, Secp256k1PublicKey, Secp256k1Signature]


class VerifiedSignatures:
    """A bounded set of (signed hash, validator, signature) known to be right."""

    def __init__(self) -> None:
        self._known: dict[Entry, None] = {}

    def add(
        self, digest: CryptoHash, validator: Secp256k1PublicKey, signature: Secp256k1Signature
    ) -> None:
        """Remember a signature that was made or verified here."""
        known = self._known
        known[(digest, validator, signature)] = None
        if len(known) > _CAPACITY:
            del known[next(iter(known))]

    def add_vote(self, vote: LiteVote, validator: Secp256k1PublicKey) -> None:
        """Remember a vote that was made or verified here."""
        value = vote.value
        digest = vote_hash(value.value_hash, vote.round, value.kind)
        self.add(digest, validator, vote.signature)

    def check(
        self, value: LiteValue, round_: Round, signatures: Signatures, committee: Committee
    ) -> None:
        """As `check_signatures`, without repeating what is known.

        Raises `CertificateError` or a signature error unless a quorum signed ``value``.
        """
        check_quorum(signatures, committee)
        digest = vote_hash(value.value_hash, round_, value.kind)
        for validator, signature in signatures:
            if (digest, validator, signature) not in self._known:
                signature.verify(validator, digest)
