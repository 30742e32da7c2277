"""Event streams: the next expected index and the last block (spec 05 §1.4; M10)."""

from collections.abc import Iterable

import pytest

from catenula.base.identifiers import ApplicationId, ChainId, CryptoHash, GenericApplicationId
from catenula.base.integers import U32, BlockHeight, Epoch, Timestamp
from catenula.chain.streams import EPOCH_STREAM, EventStreams, next_index
from catenula.protocol import Block, BlockBody, BlockHeader, Event, StreamId, StreamName
from catenula.storage.batch import Batch
from catenula.storage.memory import MemoryStore
from catenula.views.base import Context

STREAM = StreamId(GenericApplicationId.user(ApplicationId(bytes(32))), StreamName(b"news"))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore("memory:")


@pytest.fixture
def streams(store: MemoryStore) -> EventStreams:
    return load(store)


def load(store: MemoryStore) -> EventStreams:
    return EventStreams(Context(store.partition(b"chain")))


def block(height: int, stream: StreamId, indices: Iterable[int]) -> Block:
    events = tuple(Event(stream, U32(index), b"") for index in indices)
    header = BlockHeader(
        ChainId(bytes(32)),
        Epoch(0),
        BlockHeight(height),
        Timestamp(0),
        CryptoHash(bytes(32)),
        None,
        None,
    )
    return Block(header, BlockBody((), (), {}, {}, (), (events,), (), ()))


@pytest.mark.parametrize(
    ("expected", "indices", "following"),
    [(0, {0, 1, 2}, 3), (0, {1, 2}, 0), (2, {1, 2, 4}, 3), (5, {1}, 5)],
)
def test_indices_are_walked_without_a_gap(expected: int, indices: set[int], following: int) -> None:
    assert next_index(U32(expected), {U32(index) for index in indices}) == following


def test_the_stream_of_epochs_starts_at_one(streams: EventStreams) -> None:
    assert streams.include(block(0, EPOCH_STREAM, [1]), is_executed=True) == (EPOCH_STREAM,)
    assert streams.state(EPOCH_STREAM).next_expected_index == 2
    assert streams.include(block(0, STREAM, [1]), is_executed=True) == ()


def test_a_preprocessed_block_counts_but_is_not_the_previous_one(
    streams: EventStreams, store: MemoryStore
) -> None:
    first, second = block(0, STREAM, [0]), block(1, STREAM, [1])
    assert streams.include(second, is_executed=False) == ()
    assert streams.include(first, is_executed=False) == (STREAM,)
    assert streams.previous_event_block(STREAM) is None
    assert streams.include(first, is_executed=True) == ()
    assert streams.include(second, is_executed=True) == (STREAM,)
    batch = Batch()
    streams.save(batch)
    store.commit([(b"chain", batch)])
    again = load(store)
    assert again.previous_event_block(STREAM) == (second.hash, 1)
    assert again.state(STREAM).next_expected_index == 2


def test_rollback_forgets_a_block(streams: EventStreams) -> None:
    streams.include(block(0, STREAM, [0]), is_executed=True)
    streams.rollback()
    assert streams.state(STREAM).next_expected_index == 0
