"""Finding the messages that other chains sent to a chain (spec 07 §6.5).

Invariant kept: K6, a tracker advances only over the prefix of a validator's log that is handled.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId
from catenula.base.integers import U64, BlockHeight
from catenula.base.limits import (
    MAX_BLOCKS_WALKED_BACK,
    MAX_HEIGHTS_PER_SENDER,
    MAX_RECEIVED_LOG_ENTRIES,
)
from catenula.client.context import ClientContext
from catenula.client.errors import DownloadFailed, NoQuorum, UntrustedCertificate
from catenula.client.hedged import hedged
from catenula.client.processing import check_certificate, process_certificate, unexpected_block
from catenula.client.quorum import Counting, communicate_with_quorum
from catenula.client.remote_node import RemoteNode
from catenula.client.synchronize import sender_mode
from catenula.client.watcher import Span
from catenula.protocol import ChainAndHeight, ChainInfoQuery, ConfirmedBlockCertificate
from catenula.worker import ProcessMode

Logs = dict[RemoteNode, Sequence[ChainAndHeight]]
Wanted = dict[BlockHeight, list[RemoteNode]]


async def find_received_certificates(context: ClientContext, chain_id: ChainId) -> None:
    """Fetch every block with messages to the chain that some validator has delivered.

    Best effort: what could not be fetched is looked for again the next time.
    """
    trackers = _trackers(context, chain_id)
    logs = await _read_logs(context, chain_id, trackers)
    await _receive_logs(context, chain_id, logs, trackers)


async def receive_log_of(
    context: ClientContext, chain_id: ChainId, remote: RemoteNode, *, count: int
) -> None:
    """As `find_received_certificates`, from one validator that says its log has ``count`` entries.

    Asks it nothing when that many are handled already.
    """
    trackers = _trackers(context, chain_id)
    if count <= trackers.get(remote.public_key, 0):
        return
    log = await _read_log(remote, chain_id, trackers[remote.public_key])
    await _receive_logs(context, chain_id, {remote: log}, trackers)


async def _receive_logs(
    context: ClientContext,
    chain_id: ChainId,
    logs: Logs,
    trackers: Mapping[Secp256k1PublicKey, int],
) -> None:
    by_sender: dict[ChainId, Wanted] = {}
    for remote, log in logs.items():
        for entry in log:
            heights = by_sender.setdefault(entry.chain_id, {})
            heights.setdefault(entry.height, []).append(remote)
    limit = asyncio.Semaphore(context.options.max_joined_tasks)
    handled: set[tuple[ChainId, BlockHeight]] = set()
    total = sum(map(len, by_sender.values()))
    span = Span(context.watcher, ("received", chain_id), start=0, goal=total)

    async def receive(sender: ChainId, wanted: Wanted) -> None:
        async with limit:
            done = await _receive_from_sender(context, chain_id, sender, wanted)
            handled.update((sender, height) for height in done)
            span.reached(len(handled))

    await asyncio.gather(*(receive(sender, wanted) for sender, wanted in by_sender.items()))
    advanced = {
        remote.public_key: trackers[remote.public_key] + _handled_prefix(log, handled)
        for remote, log in logs.items()
    }
    stored = _trackers(context, chain_id)
    changed = {key: count for key, count in advanced.items() if count > stored.get(key, 0)}
    if changed:
        await context.local.update_received_trackers(chain_id, changed)
    await context.local.driver.settled()


def _trackers(context: ClientContext, chain_id: ChainId) -> dict[Secp256k1PublicKey, int]:
    stored = context.local.chain(chain_id).received_certificate_trackers
    return {remote.public_key: stored.get(remote.public_key) or 0 for remote in context.nodes()}


def _handled_prefix(
    log: Sequence[ChainAndHeight], handled: set[tuple[ChainId, BlockHeight]]
) -> int:
    for count, entry in enumerate(log):
        if (entry.chain_id, entry.height) not in handled:
            return count
    return len(log)


async def _read_logs(
    context: ClientContext, chain_id: ChainId, trackers: dict[Secp256k1PublicKey, int]
) -> Logs:
    """What each validator received since the last time; without a quorum, what could be read."""
    logs: Logs = {}

    async def read(remote: RemoteNode) -> bool:
        logs[remote] = await _read_log(remote, chain_id, trackers[remote.public_key])
        return True

    try:
        await communicate_with_quorum(
            context.nodes(),
            context.committees.current(),
            action=read,
            counting=Counting(bool),
            patience=context.patience,
        )
    except NoQuorum:
        # Messages of the validators that answered are taken in nevertheless.
        return logs
    return logs


async def _read_log(remote: RemoteNode, chain_id: ChainId, handled: int) -> list[ChainAndHeight]:
    """A validator's log after the first ``handled`` entries."""
    log: list[ChainAndHeight] = []
    while True:
        seen = U64(handled + len(log))
        query = ChainInfoQuery(chain_id, request_received_log_excluding_first_n=seen)
        info = await remote.chain_info(query)
        log.extend(info.requested_received_log)
        if len(info.requested_received_log) < MAX_RECEIVED_LOG_ENTRIES:
            return log


async def _receive_from_sender(
    context: ClientContext, chain_id: ChainId, sender: ChainId, wanted: Wanted
) -> set[BlockHeight]:
    """The heights of one sender that need not be asked for again."""
    local = context.local
    known = _next_height_from(context, chain_id, sender)
    handled = {height for height in wanted if height < known}
    missing = {height: remotes for height, remotes in wanted.items() if height >= known}
    if not missing:
        await _deliver_again(context, chain_id, sender)
        return handled
    stored = [local.certificate_at(sender, height) for height in sorted(missing)]
    at_hand = [certificate for certificate in stored if certificate is not None]
    handled |= await _receive(context, at_hand, context.nodes())
    missing = {height: nodes for height, nodes in missing.items() if height not in handled}
    candidates = sorted({node for nodes in missing.values() for node in nodes}, key=_by_key)
    while missing and candidates:
        heights, nodes = _next_request(missing, candidates)
        try:
            batch = await _download(context, sender, heights, nodes)
        except DownloadFailed:
            candidates = [node for node in candidates if node not in nodes]
            continue
        done = await _receive(context, batch, nodes)
        handled |= done
        if not done:
            break
        missing = {height: nodes for height, nodes in missing.items() if height not in done}
        candidates = [
            node for node in candidates if any(node in nodes for nodes in missing.values())
        ]
    return handled


async def _download(
    context: ClientContext,
    sender: ChainId,
    heights: Sequence[BlockHeight],
    nodes: Sequence[RemoteNode],
) -> list[ConfirmedBlockCertificate]:
    return await hedged(
        nodes,
        lambda remote: context.downloads.certificates_by_heights(remote, sender, heights),
        hedging=context.certificate_hedging(),
        what=f"blocks of the sender {sender}",
    )


async def _deliver_again(context: ClientContext, chain_id: ChainId, sender: ChainId) -> None:
    """Messages that are here may have been cut off from their inbox by a crash."""
    queued = context.local.chain(sender).outboxes.queue(chain_id)
    if not queued:
        return
    certificate = context.local.certificate_at(sender, queued[-1])
    if certificate is not None:
        await context.local.confirm(certificate, ProcessMode.PREPROCESS)


def _by_key(remote: RemoteNode) -> bytes:
    return remote.public_key


def _next_request(
    missing: Wanted, candidates: Sequence[RemoteNode]
) -> tuple[list[BlockHeight], list[RemoteNode]]:
    """The lowest heights that one candidate lists, and all candidates that list them too."""
    lowest = min(missing)
    able = [node for node in candidates if node in missing[lowest]] or list(candidates[:1])
    first = able[0]
    heights = [height for height in sorted(missing) if first in missing[height]]
    part = heights[:MAX_HEIGHTS_PER_SENDER]
    nodes = [node for node in able if all(node in missing[height] for height in part)]
    return part, nodes or [first]


def _next_height_from(context: ClientContext, chain_id: ChainId, sender: ChainId) -> BlockHeight:
    """The lowest height of a sender's block whose messages to the chain may be unknown here."""
    chain = context.local.chain(sender)
    scheduled = chain.outboxes.recipient(chain_id).next_height_to_schedule
    return max(chain.next_block_height, scheduled)


async def _receive(
    context: ClientContext,
    certificates: Iterable[ConfirmedBlockCertificate],
    sources: Sequence[RemoteNode],
) -> set[BlockHeight]:
    """Process sender blocks in order; the heights that are done with.

    Blocks of untrusted epochs are dropped for good, others that fail are left for another time.
    """
    done: set[BlockHeight] = set()
    for certificate in sorted(certificates, key=lambda item: item.block.height):
        mode = sender_mode(context, certificate.chain_id)
        try:
            await process_certificate(context, certificate, mode=mode, sources=sources)
        except UntrustedCertificate:
            done.add(certificate.block.height)
        except (ProtocolError, LocalError):
            # Not handled: its place in the log keeps the tracker from passing it.
            break
        else:
            done.add(certificate.block.height)
    return done


async def receive_bundle(
    context: ClientContext,
    chain_id: ChainId,
    remote: RemoteNode,
    *,
    origin: ChainId,
    height: BlockHeight,
) -> bool:
    """Fetch the block behind a notification, and the earlier ones with messages to the chain.

    Walks back from the announced block to what is known here; whether anything was new. Raises when
    the node cannot prove what it announced.
    """
    found = await _walk_back(context, chain_id, remote, origin=origin, height=height)
    is_new = False
    async with context.synchronizing.lock(origin):
        for certificate in reversed(found):
            # Several validators announce the same block; the first one's answer serves all.
            if certificate.block.height >= _next_height_from(context, chain_id, origin):
                mode = sender_mode(context, origin)
                await process_certificate(context, certificate, mode=mode, sources=(remote,))
                is_new = True
    await context.local.driver.settled()
    return is_new


async def _walk_back(
    context: ClientContext,
    chain_id: ChainId,
    remote: RemoteNode,
    *,
    origin: ChainId,
    height: BlockHeight,
) -> list[ConfirmedBlockCertificate]:
    """The blocks with messages to the chain from ``height`` down to what is known, newest first."""
    known = _next_height_from(context, chain_id, origin)
    found: list[ConfirmedBlockCertificate] = []
    next_height: BlockHeight | None = height
    for _ in range(MAX_BLOCKS_WALKED_BACK):
        if next_height is None or next_height < known:
            break
        certificate = context.local.certificate_at(origin, next_height)
        if certificate is None:
            (certificate,) = await context.downloads.certificates_by_heights(
                remote, origin, (next_height,)
            )
            await check_certificate(context, certificate, (remote,))
        previous = certificate.block.body.previous_message_blocks.get(chain_id)
        found.append(certificate)
        if previous is not None and previous[1] >= next_height:
            raise unexpected_block(remote, origin, next_height)
        next_height = None if previous is None else previous[1]
    return found
