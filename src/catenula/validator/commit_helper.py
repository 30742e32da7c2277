"""The commit helper: a process of our own that commits to sqlite files for the one that started it.

A thread that commits takes the interpreter from the event loop several times per commit, and waits
to get it; a process does neither. `catenula.validator.commit_process` starts it with one end of a
*control* channel; it ends when the other end is closed. What is said is in
`catenula.validator.commit_packets`.

A commit becomes durable in the store's log (`catenula.storage.commit_log`), which costs half of
what the file does. Many of them are brought into the file at once, when nothing else is to be done.
An owner that reads asks to have everything in the file; its next commits go there directly, so that
whoever reads again and again does not wait each time.

A commit that fails is answered by closing its store's channels: the owner does it again and sees
the error itself (S2: nothing was said to anybody). The helper has a copy of the owner's lock as
long as it can write, so that nobody else serves a store whose owner was killed before the last
commit has ended (C2). What it cannot bring into the file stays in the log for the next user.
"""

import os
import selectors
import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from catenula.storage.commit_log import SALT_BYTES, CommitLog, net_effect
from catenula.storage.sqlite_writer import SqliteWriter, connect
from catenula.validator.commit_packets import (
    ANSWER,
    DESCRIPTORS,
    MAX_PATH_BYTES,
    QUESTION,
)
from catenula.validator.helper_process import MAX_PACKET_BYTES, READY

COMMITS_BEFORE_FILE = 128
"""So many commits of a store are brought into its file when nothing else is to be done."""
QUIET_SECONDS = 0.25
"""So long nothing came: all stores' commits are brought into their files."""
COMMITS_AFTER_QUESTION = 64
"""Commits that go into the file directly after its owner has read."""


class Served:
    """One store, the channel its commits come on, and the one its owner asks on."""

    def __init__(
        self, path: Path, channel: socket.socket, asking: socket.socket, *, lock: int
    ) -> None:
        self.channel, self.asking = channel, asking
        self._path, self._lock = path, lock
        self._writer: SqliteWriter | None = None
        self._log: CommitLog | None = None
        self.logged: list[bytes] = []
        """The commits that are in the log only."""
        self._direct_commits = 0

    def serve(self) -> bool:
        """Commit what has come, if anything; False when the channel has ended."""
        try:
            packet = self.channel.recv(MAX_PACKET_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        if packet:
            started = time.perf_counter()
            is_logged = self._commit(packet)
            self.channel.send(ANSWER.pack(time.perf_counter() - started, is_logged))
        return bool(packet)

    def answer(self) -> bool:
        """Bring everything that was sent before the question into the file; False at the end."""
        question = self.asking.recv(QUESTION.size)
        if not question or not self.serve():
            return False
        self.bring_into_file()
        self._direct_commits = COMMITS_AFTER_QUESTION
        self.asking.send(question)
        return True

    def _commit(self, packet: bytes) -> bool:
        """Make a commit durable; whether it is in the log only."""
        if self._direct_commits:
            self._direct_commits -= 1
            self._write([packet])
            return False
        if self._log is None:
            self._log = CommitLog.create(self._path, os.urandom(SALT_BYTES))
        if not self._log.append(packet):
            self.bring_into_file()
            self._log.append(packet)
        self.logged.append(packet)
        return True

    def bring_into_file(self) -> None:
        """Have all commits of the log in the file, and the log empty (S7)."""
        if self._log is not None and self.logged:
            self._write(self.logged)
            self._log.reset()
            self.logged = []

    def _write(self, packets: list[bytes]) -> None:
        if self._writer is None:
            self._writer = SqliteWriter(connect(self._path))
        self._writer.commit(net_effect(packets))

    def close(self) -> None:
        """Let go of the store; the owner may go on when it sees the channels' end."""
        with suppress(sqlite3.Error, OSError):
            self.bring_into_file()
            if self._log is not None:
                self._log.remove()
        if self._log is not None:
            self._log.close()
        if self._writer is not None:
            self._writer.connection.close()
        os.close(self._lock)
        self.asking.close()
        self.channel.close()


class _Desk:
    """Serves the stores of one owner, until the control channel ends."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._stores: list[Served] = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)

    def serve(self) -> None:
        """Commit for the other end until it ends."""
        self._control.send(READY)
        while self._serve_ready():
            continue
        for served in self._stores:
            served.close()
        self._selector.close()

    def _serve_ready(self) -> bool:
        """Do what has come by now, or what has been put off; False when the owner has ended."""
        due = self._first_due()
        ready = self._selector.select(0 if due is not None else self._patience())
        if not ready:
            for served in tuple(self._stores) if due is None else (due,):
                self._guard(served, served.bring_into_file)
        for key, _events in ready:
            if key.data is None:
                if not self._accept():
                    return False
            elif key.data[0] in self._stores:  # Not one that has ended just now.
                self._guard(*key.data)
        return True

    def _first_due(self) -> Served | None:
        for served in self._stores:
            if len(served.logged) >= COMMITS_BEFORE_FILE:
                return served
        return None

    def _patience(self) -> float | None:
        return QUIET_SECONDS if any(served.logged for served in self._stores) else None

    def _guard(self, served: Served, action: Callable[[], bool | None]) -> None:
        """Do something for a store; if it fails, or its owner has closed it, let go of it."""
        try:
            ended = action() is False
        except (sqlite3.Error, OSError):
            ended = True
        if ended:
            self._stores.remove(served)
            self._selector.unregister(served.channel)
            self._selector.unregister(served.asking)
            served.close()

    def _accept(self) -> bool:
        """Serve one more store; False when the owner has ended."""
        path, descriptors, _flags, _address = socket.recv_fds(
            self._control, MAX_PATH_BYTES, DESCRIPTORS
        )
        if len(descriptors) == DESCRIPTORS:
            channel, asking = (socket.socket(fileno=number) for number in descriptors[:2])
            served = Served(Path(os.fsdecode(path)), channel, asking, lock=descriptors[2])
            self._stores.append(served)
            self._selector.register(channel, selectors.EVENT_READ, (served, served.serve))
            self._selector.register(asking, selectors.EVENT_READ, (served, served.answer))
        else:
            # There are no descriptors left here; the owner sees the end of its channels.
            for descriptor in descriptors:
                os.close(descriptor)
        return bool(path)


def main(control: int) -> None:
    """Serve on this descriptor; an owner that has ended already is not worth a message."""
    with socket.socket(fileno=control) as channel, suppress(ConnectionError):
        _Desk(channel).serve()
