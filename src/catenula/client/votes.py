"""From verified votes to certificates (spec 05 §8)."""

from collections.abc import Callable, Sequence

from catenula.client.context import ClientContext
from catenula.client.quorum import Agreement
from catenula.client.remote_node import RemoteNode
from catenula.protocol import (
    Block,
    CertificateKind,
    ConfirmedBlockCertificate,
    CryptoHash,
    LiteVote,
    Round,
    Signatures,
    ValidatedBlockCertificate,
    sort_signatures,
)

VoteKey = tuple[CryptoHash, Round, CertificateKind]
"""What votes must agree on: value hash, round, kind. Hash and round alone are not enough."""

VoteAgreement = Agreement[VoteKey, LiteVote]


def vote_key(vote: LiteVote) -> VoteKey:
    """What a vote is for."""
    return (vote.value.value_hash, vote.round, vote.value.kind)


def vote_verifier(context: ClientContext) -> Callable[[RemoteNode, LiteVote], None]:
    """Checks a vote's signature once, where it is collected, and remembers that it is right."""

    def verify(remote: RemoteNode, vote: LiteVote) -> None:
        vote.verify(remote.public_key)
        context.local.trust_vote(vote, remote.public_key)

    return verify


def signatures_of(answers: Sequence[tuple[RemoteNode, LiteVote]]) -> Signatures:
    """The signatures of all collected votes, in key order."""
    return sort_signatures(tuple((remote.public_key, vote.signature) for remote, vote in answers))


def confirmed_certificate(block: Block, agreement: VoteAgreement) -> ConfirmedBlockCertificate:
    """The certificate of a quorum of confirming votes."""
    return ConfirmedBlockCertificate(block, agreement.key[1], signatures_of(agreement.answers))


def validated_certificate(block: Block, agreement: VoteAgreement) -> ValidatedBlockCertificate:
    """The certificate of a quorum of validating votes."""
    return ValidatedBlockCertificate(block, agreement.key[1], signatures_of(agreement.answers))
