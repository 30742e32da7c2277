"""Random schedules on all kinds of views against plain Python values.

After every step the views read like the model; after a save a freshly loaded object does too; a
picture of staged changes brings them back over the same stored state.
"""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catenula.storage import DELETE, DELETE_PREFIX, PUT, Batch
from catenula.storage.memory import MemoryStore
from catenula.views import Context
from tests.views.state import (
    COLLECTIONS,
    MAPS,
    QUEUES,
    AllViews,
    content_of,
    empty_model,
    model_hash,
)

TEXTS = st.sampled_from(["", "a", "ab", "b", "é"])
NUMBERS = st.integers(0, 2**32 - 1)
RAW_KEYS = st.sampled_from([b"", b"\x00", b"a", b"ab", b"b\xff", b"\xff"])
WRITES = st.lists(
    st.one_of(
        st.tuples(st.just(PUT), RAW_KEYS, st.binary(max_size=2)),
        st.tuples(st.just(DELETE), RAW_KEYS, st.just(b"")),
        st.tuples(st.just(DELETE_PREFIX), RAW_KEYS, st.just(b"")),
    ),
    max_size=4,
)
FIELDS = st.sampled_from(sorted(empty_model()))


def apply_writes(model: dict[bytes, bytes], writes: list[tuple[int, bytes, bytes]]) -> None:
    for kind, key, value in writes:
        if kind == PUT:
            model[key] = value
        elif kind == DELETE:
            model.pop(key, None)
        else:
            for found in [item for item in model if item.startswith(key)]:
                del model[found]


class Schedule:
    """One object of all views, its model, and the model of what is stored."""

    def __init__(self) -> None:
        self.database = MemoryStore()
        self.view = self.load()
        self.model: dict[str, Any] = empty_model()
        self.stored: dict[str, Any] = empty_model()
        self.picture: Any = None
        self.pictured: dict[str, Any] = empty_model()

    def load(self) -> AllViews:
        return AllViews(Context(self.database.partition(b"root"), b"\x07"))

    def clear_field(self, name: str) -> None:
        getattr(self.view, name).clear()
        self.model[name] = empty_model()[name]

    def clear(self) -> None:
        self.view.clear()
        self.model = empty_model()

    def rollback(self) -> None:
        self.view.rollback()
        self.model = deepcopy(self.stored)
        assert not self.view.has_pending_changes()

    def save(self, reload: bool) -> None:
        batch = Batch()
        self.view.save(batch)
        self.database.commit([(b"root", batch)])
        assert not self.view.has_pending_changes()
        again = Batch()
        self.view.save(again)
        assert again.operations == []
        self.stored = deepcopy(self.model)
        self.picture = None
        fresh = self.load()
        assert content_of(fresh) == self.model
        if reload:
            self.view = fresh

    def drop_changes_by_reloading(self, preload: bool) -> None:
        self.view = self.load()
        if preload:
            self.view.preload()
            assert self.view.cold_keys() == []
        self.model = deepcopy(self.stored)

    def take_picture(self) -> None:
        self.picture = self.view.staged()
        self.pictured = deepcopy(self.model)

    def restore_picture(self) -> None:
        if self.picture is not None:
            self.view.restore(self.picture)
            self.model = deepcopy(self.pictured)

    def hash(self) -> None:
        assert self.view.content_hash() == model_hash(self.model)

    def reads_like_the_model(self) -> None:
        assert content_of(self.view) == self.model

    def single_reads_agree(self) -> None:
        view, model = self.view, self.model
        for key in ("", "a", "ab", "b", "é"):
            assert [view.map.get(key), view.hashed_map.get(key)] == [
                model["map"].get(key),
                model["hashed_map"].get(key),
            ]
            assert view.set.contains(key) == (key in model["set"])
            assert (view.collection.try_load(key) is not None) == (key in model["collection"])
        for raw in (b"", b"\x00", b"a", b"ab", b"b\xff", b"\xff"):
            assert view.store.get(raw) == model["store"].get(raw)
            for key, entries in model["reentrant"].items():
                assert view.reentrant.try_load(key).get(raw) == entries.get(raw)
        for name in QUEUES:
            queue, values = getattr(view, name), model[name]
            assert len(queue) == len(values)
            assert (queue.front(), queue.back()) == (values[0], values[-1]) if values else True
            assert queue.items(2) == values[:2]
        assert len(view.log) == len(model["log"])
        assert view.log.read(1, 3) == model["log"][1:3]

    def set_register(self, value: int) -> None:
        self.view.register.set(value)
        self.model["register"] = value

    def insert(self, name: str, key: str, value: int) -> None:
        getattr(self.view, name).insert(key, value)
        self.model[name][key] = value

    def remove(self, name: str, key: str) -> None:
        getattr(self.view, name).remove(key)
        self.model[name].pop(key, None)

    def touch(self, name: str, key: str, or_default: bool) -> None:
        view = getattr(self.view, name)
        if or_default:
            assert view.touch_or_default(key) == self.model[name].setdefault(key, 0)
        else:
            assert view.touch(key) == self.model[name].get(key)

    def insert_into_set(self, key: str) -> None:
        self.view.set.insert(key)
        self.model["set"][key] = b""

    def write_store(self, writes: list[tuple[int, bytes, bytes]]) -> None:
        self.view.store.write_batch(Batch(writes))
        apply_writes(self.model["store"], writes)

    def push(self, values: list[int]) -> None:
        for value in values:
            self.view.log.push(value)
        self.model["log"] += values

    def push_back(self, name: str, values: list[int]) -> None:
        for value in values:
            getattr(self.view, name).push_back(value)
        self.model[name] += values

    def delete_front(self, name: str, count: int) -> None:
        for _ in range(count):
            getattr(self.view, name).delete_front()
        del self.model[name][:count]

    def write_entry(self, key: str, writes: list[tuple[int, bytes, bytes]]) -> None:
        self.view.reentrant.load_or_create(key).write_batch(Batch(writes))
        apply_writes(self.model["reentrant"].setdefault(key, {}), writes)

    def insert_into_entry(self, key: str, inner: str, value: int) -> None:
        self.view.collection.load_or_create(key).insert(inner, value)
        self.model["collection"].setdefault(key, {})[inner] = value

    def remove_entry(self, name: str, key: str) -> None:
        getattr(self.view, name).remove(key)
        self.model[name].pop(key, None)

    def reset_entry(self, name: str, key: str) -> None:
        getattr(self.view, name).reset_to_default(key)
        self.model[name][key] = {}


def step(name: str, /, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(name), st.fixed_dictionaries(arguments))


SAVE = step("save", reload=st.sampled_from([False, False, True]))
COMMON = (
    step("clear_field", name=FIELDS),
    step("clear"),
    step("rollback"),
    step("drop_changes_by_reloading", preload=st.booleans()),
    step("take_picture"),
    step("restore_picture"),
    step("hash"),
)
CHANGES = {
    "entries": (
        step("set_register", value=NUMBERS),
        step("insert", name=st.sampled_from(MAPS), key=TEXTS, value=NUMBERS),
        step("remove", name=st.sampled_from((*MAPS, "set")), key=TEXTS),
        step("touch", name=st.sampled_from(MAPS), key=TEXTS, or_default=st.booleans()),
        step("insert_into_set", key=TEXTS),
    ),
    "stores": (step("write_store", writes=WRITES),),
    "sequences": (
        step("push", values=st.lists(NUMBERS, max_size=4)),
        step("push_back", name=st.sampled_from(QUEUES), values=st.lists(NUMBERS, max_size=5)),
        step("delete_front", name=st.sampled_from(QUEUES), count=st.integers(1, 5)),
    ),
    "collections": (
        step("write_entry", key=TEXTS, writes=WRITES),
        step("insert_into_entry", key=TEXTS, inner=TEXTS, value=NUMBERS),
        step("remove_entry", name=st.sampled_from(COLLECTIONS), key=TEXTS),
        step("reset_entry", name=st.sampled_from(COLLECTIONS), key=TEXTS),
    ),
}


def schedules(kinds: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """Mostly changes and saves; the steps that undo everything are rare."""
    changes = st.one_of(*(change for kind in kinds for change in CHANGES[kind]))
    weighted = st.sampled_from([changes] * 5 + [SAVE] * 2 + [st.one_of(*COMMON)] * 2)
    return st.lists(weighted.flatmap(lambda chosen: chosen), min_size=25, max_size=50)


@pytest.mark.parametrize("kinds", [*((kind,) for kind in CHANGES), tuple(CHANGES)], ids=str)
@settings(max_examples=100)
@given(data=st.data())
def test_views_match_their_models(kinds: tuple[str, ...], data: st.DataObject) -> None:
    """Invariants V2 and V3."""
    schedule = Schedule()
    for name, arguments in data.draw(schedules(kinds)):
        getattr(schedule, name)(**arguments)
        schedule.reads_like_the_model()
        schedule.single_reads_agree()
