"""HTTP/2 connections of the public port: native gRPC, and gRPC-Web of browsers and proxies.

Everything has a limit: streams, the bytes and the time of requests, the memory that bodies of all
connections take, how long a client may not read, and how many streams it may abandon.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import ClassVar, cast

from catenula.base.limits import (
    MAX_PUBLIC_BURDENS,
    MAX_PUBLIC_HEADER_BYTES,
    MAX_PUBLIC_STREAMS,
    PUBLIC_BODY_SECONDS,
    PUBLIC_HEAD_SECONDS,
    PUBLIC_WRITE_SECONDS,
)
from catenula.transport.arriving import ArrivingBody, PortBudget, WithBody
from catenula.transport.grpc_web import Headers
from catenula.transport.http1 import Answer
from catenula.transport.http2_endpoint import FrameHandlers, Http2Endpoint
from catenula.transport.http2_frames import (
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    SETTING_HEADER_BYTES,
    SETTING_MAX_STREAMS,
    SETTING_WINDOW,
    ErrorCode,
    Frame,
    FrameReader,
    FrameType,
    Http2Violation,
    frame,
    goaway_frame,
    header_block,
    number_in,
    reset_frame,
    settings_frame,
    unpadded,
    window_frame,
)

_STREAM_WINDOW = 1 << 20
_CONNECTION_WINDOW = 16 << 20
_SENT_BYTES = 1 << 20
_GREETING = settings_frame(
    (
        (SETTING_MAX_STREAMS, MAX_PUBLIC_STREAMS),
        (SETTING_WINDOW, _STREAM_WINDOW),
        (SETTING_HEADER_BYTES, MAX_PUBLIC_HEADER_BYTES),
    )
) + window_frame(0, _CONNECTION_WINDOW - DEFAULT_WINDOW)


_UNREAD_BYTES = 1 << 16
"""When the client reads again, so much is sent before it is seen whether it goes on reading."""

_FEW_CALLS = 4
"""With more calls on a connection, the answers of one turn of the event loop go out together.

Under load that saves the server a fifth of its work and a client a third.
"""


class Http2Exchange(WithBody):
    """One stream of the connection; see `Exchange`."""

    is_http2 = True

    def __init__(self, connection: "Http2Connection", number: int, headers: dict[str, str]) -> None:
        self.headers = headers
        self.method = headers.get(":method", "")
        self.path = headers.get(":path", "").partition("?")[0]
        self.number, self._connection = number, connection
        self.arriving = ArrivingBody(connection.budget)
        self.task: asyncio.Task[None] | None = None
        self.room = connection.initial_room
        """Bytes that the client takes on this stream."""
        self.unreported = 0
        """Bytes that have arrived and for which the client has got no new room yet."""
        self.unsent = 0
        """Bytes that wait for room."""
        self.waiter: asyncio.Future[None] | None = None

    async def respond(self, status: int, headers: Headers, *, has_body: bool) -> None:
        """See `Exchange`."""
        block = header_block(((":status", str(status)), *headers))
        flags = END_HEADERS if has_body else END_HEADERS | END_STREAM
        self._connection.put(frame(FrameType.HEADERS, flags, self.number, block))

    async def write(self, data: bytes) -> None:
        """See `Exchange`."""
        await self._connection.send_data(self, data)

    async def finish(self, trailers: Headers) -> None:
        """See `Exchange`."""
        if trailers:
            flags = END_HEADERS | END_STREAM
            block = header_block(tuple(trailers))
            self._connection.put(frame(FrameType.HEADERS, flags, self.number, block))
        else:
            self._connection.put(frame(FrameType.DATA, END_STREAM, self.number))


class _NobodyReads(asyncio.CancelledError):
    """The client has not read for too long, and was told so: the call is over."""


class Http2Connection(Http2Endpoint[Http2Exchange]):
    """One connection with many streams."""

    def __init__(
        self, answer: Answer, budget: PortBudget, on_close: Callable[[object], None]
    ) -> None:
        super().__init__(FrameReader(), most_sent_bytes=_SENT_BYTES)
        self._answer, self.budget, self._on_close = answer, budget, on_close
        self._last_stream = 0
        self._burdens = 0
        self._held_up: dict[int, Http2Exchange] = {}
        """Answers that wait for the connection and not for room of their own, longest first."""
        self._greeting: asyncio.TimerHandle | None = None

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(_GREETING)
        self._greeting = self._loop.call_later(PUBLIC_HEAD_SECONDS, self._check_greeted)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: nobody waits for answers."""
        if self._greeting is not None:
            self._greeting.cancel()
        for number in list(self._streams):
            self._drop(number)
        self._on_close(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of frames."""
        if self._transport.is_closing():
            return
        try:
            for received in self._reader.feed(data):
                self._take(received)
        except Http2Violation as violation:
            self._leave(violation.code)
        self.flush()

    def pause_writing(self) -> None:
        """The client does not read: it is not listened to either, as that makes us write."""
        self._is_paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client has read."""
        self._is_paused = False
        self._transport.resume_reading()
        self._wake_held_up()

    # Frames

    def _take_block(self, first: Frame, headers: dict[str, str]) -> None:
        known = self._streams.get(first.stream)
        if known is None and first.stream > self._last_stream:
            self._begin(first.stream, headers)
            known = self._streams.get(first.stream)
        if known is not None and first.flags & END_STREAM:
            known.arriving.complete()

    def _begin(self, number: int, headers: dict[str, str]) -> None:
        """A request."""
        self._last_stream = number
        if (
            self._is_leaving
            or len(self._streams) >= MAX_PUBLIC_STREAMS
            or not self.budget.take_call()
        ):
            self.put(reset_frame(number, ErrorCode.REFUSED_STREAM))
            return
        exchange = self._streams[number] = Http2Exchange(self, number, headers)
        exchange.arriving.limit_seconds(PUBLIC_BODY_SECONDS)
        exchange.task = self._loop.create_task(self._answer_one(exchange))

    def _take_data(self, received: Frame) -> None:
        size = len(received.payload)
        exchange = self._streams.get(received.stream)
        if exchange is None and not 0 < received.stream <= self._last_stream:
            raise Http2Violation(ErrorCode.PROTOCOL_ERROR)
        self._unreported += size
        if self._unreported > _CONNECTION_WINDOW // 2:
            self._report_room()
        if exchange is None:
            return
        exchange.arriving.add(unpadded(received))
        if received.flags & END_STREAM:
            exchange.arriving.complete()
            return
        # What is kept is bounded elsewhere, so the client may go on sending.
        exchange.unreported += size
        if exchange.unreported > _STREAM_WINDOW // 2:
            self.put(window_frame(received.stream, exchange.unreported))
            exchange.unreported = 0

    def _take_settings(self, received: Frame) -> None:
        self._bear()
        super()._take_settings(received)

    def _change_rooms(self, value: int) -> None:
        super()._change_rooms(value)
        for exchange in self._streams.values():
            if exchange.room > 0:
                self._wake(exchange)

    def _take_room(self, stream: Http2Exchange | None) -> None:
        if stream is None:
            self._wake_held_up()
        else:
            self._wake(stream)

    def _take_reset(self, received: Frame) -> None:
        number_in(received.payload)
        self._drop(received.stream)
        self._bear()

    def _bear(self) -> None:
        """The client makes work beyond calls that end well; it may not do so without end."""
        self._burdens += 1
        if self._burdens > MAX_PUBLIC_BURDENS:
            raise Http2Violation(ErrorCode.ENHANCE_YOUR_CALM)

    _HANDLERS: ClassVar[FrameHandlers] = {
        **Http2Endpoint.COMMON_HANDLERS,
        FrameType.DATA: _take_data,
        FrameType.SETTINGS: _take_settings,
        FrameType.RST_STREAM: _take_reset,
    }

    # Answering

    async def _answer_one(self, exchange: Http2Exchange) -> None:
        try:
            await self._answer(exchange)
            if not exchange.arriving.is_complete:
                # The answer is complete, so the rest of the request is not wanted.
                self.put(reset_frame(exchange.number, ErrorCode.NO_ERROR))
            if len(self._streams) <= _FEW_CALLS:
                self.flush()
            self._burdens = max(0, self._burdens - 1)
        except _NobodyReads:
            return
        finally:
            self._forget(exchange.number)

    async def send_data(self, exchange: Http2Exchange, data: bytes) -> None:
        """Send a part of a response's body, as fast as the client takes it."""
        if len(data) <= min(exchange.room, self._room, self._frame_bytes) and not self._is_paused:
            self._put_data(exchange, data)
            return
        try:
            await self._send_in_parts(exchange, data)
        finally:
            self.budget.unread.release(exchange)
            self._wake_held_up()

    def _put_data(self, exchange: Http2Exchange, part: bytes) -> None:
        self.put(frame(FrameType.DATA, 0, exchange.number, part))
        exchange.room -= len(part)
        self._room -= len(part)

    async def _send_in_parts(self, exchange: Http2Exchange, data: bytes) -> None:
        position = 0
        while position < len(data):
            size = min(exchange.room, self._room, self._frame_bytes, len(data) - position)
            if size <= 0 or self._is_paused:
                self.budget.unread.hold(exchange, len(data), partial(self._cut_off, exchange))
                exchange.unsent = len(data) - position
                await self._wait_until_read(exchange)
                continue
            self._put_data(exchange, data[position : position + size])
            position += size
            if position < len(data):
                self.flush()

    def _cut_off(self, exchange: Http2Exchange) -> None:
        """Too much is unread, and this has waited longest."""
        if exchange.number in self._streams:
            self.put(reset_frame(exchange.number, ErrorCode.ENHANCE_YOUR_CALM))
            self._drop(exchange.number)

    async def _wait_until_read(self, exchange: Http2Exchange) -> None:
        self.flush()
        waiter = exchange.waiter = self._loop.create_future()
        if exchange.room > 0:
            self._held_up[exchange.number] = exchange
        else:
            self._wake_held_up()
        try:
            async with asyncio.timeout(PUBLIC_WRITE_SECONDS):
                await waiter
        except TimeoutError as error:
            self.put(reset_frame(exchange.number, ErrorCode.CANCEL))
            self._forget(exchange.number)
            raise _NobodyReads from error
        finally:
            exchange.waiter = None
            self._held_up.pop(exchange.number, None)

    def _wake(self, exchange: Http2Exchange) -> None:
        self._held_up.pop(exchange.number, None)
        if exchange.waiter is not None and not exchange.waiter.done():
            exchange.waiter.set_result(None)

    def _wake_held_up(self) -> None:
        """Let as many go on as the connection takes now.

        To wake all would cost as much as there are, for one byte of room.
        """
        room = 0 if self._is_paused else min(self._room, _UNREAD_BYTES)
        while room > 0 and self._held_up:
            exchange = next(iter(self._held_up.values()))
            room -= min(exchange.room, exchange.unsent)
            self._wake(exchange)

    def _forget(self, number: int) -> Http2Exchange | None:
        """Nothing more is said about a stream."""
        exchange = self._streams.pop(number, None)
        if exchange is not None:
            exchange.arriving.forget()
            self.budget.give_back_call()
        return exchange

    def _drop(self, number: int) -> None:
        """The client does not want the answer any more."""
        exchange = self._forget(number)
        if exchange is not None and exchange.task is not None:
            exchange.task.cancel()

    # Ending

    def _check_greeted(self) -> None:
        """A client that has not even sent its settings is no client."""
        if not self._has_settings:
            self._transport.close()

    def _leave(self, code: ErrorCode) -> None:
        self.put(goaway_frame(self._last_stream, code))
        self.flush()
        self._transport.close()

    def announce_end(self) -> None:
        """Answer what runs, and take no more requests."""
        self._is_leaving = True
        self.put(goaway_frame(self._last_stream, ErrorCode.NO_ERROR))

    def shut_down(self) -> None:
        """End the connection now."""
        self._transport.abort()
