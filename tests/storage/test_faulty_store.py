"""The fault plans of `FaultyStore`."""

import pytest

from catenula.storage import PUT, Batch
from catenula.storage.memory import MemoryStore
from catenula.testing.faulty_store import Fault, FaultyStore, InjectedFault


def commit(store: FaultyStore, *keys: bytes) -> None:
    store.commit([(b"r", Batch([(PUT, key, b"v")])) for key in keys])


def stored(store: FaultyStore) -> list[bytes]:
    return store.partition(b"r").scan_keys(b"")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [(Fault.BEFORE, []), (Fault.AFTER, [b"a", b"b"]), (Fault.TORN, [b"a"])],
)
def test_a_planned_fault_hits_its_commit(fault: Fault, expected: list[bytes]) -> None:
    store = FaultyStore(MemoryStore())
    store.fail_at(1, fault)
    with pytest.raises(InjectedFault):
        commit(store, b"a", b"b")
    assert stored(store) == expected
    commit(store, b"c")
    assert stored(store) == [*expected, b"c"]


def test_every_third_commit_fails() -> None:
    store = FaultyStore(MemoryStore())
    store.fail_every(3)
    failed = []
    for number in range(1, 8):
        try:
            commit(store, bytes([number]))
        except InjectedFault:
            failed.append(number)
    assert failed == [3, 6]
    store.heal()
    commit(store, b"x")
    commit(store, b"y")
    assert len(stored(store)) == 7
