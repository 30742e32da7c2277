"""Event streams: emitting, subscribing and keeping up with them (spec 02 §11).

An entry of ``event_subscriptions`` may have no subscriber; the index of the next event of a
stream is part of the state of the chain that emits it.
"""

from typing import TYPE_CHECKING

from catenula.base.errors import ArithmeticOverflow
from catenula.base.identifiers import ApplicationId
from catenula.base.integers import U32, U32_MAX
from catenula.execution.errors import EventsNotFound, ExecutionError, runtime_error
from catenula.execution.executor import Executor
from catenula.execution.tracker import StreamKey
from catenula.protocol import (
    Event,
    EventId,
    OracleEventExists,
    OracleResponse,
    StreamId,
    StreamName,
    UpdateStreams,
)

if TYPE_CHECKING:
    from catenula.execution.state import EventSubscriptions

MAXIMUM_STREAM_NAME_BYTES = 64


def stream_of(application_id: ApplicationId, name: bytes) -> StreamId:
    """A stream of an application, or ``StreamNameTooLong``."""
    if len(name) > MAXIMUM_STREAM_NAME_BYTES:
        raise runtime_error("StreamNameTooLong", length=len(name))
    return StreamId.user(application_id, StreamName(name))


def emit(executor: Executor, stream_id: StreamId, value: bytes) -> int:
    """Append an event to a stream of this chain; returns its index."""
    counts = executor.state.stream_event_counts
    index = counts.get(stream_id) or 0
    if index >= U32_MAX:
        raise ArithmeticOverflow("add", index=index)
    counts.insert(stream_id, U32(index + 1))
    executor.tracker.events.append(Event(stream_id, U32(index), value))
    return index


def subscribe(executor: Executor, subscriber: ApplicationId, stream: StreamKey) -> None:
    """Add a subscriber; a new one is scheduled for all events the chain already knows of."""
    entry = executor.system.event_subscriptions.touch_or_default(stream)
    if subscriber in entry.applications:
        return
    applications = tuple(sorted((*entry.applications, subscriber)))
    executor.system.event_subscriptions.insert(stream, entry.replace(applications=applications))
    executor.tracker.schedule_stream(subscriber, stream, (0, entry.next_index))


def unsubscribe(executor: Executor, subscriber: ApplicationId, stream: StreamKey) -> None:
    """Remove a subscriber, and the entry with the last one.

    The scheduled update that is cancelled is the one of the application that owns the stream, as
    in the reference.
    """
    subscriptions = executor.system.event_subscriptions
    entry = subscriptions.touch_or_default(stream)
    applications = tuple(other for other in entry.applications if other != subscriber)
    if applications:
        subscriptions.insert(stream, entry.replace(applications=applications))
    else:
        subscriptions.remove(stream)
    owner = stream[1].application_id.application_id
    if owner is not None:
        executor.tracker.cancel_stream(owner, stream)


def update_streams(executor: Executor, operation: UpdateStreams) -> None:
    """The ``UpdateStreams`` operation: schedule every subscriber for the new events."""
    missing: list[EventId] = []
    for chain_id, stream_id, next_index in operation.updates:
        _update_stream(executor, (chain_id, stream_id), next_index)
        _require_event(executor, EventId(chain_id, stream_id, U32(next_index - 1)), missing)
    if missing:
        raise EventsNotFound(missing)


def _update_stream(executor: Executor, stream: StreamKey, next_index: U32) -> None:
    subscriptions = executor.system.event_subscriptions
    entry: EventSubscriptions = subscriptions.touch_or_default(stream)
    if entry.next_index >= next_index:
        raise ExecutionError("OutdatedUpdateStreams", next_index=entry.next_index)
    for application_id in entry.applications:
        executor.tracker.schedule_stream(application_id, stream, (entry.next_index, next_index))
    subscriptions.insert(stream, entry.replace(next_index=next_index))


def _require_event(executor: Executor, event_id: EventId, missing: list[EventId]) -> None:
    def look() -> OracleResponse:
        if not executor.environment.has_event(event_id):
            missing.append(event_id)
        return OracleEventExists(event_id)

    executor.tracker.oracle(look)
