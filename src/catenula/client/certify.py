"""Getting a quorum's votes on a proposal, and on its validated block (spec 07 §9.2 steps 8-9)."""

from collections.abc import Mapping

from catenula.base.errors import ProtocolError
from catenula.client.context import ClientContext
from catenula.client.errors import Explanation, NoQuorum, Reason
from catenula.client.finalize import finalize_block
from catenula.client.quorum import Counting, communicate_with_quorum
from catenula.client.remote_node import RemoteNode
from catenula.client.submit import Submission, submit_block
from catenula.client.votes import (
    VoteAgreement,
    confirmed_certificate,
    validated_certificate,
    vote_key,
    vote_verifier,
)
from catenula.protocol import (
    BlobContent,
    BlobId,
    Block,
    BlockProposal,
    CertificateKind,
    Committee,
    ConfirmedBlockCertificate,
    LiteVote,
    ValidatedBlockCertificate,
)

_STAYS_PENDING = (
    "check the validators named above; the block stays pending and is finished before any other"
)


async def certify(
    context: ClientContext,
    proposal: BlockProposal,
    block: Block,
    *,
    blobs: Mapping[BlobId, BlobContent],
) -> ConfirmedBlockCertificate:
    """The certificate that makes the proposed block final.

    One phase in the fast round, two in others. Raises `NoQuorum`; whatever happened, proposing the
    same block again is safe.
    """
    committee = context.local.chain(block.chain_id).current_committee()
    agreement = await _submit(context, proposal, committee, blobs)
    value_hash, round_, kind = agreement.key
    expected = CertificateKind.CONFIRMED if round_.is_fast else CertificateKind.VALIDATED
    is_known = value_hash == block.hash and round_ == proposal.content.round
    if is_known and kind is CertificateKind.CONFIRMED:
        return confirmed_certificate(block, agreement)
    if not is_known or kind is not expected:
        raise _unexpected_quorum(block, proposal, agreement, committee)
    return await finalize(context, validated_certificate(block, agreement))


async def _submit(
    context: ClientContext,
    proposal: BlockProposal,
    committee: Committee,
    blobs: Mapping[BlobId, BlobContent],
) -> VoteAgreement:
    submission = Submission(proposal, blobs)

    async def submit(remote: RemoteNode) -> LiteVote:
        return await submit_block(context, remote, submission)

    try:
        return await communicate_with_quorum(
            context.validators.of(committee),
            committee,
            action=submit,
            counting=Counting(vote_key, vote_verifier(context)),
            patience=context.patience,
        )
    except NoQuorum as failed:
        place = _place("The block was not accepted", proposal)
        raise failed.at(place) from failed


def _place(what: str, proposal: BlockProposal) -> Explanation:
    content = proposal.content
    block = content.block
    return Explanation(
        what,
        block.chain_id,
        block.height,
        content.round,
        who=block.authenticated_signer,
        next_step=_STAYS_PENDING,
    )


async def finalize(
    context: ClientContext, certificate: ValidatedBlockCertificate
) -> ConfirmedBlockCertificate:
    """The confirmed certificate of a validated block.

    When the quorum is missed, the local node learns of the lock, so that the block is finalized or
    proposed again before any other. Raises `NoQuorum`.
    """
    block = certificate.block
    committee = context.local.chain(block.chain_id).current_committee()

    async def vote(remote: RemoteNode) -> LiteVote:
        return await finalize_block(context, remote, certificate)

    try:
        agreement = await communicate_with_quorum(
            context.validators.of(committee),
            committee,
            action=vote,
            counting=Counting(vote_key, vote_verifier(context)),
            patience=context.patience,
        )
    except NoQuorum as failed:
        await _remember_lock(context, certificate)
        place = Explanation(
            "The validated block was not confirmed",
            block.chain_id,
            block.height,
            certificate.round,
            next_step=_STAYS_PENDING,
        )
        raise failed.at(place) from failed
    expected = (block.hash, certificate.round, CertificateKind.CONFIRMED)
    if agreement.key != expected:
        await _remember_lock(context, certificate)
        raise _unexpected_votes(block, agreement, committee)
    return confirmed_certificate(block, agreement)


async def _remember_lock(context: ClientContext, certificate: ValidatedBlockCertificate) -> None:
    manager = context.local.chain(certificate.chain_id).manager
    locking = manager.locking_block
    if locking is None or locking.round < certificate.round:
        try:
            await context.local.lock(certificate)
        except ProtocolError:
            # The validators hold the lock; synchronizing brings it back.
            return


def _unexpected_quorum(
    block: Block, proposal: BlockProposal, agreement: VoteAgreement, committee: Committee
) -> NoQuorum:
    failure = _unexpected_votes(block, agreement, committee)
    return failure.at(_place("The validators did not vote for this block", proposal))


def _unexpected_votes(block: Block, agreement: VoteAgreement, committee: Committee) -> NoQuorum:
    value_hash, round_, kind = agreement.key
    return NoQuorum(
        Explanation(
            "A quorum voted for something else",
            block.chain_id,
            block.height,
            round_,
            reasons=(Reason(f"it voted {kind} for {value_hash} in the {round_}"),),
            next_step="synchronize the chain, then try again",
        ),
        quorum=committee.quorum_threshold,
    )
