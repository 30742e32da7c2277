"""Hands a connection's bytes to another socket and back, with back-pressure both ways.

What `first_frames` has sent in the server's name is settled here. Neither side is read while the
other does not take what came from it, so a connection holds little more than the two transports'
write buffers.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from catenula.transport.first_frames import FirstAcknowledgement

MAX_EARLY_BYTES = 64 * 1024
"""What a client may send before the other side is connected; then it is not read for a while."""


class Splice(asyncio.Protocol):
    """The client's side of a spliced connection; connects the other side by itself."""

    def __init__(self, path: str, on_close: Callable[[object], None]) -> None:
        self._path, self._on_close = path, on_close
        self._transport: asyncio.Transport = cast(Any, None)
        self._other: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._early_bytes = 0
        self._connecting: asyncio.Task[None] | None = None
        self._acknowledgement: FirstAcknowledgement | None = FirstAcknowledgement()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client is there: connect the other side."""
        self._transport = cast(asyncio.Transport, transport)
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            other, _ = await loop.create_unix_connection(
                lambda: _OtherSide(self._transport), self._path
            )
        except OSError:  # The server behind the port is being stopped.
            self._transport.abort()
            return
        self._other = other
        if self._transport.is_closing():
            other.close()
            return
        early, self._early = self._early, []
        if self._early_bytes > MAX_EARLY_BYTES:
            self._transport.resume_reading()
        if early:
            other.write(b"".join(early))

    def data_received(self, data: bytes) -> None:
        """Bytes of the client."""
        if self._acknowledgement is not None:
            data = self._acknowledgement.without(data)
            if self._acknowledgement.is_done:
                self._acknowledgement = None
        if self._other is not None:
            self._other.write(data)
            return
        self._early.append(data)
        self._early_bytes += len(data)
        if self._early_bytes > MAX_EARLY_BYTES:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """The client does not take what the other side says."""
        if self._other is not None:
            self._other.pause_reading()

    def resume_writing(self) -> None:
        """The client has taken it."""
        if self._other is not None and not self._other.is_closing():
            self._other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, and so is the other side."""
        if self._other is not None:
            self._other.close()
        self._on_close(self)

    def shut_down(self) -> None:
        """End the connection now."""
        self._transport.abort()


class _OtherSide(asyncio.Protocol):
    """The side of the server behind the port."""

    def __init__(self, client: asyncio.Transport) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.write(data)

    def pause_writing(self) -> None:
        self._client.pause_reading()

    def resume_writing(self) -> None:
        if not self._client.is_closing():
            self._client.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._client.close()
