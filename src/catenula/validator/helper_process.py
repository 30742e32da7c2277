"""Processes that take work from this one: started when it pays, ended with it.

A helper finds the same modules as its owner and gets one end of a *control* channel, a socket that
keeps packets apart; it says `READY` when it serves, and ends when its owner closes the other end or
has ended, and with it all processes that were forked from it. Where there is no helper, or it has
gone, its owner does the work itself. Work is handed over in packets of plain values.
"""

import marshal
import os
import socket
import subprocess
import sys
from contextlib import suppress
from threading import Thread
from typing import Any

READY = b"ready"
"""The first packet from a helper."""
LONGEST_WAIT_SECONDS = 10.0
"""For a helper to start, to let go of something, and to end."""

MAX_PACKET_BYTES = 64 << 10
"""A packet has to fit into a socket's buffer."""
_PLAIN = 2
"""The form of `marshal` that looks for no repetitions."""

_PROGRAM = """
import sys
sys.path[:] = sys.argv[3:]
from importlib import import_module
import_module(sys.argv[1]).main(int(sys.argv[2]))
"""
"""Finds the same modules as this process, wherever it runs."""


def packed(values: list[Any]) -> bytes:
    """A packet of tuples, lists, numbers and bytes, for a process with the same interpreter."""
    return marshal.dumps(values, _PLAIN)


def unpacked(packet: bytes) -> Any:
    """What is in a packet; it must be from the process that started this one."""
    return marshal.loads(packet)


class HelperProcess:
    """One helper of this process, whose module has a ``main`` that takes a descriptor.

    Another process that was forked from this one has none.
    """

    def __init__(
        self, module: str, *, starts_after: int, patience_seconds: float = LONGEST_WAIT_SECONDS
    ) -> None:
        """A program that ends soon needs no helper: it starts after so many calls of `count`.

        One that has not ended in time after `close` is killed.
        """
        self._module, self._starts_after = module, starts_after
        self._patience_seconds = patience_seconds
        self._counted = 0
        self._starter: Thread | None = None
        self._owner_pid = os.getpid()
        self._control: socket.socket | None = None
        self.process: subprocess.Popen[bytes] | None = None
        """The process, once it has been started."""

    @property
    def _is_ours(self) -> bool:
        return os.getpid() == self._owner_pid

    @property
    def control(self) -> socket.socket | None:
        """The channel to a helper that serves."""
        return self._control if self._is_ours else None

    def count(self) -> None:
        """Something was done here that a helper could have done."""
        if not self._is_ours:
            return
        self._counted += 1
        if self._counted == self._starts_after:
            self._starter = Thread(target=self._start, name="helper", daemon=True)
            try:
                self._starter.start()
            except RuntimeError:  # No more threads, or the program ends.
                self._starter = None
        elif self.process is not None:
            self.process.poll()  # One that was lost may have ended only later.

    def _start(self) -> None:
        """On a thread: start the process and wait until it serves."""
        if not sys.executable or getattr(sys, "frozen", False):
            return
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            return  # Not every system has sockets of this kind.
        with theirs:
            self.process = _spawn(self._module, theirs)
        if self.process is None:
            ours.close()
        elif _is_ready(ours):
            self._control = ours
        else:
            _hang_up(ours)
            self._wait_for(self.process)

    def wait_until_started(self) -> None:
        """Return when a process that is being started serves, or has failed to."""
        if self._starter is not None:
            self._starter.join()
            self._starter = None

    def lose(self) -> None:
        """The helper has gone, or cannot be used any more; it is not started again."""
        control, self._control = self.control, None
        if control is not None:
            _hang_up(control)
        if self.process is not None:
            self.process.poll()

    def kill(self) -> None:
        """End a process that does not answer; it has ended when this returns."""
        if self._is_ours and self.process is not None:
            self.process.kill()
            self.process.wait()

    def close(self) -> None:
        """End the process, which nobody uses any more."""
        if not self._is_ours:
            return
        self.wait_until_started()
        self.lose()
        if self.process is not None:
            self._wait_for(self.process)
        self.process, self._counted = None, 0

    def _wait_for(self, process: subprocess.Popen[bytes]) -> None:
        try:
            process.wait(self._patience_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _hang_up(control: socket.socket) -> None:
    """End the channel, even where a process that was forked from this one has a copy of it."""
    with control, suppress(OSError):
        control.shutdown(socket.SHUT_RDWR)


def _spawn(module: str, control: socket.socket) -> subprocess.Popen[bytes] | None:
    """The process; in a session of its own, so that an interrupt ends its owner first."""
    try:
        return subprocess.Popen(
            (sys.executable, "-P", "-c", _PROGRAM, module, str(control.fileno()), *sys.path),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(control.fileno(),),
            start_new_session=True,
        )
    except OSError:
        return None


def _is_ready(control: socket.socket) -> bool:
    control.settimeout(LONGEST_WAIT_SECONDS)
    try:
        return control.recv(len(READY)) == READY
    except OSError:
        return False
    finally:
        control.setblocking(False)
