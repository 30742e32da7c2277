"""Outboxes: scheduling, confirming, reverting, tracked targets (spec 05 §3; M7, M8)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenula.base.codec import codec_of
from catenula.base.identifiers import AccountOwner, ChainId, CryptoHash
from catenula.base.integers import Amount, BlockHeight, Epoch, Timestamp
from catenula.chain.cells import CellGroup
from catenula.chain.errors import CorruptedChainState
from catenula.chain.outbox import HashAndHeight, Outboxes, TrackedTargets
from catenula.protocol import (
    Block,
    BlockBody,
    BlockHeader,
    Credit,
    MessageKind,
    OutgoingMessage,
)
from catenula.storage.batch import Batch
from catenula.storage.memory import MemoryStore
from catenula.views.base import Context

OWN = ChainId(b"\x00" * 32)
TARGETS = [ChainId(bytes((number,)) * 32) for number in (1, 2, 3)]
ONE, TWO, THREE = TARGETS


def block(
    height: int,
    *recipients: ChainId,
    previous: Mapping[ChainId, HashAndHeight] | None = None,
) -> Block:
    """A block with one message to each recipient."""
    messages = tuple(
        OutgoingMessage(
            recipient,
            None,
            Amount(0),
            None,
            MessageKind.TRACKED,
            Credit(AccountOwner.CHAIN, Amount(1), AccountOwner.CHAIN),
        )
        for recipient in recipients
    )
    header = BlockHeader(
        OWN, Epoch(0), BlockHeight(height), Timestamp(0), CryptoHash(bytes(32)), None, None
    )
    return Block(header, BlockBody((), (messages,), previous or {}, {}, (), (), (), ()))


class Kept(NamedTuple):
    """Outboxes and the store below them."""

    store: MemoryStore
    cells: CellGroup
    outboxes: Outboxes

    @classmethod
    def load(cls, store: MemoryStore, tracked: TrackedTargets = None) -> "Kept":
        partition = store.partition(b"chain")
        cells = CellGroup(Context(partition, b"\x00"))
        cell = cells.cell(codec_of(CryptoHash | None), None)
        return cls(store, cells, Outboxes(Context(partition, b"\x01"), cell, tracked))

    def write(self) -> None:
        batch = Batch()
        self.outboxes.save(batch)
        self.cells.save(batch)
        self.store.commit([(b"chain", batch)])

    def save(self, tracked: TrackedTargets = None) -> "Kept":
        self.write()
        return Kept.load(self.store, tracked)


@pytest.fixture
def kept() -> Kept:
    return Kept.load(MemoryStore("memory:"))


def execute(outboxes: Outboxes, height: int, *recipients: ChainId) -> Block:
    item = block(height, *recipients)
    outboxes.schedule_executed(item, item.recipients)
    return item


def test_an_executed_block_is_queued_for_each_recipient(kept: Kept) -> None:
    first = execute(kept.outboxes, 0, TWO, ONE, OWN)
    again = kept.save().outboxes
    assert again.nonempty_targets() == [OWN, ONE, TWO]
    assert again.queue(ONE) == (0,)
    assert again.counters() == {0: 3}
    assert again.previous_message_block(ONE) == (first.hash, 0)
    assert again.previous_message_block(THREE) is None


def test_confirmation_forgets_the_prefix(kept: Kept) -> None:
    outboxes = kept.outboxes
    for height in range(3):
        execute(outboxes, height, ONE, TWO)
    assert outboxes.confirm(ONE, BlockHeight(1)) is True
    assert outboxes.confirm(ONE, BlockHeight(1)) is False
    assert outboxes.queue(ONE) == (2,)
    assert outboxes.counters() == {0: 1, 1: 1, 2: 2}
    assert outboxes.is_delivered_up_to(BlockHeight(0)) is False
    outboxes.confirm(TWO, BlockHeight(2))
    assert outboxes.is_delivered_up_to(BlockHeight(1)) is True
    assert outboxes.is_delivered_up_to(BlockHeight(2)) is False
    assert outboxes.nonempty_targets() == [ONE]


def test_a_confirmed_queue_leaves_only_the_recipient_record(kept: Kept) -> None:
    execute(kept.outboxes, 0, ONE)
    again = kept.save()
    again.outboxes.confirm(ONE, BlockHeight(0))
    again.write()
    keys = kept.store.partition(b"chain").scan_keys(b"")
    assert len(keys) == 1


def test_rollback_takes_back_queues_and_counters(kept: Kept) -> None:
    execute(kept.outboxes, 0, ONE)
    kept.write()
    execute(kept.outboxes, 1, ONE, TWO)
    kept.outboxes.confirm(ONE, BlockHeight(0))
    kept.outboxes.rollback()
    assert kept.outboxes.queue(ONE) == (0,)
    assert kept.outboxes.counters() == {0: 1}
    assert kept.outboxes.nonempty_targets() == [ONE]


def test_a_revert_queues_earlier_heights_again(kept: Kept) -> None:
    outboxes = kept.outboxes
    for height in range(3):
        execute(outboxes, height, ONE)
    outboxes.confirm(ONE, BlockHeight(2))
    assert outboxes.requeue(ONE, [BlockHeight(2), BlockHeight(1)]) is True
    assert outboxes.requeue(ONE, [BlockHeight(1)]) is False
    assert outboxes.queue(ONE) == (1, 2)
    assert outboxes.counters() == {1: 1, 2: 1}


# Preprocessed blocks (spec 05 §3.1)


def preprocess(
    outboxes: Outboxes, item: Block, hashes: Mapping[BlockHeight, CryptoHash], tip: int = 0
) -> None:
    outboxes.schedule_preprocessed(
        item, item.recipients, next_block_height=BlockHeight(tip), hash_at=hashes.get
    )


def test_the_first_message_block_is_queued_above_a_gap(kept: Kept) -> None:
    preprocess(kept.outboxes, block(5, ONE), {})
    assert kept.outboxes.queue(ONE) == (5,)
    assert kept.outboxes.recipient(ONE).next_height_to_schedule == 6


def test_a_block_above_an_unknown_predecessor_waits(kept: Kept) -> None:
    missing = block(3, ONE)
    later = block(5, ONE, previous={ONE: (missing.hash, BlockHeight(3))})
    preprocess(kept.outboxes, later, {})
    assert kept.outboxes.queue(ONE) == ()
    preprocess(kept.outboxes, missing, {})
    preprocess(kept.outboxes, later, {BlockHeight(3): missing.hash})
    assert kept.outboxes.queue(ONE) == (3, 5)


def test_a_predecessor_below_the_tip_need_not_be_known(kept: Kept) -> None:
    later = block(5, ONE, previous={ONE: (CryptoHash(bytes(32)), BlockHeight(1))})
    preprocess(kept.outboxes, later, {}, tip=2)
    assert kept.outboxes.queue(ONE) == (5,)


def test_a_block_that_denies_an_earlier_message_is_corruption(kept: Kept) -> None:
    first = block(3, ONE)
    preprocess(kept.outboxes, first, {})
    with pytest.raises(CorruptedChainState):
        preprocess(kept.outboxes, block(5, ONE), {BlockHeight(3): first.hash})


def test_a_preprocessed_block_is_not_queued_twice(kept: Kept) -> None:
    item = block(0, ONE)
    preprocess(kept.outboxes, item, {})
    preprocess(kept.outboxes, item, {})
    kept.outboxes.confirm(ONE, BlockHeight(0))
    kept.outboxes.schedule_executed(item, item.recipients)
    assert kept.outboxes.queue(ONE) == ()
    assert kept.outboxes.previous_message_block(ONE) == (item.hash, 0)


# Tracked targets


def test_only_tracked_targets_are_sent_to() -> None:
    kept = Kept.load(MemoryStore("memory:"), {ONE})
    execute(kept.outboxes, 0, ONE, TWO)
    assert kept.outboxes.nonempty_targets() == [ONE]
    assert kept.outboxes.counters() == {0: 1}
    assert kept.outboxes.queue(TWO) == (0,)


def test_the_index_follows_the_tracked_targets() -> None:
    kept = Kept.load(MemoryStore("memory:"), {ONE})
    execute(kept.outboxes, 0, ONE, TWO)
    execute(kept.outboxes, 1, TWO)
    again = kept.save({TWO, THREE})
    assert again.outboxes.nonempty_targets() == [TWO]
    assert again.outboxes.counters() == {0: 1, 1: 1}
    assert again.outboxes.queue(ONE) == (0,)
    again.outboxes.rollback()
    again.cells.rollback()
    assert again.outboxes.nonempty_targets() == [TWO]
    again.outboxes.confirm(TWO, BlockHeight(0))
    last = again.save({TWO, THREE})
    assert last.outboxes.queue(TWO) == (1,)
    last.outboxes.track(None)
    assert last.outboxes.nonempty_targets() == [ONE, TWO]


# A model over random histories (M7, M8)

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("block"), st.sets(st.sampled_from(TARGETS))),
        st.tuples(st.just("confirm"), st.tuples(st.sampled_from(TARGETS), st.integers(0, 9))),
        st.tuples(st.just("rollback"), st.none()),
        st.tuples(st.just("save"), st.none()),
        st.tuples(st.just("load"), st.none()),
    ),
    max_size=25,
)


@given(STEPS, st.sampled_from([None, {ONE, TWO}]))
def test_outboxes_match_a_model(steps: list[tuple[str, Any]], tracked: TrackedTargets) -> None:
    kept = Kept.load(MemoryStore("memory:"), tracked)
    saved: dict[ChainId, tuple[int, ...]] = {}
    current = dict(saved)
    saved_height = height = 0
    for name, argument in steps:
        if name == "block":
            execute(kept.outboxes, height, *argument)
            for recipient in argument:
                current[recipient] = (*current.get(recipient, ()), height)
            height += 1
        elif name == "confirm":
            target, latest = argument
            kept.outboxes.confirm(target, latest)
            current[target] = tuple(item for item in current.get(target, ()) if item > latest)
        elif name == "rollback":
            kept.outboxes.rollback()
            kept.cells.rollback()
            current, height = dict(saved), saved_height
        else:
            kept.write()
            saved, saved_height = dict(current), height
            if name == "load":
                kept = Kept.load(kept.store, tracked)
        check_against_model(kept.outboxes, current)


def check_against_model(outboxes: Outboxes, model: dict[ChainId, tuple[int, ...]]) -> None:
    """Queues increase, lie below the next height, and the index counts exactly them."""
    counters: dict[int, int] = {}
    for target in TARGETS:
        queue = outboxes.queue(target)
        assert queue == model.get(target, ())
        assert list(queue) == sorted(set(queue))
        assert all(item < outboxes.recipient(target).next_height_to_schedule for item in queue)
        for item in queue if outboxes.is_tracked(target) else ():
            counters[item] = counters.get(item, 0) + 1
    assert outboxes.counters() == counters
    assert outboxes.nonempty_targets() == [
        target for target in TARGETS if outboxes.is_tracked(target) and model.get(target)
    ]
