"""Signatures this node has made or verified itself, so that it need not verify them again.

A node's own memory, never shared with another node: a validator's own vote inside a certificate,
or votes that a client checked while it collected them.
"""

from catenula.base.crypto import Secp256k1PublicKey, Secp256k1Signature
from catenula.base.identifiers import CryptoHash
from catenula.base.limits import MAX_VERIFIED_SIGNATURES
from catenula.protocol import LiteValue, LiteVote, Round, vote_hash
from catenula.protocol.certificates import Signatures, check_quorum, check_signature
from catenula.protocol.committee import Committee

Entry = tuple[CryptoHash, Secp256k1PublicKey, Secp256k1Signature]


class VerifiedSignatures:
    """A bounded set of (signed hash, validator, signature) known to be right.

    It is kept in two generations: when the younger one is full, the older one is forgotten.
    """

    def __init__(self, capacity: int = MAX_VERIFIED_SIGNATURES) -> None:
        self._generation_size = max(capacity // 2, 1)
        self._recent: set[Entry] = set()
        self._older: set[Entry] = set()

    def add(
        self, digest: CryptoHash, validator: Secp256k1PublicKey, signature: Secp256k1Signature
    ) -> None:
        """Remember a signature that was made or verified here."""
        if len(self._recent) >= self._generation_size:
            self._older, self._recent = self._recent, set()
        self._recent.add((digest, validator, signature))

    def __len__(self) -> int:
        return len(self._recent) + len(self._older)

    def add_vote(self, vote: LiteVote, validator: Secp256k1PublicKey) -> None:
        """Remember a vote that was made or verified here."""
        value = vote.value
        digest = vote_hash(value.value_hash, vote.round, value.kind)
        self.add(digest, validator, vote.signature)

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
            entry = (digest, validator, signature)
            if entry not in recent and entry not in older:
                check_signature(validator, signature, digest)
