"""Epochs and subscribed event streams that a chain's next block follows (spec 07 §6.6, §7.3)."""

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId
from catenula.base.integers import U32, Epoch
from catenula.chain.chain_state import ChainState
from catenula.client.context import ClientContext
from catenula.client.errors import NoQuorum
from catenula.client.processing import synchronize_streams_from
from catenula.client.quorum import Counting, communicate_with_quorum
from catenula.client.remote_node import RemoteNode
from catenula.client.session import ChainSession
from catenula.client.synchronize import synchronize_admin_chain
from catenula.protocol import (
    Operation,
    ProcessNewEpoch,
    ProcessRemovedEpoch,
    StreamId,
    UpdateStreams,
    epoch_event_id,
    removed_epoch_event_id,
)


def epoch_operations(context: ClientContext, chain: ChainState) -> list[Operation]:
    """Follow the admin chain into new epochs and out of removed ones, as far as known here."""
    admin, local = context.admin_chain_id, context.local
    if chain.chain_id == admin:
        return []
    found: list[Operation] = []
    epoch = chain.epoch + 1
    while local.has_event(epoch_event_id(admin, epoch)):
        found.append(ProcessNewEpoch(Epoch(epoch)))
        epoch += 1
    for number in sorted(chain.execution.system.committees.get()):
        is_last = number >= epoch - 1
        if is_last or not local.has_event(removed_epoch_event_id(admin, number)):
            break
        found.append(ProcessRemovedEpoch(Epoch(number)))
    return found


def stream_updates(
    context: ClientContext, chain: ChainState, session: ChainSession
) -> list[Operation]:
    """One operation that takes in new events of the subscribed streams, up to the limit."""
    left = context.options.max_new_events_per_block
    updates: list[tuple[ChainId, StreamId, U32]] = []
    for (publisher, stream), state in chain.execution.system.event_subscriptions.items():
        if not left:
            break
        if not _is_followed(context, session, publisher, stream):
            continue
        expected = context.local.chain(publisher).streams.state(stream).next_expected_index
        following = min(expected, state.next_index + left)
        if following > state.next_index:
            left -= following - state.next_index
            updates.append((publisher, stream, U32(following)))
    return [UpdateStreams(tuple(updates))] if updates else []


def _is_followed(
    context: ClientContext, session: ChainSession, publisher: ChainId, stream: StreamId
) -> bool:
    if publisher == context.admin_chain_id:
        return True
    return session.policy.follows(publisher, stream.application_id)


async def synchronize_publishers(context: ClientContext, session: ChainSession) -> None:
    """Learn of new epochs, and of new events on the streams the chain is subscribed to."""
    if session.chain_id != context.admin_chain_id:
        await synchronize_admin_chain(context)
    chain = context.local.chain(session.chain_id)
    by_publisher: dict[ChainId, list[StreamId]] = {}
    for publisher, stream in chain.execution.system.event_subscriptions.keys():  # noqa: SIM118  # A view.
        is_admin = publisher == context.admin_chain_id
        if not is_admin and _is_followed(context, session, publisher, stream):
            by_publisher.setdefault(publisher, []).append(stream)
    for publisher, streams in by_publisher.items():
        await _synchronize_streams(context, publisher, streams)


async def _synchronize_streams(
    context: ClientContext, publisher: ChainId, streams: list[StreamId]
) -> None:
    async def follow(remote: RemoteNode) -> bool:
        await synchronize_streams_from(context, remote, publisher, streams=streams)
        return True

    try:
        await communicate_with_quorum(
            context.nodes(),
            context.committees.current(),
            action=follow,
            counting=Counting(bool),
            patience=context.patience,
        )
    except (NoQuorum, ProtocolError, LocalError):
        # Best effort: events that are missing now are taken in by a later block.
        return
