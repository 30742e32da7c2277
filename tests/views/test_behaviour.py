"""Single behaviours of views that the models do not show: laziness, exact writes, damage."""

from collections.abc import Sequence

import pytest

from catenula.base.codec import codec_of
from catenula.base.errors import InvariantViolation, LocalError
from catenula.base.integers import U32, U64
from catenula.storage import PUT, Batch, Partition
from catenula.storage.memory import MemoryStore
from catenula.views import (
    CollectionView,
    Context,
    HashedRegisterView,
    HistoricalView,
    LogView,
    MapView,
    QueueView,
    RegisterView,
    chain_step,
)

NUMBER = codec_of(U32)


class CountingPartition(Partition):
    """Counts the reads of a partition."""

    def __init__(self, inner: Partition) -> None:
        self.inner = inner
        self.reads = 0

    def get(self, key: bytes) -> bytes | None:
        self.reads += 1
        return self.inner.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        self.reads += 1
        return self.inner.get_many(keys)

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        self.reads += 1
        return self.inner.scan(prefix)

    def scan_keys(self, prefix: bytes) -> list[bytes]:
        self.reads += 1
        return self.inner.scan_keys(prefix)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def partition(store: MemoryStore) -> CountingPartition:
    return CountingPartition(store.partition(b"r"))


@pytest.fixture
def context(partition: CountingPartition) -> Context:
    return Context(partition, b"base")


def test_a_warm_map_reads_nothing(context: Context, partition: CountingPartition) -> None:
    view = MapView(context, NUMBER, NUMBER)
    view.insert(U32(1), U32(10))
    assert (view.get(U32(1)), view.get(U32(2)), view.get(U32(2))) == (10, None, None)
    assert partition.reads == 1


def test_changing_one_entry_of_many_reads_and_writes_one(
    store: MemoryStore, context: Context, partition: CountingPartition
) -> None:
    view = MapView(context, NUMBER, NUMBER)
    for number in range(1000):
        view.insert(U32(number), U32(number))
    batch = Batch()
    view.save(batch)
    store.commit([(b"r", batch)])
    fresh, writes = MapView(context, NUMBER, NUMBER), Batch()
    fresh.insert(U32(7), U32((fresh.get(U32(7)) or 0) + 1))
    fresh.save(writes)
    assert partition.reads == 1
    assert writes.operations == [(PUT, b"base" + NUMBER.to_bcs(7), NUMBER.to_bcs(8))]


def test_what_stays_empty_is_looked_for_once(
    store: MemoryStore, context: Context, partition: CountingPartition
) -> None:
    view = MapView(context, NUMBER, NUMBER)
    assert (view.items(), view.items(), view.keys()) == ([], [], [])
    assert partition.reads == 1
    view.insert(U32(1), U32(10))
    assert view.items() == [(1, 10)]
    batch = Batch()
    view.save(batch)
    store.commit([(b"r", batch)])
    assert view.items() == [(1, 10)]
    view.remove(U32(1))
    batch = Batch()
    view.save(batch)
    store.commit([(b"r", batch)])
    assert view.items() == []


def test_prefetch_reads_once(context: Context, partition: CountingPartition) -> None:
    view = MapView(context, NUMBER, NUMBER)
    view.prefetch([U32(number) for number in range(50)])
    assert [view.get(U32(number)) for number in range(50)] == [None] * 50
    assert partition.reads == 1


def test_a_touched_register_is_written_unchanged(context: Context) -> None:
    view = RegisterView(context, NUMBER, U32(5))
    batch = Batch()
    view.touch()
    view.save(batch)
    assert batch.operations == [(PUT, b"base", NUMBER.to_bcs(5))]


def test_a_map_without_default_says_so(context: Context) -> None:
    with pytest.raises(InvariantViolation, match="V1"):
        MapView(context, NUMBER, NUMBER).touch_or_default(U32(1))


def test_unreadable_stored_values_name_their_key(store: MemoryStore, context: Context) -> None:
    store.commit([(b"r", Batch([(PUT, b"base", b"too long for a u32")]))])
    with pytest.raises(LocalError, match=b"base".hex()):
        RegisterView(context, NUMBER, U32(0)).get()


def test_a_missing_log_value_is_damage(store: MemoryStore, context: Context) -> None:
    count = U64(3).to_bytes(8, "little")
    store.commit([(b"r", Batch([(PUT, b"base\x01", count)]))])
    with pytest.raises(LocalError, match="damaged"):
        LogView(context, NUMBER).get(1)


def test_an_unchanged_queue_writes_nothing(context: Context) -> None:
    """Invariant V2."""
    batch = Batch()
    QueueView(context, NUMBER).save(batch)
    assert batch.operations == []


def test_the_memo_is_stored_once_and_dropped_by_a_write(context: Context) -> None:
    view = HashedRegisterView(context, NUMBER, U32(0))
    first, second, third = Batch(), Batch(), Batch()
    view.content_hash()
    view.save(first)
    view.save(second)
    view.set(U32(1))
    view.save(third)
    assert [key for _, key, _ in first.operations] == [b"base\x02"]
    assert second.operations == []
    assert [(kind, key) for kind, key, _ in third.operations] == [
        (2, b"base\x01"),
        (0, b"base\x02"),
    ]


def test_chain_step_of_the_reference() -> None:
    batch = Batch([(PUT, bytes([0, 1, 2]), bytes([3, 4, 5])), (PUT, bytes([6, 7]), bytes([8]))])
    expected = "94827abf47db3e93b99dfc47285a7db6243707e95a724d386a9715f6b7ae414a"
    assert chain_step(bytes([7]) * 32, batch).hex() == expected
    assert chain_step(bytes([7]) * 32, Batch()) == bytes([7]) * 32


def test_a_restored_picture_carries_the_historical_hash(context: Context) -> None:
    """Invariant V4."""
    inner = RegisterView(HistoricalView.inner_context(context), NUMBER, U32(0))
    view = HistoricalView(context, inner)
    view.inner_for_writing().set(U32(3))
    expected, picture = view.historical_hash(), view.staged()
    view.rollback()
    assert view.inner.get() == 0
    view.restore(picture)
    assert (view.inner.get(), view.historical_hash()) == (3, expected)


def test_a_rolled_back_removal_brings_back_the_stored_entry(
    store: MemoryStore, context: Context
) -> None:
    view = CollectionView(context, NUMBER, lambda place: RegisterView(place, NUMBER, U32(0)))
    batch = Batch()
    view.load_or_create(U32(1)).set(U32(5))
    view.save(batch)
    store.commit([(b"r", batch)])
    view.load_or_create(U32(1)).set(U32(6))
    view.remove(U32(1))
    view.rollback()
    found = view.try_load(U32(1))
    assert found is not None
    assert found.get() == 5
