"""Giving certificates to the local node, and fetching what it lacks for them (spec 07 §6.3, §6.6).

Every certificate is checked against a trusted committee before the local node sees it (K1).
"""

from collections.abc import Iterable, Sequence
from functools import partial

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import BlockHeight
from catenula.base.limits import MAX_BLOCKS_WALKED_BACK, MAX_PROCESSING_HELP
from catenula.client.context import ClientContext
from catenula.client.errors import DownloadFailed, Explanation, UntrustedCertificate
from catenula.client.hedged import hedged
from catenula.client.remote_node import RemoteNode
from catenula.client.trust import Trust
from catenula.protocol import (
    BlobContent,
    BlobId,
    ConfirmedBlockCertificate,
    EventId,
    NodeErrorReceived,
    StreamId,
)
from catenula.protocol.node_error import BlobsNotFound, EventsNotFound
from catenula.worker import ProcessMode


async def process_certificate(
    context: ClientContext,
    certificate: ConfirmedBlockCertificate,
    *,
    mode: ProcessMode,
    sources: Sequence[RemoteNode],
) -> None:
    """Check a certificate and process it locally, fetching missing blobs and events.

    A block that is executed may be of a revoked epoch: chains are synchronized from their start.
    Raises `UntrustedCertificate`, `DownloadFailed`, `NodeErrorReceived` of the local node.
    """
    accepts_revoked = mode is ProcessMode.EXECUTE
    await check_certificate(context, certificate, sources, accepts_revoked=accepts_revoked)
    await fetch_missing_blobs(context, certificate, sources)
    fetched: set[BlobId | EventId] = set()
    for _ in range(MAX_PROCESSING_HELP):
        try:
            await context.local.confirm(certificate, mode)
        except NodeErrorReceived as received:
            if not await fetch_missing(context, received, fetched=fetched, sources=sources):
                raise
        else:
            return
    raise DownloadFailed(
        Explanation(
            "A block needs more and more data that this client does not have",
            chain_id=certificate.chain_id,
            height=certificate.block.height,
            next_step="synchronize the chain again",
        )
    )


async def check_certificate(
    context: ClientContext,
    certificate: ConfirmedBlockCertificate,
    sources: Sequence[RemoteNode],
    *,
    accepts_revoked: bool = False,
) -> None:
    """Raise `UntrustedCertificate` unless a trusted committee signed it.

    ``accepts_revoked`` is for blocks of the past. A certificate of a future epoch first makes the
    admin chain catch up (spec 07 §2).
    """
    is_future = context.committees.judge(certificate.block.epoch) is Trust.FUTURE
    if is_future and certificate.chain_id != context.admin_chain_id:
        # The modules need each other: synchronizing the admin chain processes certificates.
        from catenula.client.synchronize import catch_up_with_epoch

        await catch_up_with_epoch(context, certificate.block.epoch, sources)
    context.committees.check(certificate, accepts_revoked=accepts_revoked)


async def fetch_missing(
    context: ClientContext,
    received: NodeErrorReceived,
    *,
    fetched: set[BlobId | EventId],
    sources: Sequence[RemoteNode],
) -> bool:
    """Fetch what an error of the local node names and was not ``fetched`` yet; whether anything."""
    error = received.error
    if isinstance(error, BlobsNotFound):
        new_blobs = [blob_id for blob_id in error.blob_ids if blob_id not in fetched]
        fetched.update(new_blobs)
        await download_blobs(context, new_blobs, sources)
        return bool(new_blobs)
    if isinstance(error, EventsNotFound):
        new_events = [event_id for event_id in error.event_ids if event_id not in fetched]
        fetched.update(new_events)
        await download_events(context, new_events, sources)
        return bool(new_events)
    return False


# Blobs


async def fetch_missing_blobs(
    context: ClientContext, certificate: ConfirmedBlockCertificate, sources: Sequence[RemoteNode]
) -> None:
    """Have all blobs a block requires and does not create itself."""
    block = certificate.block
    created = block.created_blobs
    required = [blob_id for blob_id in block.required_blob_ids if blob_id not in created]
    await download_blobs(context, context.local.shared.missing_blobs(required), sources)


async def download_blobs(
    context: ClientContext, blob_ids: Iterable[BlobId], sources: Sequence[RemoteNode]
) -> None:
    """Download blobs from whoever has them and store them; raises `DownloadFailed`."""
    hedging = context.blob_hedging()

    async def download(blob_id: BlobId) -> BlobContent:
        return await hedged(
            sources,
            lambda remote: context.downloads.blob(remote, blob_id),
            hedging=hedging,
            what=f"the blob {blob_id}",
        )

    blobs = [await download(blob_id) for blob_id in blob_ids]
    if blobs:
        await context.local.store_blobs(blobs)


# Events


async def download_events(
    context: ClientContext, event_ids: Iterable[EventId], sources: Sequence[RemoteNode]
) -> None:
    """Have these events in the local store; raises `DownloadFailed`."""
    wanted: dict[ChainId, dict[StreamId, int]] = {}
    for event_id in event_ids:
        streams = wanted.setdefault(event_id.chain_id, {})
        streams[event_id.stream_id] = max(event_id.index, streams.get(event_id.stream_id, 0))
    for publisher in sorted(wanted):
        await hedged(
            sources,
            partial(_fetch_events, context, publisher, wanted[publisher]),
            hedging=context.certificate_hedging(),
            what=f"the events of chain {publisher}",
        )


async def _fetch_events(
    context: ClientContext, publisher: ChainId, indices: dict[StreamId, int], remote: RemoteNode
) -> None:
    await synchronize_streams_from(context, remote, publisher, streams=tuple(indices))
    streams = context.local.chain(publisher).streams
    for stream, index in indices.items():
        if streams.state(stream).next_expected_index <= index:
            raise LocalError(
                f"{remote.address} does not have event {index} of {stream} on chain {publisher}",
                retryable=True,
            )


async def synchronize_streams_from(
    context: ClientContext, remote: RemoteNode, publisher: ChainId, *, streams: Sequence[StreamId]
) -> None:
    """Fetch the blocks of another chain that published on some streams, without executing it."""
    limit = context.options.max_event_stream_queries
    found: dict[BlockHeight, ConfirmedBlockCertificate] = {}
    for start in range(0, len(streams), limit):
        part = streams[start : start + limit]
        latest = await remote.previous_event_blocks(publisher, part)
        for stream, (height, block_hash) in latest.items():
            await _walk_back(context, remote, (publisher, stream), (height, block_hash), found)
    for height in sorted(found):
        await process_certificate(
            context, found[height], mode=ProcessMode.PREPROCESS, sources=(remote,)
        )


async def _walk_back(
    context: ClientContext,
    remote: RemoteNode,
    stream: tuple[ChainId, StreamId],
    latest: tuple[BlockHeight, CryptoHash],
    found: dict[BlockHeight, ConfirmedBlockCertificate],
) -> None:
    """Collect the blocks on a stream that are not known here, newest first."""
    publisher, stream_id = stream
    next_wanted: tuple[BlockHeight, CryptoHash] | None = latest
    for _ in range(MAX_BLOCKS_WALKED_BACK):
        if next_wanted is None or _has_block(context, publisher, next_wanted[0]):
            return
        height, block_hash = next_wanted
        certificate = found.get(height)
        if certificate is None:
            certificate = await remote.certificate(block_hash)
            await check_certificate(context, certificate, (remote,))
            found[certificate.block.height] = certificate
        block = certificate.block
        if block.chain_id != publisher or block.height != height:
            raise unexpected_block(remote, publisher, height)
        previous = block.body.previous_event_blocks.get(stream_id)
        next_wanted = None if previous is None else (previous[1], previous[0])


def _has_block(context: ClientContext, chain_id: ChainId, height: BlockHeight) -> bool:
    chain = context.local.chain(chain_id)
    return height < chain.next_block_height or chain.hash_at(height) is not None


def unexpected_block(remote: RemoteNode, chain_id: ChainId, height: BlockHeight) -> ProtocolError:
    """The error of a node that sent another block than it announced."""
    return UntrustedCertificate(
        Explanation(
            f"The validator {remote.address} sent another block than it announced",
            chain_id=chain_id,
            height=height,
            next_step="nothing was changed; another validator is asked",
        )
    )
