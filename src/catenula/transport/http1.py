"""HTTP/1.1 connections of the public port, for browsers (spec 06 §3.3).

Everything has a limit: the head of a request and its body in bytes and in time, requests that wait
behind a running one, bodies of all connections together, and how long a client may not read.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any, cast

from catenula.base.limits import (
    MAX_PUBLIC_HEADER_BYTES,
    MAX_PUBLIC_PIPELINE,
    PUBLIC_BODY_SECONDS,
    PUBLIC_HEAD_SECONDS,
    PUBLIC_IDLE_SECONDS,
    PUBLIC_LINGER_SECONDS,
    PUBLIC_WRITE_SECONDS,
)
from catenula.transport.arriving import ArrivingBody, PortBudget, WithBody
from catenula.transport.grpc_web import Exchange, Headers

Answer = Callable[[Exchange], Awaitable[None]]
_REASONS = {
    200: b"OK",
    400: b"Bad Request",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}


class Http1Exchange(WithBody):
    """One request on the connection; see `Exchange`."""

    is_http2 = False

    def __init__(self, connection: "Http1Connection", budget: PortBudget) -> None:
        self.method, self.path = "", ""
        self.headers: dict[str, str] = {}
        self.can_be_followed = True
        self.is_chunkable = True
        self._connection = connection
        self.arriving = ArrivingBody(budget)

    @property
    def is_kept_alive(self) -> bool:
        """Whether another request may follow on the connection."""
        return self.can_be_followed and not self.arriving.is_refused

    # What the answering side sees

    async def respond(self, status: int, headers: Headers, *, has_body: bool) -> None:
        """See `Exchange`."""
        lines = [b"HTTP/1.1 %d %s" % (status, _REASONS.get(status, b""))]
        lines += [f"{name}: {value}".encode("latin-1") for name, value in headers]
        lines.append(b"date: " + _date())
        if not has_body:
            lines.append(b"content-length: 0")
        elif self.is_chunkable:
            lines.append(b"transfer-encoding: chunked")
        if not self.is_kept_alive:
            lines.append(b"connection: close")
        await self._connection.send(b"\r\n".join(lines) + b"\r\n\r\n")

    async def write(self, data: bytes) -> None:
        """See `Exchange`."""
        part = b"%X\r\n%b\r\n" % (len(data), data) if self.is_chunkable else data
        await self._connection.send(part)

    async def finish(self, trailers: Headers) -> None:
        """See `Exchange`."""
        if self.is_chunkable:
            await self._connection.send(b"0\r\n\r\n")


def _date() -> bytes:
    return formatdate(usegmt=True).encode("ascii")


class Http1Connection(asyncio.Protocol):
    """One connection: requests in the order of their arrival, one answered at a time."""

    def __init__(
        self, answer: Answer, budget: PortBudget, on_close: Callable[[object], None]
    ) -> None:
        import httptools

        self._answer, self._budget, self._on_close = answer, budget, on_close
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._upgrade, self._no_http = httptools.HttpParserUpgrade, httptools.HttpParserError
        self._transport: asyncio.Transport = cast(Any, None)
        # Requests: the one whose bytes arrive, those that wait, the one that is answered.
        self._arriving: Http1Exchange | None = None
        self._waiting: deque[Http1Exchange] = deque()
        self._current: Http1Exchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._arrived_bytes = 0
        self._head_bytes = 0
        self._in_head = True
        self._url = b""
        self._is_deaf = False
        # Responses: what is to be written, and whether the client reads.
        self._outgoing: list[bytes] = []
        self._writable = asyncio.Event()
        self._writable.set()
        self._is_ending = False
        self._is_last = False

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast(asyncio.Transport, transport)
        self._expect(PUBLIC_HEAD_SECONDS, self._end_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: nobody waits for answers."""
        self._cancel_timer()
        self._is_ending = True
        self._budget.unread.release(self)
        self._writable.set()
        if self._task is not None:
            self._task.cancel()
        for exchange in (self._current, *self._waiting):
            if exchange is not None:
                exchange.arriving.forget()
        self._waiting.clear()
        self._on_close(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of requests."""
        if self._is_ending or self._is_deaf:
            return
        if self._in_head:
            self._arrived_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except self._upgrade:
            # Nothing else is spoken here; the request is answered as if it had not asked for it.
            self._is_deaf = True
        except self._no_http:
            self._refuse(400)
        if self._in_head and self._arrived_bytes > MAX_PUBLIC_HEADER_BYTES:
            self._refuse(431)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is written to."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The client has read."""
        self._budget.unread.release(self)
        self._writable.set()

    # The parser's side

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head, self._url, self._head_bytes = True, b"", 0
        self._arriving = Http1Exchange(self, self._budget)
        self._expect(PUBLIC_HEAD_SECONDS, self._end_idle)

    def on_url(self, url: bytes) -> None:
        """A part of the request's target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or a trailer, which is counted and ignored."""
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_PUBLIC_HEADER_BYTES:
            self._refuse(431)
        elif self._in_head and self._arriving is not None:
            key = name.decode("latin-1").lower()
            self._arriving.headers[key] = value.decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        """The head is complete: the request is answered while its body arrives."""
        exchange = self._arriving
        if exchange is None or self._is_ending:
            return
        self._in_head, self._arrived_bytes = False, 0
        exchange.method = self._parser.get_method().decode("latin-1")
        exchange.path = self._url.partition(b"?")[0].decode("latin-1")
        exchange.is_chunkable = self._parser.get_http_version() == "1.1"
        exchange.can_be_followed = (
            exchange.is_chunkable
            and self._parser.should_keep_alive()
            and not self._parser.should_upgrade()
        )
        self._cancel_timer()
        exchange.arriving.limit_seconds(PUBLIC_BODY_SECONDS)
        declared = exchange.headers.get("content-length", "0")[:20]
        exchange.arriving.expect(int(declared) if declared.isdigit() else 0)
        if exchange.headers.get("expect", "").lower() == "100-continue" and exchange.is_kept_alive:
            self._outgoing.append(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._flush()
        self._waiting.append(exchange)
        if len(self._waiting) > MAX_PUBLIC_PIPELINE:
            self._refuse(400)
        self._answer_next()

    def on_body(self, body: bytes) -> None:
        """A part of a body."""
        if self._arriving is not None and not self._is_ending:
            self._arriving.arriving.add(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._in_head, self._arrived_bytes = True, 0
        if self._arriving is not None:
            self._arriving.arriving.complete()
            self._arriving = None

    # Answering

    def _answer_next(self) -> None:
        if self._current is None and self._waiting and not self._is_ending:
            self._current = self._waiting.popleft()
            self._task = self._loop.create_task(self._answer_one(self._current))

    async def _answer_one(self, exchange: Http1Exchange) -> None:
        if not self._budget.take_call():
            exchange.arriving.forget()
            self._current = self._task = None
            self._refuse(503)
            return
        try:
            await self._answer(exchange)
        finally:
            exchange.arriving.forget()
            self._budget.give_back_call()
        self._current = self._task = None
        if self._is_last or not exchange.is_kept_alive or exchange is self._arriving:
            # What has not been read of the request is not wanted any more.
            self._linger()
            return
        if not self._waiting and self._arriving is None:
            self._expect(PUBLIC_IDLE_SECONDS, self._end_idle)
        self._answer_next()

    async def send(self, data: bytes) -> None:
        """Write; waits while too much is unread, but not for ever."""
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(data)
        if self._writable.is_set():
            return
        try:
            async with asyncio.timeout(PUBLIC_WRITE_SECONDS):
                await self._writable.wait()
        except TimeoutError:
            self._transport.abort()

    def _flush(self) -> None:
        """Write what one turn of the event loop has gathered, in one piece."""
        parts, self._outgoing = self._outgoing, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))
            if not self._writable.is_set():
                unread = self._transport.get_write_buffer_size()
                self._budget.unread.hold(self, unread, self._transport.abort)

    # Ending

    def _refuse(self, status: int) -> None:
        """Refuse what cannot be understood, and close."""
        if self._is_ending:
            return
        if self._current is not None:
            self._transport.close()
            return
        head = b"HTTP/1.1 %d %s\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        self._outgoing.append(head % (status, _REASONS[status]))
        self._linger()

    def _linger(self) -> None:
        """Close after the response was sent; what still arrives is thrown away.

        Closing with unread bytes would reset the connection, and the client might lose the answer.
        """
        self._is_ending = True
        self._flush()
        if self._transport.is_closing():
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
            self._expect(PUBLIC_LINGER_SECONDS, self._transport.abort)
        else:
            self._transport.close()

    def announce_end(self) -> None:
        """Answer what runs, and close then."""
        self._is_last = True
        if self._current is None:
            self._transport.close()

    def shut_down(self) -> None:
        """End the connection now."""
        self._transport.abort()

    def _expect(self, seconds: float, otherwise: Callable[[], None]) -> None:
        self._cancel_timer()
        self._timer = self._loop.call_later(seconds, otherwise)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_idle(self) -> None:
        """No (complete) head of a request has come; an answer in progress may go on."""
        if self._current is None:
            self._transport.close()
