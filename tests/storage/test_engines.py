"""What every engine promises, and that all engines do the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenula.base.errors import LocalError
from catenula.storage import (
    DELETE,
    DELETE_PREFIX,
    PUT,
    Batch,
    Claim,
    Fence,
    StaleFence,
    Store,
    open_store,
)
from catenula.storage.ordered_keys import CHUNK_KEYS, OrderedKeys

KINDS = ("memory", "sqlite", "rocksdb")


def location(kind: str, folder: Path) -> str:
    return "memory:" if kind == "memory" else f"{kind}:{folder / 'store'}"


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with open_store(location(request.param, tmp_path)) as opened:
        yield opened


def put(**values: bytes) -> Batch:
    return Batch((PUT, key.encode(), value) for key, value in values.items())


def test_reads_what_was_committed(store: Store) -> None:
    store.commit([(b"r", put(a=b"1", b=b"", c=b"3"))])
    partition = store.partition(b"r")
    assert partition.get(b"a") == b"1"
    assert partition.get(b"x") is None
    assert partition.get_many([b"c", b"x", b"b"]) == [b"3", None, b""]


def test_partitions_do_not_see_each_other(store: Store) -> None:
    store.commit([(b"r", put(a=b"1")), (b"ra", put(a=b"2")), (b"", put(a=b"3"))])
    found = [store.partition(root).get(b"a") for root in (b"r", b"ra", b"", b"rb")]
    assert found == [b"1", b"2", b"3", None]
    assert store.roots() == [b"", b"r", b"ra"]
    assert store.roots(b"r") == [b"r", b"ra"]


def test_scans_are_ordered_and_cut_the_prefix(store: Store) -> None:
    keys = [b"", b"\xff", b"\xff\xff", b"a", b"a\x00", b"ab", b"b"]
    store.commit([(b"r", Batch((PUT, key, key) for key in keys))])
    partition = store.partition(b"r")
    assert partition.scan(b"a") == [(b"", b"a"), (b"\x00", b"a\x00"), (b"b", b"ab")]
    assert partition.scan_keys(b"\xff") == [b"", b"\xff"]
    assert partition.scan_keys(b"") == sorted(keys)


def test_operations_apply_in_order(store: Store) -> None:
    store.commit([(b"r", put(a=b"1", ab=b"2", b=b"3"))])
    batch = Batch([(PUT, b"ac", b"4"), (DELETE_PREFIX, b"a", b""), (PUT, b"ad", b"5")])
    store.commit([(b"r", batch), (b"r", Batch([(DELETE, b"b", b"")]))])
    assert store.partition(b"r").scan(b"") == [(b"ad", b"5")]


def test_an_emptied_partition_is_no_root(store: Store) -> None:
    store.commit([(b"r", put(a=b"1"))])
    store.commit([(b"r", Batch([(DELETE_PREFIX, b"", b"")]))])
    assert store.roots() == []


def test_a_stale_fence_writes_nothing(store: Store) -> None:
    """Invariant S4."""
    old = store.acquire(b"part")
    new = store.acquire(b"part")
    store.commit([(b"r", put(a=b"1"))], [new])
    with pytest.raises(StaleFence):
        store.commit([(b"r", put(a=b"2"))], [old])
    assert store.partition(b"r").get(b"a") == b"1"
    store.commit([(b"r", put(a=b"3"))], [new])
    assert store.partition(b"r").get(b"a") == b"3"


def test_fences_of_different_scopes_do_not_meet(store: Store) -> None:
    left, right = store.acquire(b"1"), store.acquire(b"2")
    store.acquire(b"3")
    store.commit([(b"r", put(a=b"1"))], [left, right])
    assert store.partition(b"r").get(b"a") == b"1"


def test_a_fence_that_replaces_a_token_needs_exactly_that_one(store: Store) -> None:
    """Invariants S4 and W7: each write of a chain of writes requires the one before."""
    store.commit([(b"r", put(a=b"1"))], [Fence(b"part", 5, 0), Fence(b"part", 6, 5)])
    assert store.token(b"part") == 6
    for replaced in (0, 5, 7):
        with pytest.raises(StaleFence):
            store.commit([(b"r", put(a=b"2"))], [Fence(b"part", 9, replaced)])
    assert store.partition(b"r").get(b"a") == b"1"
    assert store.tokens() == {b"part": 6}
    store.commit([(b"r", put(a=b"3"))], [Fence(b"part", 9, 6)])
    assert store.partition(b"r").get(b"a") == b"3"


def test_a_pinned_store_shows_one_state_of_a_shared_file(tmp_path: Path) -> None:
    name = location("sqlite", tmp_path)
    with open_store(name) as reader, open_store(name) as writer:
        for opened in (reader, writer):
            opened.claim(Claim.SHARED)
        reader.pin()
        assert reader.token(b"part") == 0
        writer.commit([(b"r", put(a=b"1"))], [Fence(b"part", 1, 0)])
        assert reader.partition(b"r").get(b"a") is None
        assert reader.token(b"part") == 0
        reader.unpin()
        assert reader.partition(b"r").get(b"a") == b"1"
        assert reader.token(b"part") == 1


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    with pytest.raises(LocalError, match="is closed"):
        store.commit([(b"r", put(a=b"1"))])


@pytest.mark.parametrize("kind", ["sqlite", "rocksdb"])
def test_contents_and_fences_survive_reopening(kind: str, tmp_path: Path) -> None:
    name = location(kind, tmp_path)
    with open_store(name) as first:
        fence = first.acquire(b"part")
        first.commit([(b"r", put(a=b"1"))], [fence])
    with open_store(name) as second:
        assert second.partition(b"r").scan(b"") == [(b"a", b"1")]
        assert second.acquire(b"part").token == fence.token + 1


@pytest.mark.parametrize("name", ["", "memory", "sqlite:", "redis:x", "/some/path"])
def test_unknown_locations_are_named(name: str) -> None:
    if name == "memory":
        open_store(name).close()
        return
    with pytest.raises(LocalError, match="unknown store"):
        open_store(name)


KEYS = st.binary(max_size=3)
OPERATIONS = st.one_of(
    st.tuples(st.just(PUT), KEYS, st.binary(max_size=5)),
    st.tuples(st.just(DELETE), KEYS, st.just(b"")),
    st.tuples(st.just(DELETE_PREFIX), KEYS, st.just(b"")),
)
COMMITS = st.lists(
    st.lists(st.tuples(st.sampled_from([b"r", b"q"]), st.lists(OPERATIONS)), max_size=3),
    max_size=5,
)


@given(COMMITS)
def test_engines_agree(
    tmp_path_factory: pytest.TempPathFactory,
    commits: list[list[tuple[bytes, list[tuple[int, bytes, bytes]]]]],
) -> None:
    folder = tmp_path_factory.mktemp("agree")
    found = []
    for kind in KINDS:
        with open_store(location(kind, folder / kind)) as opened:
            if kind == "memory":
                opened.partition(b"r").scan(b"")  # From here on it keeps its order index.
            for groups in commits:
                opened.commit([(root, Batch(operations)) for root, operations in groups])
            scans = [opened.partition(root).scan(b"") for root in (b"r", b"q")]
            found.append((scans, opened.roots()))
    assert found[0] == found[1] == found[2]


@given(st.lists(st.tuples(st.lists(OPERATIONS), st.booleans())), st.sampled_from([0, 1, 1_000]))
def test_memory_is_in_order_whenever_it_is_scanned(
    steps: list[tuple[list[tuple[int, bytes, bytes]], bool]], moved_keys: int
) -> None:
    model: dict[bytes, bytes] = {}
    with pytest.MonkeyPatch.context() as patch, open_store("memory:") as opened:
        patch.setattr("catenula.storage.memory.MAX_MOVED_KEYS", moved_keys)
        for operations, is_scanned in [*steps, ([], True)]:
            opened.commit([(b"r", Batch(operations))])
            for kind, key, value in operations:
                if kind == PUT:
                    model[key] = value
                for found in [*model] if kind != PUT else ():
                    if found == key or (kind == DELETE_PREFIX and found.startswith(key)):
                        del model[found]
            if is_scanned:
                assert opened.partition(b"r").scan(b"") == sorted(model.items())


def test_ordered_keys_over_many_chunks() -> None:
    numbers = [(number * 7919) % 5000 for number in range(5000)]
    keys = [number.to_bytes(2, "big") for number in numbers]
    ordered = OrderedKeys(keys[: CHUNK_KEYS // 2])
    for key in keys[CHUNK_KEYS // 2 :]:
        ordered.add(key)
    for key in keys[::3]:
        ordered.discard(key)
    kept = sorted(set(keys) - set(keys[::3]))
    assert list(ordered.starting_with(b"")) == kept
    assert list(ordered.starting_with(b"\x05")) == [key for key in kept if key[0] == 5]


@given(st.lists(st.tuples(st.booleans(), KEYS)), KEYS)
def test_ordered_keys_match_a_set(steps: list[tuple[bool, bytes]], prefix: bytes) -> None:
    model: set[bytes] = set()
    ordered = OrderedKeys(())
    for add, key in steps:
        if add and key not in model:
            ordered.add(key)
            model.add(key)
        elif not add and key in model:
            ordered.discard(key)
            model.discard(key)
    wanted = [key for key in sorted(model) if key.startswith(prefix)]
    assert list(ordered.starting_with(prefix)) == wanted


def test_a_store_serves_one_node_at_a_time(tmp_path: Path) -> None:
    """Invariant W1."""
    name = f"sqlite:{tmp_path / 'store'}"
    with open_store(name) as first, open_store(name) as second:
        first.claim()
        first.claim()
        with pytest.raises(LocalError, match="in use by another process"):
            second.claim()
        first.close()
        second.claim()


def test_a_store_keeps_its_files_when_the_program_changes_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(tmp_path)
    with open_store("sqlite:a.sqlite") as store:
        monkeypatch.chdir(other)
        store.claim()
        store.commit([(b"root", Batch([(PUT, b"key", b"value")]))])
        assert store.partition(b"root").get(b"key") == b"value"
    assert list(other.iterdir()) == []
