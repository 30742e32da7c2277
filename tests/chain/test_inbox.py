"""Inboxes: delivery, consumption, anticipation (spec 05 §2; M1-M3, M5, M6)."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenula.base.errors import ArithmeticOverflow
from catenula.base.identifiers import AccountOwner, ChainId, CryptoHash
from catenula.base.integers import U32, U32_MAX, Amount, BlockHeight, Timestamp
from catenula.chain.errors import IncorrectOrder, UnexpectedBundle, UnskippableBundle
from catenula.chain.inbox import Inboxes, InboxState, cursor_of
from catenula.protocol import Credit, MessageAction, MessageBundle, MessageKind, PostedMessage
from catenula.storage.batch import Batch
from catenula.storage.memory import MemoryStore
from catenula.views.base import Context

ORIGIN = ChainId(b"\x01" * 32)
OTHER = ChainId(b"\x02" * 32)


def bundle(height: int, index: int = 0, *, skippable: bool = True, mark: int = 0) -> MessageBundle:
    """A bundle with one message; ``mark`` makes a different one at the same place."""
    message = PostedMessage(
        None,
        Amount(0),
        None,
        MessageKind.SIMPLE if skippable else MessageKind.TRACKED,
        U32(0),
        Credit(AccountOwner.CHAIN, Amount(mark), AccountOwner.CHAIN),
    )
    return MessageBundle(
        BlockHeight(height), Timestamp(0), CryptoHash(bytes(32)), U32(index), (message,)
    )


class Kept(NamedTuple):
    """Inboxes and the store below them."""

    store: MemoryStore
    inboxes: Inboxes

    def save(self) -> "Kept":
        """Save, commit, and load from the store."""
        batch = Batch()
        self.inboxes.save(batch)
        self.store.commit([(b"chain", batch)])
        return Kept(self.store, Inboxes(Context(self.store.partition(b"chain"))))


@pytest.fixture
def kept() -> Kept:
    return empty()


def empty() -> Kept:
    store = MemoryStore("memory:")
    return Kept(store, Inboxes(Context(store.partition(b"chain"))))


def test_a_delivered_bundle_is_consumed_once(kept: Kept) -> None:
    inboxes = kept.inboxes
    assert inboxes.add_bundle(ORIGIN, bundle(0)) is True
    assert inboxes.remove_bundle(ORIGIN, bundle(0)) is True
    with pytest.raises(IncorrectOrder):
        inboxes.remove_bundle(ORIGIN, bundle(0))
    with pytest.raises(IncorrectOrder):
        inboxes.add_bundle(ORIGIN, bundle(0))


def test_an_anticipated_bundle_is_reconciled(kept: Kept) -> None:
    inboxes = kept.inboxes
    assert inboxes.remove_bundle(ORIGIN, bundle(3, 1)) is False
    assert inboxes.anticipated_height(ORIGIN) == 3
    assert inboxes.add_bundle(ORIGIN, bundle(3, 1)) is False
    assert inboxes.anticipated_height(ORIGIN) is None
    assert inboxes.queued(ORIGIN) == []


def test_older_skippable_bundles_are_passed_over(kept: Kept) -> None:
    inboxes = kept.inboxes
    for number in range(3):
        inboxes.add_bundle(ORIGIN, bundle(number))
    assert inboxes.remove_bundle(ORIGIN, bundle(2)) is True
    assert inboxes.queued(ORIGIN) == []


@pytest.mark.parametrize("delivered_first", [True, False])
def test_an_unskippable_bundle_is_not_passed_over(kept: Kept, delivered_first: bool) -> None:
    inboxes = kept.inboxes
    if delivered_first:
        inboxes.add_bundle(ORIGIN, bundle(0, skippable=False))
        with pytest.raises(UnskippableBundle):
            inboxes.remove_bundle(ORIGIN, bundle(1))
    else:
        inboxes.remove_bundle(ORIGIN, bundle(1))
        with pytest.raises(UnexpectedBundle):
            inboxes.add_bundle(ORIGIN, bundle(0, skippable=False))


@pytest.mark.parametrize("delivered_first", [True, False])
def test_a_different_bundle_at_the_same_place_is_refused(kept: Kept, delivered_first: bool) -> None:
    inboxes = kept.inboxes
    first: Callable[[ChainId, MessageBundle], bool] = inboxes.add_bundle
    second: Callable[[ChainId, MessageBundle], bool] = inboxes.remove_bundle
    if not delivered_first:
        first, second = second, first
    first(ORIGIN, bundle(5, mark=1))
    with pytest.raises(UnexpectedBundle):
        second(ORIGIN, bundle(5, mark=2))


def test_a_later_bundle_cannot_overtake_an_anticipated_one(kept: Kept) -> None:
    kept.inboxes.remove_bundle(ORIGIN, bundle(1))
    with pytest.raises(UnexpectedBundle):
        kept.inboxes.add_bundle(ORIGIN, bundle(2))


def test_the_next_height_counts_whole_blocks(kept: Kept) -> None:
    inboxes = kept.inboxes
    assert inboxes.state(ORIGIN).next_height_to_receive == 0
    inboxes.add_bundle(ORIGIN, bundle(0, 2))
    assert inboxes.state(ORIGIN).next_height_to_receive == 1
    inboxes.add_bundle(ORIGIN, bundle(7))
    assert inboxes.state(ORIGIN).next_height_to_receive == 8


def test_the_last_transaction_index_overflows(kept: Kept) -> None:
    with pytest.raises(ArithmeticOverflow):
        kept.inboxes.add_bundle(ORIGIN, bundle(0, U32_MAX))


def test_pending_bundles_are_listed_by_origin(kept: Kept) -> None:
    inboxes = kept.inboxes
    assert inboxes.pending(MessageAction.ACCEPT) == ()
    inboxes.add_bundle(OTHER, bundle(1))
    inboxes.add_bundle(ORIGIN, bundle(1))
    inboxes.add_bundle(ORIGIN, bundle(2))
    inboxes.remove_bundle(OTHER, bundle(1))
    found = inboxes.pending(MessageAction.REJECT)
    assert [(item.origin, item.bundle.height) for item in found] == [(ORIGIN, 1), (ORIGIN, 2)]
    assert {item.action for item in found} == {MessageAction.REJECT}


def test_the_list_of_waiting_origins_follows_save_and_rollback(kept: Kept) -> None:
    inboxes = kept.inboxes
    inboxes.add_bundle(ORIGIN, bundle(1))
    assert inboxes.nonempty_origins() == [ORIGIN]
    inboxes.rollback()
    assert inboxes.nonempty_origins() == []
    inboxes.add_bundle(OTHER, bundle(1))
    saved = kept.save()
    assert inboxes.nonempty_origins() == saved.inboxes.nonempty_origins() == [OTHER]
    inboxes.remove_bundle(OTHER, bundle(1))
    assert inboxes.nonempty_origins() == []
    inboxes.rollback()
    assert inboxes.nonempty_origins() == [OTHER]


def test_consuming_a_bundle_removes_it_from_the_store(kept: Kept) -> None:
    kept.inboxes.add_bundle(ORIGIN, bundle(1))
    saved = kept.save()
    saved.inboxes.remove_bundle(ORIGIN, bundle(1))
    saved.save()
    keys = kept.store.partition(b"chain").scan_keys(b"")
    assert len(keys) == 1, "only the inbox's own record stays"


# Any interleaving of the same valid deliveries and consumptions ends alike (M5).


class Schedule(NamedTuple):
    """A sender's bundles, which of them are consumed, and an interleaving."""

    bundles: list[MessageBundle]
    consumed: list[MessageBundle]
    order: list[bool]


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Bundles in order; consumed are all unskippable ones and some of the others."""
    places = sorted(draw(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 2)), max_size=8)))
    bundles = [bundle(*place, skippable=draw(st.booleans())) for place in places]
    consumed = [item for item in bundles if not item.is_skippable or draw(st.booleans())]
    steps = [True] * len(bundles) + [False] * len(consumed)
    return Schedule(bundles, consumed, draw(st.permutations(steps)))


def contents(inboxes: Inboxes) -> tuple[object, ...]:
    """What an inbox is, apart from the numbers of its entries."""
    state = inboxes.state(ORIGIN)
    return (
        state.next_cursor_to_add,
        state.next_cursor_to_remove,
        inboxes.queued(ORIGIN),
        inboxes.anticipated(ORIGIN),
    )


@given(schedules(), st.data())
def test_deliveries_and_consumptions_commute(schedule: Schedule, data: st.DataObject) -> None:
    reference = empty().inboxes
    for item in schedule.bundles:
        reference.add_bundle(ORIGIN, item)
    for item in schedule.consumed:
        reference.remove_bundle(ORIGIN, item)

    kept = empty()
    added, removed = iter(schedule.bundles), iter(schedule.consumed)
    before = InboxState()
    for is_delivery in schedule.order:
        if is_delivery:
            kept.inboxes.add_bundle(ORIGIN, next(added))
        else:
            kept.inboxes.remove_bundle(ORIGIN, next(removed))
        check_one_inbox(kept.inboxes, before)
        before = kept.inboxes.state(ORIGIN)
        if data.draw(st.booleans()):
            kept = kept.save()
    assert contents(kept.inboxes) == contents(reference)
    assert kept.inboxes.anticipated(ORIGIN) == [], "everything was delivered (M6)"


def check_one_inbox(inboxes: Inboxes, before: InboxState) -> None:
    """M1: one queue is empty, cursors do not fall, queued cursors strictly increase."""
    state = inboxes.state(ORIGIN)
    queued, anticipated = inboxes.queued(ORIGIN), inboxes.anticipated(ORIGIN)
    assert not queued or not anticipated
    assert state.next_cursor_to_add >= before.next_cursor_to_add
    assert state.next_cursor_to_remove >= before.next_cursor_to_remove
    for queue in (queued, anticipated):
        cursors = [cursor_of(item) for item in queue]
        assert cursors == sorted(set(cursors))


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 1), st.booleans()), max_size=12
    )
)
def test_random_traffic_keeps_the_invariants(
    steps: list[tuple[bool, int, int, bool]],
) -> None:
    kept = empty()
    consumed: list[tuple[BlockHeight, U32]] = []
    for is_delivery, height, index, skippable in steps:
        item = bundle(height, index, skippable=skippable)
        before = kept.inboxes.state(ORIGIN)
        try:
            if is_delivery:
                kept.inboxes.add_bundle(ORIGIN, item)
            else:
                kept.inboxes.remove_bundle(ORIGIN, item)
                consumed.append(cursor_of(item))
        except (IncorrectOrder, UnexpectedBundle, UnskippableBundle):
            kept.inboxes.rollback()
            assert kept.inboxes.state(ORIGIN) == before
            continue
        kept = kept.save()
        check_one_inbox(kept.inboxes, before)
    assert consumed == sorted(set(consumed)), "consumed cursors strictly increase (M3)"
