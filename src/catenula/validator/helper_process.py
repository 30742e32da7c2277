"""Processes that take work from this one: started when it pays, ended with it.

A helper finds the same modules as its owner and gets one end of a *control* channel, a socket that
keeps packets apart; it says `READY` when it serves and ends when the other end is closed. Where
there is none, or it has gone, its owner does the work itself.
"""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from threading import Thread

READY = b"ready"
"""The first packet from a helper."""
LONGEST_WAIT_SECONDS = 10.0
"""For a helper to start, to let go of something, and to end."""

_PROGRAM = """
import sys
sys.path[:] = sys.argv[3:]
from importlib import import_module
import_module(sys.argv[1]).main(int(sys.argv[2]))
"""
"""Finds the same modules as this process, wherever it runs."""


class HelperProcess:
    """One helper of this process, whose module has a ``main`` that takes a descriptor."""

    def __init__(self, module: str, *, starts_after: int) -> None:
        """A program that ends soon needs no helper: it starts after so many calls of `count`."""
        self._module, self._starts_after = module, starts_after
        self._counted = 0
        self._starter: Thread | None = None
        self._owner_pid = os.getpid()
        self._control: socket.socket | None = None
        self.process: subprocess.Popen[bytes] | None = None
        """The process, once it has been started."""

    @property
    def control(self) -> socket.socket | None:
        """The channel to a helper that serves; None in a process forked from its owner."""
        return self._control if os.getpid() == self._owner_pid else None

    def count(self) -> None:
        """Something was done here that a helper could have done."""
        self._counted += 1
        if self._counted == self._starts_after:
            starter = Thread(target=self._start, name="helper", daemon=True)
            with suppress(RuntimeError):  # No more threads, or the program ends.
                starter.start()
                self._starter = starter

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
        if self.process is not None and _is_ready(ours):
            self._control = ours
        else:
            ours.close()

    def wait_until_started(self) -> None:
        """Return when a process that is being started serves, or has failed to."""
        if self._starter is not None:
            self._starter.join()
            self._starter = None

    def lose(self) -> None:
        """The helper has gone; it is not started again."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self.process is not None:
            self.process.poll()

    def close(self) -> None:
        """End the process, which nobody uses any more, unless it is another process's."""
        self.wait_until_started()
        is_ours = os.getpid() == self._owner_pid
        if self._control is not None:
            with self._control, suppress(OSError):
                if is_ours:
                    # A process that was forked from this one may have a copy of the socket.
                    self._control.shutdown(socket.SHUT_RDWR)
            self._control = None
        if self.process is not None and is_ours:
            _wait_for(self.process)
        self.process, self._counted = None, 0


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


def _wait_for(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(LONGEST_WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
