"""What an HTTP/2 client wants, found out from its first frames: native gRPC or gRPC-Web.

Some clients wait for the server's SETTINGS before they ask anything, so the server's side begins
with an empty SETTINGS frame of ours. Whoever serves the connection then sends its own, which HTTP/2
allows at any time (RFC 9113 §6.5). The client acknowledges both; the first acknowledgement is taken
out of what the gRPC library gets to see, as it would not know what it is for.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, cast

from catenula.base.limits import FIRST_REQUEST_SECONDS, MAX_FIRST_FRAMES_BYTES
from catenula.transport.newcomers import HTTP2_PREFACE

EMPTY_SETTINGS = b"\0\0\0\4\0\0\0\0\0"

_HEAD_BYTES = 9
_HEADERS, _SETTINGS, _PING = 1, 4, 6
_ACK, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x4, 0x8, 0x20
_PRIORITY_BYTES = 5
_WEB_PREFIX = b"application/grpc-web"


class FirstFrames:
    """Collects what a client sends until it is known what it wants."""

    def __init__(self) -> None:
        self._taken = bytearray()
        self._position = len(HTTP2_PREFACE)
        self.is_web: bool | None = None

    @property
    def taken(self) -> bytes:
        """Everything that has arrived."""
        return bytes(self._taken)

    def feed(self, data: bytes) -> bool | None:
        """Take more bytes; whether the client speaks gRPC-Web, or None while that is open."""
        self._taken += data
        while self.is_web is None and self._position + _HEAD_BYTES <= len(self._taken):
            start = self._position + _HEAD_BYTES
            head = self._taken[self._position : start]
            end = start + int.from_bytes(head[:3], "big")
            if head[3] == _HEADERS and end <= len(self._taken):
                self.is_web = _asks_for_web(head[4], bytes(self._taken[start:end]))
            elif head[3] == _PING:
                self.is_web = False
            elif end > len(self._taken):
                break
            self._position = end
        if self.is_web is None and len(self._taken) > MAX_FIRST_FRAMES_BYTES:
            self.is_web = False
        return self.is_web


def _asks_for_web(flags: int, block: bytes) -> bool:
    """Whether a request's headers are those of gRPC-Web, or of a browser's preflight."""
    import hpack

    if not flags & _END_HEADERS:
        return False
    start = _PRIORITY_BYTES if flags & _PRIORITY else 0
    end = len(block)
    if flags & _PADDED:
        start, end = start + 1, end - block[0] if block else 0
    try:
        headers = dict(hpack.Decoder().decode(block[start:end], raw=True))
    except hpack.HPACKError:
        return False
    media = headers.get(b"content-type", b"")
    return media.startswith(_WEB_PREFIX) or headers.get(b":method") == b"OPTIONS"


class FirstAcknowledgement:
    """Takes the first acknowledgement of SETTINGS out of a client's bytes, preface included."""

    def __init__(self) -> None:
        self._head = b""
        self._left = len(HTTP2_PREFACE)
        self.is_done = False

    def without(self, data: bytes) -> bytes:
        """The bytes that are to be passed on."""
        kept: list[bytes] = []
        position = 0
        while position < len(data) and not self.is_done:
            if self._left:
                part = data[position : position + self._left]
                self._left -= len(part)
                kept.append(part)
            else:
                part = data[position : position + _HEAD_BYTES - len(self._head)]
                kept.append(self._take_head(part))
            position += len(part)
        kept.append(data[position:])
        return b"".join(kept)

    def _take_head(self, part: bytes) -> bytes:
        self._head += part
        if len(self._head) < _HEAD_BYTES:
            return b""
        head, self._head = self._head, b""
        if head[3] == _SETTINGS and head[4] & _ACK:
            self.is_done = True
            return b""
        self._left = int.from_bytes(head[:3], "big")
        return head


class Successor(Protocol):
    """A protocol that takes over a connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        ...

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        ...


class TlsBeginning(asyncio.Protocol):
    """A TLS connection until it is known which protocol was agreed on.

    ``choose`` makes the protocol that goes on, for HTTP/2 or for HTTP/1.1.
    """

    def __init__(
        self,
        choose: Callable[[bool, "TlsBeginning"], Successor],
        on_close: Callable[["TlsBeginning"], None],
    ) -> None:
        self._choose, self._on_close = choose, on_close
        self._transport: asyncio.Transport = cast(Any, None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is over."""
        self._transport = cast(asyncio.Transport, transport)
        agreed = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        successor = self._choose(agreed == "h2", self)
        self._transport.set_protocol(cast(asyncio.Protocol, successor))
        successor.connection_made(transport)

    def closed(self, successor: object = None) -> None:
        """The connection has ended at whoever took it over."""
        self._on_close(self)

    def shut_down(self) -> None:
        """End the connection now."""
        self._transport.abort()


class Http2Beginning(asyncio.Protocol):
    """An HTTP/2 connection until it is known who should serve it.

    ``choose`` makes the protocol that goes on, for gRPC-Web or for native gRPC. A client that only
    connects, and one that pings, is taken for a native one.
    """

    def __init__(
        self,
        choose: Callable[[bool, "Http2Beginning"], Successor],
        on_close: Callable[[Any], None],
    ) -> None:
        self._choose, self._on_close = choose, on_close
        self._frames = FirstFrames()
        self._transport: asyncio.Transport = cast(Any, None)
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let a client go on that waits for our settings."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(EMPTY_SETTINGS)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(FIRST_REQUEST_SECONDS, self._hand_on, False)

    def data_received(self, data: bytes) -> None:
        """The first frames."""
        is_web = self._frames.feed(data)
        if is_web is not None:
            self._hand_on(is_web)

    def _hand_on(self, is_web: bool) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._transport.is_closing():
            return
        successor = self._choose(is_web, self)
        self._transport.set_protocol(cast(asyncio.Protocol, successor))
        successor.connection_made(self._transport)
        successor.data_received(self._frames.taken)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone before it has asked anything."""
        if self._timer is not None:
            self._timer.cancel()
        self.closed()

    def closed(self, successor: object = None) -> None:
        """The connection has ended, here or at whoever took it over."""
        self._on_close(self)

    def shut_down(self) -> None:
        """End the connection now."""
        self._transport.abort()
