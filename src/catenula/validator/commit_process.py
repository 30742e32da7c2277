"""The commit helper as its owner sees it: started when it pays, one channel per store.

Where there is no helper, or it does not take a commit, the owner commits on a thread, as it does
before the helper is ready. The other side: `catenula.validator.commit_helper`.
"""

import asyncio
import os
import socket
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress

from catenula.storage.commit_log import pack
from catenula.storage.engine import Group, Loan, Store
from catenula.validator.commit_packets import ANSWER, QUESTION
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
    """Where the helper takes the commits of one store, one at a time: the store's `Borrower`."""

    def __init__(
        self,
        channel: socket.socket,
        asking: socket.socket,
        loop: asyncio.AbstractEventLoop,
        *,
        kill_helper: Callable[[], None],
    ) -> None:
        """Raises `OSError` when the loop cannot watch one more descriptor."""
        channel.setblocking(False)
        asking.settimeout(LONGEST_WAIT_SECONDS)
        self._channel, self._asking, self._loop = channel, asking, loop
        self._kill_helper = kill_helper
        self._owner_pid = os.getpid()
        self._on_answer: OnAnswer | None = None
        self._is_usable, self._is_open = True, True
        self._sent, self._answered, self._in_file = 0, 0, 0
        """Commits that were sent, answered, and are in the store's file for certain."""
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
        except OSError:
            self._is_usable = False
            return False
        self._sent += 1
        self._on_answer = on_answer
        return True

    def _read(self) -> None:
        try:
            answer = self._channel.recv(ANSWER.size)
        except OSError:
            answer = b""
        if not answer:
            # The helper has closed its side, and before that its connection to the store.
            self._stop_reading()
            self._channel.close()
            self._asking.close()
        seconds, is_logged = ANSWER.unpack(answer) if answer else (None, True)
        self._answered = self._sent
        if not is_logged:
            self._in_file = self._sent
        on_answer, self._on_answer = self._on_answer, None
        if on_answer is not None:
            on_answer(seconds)

    def _stop_reading(self) -> None:
        self._is_usable, self._is_open = False, False
        if not self._loop.is_closed():
            self._loop.remove_reader(self._channel.fileno())

    @property
    def is_behind(self) -> bool:
        """Whether the file may lack commits that were answered; also when the helper has gone."""
        return self._in_file < self._answered or not self._is_open

    @property
    def is_busy(self) -> bool:
        """Whether the file may lack commits that were sent; also when the helper has gone."""
        return self._in_file < self._sent or not self._is_open

    def catch_up(self) -> bool:
        """Return when the file has what was sent by now; False when the helper has gone.

        From one thread at a time.
        """
        sent = self._sent
        if not self._ask(QUESTION.pack(sent)):
            return False
        self._in_file = sent
        return True

    def _ask(self, question: bytes) -> bool:
        """Whether the helper answers; one that has been suspended for long is ended instead."""
        try:
            self._asking.send(question)
            return bool(self._asking.recv(QUESTION.size))
        except TimeoutError:
            self._kill_helper()
            return False
        except OSError:
            return False

    def let_go(self) -> None:
        """Return when the helper has let go of the store, or has ended.

        A process that was forked from this one has only copies, which it leaves alone.
        """
        if os.getpid() != self._owner_pid:
            return
        with suppress(OSError):
            self._asking.shutdown(socket.SHUT_WR)
            try:
                self._asking.recv(1)
            except TimeoutError:
                self._kill_helper()
        if self._loop.is_closed():
            self._stop_reading()
            self._channel.close()
            self._asking.close()

    async def close(self) -> None:
        """Return when the helper has let go of the store; nothing may be on its way."""
        if not self._is_open:
            return
        self._stop_reading()
        loop = asyncio.get_running_loop()
        with self._channel, self._asking, suppress(OSError):
            self._channel.shutdown(socket.SHUT_WR)
            try:
                await asyncio.wait_for(loop.sock_recv(self._channel, 1), LONGEST_WAIT_SECONDS)
            except TimeoutError:
                self._kill_helper()


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
            with ExitStack() as ours:
                sockets = self._lend(control, loan, ours)
                if sockets is None:
                    return None
                loop = asyncio.get_running_loop()
                channel = StoreChannel(*sockets, loop, kill_helper=self._helper.kill)
                ours.pop_all()
        except OSError:
            return None  # There are no descriptors left.
        store.lend(channel)
        return channel

    def _lend(
        self, control: socket.socket, loan: Loan, ours: ExitStack
    ) -> tuple[socket.socket, socket.socket] | None:
        """Our ends of the channels of a store, which the helper is told of; None without it."""
        pairs = []
        with ExitStack() as theirs:
            for _ in range(2):
                pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                pairs.append((ours.enter_context(pair[0]), theirs.enter_context(pair[1])))
            descriptors = [*(end.fileno() for _, end in pairs), loan.lock]
            try:
                socket.send_fds(control, [os.fsencode(loan.path)], descriptors)
            except OSError:
                self._helper.lose()
                return None
        return pairs[0][0], pairs[1][0]

    def wait_until_started(self) -> None:
        """Return when a process that is being started serves, or has failed to."""
        self._helper.wait_until_started()

    def close(self) -> None:
        """End the process; all stores have been closed."""
        self._helper.close()
