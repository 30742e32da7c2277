"""Cells and staged indices: what is written, what is taken back."""

import pytest

from catenula.base.codec import codec_of
from catenula.base.errors import LocalError
from catenula.base.integers import U32, U64
from catenula.chain.cells import Cell, CellGroup, StagedIndex
from catenula.storage.batch import Batch
from catenula.storage.memory import MemoryStore
from catenula.views.base import Context
from tests.chain.node import CountingPartition


class Group:
    """Two cells over a store that counts what is read."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.partition = CountingPartition(store.partition(b"chain"))
        self.cells = CellGroup(Context(self.partition, b"\x09"))
        self.first: Cell[U32] = self.cells.cell(codec_of(U32), U32(0))
        self.second: Cell[U64 | None] = self.cells.cell(codec_of(U64 | None), None)

    def save(self) -> Batch:
        batch = Batch()
        self.cells.save(batch)
        self.store.commit([(b"chain", batch)])
        return batch


@pytest.fixture
def group() -> Group:
    return Group(MemoryStore("memory:"))


def test_only_changed_cells_are_written(group: Group) -> None:
    group.first.set(U32(4))
    assert len(group.save()) == 1
    assert len(group.save()) == 0
    assert Group(group.store).first.get() == 4


def test_all_cells_are_loaded_with_one_read(group: Group) -> None:
    group.first.set(U32(4))
    group.second.set(U64(5))
    group.save()
    again = Group(group.store)
    assert (again.first.get(), again.second.get()) == (4, 5)
    assert again.partition.reads == 1


def test_a_cell_with_its_default_is_not_stored(group: Group) -> None:
    group.first.set(U32(4))
    group.save()
    group.first.set(U32(0))
    group.save()
    assert group.store.partition(b"chain").scan_keys(b"") == []
    group.first.reset()
    assert len(group.save()) == 0


def test_rollback_returns_to_the_saved_value(group: Group) -> None:
    group.first.set(U32(4))
    group.save()
    group.first.set(U32(5))
    group.second.set(U64(6))
    group.cells.rollback()
    assert (group.first.get(), group.second.get()) == (4, None)
    assert len(group.save()) == 0


def test_clear_returns_every_cell_to_its_default(group: Group) -> None:
    group.first.set(U32(4))
    group.save()
    group.cells.clear()
    group.save()
    assert Group(group.store).first.get() == 0


def test_a_damaged_cell_is_reported_as_such(group: Group) -> None:
    batch = Batch()
    batch.put(b"\x09\x00", b"\x01")
    group.store.commit([(b"chain", batch)])
    with pytest.raises(LocalError, match="damaged"):
        Group(group.store).first.get()


def test_an_index_takes_changes_back_until_they_are_committed() -> None:
    index: StagedIndex[str, int] = StagedIndex()
    index.replace({"a": 1, "b": 2})
    index.set("a", None)
    index.set("c", 3)
    assert sorted(index) == ["b", "c"]
    assert (index.get("a"), index.get("c")) == (None, 3)
    index.rollback()
    assert sorted(index) == ["a", "b"]
    index.set("a", None)
    index.commit()
    index.rollback()
    assert sorted(index) == ["b"]
