"""New connections of a listening socket: accepted, counted, and asked what they speak.

The first bytes are looked at, not taken, so that whoever gets the socket finds them again. A
connection that does not say what it speaks holds a socket and a timer for a bounded time.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from catenula.base.limits import MAX_PUBLIC_CONNECTIONS, PEEK_SECONDS
from catenula.transport.http2_frames import PREFACE
from catenula.transport.socket_options import set_options

_log = logging.getLogger(__name__)

_TLS_HANDSHAKE = b"\x16"
_PEEK_BYTES = len(PREFACE)
_AGAIN_SECONDS = 0.02
_ACCEPTS_PER_TURN = 64
_PAUSE_SECONDS = 0.5
_ROOM_AGAIN = 0.9
"""With fewer connections than this part of the limit, reaching it again is told again."""


class Speech(Enum):
    """What a connection speaks."""

    HTTP1 = "HTTP/1.1"
    HTTP2 = "HTTP/2"
    TLS = "TLS"


class Newcomer(NamedTuple):
    """An accepted connection and what it speaks."""

    socket: socket.socket
    speech: Speech


def recognise(data: bytes) -> Speech | None:
    """What these first bytes are the beginning of, or None when more are needed."""
    if data[:1] == _TLS_HANDSHAKE:
        return Speech.TLS
    compared = min(len(data), len(PREFACE))
    if data[:compared] != PREFACE[:compared]:
        return Speech.HTTP1
    return Speech.HTTP2 if compared == len(PREFACE) else None


class Reception:
    """Accepts connections and hands each on when it has said what it speaks.

    ``welcome`` gets a newcomer and must not block; it calls `gone` when the connection has ended.
    """

    def __init__(self, listener: socket.socket, welcome: Callable[[Newcomer], None]) -> None:
        self._listener, self._welcome = listener, welcome
        self._loop = asyncio.get_running_loop()
        self._waiting: set[_Waiting] = set()
        self.connections = 0
        self._is_full = False
        """Whether that has been told; it would be told to everybody who comes."""
        listener.setblocking(False)
        self._loop.add_reader(listener.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                connection, _address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # Most likely: no more file descriptors.
                self._pause(error)
                return
            self._receive(connection)

    def _receive(self, connection: socket.socket) -> None:
        if self.connections >= MAX_PUBLIC_CONNECTIONS:
            if not self._is_full:
                self._is_full = True
                text = "more than %d connections: further ones are closed until some end"
                _log.warning(text, MAX_PUBLIC_CONNECTIONS)
            connection.close()
            return
        self.connections += 1
        connection.setblocking(False)
        set_options(connection)
        self._waiting.add(_Waiting(connection, self._decided))

    def _pause(self, error: OSError) -> None:
        _log.error("no connection can be accepted for %g s: %s", _PAUSE_SECONDS, error)
        self._loop.remove_reader(self._listener.fileno())
        self._loop.call_later(_PAUSE_SECONDS, self._resume)

    def _resume(self) -> None:
        if self._listener.fileno() >= 0:
            self._loop.add_reader(self._listener.fileno(), self._accept)

    def _decided(self, waiting: "_Waiting", speech: Speech | None) -> None:
        self._waiting.discard(waiting)
        if speech is None:
            waiting.socket.close()
            self.gone()
        else:
            self._welcome(Newcomer(waiting.socket, speech))

    def gone(self) -> None:
        """A connection that was handed on has ended."""
        self.connections -= 1
        if self.connections < MAX_PUBLIC_CONNECTIONS * _ROOM_AGAIN:
            self._is_full = False

    def close(self) -> None:
        """Accept no more; those that have not said anything are closed."""
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener.fileno())
        self._listener.close()
        for waiting in list(self._waiting):
            waiting.give_up()


class _Waiting:
    """A connection that has not said enough yet."""

    def __init__(
        self,
        connection: socket.socket,
        decided: Callable[["_Waiting", Speech | None], None],
    ) -> None:
        self.socket, self._decided = connection, decided
        self._loop = asyncio.get_running_loop()
        self._again: asyncio.TimerHandle | None = None
        self._limit = self._loop.call_later(PEEK_SECONDS, self.give_up)
        self._loop.add_reader(connection.fileno(), self._look)

    def _look(self) -> None:
        try:
            data = self.socket.recv(_PEEK_BYTES, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.give_up()
            return
        if not data:
            self.give_up()
            return
        speech = recognise(data)
        if speech is not None:
            self._end(speech)
        else:
            # What was looked at stays readable, so waiting for more is waiting for a moment.
            self._loop.remove_reader(self.socket.fileno())
            self._again = self._loop.call_later(_AGAIN_SECONDS, self._look_again)

    def _look_again(self) -> None:
        self._again = None
        self._loop.add_reader(self.socket.fileno(), self._look)

    def give_up(self) -> None:
        """Close the connection."""
        self._end(None)

    def _end(self, speech: Speech | None) -> None:
        self._limit.cancel()
        if self._again is not None:
            self._again.cancel()
        else:
            self._loop.remove_reader(self.socket.fileno())
        self._decided(self, speech)
