"""Event streams and subscriptions (spec 02 §11)."""

import pytest

from catenula.base.identifiers import ApplicationId
from catenula.base.integers import U32
from catenula.execution.applications import StreamUpdate
from catenula.execution.errors import EventsNotFound, ExecutionError
from catenula.execution.runtime import ContractRuntime
from catenula.protocol import (
    EventId,
    OracleEvent,
    OracleEventExists,
    StreamId,
    StreamName,
    UpdateStreams,
    UserOperation,
)
from catenula.storage import Batch
from catenula.testing.execution_world import Chain, World
from tests.execution.scripted import install, scripted

NAME = StreamName(b"news")


class Feed:
    """An application that emits on one chain and follows on another; keeps what it was given."""

    def __init__(self, world: World, publisher: Chain, follower: Chain) -> None:
        self.publisher, self.follower = publisher, follower
        self.updates: list[tuple[StreamUpdate, ...]] = []
        self.app: ApplicationId = install(
            world,
            publisher,
            "feed",
            scripted(operation=self._operate, streams=self._process),
        )
        self.stream = (publisher.chain_id, StreamId.user(self.app, NAME))

    def _operate(self, runtime: ContractRuntime, operation: bytes) -> bytes:
        command, _, argument = operation.partition(b" ")
        if command == b"emit":
            return bytes((runtime.emit(NAME, argument),))
        if command == b"follow":
            runtime.subscribe_to_events(self.publisher.chain_id, self.app, NAME)
        elif command == b"leave":
            runtime.unsubscribe_from_events(self.publisher.chain_id, self.app, NAME)
        elif command == b"read":
            return runtime.read_event(self.publisher.chain_id, NAME, int(argument))
        return command

    def _process(self, runtime: ContractRuntime, updates: tuple[StreamUpdate, ...]) -> None:
        assert runtime.authenticated_signer() is None
        self.updates.append(updates)

    def op(self, command: bytes) -> UserOperation:
        return UserOperation(self.app, command)

    def update(self, next_index: int) -> UpdateStreams:
        return UpdateStreams(((*self.stream, U32(next_index)),))

    def entry(self) -> tuple[int, tuple[ApplicationId, ...]] | None:
        found = self.follower.state.system.event_subscriptions.get(self.stream)
        return None if found is None else (found.next_index, found.applications)


@pytest.fixture
def feed(world: World, alice: Chain, bob: Chain) -> Feed:
    return Feed(world, alice, bob)


def test_events_are_numbered_per_stream_over_blocks(feed: Feed, alice: Chain) -> None:
    """Invariant E6."""
    executed = alice.execute(feed.op(b"emit a"), feed.op(b"emit b"))
    assert [events[0].index for events in executed.events] == [0, 1]
    assert alice.execute(feed.op(b"emit c")).operation_results == (b"\x02",)
    assert alice.state.stream_event_counts.get(feed.stream[1]) == 3


def test_stream_names_are_limited(world: World, alice: Chain) -> None:
    app = install(
        world,
        alice,
        "loud",
        scripted(operation=lambda runtime, name: runtime.emit(name, b"") and b""),
    )
    alice.execute(UserOperation(app, b"x" * 64))
    with pytest.raises(ExecutionError, match="StreamNameTooLong"):
        alice.try_run(alice.propose(UserOperation(app, b"x" * 65)))


def test_a_first_subscription_has_nothing_to_process(feed: Feed, bob: Chain) -> None:
    executed = bob.execute(feed.op(b"follow"))
    assert executed.operation_results == (b"follow",)
    assert feed.entry() == (0, (feed.app,))
    assert feed.updates == []


def test_an_update_runs_the_subscribers_and_records_that_the_event_exists(
    feed: Feed, alice: Chain, bob: Chain
) -> None:
    bob.execute(feed.op(b"follow"))
    alice.execute(feed.op(b"emit a"), feed.op(b"emit b"))
    executed = bob.execute(feed.update(2))
    assert executed.oracle_responses == ((OracleEventExists(EventId(*feed.stream, U32(1))),),)
    assert feed.updates[-1] == (StreamUpdate(*feed.stream, 0, 2),)
    assert feed.entry() == (2, (feed.app,))
    with pytest.raises(ExecutionError, match="OutdatedUpdateStreams"):
        bob.try_run(bob.propose(feed.update(2)))


def test_an_update_of_events_not_known_here_names_them_all(feed: Feed, bob: Chain) -> None:
    operation = UpdateStreams(((*feed.stream, U32(3)), (*feed.stream, U32(5))))
    with pytest.raises(EventsNotFound) as refusal:
        bob.try_run(bob.propose(operation))
    assert [event_id.index for event_id in refusal.value.event_ids] == [2, 4]


def test_an_update_without_subscriber_creates_an_entry(
    feed: Feed, alice: Chain, bob: Chain
) -> None:
    alice.execute(feed.op(b"emit a"))
    bob.execute(feed.update(1))
    assert feed.entry() == (1, ())
    assert feed.updates == []


def test_a_late_subscriber_processes_what_the_chain_knows_and_the_result_is_emptied(
    feed: Feed, alice: Chain, bob: Chain
) -> None:
    alice.execute(feed.op(b"emit a"))
    bob.execute(feed.update(1))
    executed = bob.execute(feed.op(b"follow"))
    assert executed.operation_results == (b"",)
    assert feed.updates[-1] == (StreamUpdate(*feed.stream, 0, 1),)


def test_leaving_removes_the_entry_with_its_index(feed: Feed, alice: Chain, bob: Chain) -> None:
    alice.execute(feed.op(b"emit a"))
    bob.execute(feed.update(1), feed.op(b"follow"), feed.op(b"leave"))
    assert feed.entry() is None
    bob.execute(feed.op(b"leave"))
    assert feed.entry() is None


def test_reading_an_event_records_it(feed: Feed, alice: Chain, bob: Chain) -> None:
    alice.execute(feed.op(b"emit hello"))
    executed = bob.execute(feed.op(b"read 0"))
    assert executed.operation_results == (b"hello",)
    assert executed.oracle_responses[0][-1] == OracleEvent(EventId(*feed.stream, U32(0)), b"hello")
    with pytest.raises(EventsNotFound):
        bob.try_run(bob.propose(feed.op(b"read 1")))


def test_streams_subscribed_while_processing_are_processed_once(
    world: World, alice: Chain, bob: Chain
) -> None:
    seen: list[tuple[StreamUpdate, ...]] = []

    def operate(runtime: ContractRuntime, operation: bytes) -> None:
        if operation == b"emit":
            runtime.emit(b"one", b"")
            runtime.emit(b"two", b"")
        else:
            runtime.subscribe_to_events(alice.chain_id, app, b"one")

    def process(runtime: ContractRuntime, updates: tuple[StreamUpdate, ...]) -> None:
        seen.append(updates)
        runtime.subscribe_to_events(alice.chain_id, app, b"two")
        batch = Batch()
        batch.put(b"done", b"")
        runtime.write_batch(batch)

    app = install(world, alice, "greedy", scripted(operation=operate, streams=process))
    streams = [StreamId.user(app, StreamName(name)) for name in (b"one", b"two")]
    alice.execute(UserOperation(app, b"emit"))
    known = UpdateStreams(tuple((alice.chain_id, stream, U32(1)) for stream in streams))
    bob.execute(known)
    seen.clear()
    bob.try_run(bob.propose(UserOperation(app, b"follow")))
    assert [update.stream_id for updates in seen for update in updates] == streams


def test_scheduled_updates_are_given_ordered_and_merged(
    world: World, alice: Chain, bob: Chain
) -> None:
    seen: list[tuple[StreamUpdate, ...]] = []
    names = (b"b", b"a", b"aa")

    def operate(runtime: ContractRuntime, operation: bytes) -> None:
        for name in names:
            if operation == b"emit":
                runtime.emit(name, b"")
            else:
                runtime.subscribe_to_events(alice.chain_id, app, name)

    app = install(
        world,
        alice,
        "many",
        scripted(operation=operate, streams=lambda runtime, updates: seen.append(updates)),
    )
    alice.execute(UserOperation(app, b"emit"), UserOperation(app, b"emit"))
    bob.execute(UserOperation(app, b"follow"))
    steps = [
        (alice.chain_id, StreamId.user(app, StreamName(name)), U32(index))
        for name in names
        for index in (1, 2)
    ]
    bob.try_run(bob.propose(UpdateStreams(tuple(steps))))
    (updates,) = seen
    assert [update.stream_id.stream_name for update in updates] == [b"a", b"aa", b"b"]
    assert {(update.previous_index, update.next_index) for update in updates} == {(0, 2)}


def test_a_stream_that_ran_out_of_indices_is_an_arithmetic_error(feed: Feed, alice: Chain) -> None:
    alice.state.stream_event_counts.insert(feed.stream[1], U32(2**32 - 1))
    alice.save()
    with pytest.raises(ExecutionError, match="ArithmeticError") as refusal:
        alice.try_run(alice.propose(feed.op(b"emit a")))
    assert str(refusal.value.context) == "Operation(0)"
