"""Locks by key between processes: one byte of one file for each key, released when a process ends.

The locks belong to an open file, not to a process (a Linux extension), so that two clients of one
process exclude each other as well. The first bytes of the file hold the number of whoever took a
lock last, for messages to people. Waiting blocks the calling thread; waiters are served in turn.
"""

import fcntl
import os
import struct
import sys
from pathlib import Path

from catenula.base.errors import LocalError

_FLOCK = struct.Struct("hhqqi4x")
_HOLDER = struct.Struct("<q")
_HOLDERS = 4096
_OFFSETS = 1 << 62


class ProcessLock:
    """One lock that is held."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it to the next in line."""
        os.close(self._descriptor)


class ProcessLocks:
    """The locks in one file; keys are identifiers of at least eight bytes, evenly distributed."""

    def __init__(self, path: Path) -> None:
        if not sys.platform.startswith("linux"):
            raise LocalError(
                f"several processes cannot share {path} on this system: it has no locks of open "
                "files; use one process at a time",
                retryable=False,
            )
        self._path = path
        os.close(self._open())

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def try_take(self, key: bytes) -> ProcessLock | None:
        """The lock of a key, or None when it is held."""
        return self._take(key, fcntl.F_OFD_SETLK)

    def take(self, key: bytes) -> ProcessLock:
        """The lock of a key; blocks until it is free."""
        found = self._take(key, fcntl.F_OFD_SETLKW)
        if found is None:
            raise LocalError(f"the lock in {self._path} cannot be taken", retryable=True)
        return found

    def _take(self, key: bytes, command: int) -> ProcessLock | None:
        offset = _offset(key)
        descriptor = self._open()
        try:
            fcntl.fcntl(descriptor, command, _FLOCK.pack(fcntl.F_WRLCK, 0, offset, 1, 0))
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.pwrite(descriptor, _HOLDER.pack(os.getpid()), offset % _HOLDERS * _HOLDER.size)
        return ProcessLock(descriptor)

    def holder(self, key: bytes) -> int | None:
        """The number of the process that took the lock last, as far as it is known."""
        descriptor = self._open()
        try:
            written = os.pread(descriptor, _HOLDER.size, _offset(key) % _HOLDERS * _HOLDER.size)
        finally:
            os.close(descriptor)
        return _HOLDER.unpack(written)[0] or None if len(written) == _HOLDER.size else None


def _offset(key: bytes) -> int:
    return int.from_bytes(key[:8], "big") % _OFFSETS
