"""Event streams of a chain: the last block on each, and how far each is known without a gap.

Spec 05 §1.4. The last executed block on a stream is part of the outcome of later blocks; the next
expected index counts executed and preprocessed blocks and decides which streams are announced.
"""

from catenula.base.codec import Record, codec_of
from catenula.base.integers import U32
from catenula.chain.outbox import HashAndHeight
from catenula.protocol import EPOCH_STREAM_NAME, Block, StreamId
from catenula.storage.batch import Batch
from catenula.views.base import Context
from catenula.views.map import MapView

EPOCH_STREAM = StreamId.system(EPOCH_STREAM_NAME)


class StreamState(Record, frozen=True):
    """What this chain knows about one of its streams."""

    previous_block: HashAndHeight | None = None
    """The last executed block with an event on the stream."""
    next_expected_index: U32 = U32(0)
    """All events below it are in blocks known here."""


_NEW_STREAM = StreamState()
_NEW_EPOCH_STREAM = StreamState(next_expected_index=U32(1))
"""Epoch 0 is genesis, so the stream of epochs starts at 1."""


class EventStreams:
    """All streams of a chain, by stream id."""

    def __init__(self, context: Context) -> None:
        self._states: MapView[StreamId, StreamState] = MapView(
            context, codec_of(StreamId), codec_of(StreamState)
        )

    def state(self, stream: StreamId) -> StreamState:
        """What is known about ``stream``."""
        found = self._states.get(stream)
        if found is not None:
            return found
        return _NEW_EPOCH_STREAM if stream == EPOCH_STREAM else _NEW_STREAM

    def all(self) -> dict[StreamId, StreamState]:
        """Every stream with an event, ascending."""
        return dict(self._states.items())

    def previous_event_block(self, stream: StreamId) -> HashAndHeight | None:
        """The last executed block with an event on ``stream``."""
        return self.state(stream).previous_block

    def include(self, block: Block, *, is_executed: bool) -> tuple[StreamId, ...]:
        """Take the events of a block into account; the streams that advanced, ascending."""
        indices: dict[StreamId, set[U32]] = {}
        for events in block.body.events:
            for event in events:
                indices.setdefault(event.stream_id, set()).add(event.index)
        updated = []
        for stream in sorted(indices):
            state = self.state(stream)
            following = next_index(state.next_expected_index, indices[stream])
            if following != state.next_expected_index:
                updated.append(stream)
            previous = state.previous_block
            if is_executed:
                previous = (block.hash, block.header.height)
            advanced = StreamState(previous, following)
            if advanced != state:
                self._states.insert(stream, advanced)
        return tuple(updated)

    def save(self, batch: Batch) -> None:
        """Append the writes of all changed streams."""
        self._states.save(batch)

    def rollback(self) -> None:
        """Forget all changes since the last save."""
        self._states.rollback()

    def clear(self) -> None:
        """Remove all streams."""
        self._states.clear()


def next_index(expected: U32, indices: set[U32]) -> U32:
    """The index expected after ``indices``, walked in increasing order without a gap."""
    for index in sorted(indices):
        if index == expected:
            expected = U32(index + 1)
    return expected
