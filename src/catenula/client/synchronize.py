"""Following a chain: first contact, its blocks, the state of its consensus (spec 07 §6.1-6.4)."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId
from catenula.base.integers import BlockHeight, Epoch
from catenula.base.limits import MAX_PROPOSAL_HELP
from catenula.client.context import ClientContext
from catenula.client.errors import DownloadFailed, Explanation, NoQuorum, UnknownChain
from catenula.client.hedged import hedged
from catenula.client.processing import (
    download_blobs,
    download_events,
    fetch_missing,
    process_certificate,
)
from catenula.client.quorum import Counting, communicate_with_quorum
from catenula.client.remote_node import RemoteNode
from catenula.client.trust import Trust
from catenula.client.watcher import Span
from catenula.protocol import (
    BlobId,
    BlockProposal,
    ChainInfo,
    ChainInfoQuery,
    ConfirmedBlockCertificate,
    EventId,
    LockingFast,
    LockingRegular,
    NodeErrorReceived,
    ValidatedBlockCertificate,
)
from catenula.protocol.node_error import (
    BlobsNotFound,
    EventsNotFound,
    MissingCrossChainUpdates,
)
from catenula.worker import ProcessMode


async def fetch_chain_info(context: ClientContext, chain_id: ChainId) -> ChainInfo:
    """The local node's info of a chain, fetching its description first where it is unknown.

    Raises `UnknownChain` when no validator knows it (spec 07 §6.1).
    """
    try:
        return await context.local.info(chain_id)
    except NodeErrorReceived as received:
        if not isinstance(received.error, BlobsNotFound | EventsNotFound):
            raise
        missing = received.error
    if chain_id != context.admin_chain_id:
        await synchronize_chain(context, context.admin_chain_id)
    try:
        if isinstance(missing, BlobsNotFound):
            await _fetch_creating_blocks(context, missing.blob_ids)
        else:
            await download_events(context, missing.event_ids, context.nodes())
    except DownloadFailed as failed:
        raise _unknown_chain(chain_id, failed) from failed
    return await context.local.info(chain_id)


def _unknown_chain(chain_id: ChainId, failed: DownloadFailed) -> UnknownChain:
    return UnknownChain(
        Explanation(
            "No validator knows this chain",
            chain_id=chain_id,
            reasons=failed.explanation.reasons,
            next_step="check the chain id and that it belongs to this network",
        )
    )


async def _fetch_creating_blocks(context: ClientContext, blob_ids: Iterable[BlobId]) -> None:
    """Process the block that created or last used each blob; the blob comes with it."""

    async def fetch(blob_id: BlobId, remote: RemoteNode) -> None:
        certificate = await context.downloads.certificate_for_blob(remote, blob_id)
        mode = sender_mode(context, certificate.chain_id)
        await process_certificate(context, certificate, mode=mode, sources=(remote,))
        if not context.local.shared.has_blob(blob_id):
            await download_blobs(context, (blob_id,), (remote,))

    for blob_id in blob_ids:
        await hedged(
            context.nodes(),
            partial(fetch, blob_id),
            hedging=context.certificate_hedging(),
            what=f"the block that created {blob_id}",
        )


def sender_mode(context: ClientContext, chain_id: ChainId) -> ProcessMode:
    """How blocks reached through a sender path are processed (spec 07 §6.3)."""
    tracked = context.local.worker.config.tracked_chains
    is_tracked = tracked is None or chain_id in tracked
    return ProcessMode.AUTO if is_tracked else ProcessMode.PREPROCESS


def has_owner(context: ClientContext, chain_id: ChainId) -> bool:
    """Whether the wallet can propose on the chain, so that its consensus matters here."""
    row = context.wallet.chain(chain_id)
    return row is not None and row.owner is not None


async def synchronize_chain(
    context: ClientContext, chain_id: ChainId, *, with_consensus: bool | None = None
) -> ChainInfo:
    """Bring the local copy to where a quorum of validators says the chain is (spec 07 §6.2).

    ``with_consensus`` also takes over proposals, lock and timeout of the height being decided; by
    default for chains with an owner in the wallet. Raises `NoQuorum`, `UnknownChain`.
    """
    await fetch_chain_info(context, chain_id)
    wanted = has_owner(context, chain_id) if with_consensus is None else with_consensus

    async def follow(remote: RemoteNode) -> bool:
        await synchronize_chain_from(context, chain_id, remote, with_consensus=wanted)
        return True

    return await follow_quorum(context, chain_id, follow)


async def follow_quorum(
    context: ClientContext, chain_id: ChainId, follow: Callable[[RemoteNode], Awaitable[bool]]
) -> ChainInfo:
    """Do ``follow`` with validators until a quorum is followed; where the chain stands then.

    Raises `NoQuorum`.
    """
    committee = context.committees.current()
    try:
        await communicate_with_quorum(
            context.validators.of(committee),
            committee,
            action=follow,
            counting=Counting(bool),
            patience=context.patience,
        )
    except NoQuorum as failed:
        raise failed.at(Explanation("The chain could not be synchronized", chain_id)) from failed
    return await context.local.info(chain_id)


async def synchronize_chain_from(
    context: ClientContext, chain_id: ChainId, remote: RemoteNode, *, with_consensus: bool
) -> ChainInfo:
    """Take over what one validator can prove about a chain; what it says about itself."""
    query = ChainInfoQuery(chain_id, request_manager_values=with_consensus)
    info = await remote.chain_info(query)
    local = context.local
    if info.next_block_height > local.chain(chain_id).next_block_height:
        await download_blocks(context, chain_id, remote, until=info.next_block_height)
    if with_consensus and local.chain(chain_id).next_block_height == info.next_block_height:
        await _take_over_consensus(context, remote, info)
    return info


async def download_blocks(
    context: ClientContext, chain_id: ChainId, remote: RemoteNode, *, until: BlockHeight
) -> None:
    """Execute the chain's blocks below ``until``, from the local store where it has them."""
    local, size = context.local, context.options.certificate_batch_size
    first = local.chain(chain_id).next_block_height
    span = Span(context.watcher, chain_id, start=first, goal=until)
    while (start := local.chain(chain_id).next_block_height) < until:
        stored = local.certificate_at(chain_id, start)
        if stored is not None:
            batch = [stored]
        else:
            end = min(until, start + size)
            heights = [BlockHeight(height) for height in range(start, end)]
            batch = await context.downloads.certificates_by_heights(remote, chain_id, heights)
        async with context.synchronizing.lock(chain_id):
            await _execute_blocks(context, batch, remote, span)


async def _execute_blocks(
    context: ClientContext,
    batch: Sequence[ConfirmedBlockCertificate],
    remote: RemoteNode,
    span: Span,
) -> None:
    for certificate in batch:
        # The same blocks may have come from elsewhere meanwhile.
        if certificate.block.height >= context.local.chain(certificate.chain_id).next_block_height:
            await process_certificate(
                context, certificate, mode=ProcessMode.EXECUTE, sources=(remote,)
            )
        span.reached(certificate.block.height + 1)


# Consensus of the height being decided


async def _take_over_consensus(context: ClientContext, remote: RemoteNode, info: ChainInfo) -> None:
    """Timeout, lock and proposals of a validator; each is checked by the local node."""
    manager = info.manager
    if manager.timeout is not None:
        await context.local.leave_round(manager.timeout)
    proposals = [manager.requested_signed_proposal, manager.requested_proposed]
    locking = manager.requested_locking
    if isinstance(locking, LockingFast):
        proposals.append(locking.proposal)
    elif isinstance(locking, LockingRegular):
        await take_lock(context, remote, locking.certificate)
    for proposal in proposals:
        if proposal is not None:
            await _take_proposal(context, remote, proposal)


async def take_lock(
    context: ClientContext, remote: RemoteNode, certificate: ValidatedBlockCertificate
) -> None:
    """Let the local node take note of a validated block, with the blobs and events it needs.

    Does nothing when it is locked in that round or a later one already. Raises `NodeErrorReceived`.
    """
    chain_id, fetched = certificate.chain_id, set[BlobId | EventId]()
    for _ in range(MAX_PROPOSAL_HELP):
        if _has_lock(context, certificate):
            return
        try:
            await context.local.lock(certificate)
        except NodeErrorReceived as received:
            if _has_lock(context, certificate):
                # Another validator's answer has brought it while this one waited for the chain.
                return
            error = received.error
            if isinstance(error, BlobsNotFound) and not fetched.intersection(error.blob_ids):
                fetched.update(error.blob_ids)
                await _download_pending_blobs(context, remote, chain_id, error.blob_ids)
            elif not await fetch_missing(context, received, fetched=fetched, sources=(remote,)):
                raise
        else:
            return


def _has_lock(context: ClientContext, certificate: ValidatedBlockCertificate) -> bool:
    """Whether the local node is locked in that round or a later one."""
    known = context.local.chain(certificate.chain_id).manager.locking_block
    return known is not None and known.round >= certificate.round


async def _take_proposal(
    context: ClientContext, remote: RemoteNode, proposal: BlockProposal
) -> None:
    """Another owner's proposal; one that cannot be checked here is skipped (spec 07 §6.2)."""
    for _ in range(MAX_PROPOSAL_HELP):
        try:
            await context.local.take_proposal(proposal)
        except NodeErrorReceived as received:
            if not await _help_with_proposal(context, remote, proposal, received):
                return
        else:
            return


async def _help_with_proposal(
    context: ClientContext,
    remote: RemoteNode,
    proposal: BlockProposal,
    received: NodeErrorReceived,
) -> bool:
    error, chain_id = received.error, proposal.content.block.chain_id
    try:
        if isinstance(error, BlobsNotFound):
            missing = context.local.shared.missing_blobs(error.blob_ids)
            await _download_pending_blobs(context, remote, chain_id, missing)
        elif isinstance(error, EventsNotFound):
            await download_events(context, error.event_ids, (remote,))
        elif isinstance(error, MissingCrossChainUpdates):
            await _fetch_sender_blocks(context, remote, error)
        else:
            return False
    except (ProtocolError, LocalError):
        # The proposal stays unknown here; the validators that have it decide.
        return False
    return True


async def _fetch_sender_blocks(
    context: ClientContext, remote: RemoteNode, error: MissingCrossChainUpdates
) -> None:
    # The modules need each other: received messages come in blocks that are synchronized.
    from catenula.client.received import receive_bundle

    for origin, height in error.bundles:
        await receive_bundle(context, error.chain_id, remote, origin=origin, height=height)


async def _download_pending_blobs(
    context: ClientContext, remote: RemoteNode, chain_id: ChainId, blob_ids: Sequence[BlobId]
) -> None:
    blobs = []
    for blob_id in blob_ids:
        try:
            blobs.append(await context.downloads.pending_blob(remote, chain_id, blob_id))
        except NodeErrorReceived:
            await _fetch_creating_blocks(context, (blob_id,))
    await context.local.store_blobs(blobs)


# Committees


async def synchronize_admin_chain(context: ClientContext) -> None:
    """Learn of new and revoked committees."""
    await synchronize_chain(context, context.admin_chain_id, with_consensus=False)


async def catch_up_with_epoch(
    context: ClientContext, epoch: Epoch, sources: Sequence[RemoteNode]
) -> None:
    """Have the committee of ``epoch``: from nodes that know of it, else from a quorum."""
    admin = context.admin_chain_id

    async def follow(remote: RemoteNode) -> None:
        await synchronize_chain_from(context, admin, remote, with_consensus=False)
        if context.committees.judge(epoch) is Trust.FUTURE:
            raise LocalError(f"{remote.address} does not know epoch {epoch}", retryable=True)

    await context.local.info(admin)
    try:
        await hedged(
            sources,
            follow,
            hedging=context.certificate_hedging(),
            what=f"the committee of epoch {epoch}",
        )
    except DownloadFailed:
        await synchronize_admin_chain(context)
