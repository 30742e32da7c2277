"""At which height an event was published (spec 06 §2.7).

The store has no such index: the blocks of a stream are followed backwards, from the last one that
published on it. What is passed on the way is remembered.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from catenula.base.errors import ProtocolError
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import BlockHeight
from catenula.base.limits import (
    MAX_BLOCKS_WALKED_FOR_EVENTS,
    MAX_CACHED_EVENT_HEIGHTS,
    MAX_EVENTS_PER_REQUEST,
)
from catenula.protocol import EventId, StreamId
from catenula.storage.bounded_cache import BoundedCache
from catenula.storage.shared import SharedStore

LastBlocks = Callable[
    [ChainId, Sequence[StreamId]], Awaitable[Mapping[StreamId, tuple[BlockHeight, CryptoHash]]]
]
_BLOCKS_PER_TURN = 32
"""So many blocks are read before other requests get their turn."""


class EventHeights:
    """Finds and remembers the heights of events; events never move."""

    def __init__(self, shared: SharedStore) -> None:
        self._shared = shared
        self._known: BoundedCache[EventId, BlockHeight] = BoundedCache(
            MAX_CACHED_EVENT_HEIGHTS, MAX_CACHED_EVENT_HEIGHTS
        )

    async def find(
        self, event_ids: Sequence[EventId], last_blocks: LastBlocks
    ) -> list[BlockHeight | None]:
        """One answer per event, in order; none for events that are not known or too long ago."""
        found: list[BlockHeight | None] = []
        for event_id in event_ids[:MAX_EVENTS_PER_REQUEST]:
            height = self._known.get(event_id)
            if height is None and self._shared.has_event(event_id):
                height = await self._walk(event_id, last_blocks)
            found.append(height)
        return found + [None] * (len(event_ids) - len(found))

    async def _walk(self, wanted: EventId, last_blocks: LastBlocks) -> BlockHeight | None:
        stream = wanted.stream_id
        try:
            last = await last_blocks(wanted.chain_id, (stream,))
        except ProtocolError:  # A chain that is not active here has executed no block.
            return None
        block_hash = last[stream][1] if stream in last else None
        for step in range(MAX_BLOCKS_WALKED_FOR_EVENTS):
            certificate = None if block_hash is None else self._shared.certificate(block_hash)
            if certificate is None:
                return None
            block = certificate.block
            for event in (event for events in block.body.events for event in events):
                self._known.add(event.id(block.chain_id), block.height, 1)
            found = self._known.get(wanted)
            if found is not None:
                return found
            previous = block.body.previous_event_blocks.get(stream)
            block_hash = None if previous is None else previous[0]
            if step % _BLOCKS_PER_TURN == _BLOCKS_PER_TURN - 1:
                await asyncio.sleep(0)
        return None
