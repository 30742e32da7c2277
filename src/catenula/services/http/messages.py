"""Requests and responses as the handlers of a service see them.

Nothing here knows a library or a protocol of servers.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec
from msgspec import Struct, field

_TEXT = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"
_JSON = "application/json"


class Request(Struct, frozen=True):
    """A request with its whole body. Header names are lower-case; ``parameters`` come from the
    placeholders of the route's path."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


class Response(Struct, frozen=True):
    """An answer; without a content type none is sent."""

    status: int = 200
    body: bytes = b""
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def text(cls, text: str, status: int = 200) -> "Response":
        """Plain text."""
        return cls(status, text.encode(), _TEXT)

    @classmethod
    def html(cls, page: bytes) -> "Response":
        """A page, which browsers ask for again each time."""
        return cls(200, page, _HTML, (("cache-control", "no-cache"),))

    @classmethod
    def json(cls, value: Any, status: int = 200, content_type: str = _JSON) -> "Response":
        """Compact JSON."""
        return cls(status, json_bytes(value), content_type)


def json_bytes(value: Any) -> bytes:
    """Compact JSON of plain Python data."""
    return msgspec.json.encode(value)


class WebSocket(Protocol):
    """An accepted or not yet accepted WebSocket connection."""

    offered: tuple[str, ...]
    """The protocols the client offered, its favourite first."""
    headers: Mapping[str, str]
    """The headers of the handshake; names are lower-case."""

    async def accept(self, protocol: str) -> None:
        """Open the connection with one of the offered protocols."""
        ...

    async def refuse(self, status: int, text: str) -> None:
        """Answer the handshake with an HTTP error."""
        ...

    def messages(self) -> AsyncIterator[str]:
        """The texts the client sends, until it goes away."""
        ...

    async def send(self, text: str) -> None:
        """Send a text; waits while the client reads slowly."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """End the connection."""
        ...


Handler = Callable[[Request], Awaitable[Response]]
SocketHandler = Callable[[WebSocket], Awaitable[None]]
