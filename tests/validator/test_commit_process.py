"""The commit helper: a process that commits for the stores of this one, and what if it fails."""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from catenula.base.errors import LocalError
from catenula.storage import DELETE, DELETE_PREFIX, PUT, Batch
from catenula.storage.engine import Claim, Fence, Store, open_store
from catenula.storage.file_locks import OwnerLock, StoreInUse, with_patience
from catenula.validator import commit_process
from catenula.validator.commit_threads import COMMITS_REMEMBERED, CommitThreads
from catenula.validator.committer import GroupCommitter, committer_for
from catenula.validator.helper_process import MAX_PACKET_BYTES
from tests.validator.commit_scene import OWNER, Scene, end, put, run, start_at_once


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    start_at_once(monkeypatch)


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
    command = (sys.executable, "-c", OWNER, str(path))
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
        end(helper)


def test_an_engine_of_one_process_is_not_lent() -> None:
    store: Store = open_store("memory:")
    assert store.loan() is None
