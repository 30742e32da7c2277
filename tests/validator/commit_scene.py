"""One store that the commit helper commits to, for tests of both sides."""

import asyncio
import os
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from catenula.storage import PUT, Batch
from catenula.storage.engine import Fence, Group, open_store
from catenula.validator import commit_process, commit_threads
from catenula.validator.commit_process import CommitHelper
from catenula.validator.commit_threads import CommitThreads
from catenula.validator.committer import GroupCommitter


def start_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The helper takes over after one commit, however busy the machine is that runs the tests."""
    monkeypatch.setattr(commit_process, "COMMITS_BEFORE_START", 1)
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


OWNER = """
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


def end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
