"""Getting one validator's vote to confirm a validated block (spec 07 §5.3), or a timeout vote."""

from catenula.base.identifiers import ChainId
from catenula.base.integers import BlockHeight
from catenula.client.context import ClientContext
from catenula.client.remote_node import RemoteNode
from catenula.client.submit import vote_in
from catenula.client.updater import sync_if_needed
from catenula.protocol import (
    BlobId,
    ChainInfoQuery,
    ChainInfoResponse,
    LiteVote,
    NodeErrorReceived,
    Round,
    ValidatedBlockCertificate,
)
from catenula.protocol.node_error import (
    BlobsNotFound,
    DuplicatesInBlobsNotFound,
    EmptyBlobsNotFound,
    MissingCertificateValue,
    MissingVoteInValidatorResponse,
    UnexpectedEntriesInBlobsNotFound,
)


async def finalize_block(
    context: ClientContext, remote: RemoteNode, certificate: ValidatedBlockCertificate
) -> LiteVote:
    """The validator's vote, not verified yet, to confirm the block."""
    response = await _send_validated(context, remote, certificate)
    return vote_in(response, "handle_validated_certificate")


async def _send_validated(
    context: ClientContext, remote: RemoteNode, certificate: ValidatedBlockCertificate
) -> ChainInfoResponse:
    # Who voted knows the block; who did not has most probably seen its proposal.
    try:
        return await remote.node.handle_lite_certificate(certificate.lite())
    except NodeErrorReceived as received:
        if type(received.error) is not MissingCertificateValue:
            await _help(context, remote, certificate, received)
    try:
        return await remote.node.handle_validated_certificate(certificate)
    except NodeErrorReceived as received:
        await _help(context, remote, certificate, received)
    return await remote.node.handle_validated_certificate(certificate)


async def _help(
    context: ClientContext,
    remote: RemoteNode,
    certificate: ValidatedBlockCertificate,
    received: NodeErrorReceived,
) -> None:
    """Give the validator what it lacks; raises its error when nothing helps."""
    error, chain_id = received.error, certificate.chain_id
    if isinstance(error, BlobsNotFound):
        check_missing_blobs(error.blob_ids, certificate.block.required_blob_ids)
        locked = context.local.chain(chain_id).manager.locking_blobs()
        for blob_id in error.blob_ids:
            blob = locked.get(blob_id) or context.local.blob(blob_id)
            if blob is not None:
                await remote.node.handle_pending_blob(chain_id, blob)
        return
    helped = await sync_if_needed(
        context, remote, received, chain_id=chain_id, round_=certificate.round
    )
    if not helped:
        raise received


def check_missing_blobs(blob_ids: tuple[BlobId, ...], required: frozenset[BlobId]) -> None:
    """Refuse a report of missing blobs that no honest validator makes."""
    if not blob_ids:
        raise NodeErrorReceived(EmptyBlobsNotFound())
    if len(set(blob_ids)) < len(blob_ids):
        raise NodeErrorReceived(DuplicatesInBlobsNotFound())
    if not required.issuperset(blob_ids):
        raise NodeErrorReceived(UnexpectedEntriesInBlobsNotFound())


async def request_timeout_vote(
    context: ClientContext,
    remote: RemoteNode,
    *,
    chain_id: ChainId,
    height: BlockHeight,
    round_: Round,
) -> LiteVote:
    """The validator's vote, not verified yet, that a round has timed out."""
    query = ChainInfoQuery(chain_id, request_leader_timeout=(height, round_))
    try:
        response = await remote.node.handle_chain_info_query(query)
    except NodeErrorReceived as received:
        helped = await sync_if_needed(context, remote, received, chain_id=chain_id, round_=round_)
        if not helped:
            raise
        response = await remote.node.handle_chain_info_query(query)
    vote = response.info.manager.timeout_vote
    if vote is None:
        raise NodeErrorReceived(MissingVoteInValidatorResponse("request_leader_timeout"))
    return vote
