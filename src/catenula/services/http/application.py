"""Routes, limits and cross-origin headers: what stands between a server and the handlers.

An `HttpApplication` is an ASGI application. Any origin may use it (spec 08 §3.1): browsers need
that, and nothing here depends on cookies. A body is read whole within its limits of size and time
before a handler sees it.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from msgspec import Struct

from catenula.base.limits import (
    HTTP_BODY_SECONDS,
    HTTP_HEADERS_SECONDS,
    MAX_HTTP_BODY_BYTES,
    MAX_HTTP_CONNECTIONS,
    PREFLIGHT_CACHE_SECONDS,
)
from catenula.services.http.messages import Handler, Request, Response, SocketHandler

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
HeaderList = list[tuple[bytes, bytes]]

_VARY = "origin, access-control-request-method, access-control-request-headers"
_ANYBODY: HeaderList = [
    (b"vary", _VARY.encode()),
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"*"),
]
_PREFLIGHT: HeaderList = [
    (b"vary", _VARY.encode()),
    (b"access-control-allow-methods", b"*"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-allow-origin", b"*"),
    (b"access-control-max-age", str(PREFLIGHT_CACHE_SECONDS).encode()),
]


class HttpLimits(Struct, frozen=True):
    """What a client may cost."""

    body_bytes: int = MAX_HTTP_BODY_BYTES
    body_seconds: float = HTTP_BODY_SECONDS
    headers_seconds: float = HTTP_HEADERS_SECONDS
    connections: int = MAX_HTTP_CONNECTIONS


DEFAULT_LIMITS = HttpLimits()


class _Refused(Exception):
    """A request that no handler sees."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


class _Route(Struct, frozen=True):
    pattern: re.Pattern[str]
    handlers: dict[str, Handler]


class HttpApplication:
    """Handlers by method and path, and WebSockets by path."""

    def __init__(self, limits: HttpLimits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self._routes: dict[str, _Route] = {}
        self._sockets: dict[str, SocketHandler] = {}

    def route(self, method: str, path: str, handler: Handler) -> None:
        """Answer a method on a path; ``{name}`` in the path stands for one segment."""
        route = self._routes.get(path)
        if route is None:
            expression = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))
            route = self._routes[path] = _Route(re.compile(expression), {})
        route.handlers[method] = handler
        if method == "GET":
            route.handlers["HEAD"] = handler

    def socket(self, path: str, handler: SocketHandler) -> None:
        """Answer WebSocket handshakes on a path."""
        self._sockets[path] = handler

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request or WebSocket connection, as ASGI has it."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)

    # Requests

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            response = await self._answer(scope, receive)
        except _Refused as refused:
            response = refused.response
        await _send_response(scope, response, send)

    async def _answer(self, scope: Message, receive: Receive) -> Response:
        method, path = scope["method"], scope["path"]
        headers = _texts(_of(scope))
        route, parameters = self._find(path)
        if method == "OPTIONS":
            allowed = sorted(route.handlers) if route else []
            return Response(200, headers=(("allow", ",".join(allowed)),))
        if route is None:
            return Response(404)
        handler = route.handlers.get(method)
        if handler is None:
            return Response(405, headers=(("allow", ",".join(sorted(route.handlers))),))
        body = await self._body(headers, receive)
        query = scope.get("query_string", b"").decode("latin-1")
        return await handler(Request(method, path, headers, body, query, parameters))

    def _find(self, path: str) -> tuple[_Route | None, dict[str, str]]:
        route = self._routes.get(path)
        if route is not None:
            return route, {}
        for route in self._routes.values():
            found = route.pattern.fullmatch(path)
            if found is not None:
                return route, found.groupdict()
        return None, {}

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        announced = headers.get("content-length", "0")
        if announced.isdecimal() and int(announced[:20]) > self.limits.body_bytes:
            raise _Refused(self._too_large())
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                return await self._receive_body(receive)
        except TimeoutError:
            text = f"The body did not arrive within {self.limits.body_seconds:g} s."
            raise _Refused(Response.text(text, 408)) from None

    async def _receive_body(self, receive: Receive) -> bytes:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Refused(Response(400))
            body += message.get("body", b"")
            if len(body) > self.limits.body_bytes:
                raise _Refused(self._too_large())
            if not message.get("more_body", False):
                return bytes(body)

    def _too_large(self) -> Response:
        return Response.text(f"The body is larger than {self.limits.body_bytes} bytes.", 413)

    # WebSockets

    async def _websocket(self, scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        connection = _Connection(scope, receive, send)
        handler = self._sockets.get(scope["path"])
        if handler is None:
            await connection.refuse(404, "There is no WebSocket here.")
            return
        await handler(connection)


def _of(scope: Message) -> HeaderList:
    headers: HeaderList = scope["headers"]
    return headers


def _texts(headers: HeaderList) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}


async def _send_response(scope: Message, response: Response, send: Send) -> None:
    headers = list(_PREFLIGHT if scope["method"] == "OPTIONS" else _ANYBODY)
    headers += [(name.encode(), value.encode("latin-1")) for name, value in response.headers]
    if response.content_type is not None:
        headers.append((b"content-type", response.content_type.encode()))
    headers.append((b"content-length", str(len(response.body)).encode()))
    if response.status in (408, 413):
        # The rest of the body is not read, so that the connection cannot be used again.
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


class _Connection:
    """A WebSocket over ASGI."""

    def __init__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.offered: tuple[str, ...] = tuple(scope.get("subprotocols", ()))
        self.headers: Mapping[str, str] = _texts(_of(scope))
        self._receive, self._send = receive, send
        self._is_open = False

    async def accept(self, protocol: str) -> None:
        await self._send({"type": "websocket.accept", "subprotocol": protocol})
        self._is_open = True

    async def refuse(self, status: int, text: str) -> None:
        headers = [*_ANYBODY, (b"content-type", b"text/plain; charset=utf-8")]
        start = {"type": "websocket.http.response.start", "status": status, "headers": headers}
        await self._send(start)
        await self._send({"type": "websocket.http.response.body", "body": text.encode()})

    async def messages(self) -> AsyncIterator[str]:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self._is_open = False
                return
            text = message.get("text")
            yield text if text is not None else message["bytes"].decode("utf-8", "replace")

    async def send(self, text: str) -> None:
        if self._is_open:
            await self._send({"type": "websocket.send", "text": text})

    async def close(self, code: int, reason: str) -> None:
        if self._is_open:
            self._is_open = False
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
