"""The commit helper as its owner sees it: started when it pays, one channel per store.

Whatever goes wrong with the helper, the owner commits on a thread again, as it does before the
helper is ready; so nothing here raises. The other side: `catenula.validator.commit_helper`.
"""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread

from catenula.storage.engine import Group, Store
from catenula.validator.commit_packets import MAX_COMMIT_BYTES, READY, SECONDS, pack

COMMITS_BEFORE_START = 200
"""Commits a process makes on its own threads: a program that ends soon needs no helper."""
LONGEST_END_SECONDS = 10.0

OnAnswer = Callable[[float | None], None]
"""Called on the event loop with the seconds a commit took; None when it has to be done again."""


class StoreChannel:
    """Where the helper takes the commits of one store, one at a time."""

    def __init__(self, channel: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        channel.setblocking(False)
        self._channel, self._loop = channel, loop
        self._on_answer: OnAnswer | None = None
        self._is_open = True
        loop.add_reader(channel.fileno(), self._read)

    def send(self, groups: Sequence[Group], on_answer: OnAnswer) -> bool:
        """Have the groups committed; False when the helper does not take them."""
        if not self._is_open or self._loop is not asyncio.get_running_loop():
            return False
        packet = pack(groups)
        if len(packet) > MAX_COMMIT_BYTES:
            return False
        try:
            self._channel.send(packet)
        except OSError:
            self._end()
            return False
        self._on_answer = on_answer
        return True

    def _read(self) -> None:
        try:
            answer = self._channel.recv(SECONDS.size)
        except OSError:
            answer = b""
        if not answer:
            self._end()
        on_answer, self._on_answer = self._on_answer, None
        if on_answer is not None:
            on_answer(SECONDS.unpack(answer)[0] if answer else None)

    def _end(self) -> None:
        """The helper has closed its side, and before that its connection to the store."""
        self._is_open = False
        self._loop.remove_reader(self._channel.fileno())
        self._channel.close()

    async def close(self) -> None:
        """Return when the helper has let go of the store; nothing may be on its way."""
        if not self._is_open:
            return
        self._is_open = False
        self._loop.remove_reader(self._channel.fileno())
        self._channel.settimeout(LONGEST_END_SECONDS)
        with self._channel, suppress(OSError):
            self._channel.shutdown(socket.SHUT_WR)
            await asyncio.to_thread(self._channel.recv, 1)


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
        if self._control is None:
            self._count()
            return None
        loan = store.loan()
        if loan is None:
            return None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                path = os.fsencode(loan.path.absolute())
                socket.send_fds(self._control, [path], [theirs.fileno(), loan.lock])
            except OSError:
                ours.close()
                return None
        return StoreChannel(ours, asyncio.get_running_loop())

    def _count(self) -> None:
        self._commits += 1
        if self._commits == COMMITS_BEFORE_START:
            self._starter = Thread(target=self._start, name="commit-helper", daemon=True)
            self._starter.start()

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
        if self.process is not None and ours.recv(len(READY)) == READY:
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
            self._control.close()
            self._control = None
        if self.process is not None:
            _wait_for(self.process)
            self.process = None
        self._commits = 0


def _spawn(control: socket.socket) -> subprocess.Popen[bytes] | None:
    """The process; in a session of its own, so that an interrupt ends its owner first."""
    try:
        return subprocess.Popen(
            (sys.executable, "-m", "catenula.validator.commit_helper", str(control.fileno())),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(control.fileno(),),
            start_new_session=True,
        )
    except OSError:
        return None


def _wait_for(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(LONGEST_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
