"""A TLS connection until it is known which version of HTTP client and server agreed on."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, cast


class Successor(Protocol):
    """A protocol that takes over a connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        ...

    def announce_end(self) -> None:
        """Answer what runs, and take no more requests."""
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
        self._successor: Successor | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is over."""
        self._transport = cast(asyncio.Transport, transport)
        agreed = transport.get_extra_info("ssl_object").selected_alpn_protocol()
        successor = self._successor = self._choose(agreed == "h2", self)
        self._transport.set_protocol(cast(asyncio.Protocol, successor))
        successor.connection_made(transport)

    def closed(self, successor: object = None) -> None:
        """The connection has ended at whoever took it over."""
        self._on_close(self)

    def announce_end(self) -> None:
        """Take no more requests; before the handshake is over there are none."""
        if self._successor is None:
            self.shut_down()
        else:
            self._successor.announce_end()

    def shut_down(self) -> None:
        """End the connection now."""
        if self._transport is not None:
            self._transport.abort()
