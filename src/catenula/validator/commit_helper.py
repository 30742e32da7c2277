"""The commit helper: a process of our own that commits to sqlite files for the one that started it.

A thread that commits takes the interpreter from the event loop several times per commit, and waits
to get it; a process does neither. `catenula.validator.commit_process` starts it with one end of a
*control* channel; it ends when the other end is closed. What is said is in
`catenula.validator.commit_packets`.

A commit that fails is answered by closing its store's channel: the owner does it again and sees the
error itself (S2: nothing was said to anybody). The helper has a copy of the owner's lock as long as
it can write, so that nobody else serves a store whose owner was killed before the last commit has
ended (C2).
"""

import selectors
import socket
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from os import close as close_descriptor
from os import fsdecode
from pathlib import Path

from catenula.storage.engine import Group
from catenula.storage.sqlite_writer import SqliteWriter, connect
from catenula.validator.commit_packets import MAX_PATH_BYTES, SECONDS, unpack
from catenula.validator.helper_process import MAX_PACKET_BYTES, READY


class _Served:
    """One store and the channel its commits come on."""

    def __init__(self, path: Path, channel: socket.socket, lock: int) -> None:
        self.channel = channel
        self._path, self._lock = path, lock
        self._writer: SqliteWriter | None = None

    def serve(self) -> bool:
        """Commit what has come; False when the channel has ended or the commit failed."""
        try:
            packet = self.channel.recv(MAX_PACKET_BYTES)
            if packet:
                self.channel.send(SECONDS.pack(self._commit(unpack(packet))))
        except (sqlite3.Error, OSError):
            return False
        return bool(packet)

    def _commit(self, groups: Sequence[Group]) -> float:
        started = time.perf_counter()
        if self._writer is None:
            self._writer = SqliteWriter(connect(self._path))
        self._writer.commit(groups)
        return time.perf_counter() - started

    def close(self) -> None:
        """Let go of the store; the owner may go on when it sees the channel's end."""
        if self._writer is not None:
            self._writer.connection.close()
        close_descriptor(self._lock)
        self.channel.close()


def serve(control: socket.socket) -> None:
    """Commit for the other end of ``control`` until it ends."""
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        control.send(READY)
        while _serve_ready(selector, control):
            continue


def _serve_ready(selector: selectors.BaseSelector, control: socket.socket) -> bool:
    """Do what has come by now; False when the owner has ended."""
    for key, _events in selector.select():
        served: _Served | None = key.data
        if served is None:
            if not _accept(selector, control):
                return False
        elif not served.serve():
            selector.unregister(served.channel)
            served.close()
    return True


def _accept(selector: selectors.BaseSelector, control: socket.socket) -> bool:
    """Serve one more store; False when the owner has ended."""
    path, descriptors, _flags, _address = socket.recv_fds(control, MAX_PATH_BYTES, 2)
    if len(descriptors) == 2:
        channel = socket.socket(fileno=descriptors[0])
        served = _Served(Path(fsdecode(path)), channel, descriptors[1])
        selector.register(channel, selectors.EVENT_READ, served)
    else:
        # There are no descriptors left here; the owner sees the end of its channel.
        for descriptor in descriptors:
            close_descriptor(descriptor)
    return bool(path)


def main(control: int) -> None:
    """Serve on this descriptor; an owner that has ended already is not worth a message."""
    with socket.socket(fileno=control) as channel, suppress(ConnectionError):
        serve(channel)
