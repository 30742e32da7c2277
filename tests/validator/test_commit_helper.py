"""Commits that are in the log of a store first: until when, and what becomes of them."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from catenula.storage.commit_log import log_path, pack
from catenula.storage.engine import open_store
from catenula.storage.file_locks import with_patience
from catenula.validator import commit_process
from catenula.validator.commit_helper import (
    COMMITS_AFTER_QUESTION,
    COMMITS_BEFORE_FILE,
    Served,
)
from catenula.validator.commit_packets import ANSWER, QUESTION
from catenula.validator.helper_process import MAX_PACKET_BYTES
from tests.validator.commit_scene import OWNER, Scene, end, in_file, put, run, start_at_once


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    start_at_once(monkeypatch)


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
    command = (sys.executable, "-c", OWNER, str(path))
    owner = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    end(int(owner.stdout))
    assert in_file(path, b"key") == b"first"
    with open_store(f"sqlite:{path}") as store:
        with_patience(store.claim, 60)
        assert store.partition(b"root").get(b"key") == b"second"


def test_a_question_is_about_what_was_sent_before_it(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    open_store(f"sqlite:{path}").close()
    channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    asking, their_asking = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    served = Served(path, theirs, their_asking, lock=os.open(path, os.O_RDONLY))
    with channel, asking:
        channel.send(pack(put(b"key")))
        asking.send(QUESTION.pack(7))
        assert served.answer()
        assert in_file(path, b"key") == b"value"
        assert ANSWER.unpack(channel.recv(ANSWER.size))[1] is True
        assert asking.recv(QUESTION.size) == QUESTION.pack(7)
        # The selector had told of both.
        assert served.serve()
        channel.shutdown(socket.SHUT_WR)
        asking.send(QUESTION.pack(8))
        assert not served.answer()
    served.close()
    assert not log_path(path).exists()
