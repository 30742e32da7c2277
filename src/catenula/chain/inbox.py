"""Inboxes: what each origin delivered and what this chain consumed (spec 05 §2).

An inbox is two queues with a cursor each: bundles delivered and not yet consumed, and bundles
consumed by a certified block before their delivery (*anticipated*). One of them is always empty
(M1), both cursors only grow, and any order of deliveries and consumptions ends alike (M5).
Bundles are stored one by one; an inbox's own record has a fixed size.
"""

from catenula.base.codec import Record, codec_of
from catenula.base.identifiers import HASH_BYTES, ChainId
from catenula.base.integers import (
    U32,
    U32_MAX,
    U64,
    BlockHeight,
    checked_add,
)
from catenula.chain.cells import StagedIndex
from catenula.chain.errors import (
    CorruptedChainState,
    IncorrectOrder,
    UnexpectedBundle,
    UnskippableBundle,
)
from catenula.protocol import IncomingBundle, MessageAction, MessageBundle
from catenula.storage.batch import Batch
from catenula.views.base import Context
from catenula.views.map import ByteMapView, MapView

Cursor = tuple[BlockHeight, U32]
"""A position among an origin's bundles: block height and transaction index."""


class InboxState(Record, frozen=True):
    """One inbox without its bundles; queues are ranges ``first..end`` of entry numbers."""

    next_cursor_to_add: Cursor = (BlockHeight(0), U32(0))
    next_cursor_to_remove: Cursor = (BlockHeight(0), U32(0))
    added_first: U64 = U64(0)
    added_end: U64 = U64(0)
    removed_first: U64 = U64(0)
    removed_end: U64 = U64(0)

    @property
    def next_height_to_receive(self) -> BlockHeight:
        """The lowest height of a block that may still be delivered (spec 05 §2.3)."""
        height, index = self.next_cursor_to_add
        return height if index == 0 else checked_add(height, 1)


EMPTY_INBOX = InboxState()

_ADDED = b"\x00"
_REMOVED = b"\x01"


def _entry(origin: ChainId, queue: bytes, number: int) -> bytes:
    """The key of one queued bundle."""
    return queue + origin + number.to_bytes(8, "big")


def cursor_of(bundle: MessageBundle) -> Cursor:
    """The position of a bundle among those of its origin."""
    return bundle.height, bundle.transaction_index


def _after(cursor: Cursor) -> Cursor:
    return cursor[0], checked_add(cursor[1], 1, U32_MAX)


class Inboxes:
    """All inboxes of a chain, by origin."""

    def __init__(self, context: Context) -> None:
        self._states: MapView[ChainId, InboxState] = MapView(
            context.child(b"\x00"), codec_of(ChainId), codec_of(InboxState)
        )
        self._bundles: ByteMapView[MessageBundle] = ByteMapView(
            context.child(b"\x01"), codec_of(MessageBundle)
        )
        self._nonempty: StagedIndex[ChainId, bool] | None = None

    def state(self, origin: ChainId) -> InboxState:
        """The inbox of ``origin`` without its bundles."""
        return self._states.get(origin) or EMPTY_INBOX

    def sizes(self, origin: ChainId) -> tuple[int, int]:
        """How many bundles of ``origin`` wait, and how many were consumed before they came."""
        state = self.state(origin)
        return state.added_end - state.added_first, state.removed_end - state.removed_first

    def _bundle(self, origin: ChainId, queue: bytes, number: int) -> MessageBundle:
        bundle = self._bundles.get(_entry(origin, queue, number))
        if bundle is None:
            raise CorruptedChainState(
                reason="a queued bundle is not stored", origin=origin, number=number
            )
        return bundle

    def anticipated_height(self, origin: ChainId) -> BlockHeight | None:
        """The height of the last bundle consumed ahead of its delivery, if any waits."""
        state = self.state(origin)
        if state.removed_first == state.removed_end:
            return None
        return self._bundle(origin, _REMOVED, state.removed_end - 1).height

    def queued(self, origin: ChainId) -> list[MessageBundle]:
        """The bundles delivered and not yet consumed, in order."""
        state = self.state(origin)
        numbers = range(state.added_first, state.added_end)
        return [self._bundle(origin, _ADDED, number) for number in numbers]

    def anticipated(self, origin: ChainId) -> list[MessageBundle]:
        """The bundles consumed and not yet delivered, in order."""
        state = self.state(origin)
        numbers = range(state.removed_first, state.removed_end)
        return [self._bundle(origin, _REMOVED, number) for number in numbers]

    def remove_bundle(self, origin: ChainId, bundle: MessageBundle) -> bool:
        """Consume a bundle; whether it had been delivered (spec 05 §2.1).

        Raises `IncorrectOrder`, `UnskippableBundle`, `UnexpectedBundle`, `ArithmeticOverflow`.
        """
        state = self.state(origin)
        cursor = cursor_of(bundle)
        if cursor < state.next_cursor_to_remove:
            raise _error(IncorrectOrder, bundle, expected=state.next_cursor_to_remove)
        first = self._skip_older(origin, state, cursor)
        known = first < state.added_end
        removed_end = state.removed_end
        if known:
            if self._bundle(origin, _ADDED, first) != bundle:
                raise _error(UnexpectedBundle, bundle)
            self._bundles.remove(_entry(origin, _ADDED, first))
            first += 1
        else:
            self._bundles.insert(_entry(origin, _REMOVED, removed_end), bundle)
            removed_end = U64(removed_end + 1)
        self._store(
            origin,
            InboxState(
                next_cursor_to_add=state.next_cursor_to_add,
                next_cursor_to_remove=_after(cursor),
                added_first=U64(first),
                added_end=state.added_end,
                removed_first=state.removed_first,
                removed_end=removed_end,
            ),
        )
        return known

    def _skip_older(self, origin: ChainId, state: InboxState, cursor: Cursor) -> int:
        """Drop the delivered bundles below ``cursor``; the number of the first one kept."""
        first: int = state.added_first
        while first < state.added_end:
            oldest = self._bundle(origin, _ADDED, first)
            if cursor_of(oldest) >= cursor:
                break
            if not oldest.is_skippable:
                raise _error(UnskippableBundle, oldest)
            self._bundles.remove(_entry(origin, _ADDED, first))
            first += 1
        return first

    def add_bundle(self, origin: ChainId, bundle: MessageBundle) -> bool:
        """Deliver a bundle; whether it is new, not one that was anticipated (spec 05 §2.2).

        Raises `IncorrectOrder`, `UnexpectedBundle`, `ArithmeticOverflow`.
        """
        state = self.state(origin)
        cursor = cursor_of(bundle)
        if cursor < state.next_cursor_to_add:
            raise _error(IncorrectOrder, bundle, expected=state.next_cursor_to_add)
        is_new = state.removed_first == state.removed_end
        added_end, removed_first = state.added_end, state.removed_first
        if is_new:
            self._bundles.insert(_entry(origin, _ADDED, added_end), bundle)
            added_end = U64(added_end + 1)
        elif self._reconcile(origin, state, bundle):
            removed_first = U64(removed_first + 1)
        self._store(
            origin,
            InboxState(
                next_cursor_to_add=_after(cursor),
                next_cursor_to_remove=state.next_cursor_to_remove,
                added_first=state.added_first,
                added_end=added_end,
                removed_first=removed_first,
                removed_end=state.removed_end,
            ),
        )
        return is_new

    def _reconcile(self, origin: ChainId, state: InboxState, bundle: MessageBundle) -> bool:
        """Match a late delivery with what was anticipated; whether it is the oldest of those.

        A skippable bundle below the oldest one was passed over, and is dropped.
        """
        oldest = self._bundle(origin, _REMOVED, state.removed_first)
        if cursor_of(oldest) == cursor_of(bundle):
            if oldest != bundle:
                raise _error(UnexpectedBundle, bundle)
            self._bundles.remove(_entry(origin, _REMOVED, state.removed_first))
            return True
        if cursor_of(bundle) > cursor_of(oldest) or not bundle.is_skippable:
            raise _error(UnexpectedBundle, bundle)
        return False

    def _store(self, origin: ChainId, state: InboxState) -> None:
        self._states.insert(origin, state)
        if self._nonempty is not None:
            self._nonempty.set(origin, state.added_first < state.added_end or None)

    def nonempty_origins(self) -> list[ChainId]:
        """The origins with bundles waiting, ascending. The first call lists all waiting bundles."""
        if self._nonempty is not None:
            return sorted(self._nonempty)
        waiting = self._bundles.encoded_items(_ADDED)
        origins = {ChainId(key[1 : 1 + HASH_BYTES]) for key, _ in waiting}
        if not self._bundles.has_pending_changes():
            self._nonempty = StagedIndex()
            self._nonempty.replace(dict.fromkeys(origins, True))
        return sorted(origins)

    def waiting(self) -> int:
        """How many bundles wait in all inboxes together."""
        return sum(self.sizes(origin)[0] for origin in self.nonempty_origins())

    def pending(self, action: MessageAction) -> tuple[IncomingBundle, ...]:
        """Every waiting bundle, by origin and then in order, with ``action``."""
        return tuple(
            IncomingBundle(origin=origin, bundle=bundle, action=action)
            for origin in self.nonempty_origins()
            for bundle in self.queued(origin)
        )

    def origins(self) -> list[ChainId]:
        """Every origin that ever delivered or was consumed from, ascending."""
        return self._states.keys()

    def save(self, batch: Batch) -> None:
        """Append the writes of all changed inboxes."""
        self._states.save(batch)
        self._bundles.save(batch)
        if self._nonempty is not None:
            self._nonempty.commit()

    def rollback(self) -> None:
        """Forget all changes since the last save."""
        self._states.rollback()
        self._bundles.rollback()
        if self._nonempty is not None:
            self._nonempty.rollback()

    def clear(self) -> None:
        """Remove all inboxes."""
        self._states.clear()
        self._bundles.clear()
        self._nonempty = None


def _error(
    kind: type[IncorrectOrder] | type[UnexpectedBundle] | type[UnskippableBundle],
    bundle: MessageBundle,
    **fields: object,
) -> IncorrectOrder | UnexpectedBundle | UnskippableBundle:
    return kind(height=bundle.height, transaction_index=bundle.transaction_index, **fields)
