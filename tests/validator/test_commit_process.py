"""The commit helper: a process that commits for the stores of this one, and what if it fails."""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from catenula.base.errors import LocalError
from catenula.storage import DELETE, DELETE_PREFIX, PUT, Batch
from catenula.storage.commit_log import log_path
from catenula.storage.engine import Claim, Fence, Group, Store, open_store
from catenula.storage.file_locks import OwnerLock, StoreInUse, with_patience
from catenula.validator import commit_process, commit_threads
from catenula.validator.commit_helper import COMMITS_AFTER_QUESTION, COMMITS_BEFORE_FILE
from catenula.validator.commit_process import CommitHelper
from catenula.validator.commit_threads import COMMITS_REMEMBERED, CommitThreads
from catenula.validator.committer import GroupCommitter, committer_for
from catenula.validator.helper_process import MAX_PACKET_BYTES


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_process, "COMMITS_BEFORE_START", 1)
    # However busy the machine is that runs the tests.
    monkeypatch.setattr(commit_threads, "QUICK_COMMIT_SECONDS", 60.0)


class Scene:
    """One store, its committer, and where it was committed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = open_store(f"sqlite:{path}")
        self.threads = CommitThreads()
        self.store.claim()
        self.lane = self.threads.assign(self.store)
        self.committer = GroupCommitter(self.store, self.lane)
        self.own_commits = 0
        self._commit = self.store.commit
        self.store.commit = self._count  # type: ignore[method-assign]  # To see who commits.

    def _count(self, groups: Sequence[Group], fences: Sequence[Fence] = ()) -> None:
        self.own_commits += 1
        self._commit(groups, fences)

    @property
    def helper(self) -> CommitHelper:
        return self.threads.helper

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self.helper.process is not None
        return self.helper.process

    async def put(self, key: bytes, value: bytes = b"value") -> None:
        await self.committer.commit(put(key, value))

    def value(self, key: bytes) -> bytes | None:
        return self.store.partition(b"root").get(key)

    def keys(self) -> list[bytes]:
        return self.store.partition(b"root").scan_keys(b"")

    def in_file(self, key: bytes) -> bytes | None:
        """What another process finds that asks nobody."""
        return in_file(self.path, key)

    def wait_until_in_file(self, key: bytes) -> None:
        while self.in_file(key) is None:
            assert self.process.poll() is None


def put(key: bytes, value: bytes = b"value") -> list[Group]:
    return [(b"root", Batch([(PUT, key, value)]))]


def in_file(path: Path, key: bytes) -> bytes | None:
    connection = sqlite3.connect(path)
    try:
        row = connection.execute("SELECT value FROM entries WHERE key = ?", (key,)).fetchone()
    finally:
        connection.close()
    return None if row is None else bytes(row[0])[:-4]


@asynccontextmanager
async def scene(path: Path) -> AsyncIterator[Scene]:
    """A store whose next commit the helper makes."""
    made = Scene(path)
    await made.put(b"first")
    made.helper.wait_until_started()
    assert made.own_commits == 1
    try:
        yield made
    finally:
        await made.committer.close()
        made.threads.close()
        made.store.close()


def run(scenario: Callable[[Scene], Coroutine[Any, Any, None]], path: Path) -> None:
    async def within() -> None:
        async with scene(path / "a.sqlite") as made:
            await scenario(made)

    asyncio.run(within())


def test_the_helper_commits_what_the_store_then_reads(tmp_path: Path) -> None:
    async def scenario(made: Scene) -> None:
        await made.put(b"second")
        mixed = Batch([(DELETE, b"first", b""), (DELETE_PREFIX, b"sec", b""), (PUT, b"3", b"")])
        await made.committer.commit([(b"root", mixed), (b"other", Batch([(PUT, b"k", b"v")]))])
        assert made.own_commits == 1
        assert made.store.partition(b"root").scan(b"") == [(b"3", b"")]
        assert made.store.partition(b"other").get(b"k") == b"v"
        assert made.committer.counters.told()["storage_commits_total"]["counted"] == [
            [["stored"], 3]
        ]

    run(scenario, tmp_path)


def test_it_starts_only_after_some_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_process, "COMMITS_BEFORE_START", 3)

    async def scenario() -> None:
        made = Scene(tmp_path / "a.sqlite")
        for number in range(2):
            await made.put(bytes((number,)))
        assert made.helper.process is None
        await made.put(b"third")
        made.helper.wait_until_started()
        await made.put(b"fourth")
        assert made.own_commits == 3
        await made.committer.close()
        made.threads.close()
        made.store.close()

    asyncio.run(scenario())


def test_a_store_goes_on_when_the_helper_was_killed(tmp_path: Path) -> None:
    async def scenario(made: Scene) -> None:
        await made.put(b"second")
        made.process.kill()
        made.process.wait()
        await made.put(b"third")
        await made.put(b"fourth")
        assert made.own_commits == 3
        assert made.value(b"third") == made.value(b"fourth") == b"value"

    run(scenario, tmp_path)


def test_a_commit_on_its_way_is_made_again_when_the_helper_is_killed(tmp_path: Path) -> None:
    async def scenario(made: Scene) -> None:
        await made.put(b"second")
        made.process.send_signal(signal.SIGSTOP)
        writing = asyncio.ensure_future(made.put(b"third"))
        await asyncio.sleep(0)
        assert made.own_commits == 1
        made.process.kill()
        await writing
        assert made.own_commits == 2
        assert made.value(b"third") == b"value"

    run(scenario, tmp_path)


def test_an_error_is_met_again_and_told_by_the_store_itself(tmp_path: Path) -> None:
    async def scenario(made: Scene) -> None:
        await made.put(b"second")
        aside = sqlite3.connect(tmp_path / "a.sqlite")
        aside.executescript(
            "CREATE TRIGGER no BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'no'); END;"
        )
        # Durable in the log already, and kept there while it does not fit into the file.
        await made.put(b"third")
        for _ in range(2):
            with pytest.raises(LocalError, match=r"a\.sqlite failed: no"):
                made.value(b"second")
        with pytest.raises(LocalError, match=r"a\.sqlite failed: no"):
            await made.put(b"fourth")
        assert made.process.poll() is None
        aside.executescript("DROP TRIGGER no;")
        aside.close()
        await made.put(b"fifth")
        assert made.keys() == [b"fifth", b"first", b"second", b"third"]

    run(scenario, tmp_path)


def test_what_is_large_or_has_a_fence_is_committed_here(tmp_path: Path) -> None:
    async def scenario(made: Scene) -> None:
        large = b"x" * MAX_PACKET_BYTES
        await made.put(b"large", large)
        await made.committer.commit(put(b"fenced"), Fence(b"scope", 1))
        await made.put(b"small")
        assert made.own_commits == 3
        assert made.value(b"large") == large
        assert made.store.token(b"scope") == 1

    run(scenario, tmp_path)


def test_a_store_on_a_slow_disk_goes_back_to_a_thread(tmp_path: Path) -> None:
    async def scenario(made: Scene) -> None:
        lane = made.lane
        await made.put(b"second")
        for _ in range(COMMITS_REMEMBERED):
            assert lane.channel() is not None
            lane.took(100.0)
        assert lane.channel() is None
        await made.put(b"third")
        assert made.own_commits == 2
        assert lane.channel() is not None

    run(scenario, tmp_path)


def test_a_store_that_is_shared_is_not_lent(tmp_path: Path) -> None:
    location = f"sqlite:{tmp_path / 'a.sqlite'}"
    with open_store(location) as store:
        assert store.loan() is None
        store.claim(Claim.SHARED)
        assert store.loan() is None
    with open_store(location) as store:
        store.claim()
        assert store.loan() is not None


def test_a_closed_committer_leaves_nothing_open(tmp_path: Path) -> None:
    async def scenario() -> None:
        made = Scene(tmp_path / "a.sqlite")
        await made.put(b"first")
        made.helper.wait_until_started()
        await made.put(b"second")
        await made.committer.close()
        # The last connection folds the log into the file, so nobody else has one.
        made.store.close()
        assert not (tmp_path / "a.sqlite-wal").exists()
        assert not (tmp_path / "a.sqlite-log").exists()
        with open_store(f"sqlite:{tmp_path / 'a.sqlite'}") as again:
            again.claim()
            committer = committer_for(again, made.threads)
            await committer.commit(put(b"third"))
            await committer.close()
        assert made.process.poll() is None
        process = made.process
        made.threads.close()
        assert process.returncode == 0

    asyncio.run(scenario())


def test_it_starts_again_for_a_network_that_does(tmp_path: Path) -> None:
    async def scenario(made: Scene) -> None:
        first = made.process
        await made.committer.close()
        made.threads.close()
        made.committer = GroupCommitter(made.store, made.threads.assign(made.store))
        await made.put(b"second")
        made.helper.wait_until_started()
        await made.put(b"third")
        assert made.own_commits == 2
        assert made.process.pid != first.pid

    run(scenario, tmp_path)


def test_another_event_loop_commits_on_a_thread(tmp_path: Path) -> None:
    made = Scene(tmp_path / "a.sqlite")

    async def first() -> None:
        await made.put(b"first")
        made.helper.wait_until_started()
        await made.put(b"second")

    async def then() -> None:
        await made.put(b"third")
        await made.committer.close()

    asyncio.run(first())
    asyncio.run(then())
    assert made.own_commits == 2
    made.threads.close()
    made.store.close()


def test_a_helper_that_cannot_start_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))

    async def scenario() -> None:
        made = Scene(tmp_path / "a.sqlite")
        for number in range(3):
            await made.put(bytes((number,)))
            made.helper.wait_until_started()
        assert made.own_commits == 3
        await made.committer.close()
        made.threads.close()
        made.store.close()

    asyncio.run(scenario())


_OWNER = """
import asyncio, os, signal, sys
from catenula.storage import PUT, Batch
from catenula.storage.engine import open_store
from catenula.validator import commit_process, commit_threads
from catenula.validator.commit_threads import CommitThreads
from catenula.validator.committer import committer_for

commit_process.COMMITS_BEFORE_START = 1


async def main():
    threads = CommitThreads()
    committer = committer_for(open_store(f"sqlite:{sys.argv[1]}"), threads)
    for value in (b"first", b"second"):
        await committer.commit([(b"root", Batch([(PUT, b"key", value)]))])
        threads.helper.wait_until_started()
    os.kill(threads.helper.process.pid, signal.SIGSTOP)
    print(threads.helper.process.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


asyncio.run(main())
"""


def test_a_process_without_descriptors_commits_on_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(24, "Too many open files")

    async def scenario(made: Scene) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(socket, "socketpair", refuse)
            await made.put(b"second")
        assert made.own_commits == 2
        with monkeypatch.context() as patch:
            patch.setattr(asyncio.get_running_loop(), "add_reader", refuse)
            await made.put(b"third")
        assert made.own_commits == 3
        await made.put(b"fourth")
        assert made.own_commits == 3

    run(scenario, tmp_path)


def test_a_program_may_change_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.mkdir()
    open_store(f"sqlite:{other / 'a.sqlite'}").close()
    monkeypatch.chdir(tmp_path)

    async def scenario(made: Scene) -> None:
        monkeypatch.chdir(other)
        await made.put(b"second")
        assert made.own_commits == 1
        assert made.value(b"second") == b"value"

    run(scenario, Path())
    with open_store(f"sqlite:{other / 'a.sqlite'}") as untouched:
        assert untouched.partition(b"root").scan(b"") == []


def test_a_copy_of_the_control_channel_does_not_keep_the_helper(tmp_path: Path) -> None:
    async def scenario(made: Scene) -> None:
        process, control = made.process, made.helper._helper.control
        assert control is not None
        with control.dup():  # As a process has that was forked from this one.
            await made.committer.close()
            made.threads.close()
        assert process.returncode == 0

    run(scenario, tmp_path)


def test_stores_opened_after_the_helper_was_killed_do_without(tmp_path: Path) -> None:
    async def scenario(made: Scene) -> None:
        made.process.kill()
        made.process.wait()
        with open_store(f"sqlite:{tmp_path / 'b.sqlite'}") as store:
            committer = committer_for(store, made.threads)
            for number in range(3):
                await committer.commit(put(bytes((number,))))
            assert len(store.partition(b"root").scan_keys(b"")) == 3
            await committer.close()

    run(scenario, tmp_path)


def test_a_network_on_another_engine_starts_no_helper() -> None:
    async def scenario() -> None:
        threads = CommitThreads()
        store = open_store("memory:")
        committer = GroupCommitter(store, threads.assign(store))
        for number in range(3):
            await committer.commit(put(bytes((number,))))
        threads.helper.wait_until_started()
        assert threads.helper.process is None
        await committer.close()
        threads.close()

    asyncio.run(scenario())


def test_modules_beside_the_program_are_not_the_helpers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "selectors.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)

    async def scenario(made: Scene) -> None:
        await made.put(b"second")
        assert made.own_commits == 1

    run(scenario, tmp_path)


@pytest.mark.parametrize("is_forked", [False, True])
def test_an_owner_gives_back_its_own_lock_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_forked: bool
) -> None:
    lock = OwnerLock(tmp_path / "lock", "a store")
    lock.claim(Claim.EXCLUSIVE)
    assert lock.exclusive_descriptor is not None
    copied = os.dup(lock.exclusive_descriptor)
    if is_forked:
        monkeypatch.setattr(os, "getpid", lambda: 1)
    lock.release()
    other = OwnerLock(tmp_path / "lock", "a store")
    if is_forked:
        with pytest.raises(StoreInUse):
            other.claim(Claim.EXCLUSIVE)
    else:
        other.claim(Claim.EXCLUSIVE)
    other.release()
    os.close(copied)


def test_nobody_takes_the_store_of_a_killed_owner_before_its_helper_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    command = (sys.executable, "-c", _OWNER, str(path))
    # The helper has the standard error of its owner, which thus does not end with it.
    owner = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert owner.returncode == -signal.SIGKILL
    helper = int(owner.stdout)
    try:
        with open_store(f"sqlite:{path}") as store:
            with pytest.raises(StoreInUse):
                store.claim()
            os.kill(helper, signal.SIGCONT)
            with_patience(store.claim, 60)
            assert store.partition(b"root").get(b"key") == b"second"
    finally:
        _end(helper)


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def test_an_engine_of_one_process_is_not_lent() -> None:
    store: Store = open_store("memory:")
    assert store.loan() is None


def test_commits_are_in_the_log_until_somebody_reads(tmp_path: Path) -> None:
    async def scenario(made: Scene) -> None:
        await made.put(b"second")
        assert made.in_file(b"second") is None
        assert log_path(made.path).exists()
        assert made.value(b"second") == b"value"
        assert made.in_file(b"second") == b"value"

    run(scenario, tmp_path)


def test_commits_go_into_the_file_for_a_while_after_a_question(tmp_path: Path) -> None:
    async def scenario(made: Scene) -> None:
        await made.put(b"second")
        made.keys()
        for number in range(COMMITS_AFTER_QUESTION):
            await made.put(bytes((number,)))
            assert made.in_file(bytes((number,))) == b"value"
        await made.put(b"then")
        assert made.in_file(b"then") is None
        assert made.own_commits == 1

    run(scenario, tmp_path)


def test_many_commits_are_brought_into_the_file_by_themselves(tmp_path: Path) -> None:
    async def scenario(made: Scene) -> None:
        for number in range(COMMITS_BEFORE_FILE):
            await made.put(bytes((number,)))
        made.wait_until_in_file(b"\0")
        assert made.in_file(bytes((COMMITS_BEFORE_FILE - 1,))) == b"value"

    run(scenario, tmp_path)


def test_a_few_commits_are_brought_into_the_file_when_nothing_comes(tmp_path: Path) -> None:
    async def scenario(made: Scene) -> None:
        await made.put(b"second")
        made.wait_until_in_file(b"second")

    run(scenario, tmp_path)


def test_what_a_killed_helper_left_is_read_and_not_written_over(tmp_path: Path) -> None:
    async def scenario(made: Scene) -> None:
        await made.put(b"second")
        await made.put(b"third", b"old")
        made.process.kill()
        made.process.wait()
        assert made.in_file(b"second") is None
        await made.put(b"third", b"new")
        assert made.value(b"second") == b"value"
        assert made.value(b"third") == b"new"
        assert not log_path(made.path).exists()

    run(scenario, tmp_path)
    with open_store(f"sqlite:{tmp_path / 'a.sqlite'}") as store:
        store.claim()
        assert store.partition(b"root").get(b"third") == b"new"


def test_a_commit_of_our_own_comes_after_those_in_the_log(tmp_path: Path) -> None:
    large = b"x" * MAX_PACKET_BYTES

    async def scenario(made: Scene) -> None:
        await made.put(b"second", b"old")
        await made.put(b"second", large)
        made.process.kill()
        made.process.wait()
        assert made.value(b"second") == large

    run(scenario, tmp_path)


def test_a_commit_whose_loop_has_ended_is_not_brought_in_later(tmp_path: Path) -> None:
    made = Scene(tmp_path / "a.sqlite")

    async def first() -> None:
        await made.put(b"first")
        made.helper.wait_until_started()
        await made.put(b"second")
        made.process.send_signal(signal.SIGSTOP)
        made.committer.submit(put(b"third", b"old"), lambda _error: None)

    asyncio.run(first())
    made.process.send_signal(signal.SIGCONT)
    made.store.commit(put(b"third", b"new"))
    assert made.value(b"third") == b"new"
    made.store.close()
    made.threads.close()
    with open_store(f"sqlite:{made.path}") as store:
        store.claim()
        assert store.partition(b"root").get(b"third") == b"new"


def test_a_helper_that_does_not_answer_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_process, "LONGEST_WAIT_SECONDS", 0.01)

    async def scenario(made: Scene) -> None:
        await made.put(b"second")
        made.process.send_signal(signal.SIGSTOP)
        assert made.value(b"second") == b"value"
        assert made.process.returncode == -signal.SIGKILL
        await made.put(b"third")
        assert made.value(b"third") == b"value"

    run(scenario, tmp_path)


@pytest.mark.parametrize("closes_store_first", [False, True])
def test_nobody_is_left_with_a_store_that_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closes_store_first: bool
) -> None:
    monkeypatch.setattr(commit_process, "LONGEST_WAIT_SECONDS", 0.01)

    async def scenario(made: Scene) -> None:
        await made.put(b"second")
        made.process.send_signal(signal.SIGSTOP)
        if closes_store_first:
            made.store.close()
        await made.committer.close()
        assert made.process.returncode == -signal.SIGKILL

    run(scenario, tmp_path)
    with open_store(f"sqlite:{tmp_path / 'a.sqlite'}") as store:
        store.claim()
        assert store.partition(b"root").get(b"second") == b"value"


def test_a_store_that_is_closed_before_its_committer_is_complete(tmp_path: Path) -> None:
    async def scenario(made: Scene) -> None:
        await made.put(b"second")
        made.store.close()
        assert not log_path(made.path).exists()
        assert made.in_file(b"second") == b"value"
        assert made.process.poll() is None

    run(scenario, tmp_path)


def test_a_process_and_its_helper_that_were_killed_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    command = (sys.executable, "-c", _OWNER, str(path))
    owner = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    _end(int(owner.stdout))
    assert in_file(path, b"key") == b"first"
    with open_store(f"sqlite:{path}") as store:
        with_patience(store.claim, 60)
        assert store.partition(b"root").get(b"key") == b"second"
