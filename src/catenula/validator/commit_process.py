"""The commit helper as its owner sees it: started when it pays, one channel per store.

Where there is no helper, or it does not take a commit, the owner commits on a thread, as it does
before the helper is ready. The other side: `catenula.validator.commit_helper`.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread

from catenula.storage.engine import Group, Loan, Store
from catenula.validator.commit_packets import MAX_COMMIT_BYTES, READY, SECONDS, pack

COMMITS_BEFORE_START = 200
"""Commits a process makes on its own threads: a program that ends soon needs no helper."""
LONGEST_WAIT_SECONDS = 10.0
"""For the helper to start, to let go of a store, and to end."""

OnAnswer = Callable[[float | None], None]
"""Called on the event loop with the seconds a commit took; None when it has to be done again."""

_MODULE = "catenula.validator.commit_helper"
_PROGRAM = """
import sys
sys.path[:] = sys.argv[3:]
from importlib import import_module
import_module(sys.argv[1]).main(int(sys.argv[2]))
"""
"""Finds the same modules as this process, wherever it runs."""


class StoreChannel:
    """Where the helper takes the commits of one store, one at a time."""

    def __init__(self, channel: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        """Raises `OSError` when the loop cannot watch one more descriptor."""
        channel.setblocking(False)
        self._channel, self._loop = channel, loop
        self._on_answer: OnAnswer | None = None
        self._is_usable, self._is_open = True, True
        loop.add_reader(channel.fileno(), self._read)

    def send(self, groups: Sequence[Group], on_answer: OnAnswer) -> bool:
        """Have the groups committed; False when the helper does not take them."""
        if not self._is_usable or self._loop is not asyncio.get_running_loop():
            return False
        try:
            packet = pack(groups)
            if len(packet) > MAX_COMMIT_BYTES:
                return False
            self._channel.send(packet)
        except (OSError, ValueError):
            self._is_usable = False
            return False
        self._on_answer = on_answer
        return True

    def _read(self) -> None:
        try:
            answer = self._channel.recv(SECONDS.size)
        except OSError:
            answer = b""
        if not answer:
            # The helper has closed its side, and before that its connection to the store.
            self._stop_reading()
            self._channel.close()
        on_answer, self._on_answer = self._on_answer, None
        if on_answer is not None:
            on_answer(SECONDS.unpack(answer)[0] if answer else None)

    def _stop_reading(self) -> None:
        self._is_usable, self._is_open = False, False
        if not self._loop.is_closed():
            self._loop.remove_reader(self._channel.fileno())

    async def close(self) -> None:
        """Return when the helper has let go of the store; nothing may be on its way."""
        if not self._is_open:
            return
        self._stop_reading()
        loop = asyncio.get_running_loop()
        with self._channel, suppress(OSError):
            self._channel.shutdown(socket.SHUT_WR)
            await asyncio.wait_for(loop.sock_recv(self._channel, 1), LONGEST_WAIT_SECONDS)


class CommitHelper:
    """The helper process of this one, which the stores of an embedded network share."""

    def __init__(self) -> None:
        self._commits = 0
        self._starter: Thread | None = None
        self.process: subprocess.Popen[bytes] | None = None
        """The process, once it has been started."""
        self._control: socket.socket | None = None

    def channel_for(self, store: Store) -> StoreChannel | None:
        """A channel for a store that has something to commit; None while it must do so itself."""
        loan = store.loan()
        if loan is None:
            return None
        if self._control is None:
            self._count()
            return None
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            return None  # There are no descriptors left.
        with theirs:
            if not self._lend(self._control, loan, theirs):
                ours.close()
                return None
        try:
            return StoreChannel(ours, asyncio.get_running_loop())
        except OSError:
            ours.close()
            return None

    def _lend(self, control: socket.socket, loan: Loan, channel: socket.socket) -> bool:
        """Tell the helper of a store; when it has gone, it is not started again."""
        try:
            socket.send_fds(control, [os.fsencode(loan.path)], [channel.fileno(), loan.lock])
        except OSError:
            control.close()
            self._control = None
            if self.process is not None:
                self.process.poll()
            return False
        return True

    def _count(self) -> None:
        self._commits += 1
        if self._commits == COMMITS_BEFORE_START:
            starter = Thread(target=self._start, name="commit-helper", daemon=True)
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
            self.process = _spawn(theirs)
        if self.process is not None and _is_ready(ours):
            self._control = ours
        else:
            ours.close()

    def wait_until_started(self) -> None:
        """Return when a process that is being started serves, or has failed to."""
        if self._starter is not None:
            self._starter.join()
            self._starter = None

    def close(self) -> None:
        """End the process; all stores have been closed."""
        self.wait_until_started()
        if self._control is not None:
            with self._control, suppress(OSError):
                # A process that was forked from this one may have a copy of the socket.
                self._control.shutdown(socket.SHUT_RDWR)
            self._control = None
        if self.process is not None:
            _wait_for(self.process)
            self.process = None
        self._commits = 0


def _spawn(control: socket.socket) -> subprocess.Popen[bytes] | None:
    """The process; in a session of its own, so that an interrupt ends its owner first."""
    try:
        return subprocess.Popen(
            (sys.executable, "-P", "-c", _PROGRAM, _MODULE, str(control.fileno()), *sys.path),
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
