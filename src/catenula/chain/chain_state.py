"""`ChainState`: everything a node keeps about one chain, in one storage partition (spec 05 §1).

Only the execution state is covered by the block's state hash; the rest is bookkeeping in a layout
of our own. Nothing is written that did not change, and nothing that grows is one stored value.
Transitions are functions over a `ChainState` in the modules beside this one. The caller has the
chain to itself, and after each transition either saves and commits, or rolls back.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from catenula.base.codec import Record, codec_of
from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.errors import invariant
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import U64, U64_MAX, BlockHeight, Epoch, Timestamp
from catenula.chain.bundles import EpochAndBundle, message_bundles
from catenula.chain.cells import Cell, CellGroup
from catenula.chain.errors import InactiveChain, ReadCertificatesError
from catenula.chain.inbox import Inboxes
from catenula.chain.manager import ChainManager
from catenula.chain.outbox import Outboxes, TrackedTargets
from catenula.chain.ownership_rules import RoundRules
from catenula.chain.pending_blobs import PendingBlobs
from catenula.chain.streams import EventStreams
from catenula.chain.tip import TipState
from catenula.execution.blobs import check_blob_size
from catenula.execution.environment import Environment
from catenula.execution.meter import ExecutionMeter
from catenula.execution.state import ExecutionState
from catenula.protocol import BlobContent, BlobId, Block, ChainAndHeight, Committee
from catenula.storage.batch import Batch
from catenula.views.base import Context
from catenula.views.log import LogView
from catenula.views.map import ByteMapView, MapView

ReadBlock = Callable[[CryptoHash], Block | None]
"""Reads a certified block from shared storage."""


class PreprocessedSummary(Record, frozen=True):
    """How many preprocessed blocks there are, and the highest height among them."""

    count: U64 = U64(0)
    highest: BlockHeight = BlockHeight(0)


class ChainState:
    """The state of one chain on this node.

    ``tracked`` are the recipients this node sends to: None for all (validators).
    """

    MAXIMUM_EXECUTED_STATES = 8
    """Execution states kept for blocks that were executed and not certified yet."""
    MAXIMUM_RECENT_BLOCKS = 16
    """Blocks kept to derive their bundles again without reading them."""

    def __init__(
        self,
        chain_id: ChainId,
        context: Context,
        *,
        environment: Environment,
        read_block: ReadBlock,
        tracked: TrackedTargets = None,
    ) -> None:
        self.chain_id = chain_id
        self.environment = environment
        self.meter: ExecutionMeter | None = None
        self._read_block = read_block
        self.execution = ExecutionState(context.field(0), chain_id)
        self._cells = cells = CellGroup(context.field(1))
        self._tip: Cell[TipState] = cells.cell(codec_of(TipState), TipState())
        self._state_hash: Cell[CryptoHash | None] = cells.cell(codec_of(CryptoHash | None), None)
        self._block_zero_executed_at: Cell[Timestamp] = cells.cell(
            codec_of(Timestamp), Timestamp(0)
        )
        self._preprocessed_summary: Cell[PreprocessedSummary] = cells.cell(
            codec_of(PreprocessedSummary), PreprocessedSummary()
        )
        tracked_hash: Cell[bytes | None] = cells.cell(codec_of(CryptoHash | None), None)
        self.pending_blobs = PendingBlobs(context.field(2), cells)
        self.execution.preload()
        self.manager = ChainManager(cells, context.field(3), self._current_rules())
        self.confirmed_log: LogView[CryptoHash] = LogView(context.field(4), codec_of(CryptoHash))
        self.received_log: LogView[ChainAndHeight] = LogView(
            context.field(5), codec_of(ChainAndHeight)
        )
        self.received_certificate_trackers: MapView[Secp256k1PublicKey, U64] = MapView(
            context.field(6), codec_of(Secp256k1PublicKey), codec_of(U64)
        )
        self.inboxes = Inboxes(context.field(7))
        self.outboxes = Outboxes(context.field(8), tracked_hash, tracked)
        self.streams = EventStreams(context.field(9))
        self._preprocessed: ByteMapView[CryptoHash] = ByteMapView(
            context.field(10), codec_of(CryptoHash)
        )
        self._recent_hashes: OrderedDict[BlockHeight, CryptoHash] = OrderedDict()
        self._unsaved_hashes: dict[BlockHeight, CryptoHash] = {}
        self._recent_blocks: OrderedDict[CryptoHash, _RecentBlock] = OrderedDict()
        self._executed: OrderedDict[CryptoHash, Any] = OrderedDict()
        self.execution_changed = False
        self._parts: tuple[_Part, ...] = (
            self.pending_blobs,
            self.manager,
            self.confirmed_log,
            self.received_log,
            self.received_certificate_trackers,
            self.inboxes,
            self.outboxes,
            self.streams,
            self._preprocessed,
        )

    # Where the chain stands

    @property
    def tip(self) -> TipState:
        """The last executed block and the running totals."""
        return self._tip.get()

    @property
    def next_block_height(self) -> BlockHeight:
        """The height being decided."""
        return self._tip.get().next_block_height

    @property
    def state_hash(self) -> CryptoHash | None:
        """The state hash after the last executed block."""
        return self._state_hash.get()

    @property
    def epoch(self) -> Epoch:
        """The chain's epoch."""
        return self.execution.system.epoch.get()

    @property
    def block_zero_executed_at(self) -> Timestamp:
        """When block 0 was last executed here; 0 if never (spec 05 §9.5)."""
        return self._block_zero_executed_at.get()

    @property
    def is_described(self) -> bool:
        """Whether the chain has been activated."""
        return self.execution.system.description.get() is not None

    def current_committee(self) -> Committee:
        """The committee of the chain's epoch; `InactiveChain` if it is not known."""
        committee = self._known_committee()
        if committee is None:
            raise InactiveChain(chain_id=self.chain_id)
        if self.manager.rules.committee is None:
            self.manager.rules = self._current_rules()
        return committee

    def _known_committee(self) -> Committee | None:
        return self.execution.current_committee(self.environment) if self.is_described else None

    def _current_rules(self) -> RoundRules:
        """The rules of the height being decided, from the state after the last executed block."""
        return self.rules_for(self._tip.get().next_block_height, None)

    def rules_for(self, height: BlockHeight, known: RoundRules | None) -> RoundRules:
        """The rules of ``height`` under the current state; reuses the tables of ``known``."""
        ownership = self.execution.system.ownership.get()
        committee = self._known_committee()
        if known and known.ownership is ownership and known.committee is committee:
            return known.at_height(height)
        return RoundRules(ownership, height, committee)

    # Blocks by height

    def hash_at(self, height: BlockHeight) -> CryptoHash | None:
        """The hash of the executed or preprocessed block of ``height``."""
        found = self._recent_hashes.get(height)
        if found is not None:
            return found
        if height < self.next_block_height:
            return self.confirmed_log.get(height)
        return self._preprocessed.get(_height_key(height))

    def next_height_to_preprocess(self) -> BlockHeight:
        """One above the highest preprocessed block, else the height being decided."""
        summary = self._preprocessed_summary.get()
        return BlockHeight(summary.highest + 1) if summary.count else self.next_block_height

    def preprocessed_blocks(self) -> dict[BlockHeight, CryptoHash]:
        """All preprocessed blocks by height."""
        return {
            BlockHeight(int.from_bytes(key, "big")): block_hash
            for key, block_hash in self._preprocessed.items()
        }

    def record_preprocessed(self, block: Block) -> None:
        """Remember a certified block at or above the tip."""
        height = block.header.height
        key = _height_key(height)
        summary = self._preprocessed_summary.get()
        is_new = not self._preprocessed.contains(key)
        self._preprocessed.insert(key, block.hash)
        highest = max(height, summary.highest) if summary.count else height
        self._preprocessed_summary.set(
            PreprocessedSummary(U64(summary.count + is_new), BlockHeight(highest))
        )
        self.remember_block(block)

    def _forget_preprocessed(self, height: BlockHeight) -> None:
        summary = self._preprocessed_summary.get()
        key = _height_key(height)
        if summary.count and self._preprocessed.contains(key):
            self._preprocessed.remove(key)
            count = U64(summary.count - 1)
            self._preprocessed_summary.set(
                PreprocessedSummary(count, summary.highest if count else BlockHeight(0))
            )

    def advance(self, block: Block, now: Timestamp) -> None:
        """Make an executed block the tip and start the next height (spec 05 §9.1 step 9)."""
        height = block.header.height
        invariant(height == self.next_block_height, "C12", height=height)
        self._state_hash.set(block.header.state_hash)
        self._tip.set(self.tip.after(block))
        if height == 0:
            self._block_zero_executed_at.set(now)
        rules = self.rules_for(self.next_block_height, self.manager.rules)
        self.manager.reset(rules, now)
        self.pending_blobs.clear()
        self.confirmed_log.push(block.hash)
        self._unsaved_hashes[height] = block.hash
        self._forget_preprocessed(height)
        self.forget_executed_states()
        self.remember_block(block)

    def start(self, state_hash: CryptoHash, now: Timestamp) -> None:
        """Begin height 0 of a chain that was just described (spec 05 §1.3)."""
        self._state_hash.set(state_hash)
        self.manager.reset(self._current_rules(), now)
        self.pending_blobs.clear()
        self.forget_executed_states()

    def record_received_certificates(self, synchronized: Mapping[Secp256k1PublicKey, int]) -> None:
        """Client nodes: how much of each validator's received log is known; numbers only grow."""
        trackers = self.received_certificate_trackers
        for validator, count in synchronized.items():
            if count > (trackers.get(validator) or 0):
                trackers.insert(validator, U64(count))

    # Blocks and states in memory

    def remember_block(self, block: Block) -> None:
        """Keep a certified block at hand for the requests that carry its messages."""
        recent = self._recent_blocks
        if block.hash not in recent:
            recent[block.hash] = _RecentBlock(block)
            if len(recent) > self.MAXIMUM_RECENT_BLOCKS:
                recent.popitem(last=False)

    def block(self, block_hash: CryptoHash) -> Block:
        """A block this chain knows by hash; `ReadCertificatesError` if it is not stored."""
        return self._recent(block_hash).block

    def bundles(self, block_hash: CryptoHash, recipient: ChainId) -> tuple[EpochAndBundle, ...]:
        """What a known block sends to ``recipient``."""
        return self._recent(block_hash).bundles().get(recipient, ())

    def _recent(self, block_hash: CryptoHash) -> "_RecentBlock":
        found = self._recent_blocks.get(block_hash)
        if found is None:
            block = self._read_block(block_hash)
            if block is None:
                raise ReadCertificatesError(hashes=(block_hash,))
            self.remember_block(block)
            found = self._recent_blocks[block_hash]
        return found

    def keep_executed_state(self, block_hash: CryptoHash) -> None:
        """Keep the staged execution state as the result of a block on top of the saved state."""
        self._executed[block_hash] = self.execution.staged()
        if len(self._executed) > self.MAXIMUM_EXECUTED_STATES:
            self._executed.popitem(last=False)

    def restore_executed_state(self, block_hash: CryptoHash) -> bool:
        """Stage the kept result of a block again; whether there was one."""
        picture = self._executed.get(block_hash)
        if picture is None:
            return False
        self.execution.restore(picture)
        return True

    def forget_executed_states(self) -> None:
        """The saved state is about to change: no kept result is valid on top of it."""
        self._executed.clear()

    def pending_blob(self, blob_id: BlobId) -> BlobContent | None:
        """A blob of a block that is not executed yet, as held by consensus (spec 06 §4.2)."""
        return self.manager.blob(blob_id) or self.pending_blobs.get(blob_id)

    def find_blobs(
        self, blob_ids: Iterable[BlobId], created: Mapping[BlobId, BlobContent] | None = None
    ) -> dict[BlobId, BlobContent | None]:
        """Look for blobs: ``created`` by the block itself, pending ones, storage (spec 06 §4.2).

        Holds every id in order, with None where the blob is not known.
        """
        return {
            blob_id: (created or {}).get(blob_id)
            or self.pending_blob(blob_id)
            or self._stored_blob(blob_id)
            for blob_id in sorted(blob_ids, key=BlobId.order_key)
        }

    def _stored_blob(self, blob_id: BlobId) -> BlobContent | None:
        content = self.environment.blob(blob_id)
        return None if content is None else BlobContent(blob_id.blob_type, content)

    def take_pending_blob(self, blob: BlobContent) -> None:
        """Take an uploaded blob that a pending block asked for (spec 06 §4.10).

        Raises `InactiveChain`, `ExecutionError` (``BlobTooLarge``), `TooManyPublishedBlobs`,
        `UnexpectedBlob`.
        """
        maximum_published_blobs = U64_MAX
        if self.pending_blobs.has_unvalidated_sets():
            policy = self.current_committee().policy
            check_blob_size(blob, policy)
            maximum_published_blobs = policy.maximum_published_blobs
        self.pending_blobs.insert(blob, maximum_published_blobs=maximum_published_blobs)

    # Persistence

    def save(self, batch: Batch) -> None:
        """Append everything that changed and take it as saved.

        If the batch cannot be committed, this object must be dropped and loaded again.
        """
        if self.execution_changed:
            self.execution.save(batch)
            self.execution_changed = False
        self._cells.save(batch)
        for part in self._parts:
            part.save(batch)
        if self._unsaved_hashes:
            self._keep_recent_hashes()

    def _keep_recent_hashes(self) -> None:
        recent = self._recent_hashes
        recent.update(self._unsaved_hashes)
        self._unsaved_hashes.clear()
        while len(recent) > self.MAXIMUM_RECENT_BLOCKS:
            recent.popitem(last=False)

    def rollback(self) -> None:
        """Forget all changes since the last save."""
        self.execution.rollback()
        self.execution_changed = False
        self._cells.rollback()
        for part in self._parts:
            part.rollback()
        self._unsaved_hashes.clear()

    def clear(self) -> None:
        """Remove everything (corruption recovery, spec 05 §9.5)."""
        self.execution.clear()
        self.execution_changed = True
        for part in self._parts:
            part.clear()
        self._cells.clear()
        self._recent_hashes.clear()
        self.forget_executed_states()


class _Part(Protocol):
    """What a chain does with each of its parts."""

    def save(self, batch: Batch, /) -> None:
        """Append all pending writes."""

    def rollback(self) -> None:
        """Forget all pending changes."""

    def clear(self) -> None:
        """Stage the removal of everything."""


class _RecentBlock:
    """A block and, once asked for, its bundles by recipient."""

    __slots__ = ("_bundles", "block")

    def __init__(self, block: Block) -> None:
        self.block = block
        self._bundles: dict[ChainId, tuple[EpochAndBundle, ...]] | None = None

    def bundles(self) -> dict[ChainId, tuple[EpochAndBundle, ...]]:
        """The bundles of every recipient."""
        if self._bundles is None:
            self._bundles = message_bundles(self.block)
        return self._bundles


def _height_key(height: BlockHeight) -> bytes:
    return height.to_bytes(8, "big")
