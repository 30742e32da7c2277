"""The commit helper as its owner sees it: started when it pays, one channel per store.

Where there is no helper, or it does not take a commit, the owner commits on a thread, as it does
before the helper is ready. The other side: `catenula.validator.commit_helper`.
"""

import asyncio
import os
import socket
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress

from catenula.storage.engine import Group, Loan, Store
from catenula.validator.commit_packets import SECONDS, pack
from catenula.validator.helper_process import (
    LONGEST_WAIT_SECONDS,
    MAX_PACKET_BYTES,
    HelperProcess,
)

COMMITS_BEFORE_START = 200
"""Commits a process makes on its own threads: a program that ends soon needs no helper."""

OnAnswer = Callable[[float | None], None]
"""Called on the event loop with the seconds a commit took; None when it has to be done again."""

_MODULE = "catenula.validator.commit_helper"


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
            if len(packet) > MAX_PACKET_BYTES:
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
    """The helper process that commits, which the stores of an embedded network share."""

    def __init__(self) -> None:
        self._helper = HelperProcess(_MODULE, starts_after=COMMITS_BEFORE_START)

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The process, once it has been started."""
        return self._helper.process

    def channel_for(self, store: Store) -> StoreChannel | None:
        """A channel for a store that has something to commit; None while it must do so itself."""
        loan = store.loan()
        if loan is None:
            return None
        control = self._helper.control
        if control is None:
            self._helper.count()
            return None
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            return None  # There are no descriptors left.
        with theirs:
            if not self._lend(control, loan, theirs):
                ours.close()
                return None
        try:
            return StoreChannel(ours, asyncio.get_running_loop())
        except OSError:
            ours.close()
            return None

    def _lend(self, control: socket.socket, loan: Loan, channel: socket.socket) -> bool:
        """Tell the helper of a store."""
        try:
            socket.send_fds(control, [os.fsencode(loan.path)], [channel.fileno(), loan.lock])
        except OSError:
            self._helper.lose()
            return False
        return True

    def wait_until_started(self) -> None:
        """Return when a process that is being started serves, or has failed to."""
        self._helper.wait_until_started()

    def close(self) -> None:
        """End the process; all stores have been closed."""
        self._helper.close()
