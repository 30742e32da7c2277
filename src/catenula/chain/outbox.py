"""Outboxes: which of this chain's blocks each recipient has not confirmed yet (spec 05 §3).

Only heights are queued; bundles are derived again from the certified blocks. A queued height is one
empty entry, so a block writes one entry per recipient and a confirmation removes it. Entries of
*tracked* targets lie apart from the others: they are what is sent, and the only ones kept in
memory, where the number of targets per height is counted (M8 holds by construction).
A recipient's record also says which executed block last sent it something; that is part of the
outcome of later blocks and never pruned.
"""

from collections.abc import Callable, Collection
from typing import Any

from catenula.base.codec import Record, codec_of
from catenula.base.hashing import sha3_256
from catenula.base.identifiers import HASH_BYTES, ChainId, CryptoHash
from catenula.base.integers import BlockHeight, checked_add
from catenula.chain.cells import Cell, StagedIndex
from catenula.chain.errors import CorruptedChainState
from catenula.protocol import Block
from catenula.storage.batch import Batch
from catenula.views.base import Context
from catenula.views.map import MapView

HashAndHeight = tuple[CryptoHash, BlockHeight]
TrackedTargets = Collection[ChainId] | None
"""The targets that are sent to: None means all (validators), a set means a client's chains."""

_TRACKED = b"\x00"
_UNTRACKED = b"\x01"
_HEIGHT_BYTES = 8


class RecipientState(Record, frozen=True):
    """What this chain knows about one recipient of its messages."""

    previous_block: HashAndHeight | None = None
    """The last executed block with a message to the recipient."""
    next_height_to_schedule: BlockHeight = BlockHeight(0)
    """Every block below it that concerns the recipient has been queued."""


NEW_RECIPIENT = RecipientState()


def tracked_hash(tracked: TrackedTargets) -> bytes | None:
    """Names a set of tracked targets; None for all."""
    return None if tracked is None else sha3_256(b"".join(sorted(tracked)))


class Outboxes:
    """The outboxes of a chain, by recipient."""

    def __init__(
        self, context: Context, index_hash: Cell[Any], tracked: TrackedTargets = None
    ) -> None:
        self._recipients: MapView[ChainId, RecipientState] = MapView(
            context.child(b"\x00"), codec_of(ChainId), codec_of(RecipientState)
        )
        self._queue_context = context.child(b"\x01")
        self._index_hash = index_hash
        self._tracked = tracked
        self._queues: StagedIndex[ChainId, tuple[BlockHeight, ...]] | None = None
        self._counters: StagedIndex[BlockHeight, int] = StagedIndex()
        self._staged_keys: dict[bytes, bool] = {}
        self._index_has_staged_keys = False

    def recipient(self, target: ChainId) -> RecipientState:
        """What is known about ``target``."""
        return self._recipients.get(target) or NEW_RECIPIENT

    def previous_message_block(self, target: ChainId) -> HashAndHeight | None:
        """The last executed block that sent ``target`` a message."""
        return self.recipient(target).previous_block

    def previous_message_blocks(self) -> dict[ChainId, BlockHeight]:
        """The height of the last executed block that sent something, by recipient, ascending."""
        return {
            target: state.previous_block[1]
            for target, state in self._recipients.items()
            if state.previous_block is not None
        }

    @property
    def tracked_hash(self) -> bytes | None:
        """Names the tracked targets that the queues were last divided by; None for all."""
        found: bytes | None = self._index_hash.get()
        return found

    def is_tracked(self, target: ChainId) -> bool:
        """Whether messages to ``target`` are sent by this node."""
        return self._tracked is None or target in self._tracked

    # Scheduling (spec 05 §3.1)

    def schedule_executed(self, block: Block, recipients: Collection[ChainId]) -> None:
        """Queue an executed block for its recipients and remember it as their last one."""
        block_hash, height = block.hash, block.header.height
        next_height = checked_add(height, 1)
        for target in recipients:
            scheduled = self.recipient(target).next_height_to_schedule
            if height >= scheduled:
                self._push(target, height)
                scheduled = next_height
            self._recipients.insert(target, RecipientState((block_hash, height), scheduled))

    def schedule_preprocessed(
        self,
        block: Block,
        recipients: Collection[ChainId],
        *,
        next_block_height: BlockHeight,
        hash_at: Callable[[BlockHeight], CryptoHash | None],
    ) -> None:
        """Queue a certified block that is not executed, where no earlier block is missing."""
        height = block.header.height
        for target in recipients:
            state = self.recipient(target)
            if height < state.next_height_to_schedule:
                continue
            if height > next_block_height:
                previous = block.body.previous_message_blocks.get(target)
                if not _follows(state, previous, next_block_height, hash_at):
                    continue
            self._push(target, height)
            self._recipients.insert(
                target, RecipientState(state.previous_block, checked_add(height, 1))
            )

    def _push(self, target: ChainId, height: BlockHeight) -> None:
        if not self.is_tracked(target):
            self._staged_keys[_UNTRACKED + target + height.to_bytes(8, "big")] = True
            return
        queues = self._index()
        self._staged_keys[_TRACKED + target + height.to_bytes(8, "big")] = True
        queues.set(target, (*(queues.get(target) or ()), height))
        self._counters.set(height, (self._counters.get(height) or 0) + 1)

    # Queues

    def nonempty_targets(self) -> list[ChainId]:
        """The tracked targets with queued heights, ascending."""
        return sorted(self._index())

    def queue(self, target: ChainId) -> tuple[BlockHeight, ...]:
        """The heights queued for ``target``, ascending."""
        if self.is_tracked(target):
            return self._index().get(target) or ()
        prefix = _UNTRACKED + target
        heights = {
            BlockHeight(int.from_bytes(key, "big"))
            for key in self._queue_context.partition.scan_keys(
                self._queue_context.base_key + prefix
            )
        }
        for key, is_present in self._staged_keys.items():
            if key.startswith(prefix):
                height = BlockHeight(int.from_bytes(key[-_HEIGHT_BYTES:], "big"))
                (heights.add if is_present else heights.discard)(height)
        return tuple(sorted(heights))

    def counters(self) -> dict[BlockHeight, int]:
        """How many tracked targets still await the block of each height."""
        self._index()
        return {height: self._counters.get(height) or 0 for height in self._counters}

    def sizes(self) -> tuple[int, int]:
        """How many tracked targets await blocks, and how many blocks are awaited."""
        return self._index().size(), self._counters.size()

    def is_delivered_up_to(self, height: BlockHeight) -> bool:
        """Whether no tracked target awaits a block at or below ``height``."""
        self._index()
        return all(awaited > height for awaited in self._counters)

    def confirm(self, target: ChainId, latest_height: BlockHeight) -> bool:
        """Forget the heights up to ``latest_height``; whether there were any (spec 05 §3.3)."""
        queue = self.queue(target)
        confirmed = [height for height in queue if height <= latest_height]
        if not confirmed:
            return False
        slot = _TRACKED if self.is_tracked(target) else _UNTRACKED
        for height in confirmed:
            self._staged_keys[slot + target + height.to_bytes(8, "big")] = False
        if slot is _TRACKED:
            self._index().set(target, queue[len(confirmed) :] or None)
            for height in confirmed:
                self._count_down(height)
        return True

    def _count_down(self, height: BlockHeight) -> None:
        count = self._counters.get(height)
        if not count:
            raise CorruptedChainState(reason="outbox counter is missing", height=height)
        self._counters.set(height, count - 1 or None)

    def requeue(self, target: ChainId, heights: Collection[BlockHeight]) -> bool:
        """Queue earlier heights again; whether any was not queued (spec 05 §3.4)."""
        queue = self.queue(target)
        missing = sorted(set(heights).difference(queue))
        if not missing:
            return False
        state = self.recipient(target)
        merged = tuple(sorted((*queue, *missing)))
        self._recipients.insert(
            target, RecipientState(state.previous_block, checked_add(merged[-1], 1))
        )
        slot = _TRACKED if self.is_tracked(target) else _UNTRACKED
        for height in missing:
            self._staged_keys[slot + target + height.to_bytes(8, "big")] = True
        if slot is _TRACKED:
            self._index().set(target, merged)
            for height in missing:
                self._counters.set(height, (self._counters.get(height) or 0) + 1)
        return True

    # The index in memory

    def track(self, tracked: TrackedTargets) -> None:
        """Change the tracked targets; the index is rebuilt at its next use."""
        self._tracked = tracked
        self._queues = None

    def _index(self) -> StagedIndex[ChainId, tuple[BlockHeight, ...]]:
        if self._queues is None:
            self._queues = self._load_index()
        return self._queues

    def _load_index(self) -> StagedIndex[ChainId, tuple[BlockHeight, ...]]:
        wanted = tracked_hash(self._tracked)
        if self._index_hash.get() != wanted:
            self._divide_queues()
            self._index_hash.set(wanted)
        gathered: dict[ChainId, list[BlockHeight]] = {}
        counters: dict[BlockHeight, int] = {}
        for key in self._current_keys(_TRACKED):
            height = BlockHeight(int.from_bytes(key[-_HEIGHT_BYTES:], "big"))
            gathered.setdefault(ChainId(key[1 : 1 + HASH_BYTES]), []).append(height)
            counters[height] = counters.get(height, 0) + 1
        queues: StagedIndex[ChainId, tuple[BlockHeight, ...]] = StagedIndex()
        queues.replace({target: tuple(heights) for target, heights in gathered.items()})
        self._counters.replace(counters)
        self._index_has_staged_keys = bool(self._staged_keys)
        return queues

    def _divide_queues(self) -> None:
        """Move every queued entry to the side it belongs to since the tracked targets changed."""
        for slot in (_TRACKED, _UNTRACKED):
            for key in self._current_keys(slot):
                target = ChainId(key[1 : 1 + HASH_BYTES])
                right_slot = _TRACKED if self.is_tracked(target) else _UNTRACKED
                if right_slot != slot:
                    self._staged_keys[key] = False
                    self._staged_keys[right_slot + key[1:]] = True

    def _current_keys(self, slot: bytes) -> list[bytes]:
        """All queue entries of one side, staged ones included, ascending."""
        context = self._queue_context
        stored = context.partition.scan_keys(context.base_key + slot)
        keys = {slot + suffix for suffix in stored}
        for key, is_present in self._staged_keys.items():
            if key.startswith(slot):
                (keys.add if is_present else keys.discard)(key)
        return sorted(keys)

    def save(self, batch: Batch) -> None:
        """Append the writes of everything that changed."""
        self._recipients.save(batch)
        base = self._queue_context.base_key
        for key, is_present in self._staged_keys.items():
            if is_present:
                batch.put(base + key, b"")
            else:
                batch.delete(base + key)
        self._staged_keys.clear()
        self._index_has_staged_keys = False
        if self._queues is not None:
            self._queues.commit()
            self._counters.commit()

    def rollback(self) -> None:
        """Forget all changes since the last save."""
        self._recipients.rollback()
        self._staged_keys.clear()
        if self._index_has_staged_keys:
            self._queues = None
        elif self._queues is not None:
            self._queues.rollback()
            self._counters.rollback()
        self._index_has_staged_keys = False

    def clear(self) -> None:
        """Remove all outboxes."""
        self._recipients.clear()
        for slot in (_TRACKED, _UNTRACKED):
            for key in self._current_keys(slot):
                self._staged_keys[key] = False
        self._queues = None


def _follows(
    state: RecipientState,
    previous: HashAndHeight | None,
    next_block_height: BlockHeight,
    hash_at: Callable[[BlockHeight], CryptoHash | None],
) -> bool:
    """Whether a block above the tip comes right after the last one queued for a recipient."""
    scheduled = state.next_height_to_schedule
    last = hash_at(BlockHeight(scheduled - 1)) if scheduled else None
    if previous is None:
        if last is not None:
            raise CorruptedChainState(
                reason="a block denies an earlier message to its recipient", height=scheduled - 1
            )
        return True
    if last is None:
        return previous[1] < next_block_height
    return last == previous[0]
