"""HTTP/2 connections of the public port that our own code serves: browsers, and proxies for them.

Native gRPC clients usually go to the gRPC library instead; here they are served as well. Limits are
those of HTTP/1.1, and a client that keeps opening and abandoning streams is disconnected.
"""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar, cast

from catenula.base.limits import (
    MAX_PUBLIC_HEADER_BYTES,
    MAX_PUBLIC_RESETS,
    MAX_PUBLIC_STREAMS,
    PUBLIC_BODY_SECONDS,
    PUBLIC_IDLE_SECONDS,
    PUBLIC_WRITE_SECONDS,
)
from catenula.transport.arriving import ArrivingBody, BodyBudget
from catenula.transport.calls import CallStatus, StatusCode
from catenula.transport.grpc_web import Headers
from catenula.transport.http1 import Answer

_STREAM_WINDOW = 1 << 20
_CONNECTION_WINDOW = 16 << 20


class Http2Exchange:
    """One stream of the connection; see `Exchange`."""

    is_http2 = True

    def __init__(self, connection: "Http2Connection", number: int, headers: Headers) -> None:
        self.headers = dict(headers)
        self.method, self.path = self.headers.get(":method", ""), self.headers.get(":path", "")
        self.path = self.path.partition("?")[0]
        self.number, self._connection = number, connection
        self.arriving = ArrivingBody(connection.budget)
        self.task: asyncio.Task[None] | None = None

    async def body(self) -> bytes:
        """See `Exchange`."""
        return await self.arriving.whole()

    async def respond(self, status: int, headers: Headers, *, has_body: bool) -> None:
        """See `Exchange`."""
        self._connection.send_headers(
            self.number, [(":status", str(status)), *headers], is_last=not has_body
        )

    async def write(self, data: bytes) -> None:
        """See `Exchange`."""
        await self._connection.send_data(self.number, data)

    async def finish(self, trailers: Headers) -> None:
        """See `Exchange`."""
        if trailers:
            self._connection.send_headers(self.number, trailers, is_last=True)
        else:
            self._connection.end_stream(self.number)


class Http2Connection(asyncio.Protocol):
    """One connection with many streams."""

    def __init__(
        self, answer: Answer, budget: BodyBudget, on_close: Callable[[object], None]
    ) -> None:
        import h2.config
        import h2.connection
        import h2.errors
        import h2.exceptions

        self._answer, self.budget, self._on_close = answer, budget, on_close
        self._loop = asyncio.get_running_loop()
        self._errors = h2.errors.ErrorCodes
        self._protocol_error = h2.exceptions.ProtocolError
        self._connection = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        )
        self._transport: asyncio.Transport = cast(Any, None)
        self._exchanges: dict[int, Http2Exchange] = {}
        self._can_send = asyncio.Event()
        self._is_paused = False
        self._resets = 0
        self._timer: asyncio.TimerHandle | None = None

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        from h2.settings import SettingCodes, Settings

        self._transport = cast(asyncio.Transport, transport)
        self._connection.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: MAX_PUBLIC_STREAMS,
                SettingCodes.INITIAL_WINDOW_SIZE: _STREAM_WINDOW,
                SettingCodes.MAX_HEADER_LIST_SIZE: MAX_PUBLIC_HEADER_BYTES,
                SettingCodes.ENABLE_PUSH: 0,
            },
        )
        self._connection.initiate_connection()
        self._connection.increment_flow_control_window(_CONNECTION_WINDOW)
        self._flush()
        self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: nobody waits for answers."""
        self._cancel_timer()
        for number in list(self._exchanges):
            self._drop(number)
        self._can_send.set()
        self._on_close(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of frames."""
        try:
            events = self._connection.receive_data(data)
        except self._protocol_error:
            self._flush()
            self._transport.close()
            return
        for event in events:
            handle = self._HANDLERS.get(type(event).__name__)
            if handle is not None:
                handle(self, event)
        self._flush()

    def pause_writing(self) -> None:
        """The client does not read: it is not listened to either, as that makes us write."""
        self._is_paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client has read."""
        self._is_paused = False
        self._transport.resume_reading()
        self._wake()

    # Events

    def _request_received(self, event: Any) -> None:
        self._cancel_timer()
        exchange = Http2Exchange(self, event.stream_id, event.headers)
        self._exchanges[event.stream_id] = exchange
        exchange.arriving.limit_seconds(PUBLIC_BODY_SECONDS)
        exchange.task = self._loop.create_task(self._answer_one(exchange))

    def _data_received(self, event: Any) -> None:
        exchange = self._exchanges.get(event.stream_id)
        if exchange is not None:
            exchange.arriving.add(event.data)
        # What is kept is bounded elsewhere, so the client may go on sending.
        self._connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def _stream_ended(self, event: Any) -> None:
        exchange = self._exchanges.get(event.stream_id)
        if exchange is not None:
            exchange.arriving.complete()

    def _stream_reset(self, event: Any) -> None:
        self._drop(event.stream_id)
        self._resets += 1
        if self._resets > MAX_PUBLIC_RESETS:
            self._connection.close_connection(self._errors.ENHANCE_YOUR_CALM)
            self._flush()
            self._transport.close()

    def _window_changed(self, event: Any) -> None:
        self._wake()

    def _terminated(self, event: Any) -> None:
        self._transport.close()

    _HANDLERS: ClassVar[dict[str, Callable[["Http2Connection", Any], None]]] = {
        "RequestReceived": _request_received,
        "DataReceived": _data_received,
        "StreamEnded": _stream_ended,
        "StreamReset": _stream_reset,
        "WindowUpdated": _window_changed,
        "RemoteSettingsChanged": _window_changed,
        "ConnectionTerminated": _terminated,
    }

    # Answering

    async def _answer_one(self, exchange: Http2Exchange) -> None:
        try:
            await self._answer(exchange)
        except self._protocol_error:
            # The stream or the connection was closed while the answer was being written.
            return
        finally:
            exchange.arriving.forget()
        if not exchange.arriving.is_complete:
            self._stop_upload(exchange.number)
        self._exchanges.pop(exchange.number, None)
        self._resets = max(0, self._resets - 1)
        if not self._exchanges:
            self._rest()

    def _stop_upload(self, number: int) -> None:
        """The answer is complete, so the rest of the request is not wanted."""
        try:
            self._connection.reset_stream(number, self._errors.NO_ERROR)
        except self._protocol_error:  # The client has closed the stream meanwhile.
            return
        self._flush()

    def send_headers(self, number: int, headers: Headers, *, is_last: bool) -> None:
        """Send the headers of a response, or its trailers."""
        self._connection.send_headers(number, headers, end_stream=is_last)
        self._flush()

    def end_stream(self, number: int) -> None:
        """End a response."""
        self._connection.end_stream(number)
        self._flush()

    async def send_data(self, number: int, data: bytes) -> None:
        """Send a part of a response's body, as fast as the client takes it."""
        position = 0
        while position < len(data):
            room = self._connection.local_flow_control_window(number)
            if room <= 0 or self._is_paused:
                await self._wait_until_read(number)
                continue
            end = position + min(room, self._connection.max_outbound_frame_size)
            self._connection.send_data(number, data[position:end])
            position = end
            self._flush()

    async def _wait_until_read(self, number: int) -> None:
        self._can_send.clear()
        try:
            async with asyncio.timeout(PUBLIC_WRITE_SECONDS):
                await self._can_send.wait()
        except TimeoutError as error:
            self._connection.reset_stream(number, self._errors.CANCEL)
            self._flush()
            text = "the client does not read"
            raise CallStatus(StatusCode.DEADLINE_EXCEEDED, text) from error

    def _wake(self) -> None:
        self._can_send.set()

    def _drop(self, number: int) -> None:
        exchange = self._exchanges.pop(number, None)
        if exchange is not None:
            exchange.arriving.forget()
            if exchange.task is not None:
                exchange.task.cancel()
        if not self._exchanges:
            self._rest()

    def _flush(self) -> None:
        data = self._connection.data_to_send()
        if data and not self._transport.is_closing():
            self._transport.write(data)

    # Ending

    def _rest(self) -> None:
        """Nothing is asked: wait for the next request, but not for ever."""
        self._cancel_timer()
        if not self._transport.is_closing():
            self._timer = self._loop.call_later(PUBLIC_IDLE_SECONDS, self._end_idle)

    def _end_idle(self) -> None:
        self._connection.close_connection()
        self._flush()
        self._transport.close()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def shut_down(self) -> None:
        """End the connection now."""
        self._transport.abort()
