"""The log of commits that are not in a store's file yet: what crashes and damage leave of it."""

import os
import shutil
from collections.abc import Callable, Sequence
from enum import IntEnum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack

from catenula.base.errors import LocalError
from catenula.base.limits import COMMIT_LOG_BYTES
from catenula.storage import DELETE, DELETE_PREFIX, PUT, Batch, Claim, DamagedStore, open_store
from catenula.storage.commit_log import CommitLog, log_path, net_effect, pack
from catenula.storage.engine import Group
from catenula.storage.sqlite_writer import SqliteWriter, connect

ROOT = b"root"
SALT = b"a secret"


def put(key: bytes, value: bytes = b"value") -> list[Group]:
    return [(ROOT, Batch([(PUT, key, value)]))]


def new_store(folder: Path) -> Path:
    path = folder / "a.sqlite"
    open_store(f"sqlite:{path}").close()
    return path


def new_log(folder: Path, *commits: Sequence[Group]) -> Path:
    """A store whose log holds these commits."""
    path = new_store(folder)
    log = CommitLog.create(path, SALT)
    for groups in commits:
        assert log.append(pack(groups))
    log.close()
    return path


def logged(path: Path) -> list[tuple[bytes, list[tuple[int, bytes, bytes]]]]:
    log = CommitLog(path)
    try:
        return [(root, batch.operations) for root, batch in log.groups()]
    finally:
        log.close()


def stored(path: Path) -> dict[bytes, bytes]:
    """What somebody finds who uses the store next."""
    with open_store(f"sqlite:{path}") as store:
        store.claim()
        assert not log_path(path).exists()
        return dict(store.partition(ROOT).scan(b""))


def test_commits_come_back_in_their_order(tmp_path: Path) -> None:
    path = new_log(tmp_path, put(b"a"), put(b"b"), put(b"a", b"later"))
    assert logged(path) == [(ROOT, [(PUT, b"a", b"later"), (PUT, b"b", b"value")])]
    assert stored(path) == {b"a": b"later", b"b": b"value"}


def test_a_log_that_was_reset_is_empty_and_is_written_again(tmp_path: Path) -> None:
    path = new_store(tmp_path)
    log = CommitLog.create(path, SALT)
    for number in range(5):
        log.append(pack(put(bytes((number,)), b"old" * 300)))
    log.reset()
    assert log.groups() == []
    log.append(pack(put(b"new")))
    log.close()
    assert stored(path) == {b"new": b"value"}


def test_a_full_log_takes_no_more(tmp_path: Path) -> None:
    log = CommitLog.create(new_store(tmp_path), SALT)
    packet = pack(put(b"key", b"x" * 60_000))
    count = 0
    while log.append(packet):
        count += 1
    assert count == COMMIT_LOG_BYTES // 60_000
    assert log_path(tmp_path / "a.sqlite").stat().st_size == COMMIT_LOG_BYTES
    log.reset()
    assert log.append(packet)
    log.close()


def test_a_log_does_not_replace_another(tmp_path: Path) -> None:
    path = new_log(tmp_path, put(b"a"))
    with pytest.raises(FileExistsError):
        CommitLog.create(path, SALT)
    assert stored(path) == {b"a": b"value"}
    assert [name for name in os.listdir(tmp_path) if "new" in name] == []


def test_a_full_disk_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = new_log(tmp_path, put(b"a"))
    other = new_store(tmp_path / "other")
    log = CommitLog(path)
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, what, place: write(file, what[:-1], place))
    with pytest.raises(OSError, match="No space left"):
        log.append(pack(put(b"b")))
    with pytest.raises(OSError, match="No space left"):
        CommitLog.create(other, SALT)
    assert not log_path(other).exists()
    log.close()


@pytest.mark.parametrize("kept", [*range(0, 1400, 100), 1409, 1410])
def test_a_torn_last_commit_was_never_made(tmp_path: Path, kept: int) -> None:
    path = new_log(tmp_path, put(b"a"), put(b"b"))
    before = log_path(path).read_bytes()
    log = CommitLog(path)
    log._end = 4096 + 2 * 512  # As it stands after the two that are there.
    log.append(pack(put(b"c", os.urandom(1_400))))
    log.close()
    after = log_path(path).read_bytes()
    start = 4096 + 2 * 512
    torn = after[: start + kept] + before[start + kept :]
    assert torn != after
    log_path(path).write_bytes(torn)
    assert stored(path) == {b"a": b"value", b"b": b"value"}


@pytest.mark.parametrize("number", [0, 1])
def test_a_damaged_commit_before_the_last_is_refused(tmp_path: Path, number: int) -> None:
    path = new_log(tmp_path, put(b"a"), put(b"b"), put(b"c"))
    change_byte(log_path(path), 4096 + number * 512 + 20)
    with pytest.raises(DamagedStore, match=r"a\.sqlite is refused: a commit in its log does not"):
        open_store(f"sqlite:{path}")


@pytest.mark.parametrize("position", [0, 14, 16, 23, 24, 27])
def test_a_damaged_head_is_refused(tmp_path: Path, position: int) -> None:
    path = new_log(tmp_path, put(b"a"))
    change_byte(log_path(path), position)
    with pytest.raises(DamagedStore, match="the head of its log is damaged or of another version"):
        open_store(f"sqlite:{path}")


@pytest.mark.parametrize("size", [0, 20, 4095])
def test_a_log_that_was_cut_is_refused_or_empty(tmp_path: Path, size: int) -> None:
    path = new_log(tmp_path, put(b"a"))
    os.truncate(log_path(path), size)
    if size < 28:
        with pytest.raises(DamagedStore, match="its log"):
            open_store(f"sqlite:{path}")
    else:
        assert stored(path) == {}


def test_a_packet_of_something_else_is_refused(tmp_path: Path) -> None:
    path = new_log(tmp_path)
    log = CommitLog(path)
    log.append(msgpack.encode({"not": "groups"}))
    log.close()
    with pytest.raises(DamagedStore, match="unreadable"):
        open_store(f"sqlite:{path}")


def change_byte(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


@given(st.binary(max_size=2_000))
def test_only_damage_is_told_of_random_logs(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "random.sqlite"
    log_path(path).write_bytes(content)
    with pytest.raises(DamagedStore):
        CommitLog(path)


def test_what_users_store_cannot_pass_for_a_commit(tmp_path: Path) -> None:
    """An older commit holds a copy of a commit, at a place where one could begin."""
    path = new_log(tmp_path, put(b"a"))
    entry = log_path(path).read_bytes()[4096 : 4096 + 512]
    log = CommitLog(path)
    log.reset()
    overhead = 16 + len(pack(put(b"b", bytes(1_200)))) - 1_200
    log.append(pack(put(b"b", bytes(512 - overhead) + entry + bytes(1_200 - 1_024 + overhead))))
    assert entry == log_path(path).read_bytes()[4096 + 512 : 4096 + 1024]
    log.reset()
    log.append(pack(put(b"c")))
    log.close()
    assert stored(path) == {b"c": b"value"}


KEYS = st.binary(max_size=2)
WRITES = st.one_of(
    st.tuples(st.just(PUT), KEYS, st.binary(max_size=2)),
    st.tuples(st.sampled_from([DELETE, DELETE_PREFIX]), KEYS, st.just(b"")),
)
COMMITS = st.lists(
    st.lists(st.tuples(st.sampled_from([b"r", b"s"]), st.lists(WRITES, max_size=6)), max_size=3),
    max_size=5,
)


@given(COMMITS, COMMITS)
def test_the_net_effect_is_that_of_all_commits(
    before: list[list[tuple[bytes, list[tuple[int, bytes, bytes]]]]],
    commits: list[list[tuple[bytes, list[tuple[int, bytes, bytes]]]]],
) -> None:
    with open_store("memory:") as one, open_store("memory:") as other:
        for groups in before:
            one.commit(groups_of(groups))
            other.commit(groups_of(groups))
        for groups in commits:
            one.commit(groups_of(groups))
        other.commit(net_effect(pack(groups_of(groups)) for groups in commits))
        for root in (b"r", b"s"):
            assert one.partition(root).scan(b"") == other.partition(root).scan(b"")


def groups_of(groups: list[tuple[bytes, list[tuple[int, bytes, bytes]]]]) -> list[Group]:
    return [(root, Batch(operations)) for root, operations in groups]


def test_keys_may_be_of_derived_classes() -> None:
    class Name(bytes):
        __slots__ = ()

    class Kind(IntEnum):
        WRITE = PUT

    ((root, batch),) = net_effect([pack([(Name(ROOT), Batch([(Kind.WRITE, Name(b"k"), b"v")]))])])
    assert (root, batch.operations) == (ROOT, [(PUT, b"k", b"v")])


def crash_points(folder: Path) -> dict[str, Path]:
    """A copy of all files as they were after each step of committing over a log."""
    live = folder / "live"
    live.mkdir()
    path = new_log(live, put(b"a", b"1"), put(b"b", b"1"))
    points = {}

    def crash(name: str) -> None:
        points[name] = Path(shutil.copytree(live, folder / name)) / path.name

    crash("in the log")
    log = CommitLog(path)
    writer = SqliteWriter(connect(path))
    writer.commit(log.groups())
    crash("in the file and in the log")
    log.reset()
    crash("in the file, the log is empty")
    writer.commit(put(b"a", b"2"))
    crash("a later commit in the file only")
    log.append(pack(put(b"b", b"2")))
    crash("and one in the log after it")
    log.close()
    writer.connection.close()
    return points


def test_no_crash_loses_a_commit_or_brings_an_older_one_back(tmp_path: Path) -> None:
    """Invariant S7."""
    found = {name: stored(path) for name, path in crash_points(tmp_path).items()}
    first = {b"a": b"1", b"b": b"1"}
    assert found == {
        "in the log": first,
        "in the file and in the log": first,
        "in the file, the log is empty": first,
        "a later commit in the file only": {b"a": b"2", b"b": b"1"},
        "and one in the log after it": {b"a": b"2", b"b": b"2"},
    }


@pytest.mark.parametrize(
    "step", ["commit", "reset", "remove"], ids=lambda step: f"crash before {step}"
)
def test_bringing_a_log_into_the_file_can_be_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = new_log(tmp_path, put(b"a"))

    def crash(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        owner = "catenula.storage.sqlite_writer.SqliteWriter" if step == "commit" else LOG
        patch.setattr(f"{owner}.{step}", crash)
        with pytest.raises(LocalError, match=r"a\.sqlite cannot be used: Input/output error"):
            open_store(f"sqlite:{path}")
    assert stored(path) == {b"a": b"value"}


LOG = "catenula.storage.commit_log.CommitLog"


def test_somebody_who_only_reads_finds_what_is_in_the_log(tmp_path: Path) -> None:
    path = new_log(tmp_path, put(b"a"))
    with open_store(f"sqlite:{path}") as store:
        assert store.partition(ROOT).get(b"a") == b"value"


def test_a_reader_leaves_the_log_of_a_store_in_use(tmp_path: Path) -> None:
    path = new_store(tmp_path)
    with open_store(f"sqlite:{path}") as owner:
        owner.claim()
        log = CommitLog.create(path, SALT)
        log.append(pack(put(b"a")))
        with open_store(f"sqlite:{path}") as reader:
            assert reader.partition(ROOT).get(b"a") is None
        assert log_path(path).exists()
        log.close()
    assert stored(path) == {b"a": b"value"}


@pytest.mark.parametrize("mode", list(Claim))
def test_whoever_claims_a_store_brings_its_log_into_the_file(tmp_path: Path, mode: Claim) -> None:
    path = new_store(tmp_path)
    with open_store(f"sqlite:{path}") as store:
        log = CommitLog.create(path, SALT)
        log.append(pack(put(b"a")))
        log.close()
        store.claim(mode)
        assert store.partition(ROOT).get(b"a") == b"value"
        assert not log_path(path).exists()


class Aside:
    """A borrower that says what a test wants and remembers what it was asked."""

    def __init__(self, *, is_behind: bool, is_busy: bool, on_question: Callable[[], bool]) -> None:
        self.is_behind, self.is_busy = is_behind, is_busy
        self.questions = 0
        self.has_let_go = False
        self._on_question = on_question

    def catch_up(self) -> bool:
        self.questions += 1
        self.is_behind = self.is_busy = False
        return self._on_question()

    def let_go(self) -> None:
        self.has_let_go = True


def test_reads_wait_for_what_is_known_and_writes_for_everything(tmp_path: Path) -> None:
    with open_store(f"sqlite:{tmp_path / 'a.sqlite'}") as store:
        store.claim()
        aside = Aside(is_behind=False, is_busy=True, on_question=lambda: True)
        store.lend(aside)
        assert store.partition(ROOT).get(b"a") is None
        assert aside.questions == 0
        store.commit(put(b"a"))
        assert aside.questions == 1
        aside.is_behind = aside.is_busy = True
        assert store.partition(ROOT).scan_keys(b"") == [b"a"]
        assert store.partition(ROOT).get(b"a") == b"value"
        assert aside.questions == 2
    assert aside.has_let_go


def test_the_owner_takes_over_what_a_borrower_left(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with open_store(f"sqlite:{path}") as store:
        store.claim()
        log = CommitLog.create(path, SALT)
        log.append(pack(put(b"a")))
        log.close()
        aside = Aside(is_behind=True, is_busy=True, on_question=lambda: False)
        store.lend(aside)
        assert store.partition(ROOT).get(b"a") == b"value"
        assert not log_path(path).exists()
        aside.is_behind = True
        assert store.partition(ROOT).get(b"a") == b"value"
        assert aside.questions == 1
