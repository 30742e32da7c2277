"""Locks on files beside a store; the system releases them when their process ends, however it ends.

- `OwnerLock` keeps exclusive and shared users of a store apart.
- `TurnLock` lets the processes that share a store write one after the other. A process that waits
  looks again every fraction of a millisecond, where SQLite's own waiting soon sleeps for 25 ms and
  more; and it gives up after a while, because the holder may have been suspended.

Must not be used on file systems of a network whose locks do not reach other machines.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TypeVar

from catenula.base.errors import LocalError
from catenula.storage.engine import Claim

_T = TypeVar("_T")

FIRST_PAUSE_SECONDS = 0.0001
LONGEST_PAUSE_SECONDS = 0.001
TURN_ATTEMPTS = 10_000
"""With the pauses between them more than ten seconds."""
CLAIM_PAUSE_SECONDS = 0.05


class StoreInUse(LocalError):
    """Another process uses the store in a way that excludes this one."""

    def __init__(self, store: str, process: str) -> None:
        super().__init__(
            f"the store {store} is in use by another process{process}; stop that one first, or "
            "wait until it is done",
            retryable=True,
            store=store,
        )


def with_patience(action: Callable[[], _T], patience_seconds: float) -> _T:
    """The result of ``action``, tried again while the store is in use by others (`StoreInUse`)."""
    for _ in range(int(patience_seconds / CLAIM_PAUSE_SECONDS)):
        try:
            return action()
        except StoreInUse:
            _pause(CLAIM_PAUSE_SECONDS)
    return action()


def _pause(seconds: float) -> None:
    """Wait, and let other threads run; nothing is ever decided by the time that went by."""
    Event().wait(seconds)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


class OwnerLock:
    """The lock of one open store; a process may hold several of one file, as of several stores."""

    def __init__(self, path: Path, store: str) -> None:
        self._path, self._store = path, store
        self._descriptor: int | None = None
        self._mode: Claim | None = None
        self._process_id = os.getpid()

    def claim(self, mode: Claim) -> None:
        """Take the lock in this mode; raises `StoreInUse`. Repeating it changes nothing."""
        if self._mode is mode:
            return
        if self._descriptor is None:
            self._descriptor = _open(self._path)
        kind = fcntl.LOCK_EX if mode is Claim.EXCLUSIVE else fcntl.LOCK_SH
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            process = self._holder()
            self.release()
            raise StoreInUse(self._store, process) from error
        self._mode = mode
        os.ftruncate(self._descriptor, 0)
        if mode is Claim.EXCLUSIVE:
            os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def _holder(self) -> str:
        """The exclusive holder, as far as it is known; those who share the store leave no name."""
        written = os.pread(self._descriptor or 0, 20, 0)
        return f" ({int(written)})" if written.isdigit() else ""

    @property
    def exclusive_descriptor(self) -> int | None:
        """The file that is locked, while it is locked exclusively."""
        return self._descriptor if self._mode is Claim.EXCLUSIVE else None

    def release(self) -> None:
        """Give the lock back, although the commit helper may still have a copy of the descriptor.

        A process that was forked from this one only closes its copy: the lock is not its own.
        """
        self._mode = None
        if self._descriptor is not None:
            if os.getpid() == self._process_id:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
            self._descriptor = None


class TurnLock:
    """Whose turn it is to write; held during one commit."""

    def __init__(self, path: Path, store: str) -> None:
        self._store = store
        self._descriptor = _open(path)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Write alone; `LocalError` when another process does not finish its turn."""
        self._wait()
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _wait(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        for _ in range(TURN_ATTEMPTS):
            if self._take():
                return
            _pause(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
        raise LocalError(
            f"another process does not finish its write to the store {self._store}; it may be "
            "suspended: let it go on, or end it",
            retryable=True,
            store=self._store,
        )

    def _take(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Release the file."""
        os.close(self._descriptor)
