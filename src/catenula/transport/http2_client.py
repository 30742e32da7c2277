"""One HTTP/2 connection to a validator, from the calling side (RFC 9113; spec 06 §3.1).

Calls of any number share it. What arrives is bounded: a unary answer by the largest message, a
stream by what its reader has not taken yet. A call ends with a `CallStatus` and nothing else; what
may pass when it is made again on another connection is UNAVAILABLE. The connection does not come
back by itself: `GrpcChannel` makes another one.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import ClassVar, cast
from urllib.parse import unquote

from catenula.base.limits import MAX_MESSAGE_BYTES, MAX_PUBLIC_HEADER_BYTES
from catenula.transport.calls import CallStatus, StatusCode
from catenula.transport.http2_endpoint import FrameHandlers, Http2Endpoint
from catenula.transport.http2_frames import (
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    MAX_FRAME_BYTES,
    MAX_WINDOW,
    PREFACE,
    SETTING_FRAME_BYTES,
    SETTING_HEADER_BYTES,
    SETTING_PUSH,
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
from catenula.transport.small_parts import MIN_PART_BYTES, add_small_part

PREFIX_BYTES = 5
"""A flag and a length before every message."""

KEEP_ALIVE_SECONDS = 30.0
SILENCE_SECONDS = 10.0
"""A peer that does not answer a ping for so long is gone."""

_ANSWER_BYTES = MAX_MESSAGE_BYTES + PREFIX_BYTES
_STREAM_WINDOW = _ANSWER_BYTES + 2 * MAX_FRAME_BYTES
"""The largest answer fits, so no stream of one answer has to ask for more room."""
_CONNECTION_WINDOW = 64 << 20
_FRAME_BYTES = 1 << 18
_LAST_STREAM = MAX_WINDOW - 2
_GREETING = (
    PREFACE
    + settings_frame(
        (
            (SETTING_PUSH, 0),
            (SETTING_WINDOW, _STREAM_WINDOW),
            (SETTING_FRAME_BYTES, _FRAME_BYTES),
            (SETTING_HEADER_BYTES, MAX_PUBLIC_HEADER_BYTES),
        )
    )
    + window_frame(0, _CONNECTION_WINDOW - DEFAULT_WINDOW)
)
_HTTP_STATUSES = {
    "400": StatusCode.INTERNAL,
    "401": StatusCode.UNAUTHENTICATED,
    "403": StatusCode.PERMISSION_DENIED,
    "404": StatusCode.UNIMPLEMENTED,
    **dict.fromkeys(("429", "502", "503", "504"), StatusCode.UNAVAILABLE),
}
_RESETS = {
    ErrorCode.NO_ERROR: StatusCode.INTERNAL,
    ErrorCode.REFUSED_STREAM: StatusCode.UNAVAILABLE,
    ErrorCode.CANCEL: StatusCode.CANCELLED,
    ErrorCode.ENHANCE_YOUR_CALM: StatusCode.RESOURCE_EXHAUSTED,
}


class _Stream:
    """One call: what is still to be sent of its request, and what has come of its answers."""

    __slots__ = (
        "_needed",
        "_parts",
        "_size",
        "allowance",
        "end",
        "has_ended",
        "messages",
        "number",
        "room",
        "to_send",
        "unreported",
        "wake",
    )

    def __init__(self, to_send: memoryview, wake: Callable[[], None]) -> None:
        self.number = 0
        self.to_send, self.wake = to_send, wake
        self.room = 0
        """Bytes of the request that the server takes now."""
        self.messages: deque[bytes] = deque()
        self.allowance = _STREAM_WINDOW
        """Bytes that the server may still send."""
        self.unreported = 0
        """Bytes that the reader has taken and for which the server has got no new room yet."""
        # What has arrived of the next message, and when it is worth looking at.
        self._parts: list[bytes | bytearray] = []
        self._size, self._needed = 0, PREFIX_BYTES
        self.end: CallStatus | None = None
        """How the call has ended, unless well."""
        self.has_ended = False

    @property
    def is_cut_off(self) -> bool:
        """Whether a message has arrived in part."""
        return self._size > 0

    def add(self, data: bytes) -> None:
        """A part of the answers; `CallStatus` for what is no message."""
        if not data:
            return
        if self._size and len(data) < MIN_PART_BYTES:
            add_small_part(self._parts, data)
        else:
            self._parts.append(data)
        self._size += len(data)
        if self._size < self._needed:
            return
        if len(self._parts) > 1:
            data = b"".join(self._parts)
        position = 0
        self._needed = PREFIX_BYTES
        while (start := position + PREFIX_BYTES) <= len(data):
            end = start + _checked_size(data, position)
            if end > len(data):
                self._needed = end - position
                break
            self.messages.append(data[start:end])
            position = end
        self._size = len(data) - position
        self._parts = [data[position:]] if self._size else []

    def finish(self, status: CallStatus | None) -> None:
        """The call has ended."""
        if not self.has_ended:
            self.has_ended, self.end = True, status
            self.wake()


def _checked_size(data: bytes, position: int) -> int:
    """The size of the message with its prefix at ``position``; `CallStatus` if it is no message."""
    size = int.from_bytes(data[position + 1 : position + PREFIX_BYTES], "big")
    if data[position]:
        raise CallStatus(StatusCode.INTERNAL, "a message is compressed, unasked")
    if size > MAX_MESSAGE_BYTES:
        text = f"a message of {size} bytes is larger than {MAX_MESSAGE_BYTES} bytes"
        raise CallStatus(StatusCode.RESOURCE_EXHAUSTED, text)
    return size


class Http2Client(Http2Endpoint[_Stream]):
    """The connection; made by a loop's ``create_connection``.

    ``authority`` and ``scheme`` go with every request. Refuses calls once `is_usable` is False.
    """

    def __init__(self, authority: str, scheme: str) -> None:
        reader = FrameReader(from_client=False, most_bytes=_FRAME_BYTES)
        super().__init__(reader, most_sent_bytes=_FRAME_BYTES)
        self._authority, self._scheme = authority, scheme
        self._waiting: deque[tuple[str, _Stream]] = deque()
        self._blocked: dict[int, _Stream] = {}
        self._next_number = 1
        self._is_over = self._has_heard = False
        self._timer: asyncio.TimerHandle | None = None

    # Calling

    @property
    def is_usable(self) -> bool:
        """Whether new calls may be made."""
        return not self._is_over and not self._is_leaving

    async def unary(self, path: str, request: bytes) -> bytes:
        """The one answer to a call; `CallStatus` for everything else."""
        done: asyncio.Future[None] = self._loop.create_future()

        def wake() -> None:
            # More than one answer is wrong already; the others are not waited for.
            if (stream.has_ended or len(stream.messages) > 1) and not done.done():
                done.set_result(None)

        stream = self._open(path, request, wake)
        try:
            await done
        finally:
            self._abandon(stream)
        if stream.end is not None:
            raise stream.end
        if len(stream.messages) != 1:
            raise CallStatus(StatusCode.INTERNAL, f"{len(stream.messages)} answers instead of one")
        return stream.messages[0]

    async def stream(self, path: str, request: bytes) -> AsyncGenerator[bytes, None]:
        """The answers to a call as they come; ends or raises `CallStatus` with it."""
        news = asyncio.Event()
        stream = self._open(path, request, news.set)
        try:
            while True:
                while stream.messages:
                    message = stream.messages.popleft()
                    self._taken(stream, len(message) + PREFIX_BYTES)
                    yield message
                if stream.has_ended:
                    break
                news.clear()
                await news.wait()
        finally:
            self._abandon(stream)
        if stream.end is not None:
            raise stream.end

    def _open(self, path: str, request: bytes, wake: Callable[[], None]) -> _Stream:
        if not self.is_usable:
            raise _lost("the connection has ended")
        prefix = b"\0" + len(request).to_bytes(4, "big")
        stream = _Stream(memoryview(prefix + request), wake)
        if len(self._streams) < self._most_streams:
            self._begin(path, stream)
        else:
            self._waiting.append((path, stream))
        return stream

    def _begin(self, path: str, stream: _Stream) -> None:
        stream.number = number = self._next_number
        self._next_number += 2
        if number >= _LAST_STREAM:
            # There are no more numbers: the next call makes another connection.
            self._is_leaving = True
        self._streams[number] = stream
        stream.room = self.initial_room
        block = header_block(
            (
                (":method", "POST"),
                (":scheme", self._scheme),
                (":path", path),
                (":authority", self._authority),
                ("te", "trailers"),
                ("content-type", "application/grpc"),
                ("user-agent", "grpc-catenula"),
            )
        )
        self.put(frame(FrameType.HEADERS, END_HEADERS, number, block))
        self._send_more(stream)

    def _send_more(self, stream: _Stream) -> None:
        """Send of the request as much as the server takes."""
        while not self._is_paused:
            size = min(len(stream.to_send), stream.room, self._room, self._frame_bytes)
            if size <= 0:
                break
            part, stream.to_send = stream.to_send[:size], stream.to_send[size:]
            stream.room -= size
            self._room -= size
            flags = 0 if stream.to_send else END_STREAM
            self.put(frame(FrameType.DATA, flags, stream.number, part))
        if stream.to_send:
            self._blocked[stream.number] = stream
        else:
            self._blocked.pop(stream.number, None)

    def _pump(self) -> None:
        for stream in list(self._blocked.values()):
            self._send_more(stream)

    def _taken(self, stream: _Stream, size: int) -> None:
        """The reader of a stream has taken so many bytes: the server may send more."""
        stream.unreported += size
        if stream.unreported > _STREAM_WINDOW // 2 and stream.number in self._streams:
            self.put(window_frame(stream.number, stream.unreported))
            stream.allowance += stream.unreported
            stream.unreported = 0

    def _abandon(self, stream: _Stream) -> None:
        """Nobody waits for the answer of a call any more, or it is there."""
        if not stream.number:
            self._waiting = deque(each for each in self._waiting if each[1] is not stream)
        elif self._forget(stream.number) is not None:
            self.put(reset_frame(stream.number, ErrorCode.CANCEL))

    def _forget(self, number: int) -> _Stream | None:
        found = self._streams.pop(number, None)
        if found is not None:
            self._blocked.pop(number, None)
            if self._waiting:
                self._begin_waiting()
            if self._is_leaving and not self._streams:
                self._loop.call_soon(self.close)
        return found

    def _begin_waiting(self) -> None:
        """Begin calls for which there were too many others."""
        while self._waiting and len(self._streams) < self._most_streams and self.is_usable:
            self._begin(*self._waiting.popleft())
        if not self.is_usable:
            self._lose_waiting("the connection takes no more calls")

    def _lose_waiting(self, text: str) -> None:
        waiting, self._waiting = self._waiting, deque()
        for _, stream in waiting:
            stream.finish(_lost(text))

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The server is there."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(_GREETING)
        self._timer = self._loop.call_later(SILENCE_SECONDS, self._check_heard)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server is gone."""
        self._end(_lost("the connection was lost" if exc is None else f"connection lost: {exc}"))

    def _end(self, status: CallStatus) -> None:
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        streams = [*self._streams.values(), *(stream for _, stream in self._waiting)]
        self._streams.clear()
        self._blocked.clear()
        self._waiting.clear()
        for stream in streams:
            stream.finish(status)

    def data_received(self, data: bytes) -> None:
        """Bytes of frames."""
        self._has_heard = True
        try:
            for received in self._reader.feed(data):
                self._take(received)
        except Http2Violation as violation:
            self.put(goaway_frame(0, violation.code))
            self.close(_lost(f"http2 error: {violation}"))

    def pause_writing(self) -> None:
        """The server does not read as fast as it is written to."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """The server has read."""
        self._is_paused = False
        self._pump()

    def close(self, status: CallStatus | None = None) -> None:
        """End the connection; calls that run end with ``status``, by default CANCELLED."""
        self._end(status or CallStatus(StatusCode.CANCELLED, "the connection is closed here"))
        self.flush()
        if self._transport.get_write_buffer_size():
            # A server that does not read would keep the connection, and what was written, for long.
            self._transport.abort()
        else:
            self._transport.close()

    # Being alive

    def _check_heard(self) -> None:
        if not self._has_heard:
            self.close(_lost("the server says nothing"))
            return
        self._timer = self._loop.call_later(KEEP_ALIVE_SECONDS, self._ping)

    def _ping(self) -> None:
        self._has_heard = False
        self.put(frame(FrameType.PING, 0, 0, b"catenula"))
        self._timer = self._loop.call_later(SILENCE_SECONDS, self._check_heard)

    # Frames

    def _take_block(self, first: Frame, headers: dict[str, str]) -> None:
        stream = self._streams.get(first.stream)
        if stream is not None and first.flags & END_STREAM:
            self._conclude(stream, _status_in(headers))
        elif stream is not None:
            refusal = _refusal_in(headers)
            if refusal is not None:
                self._refuse(stream, refusal)

    def _conclude(self, stream: _Stream, status: CallStatus | None) -> None:
        """The server has said all about a call."""
        if status is None and stream.is_cut_off:
            status = CallStatus(StatusCode.INTERNAL, "the last message is cut off")
        has_more = bool(stream.to_send)
        self._forget(stream.number)
        if has_more:
            self.put(reset_frame(stream.number, ErrorCode.NO_ERROR))
        stream.finish(status)

    def _refuse(self, stream: _Stream, status: CallStatus) -> None:
        """What the server says about a call is not to be read on."""
        self._forget(stream.number)
        self.put(reset_frame(stream.number, ErrorCode.CANCEL))
        stream.finish(status)

    def _take_data(self, received: Frame) -> None:
        size = len(received.payload)
        self._unreported += size
        if self._unreported > _CONNECTION_WINDOW // 2:
            self._report_room()
        stream = self._streams.get(received.stream)
        if stream is None:
            return
        stream.allowance -= size
        if stream.allowance < 0:
            raise Http2Violation(ErrorCode.FLOW_CONTROL_ERROR)
        try:
            stream.add(unpadded(received))
        except CallStatus as status:
            self._refuse(stream, status)
            return
        if received.flags & END_STREAM:
            self._conclude(stream, CallStatus(StatusCode.INTERNAL, "the call has no status"))
        elif stream.messages:
            stream.wake()

    def _take_room(self, stream: _Stream | None) -> None:
        if stream is None:
            self._pump()
            self._begin_waiting()
        else:
            self._send_more(stream)

    def _take_reset(self, received: Frame) -> None:
        code = number_in(received.payload)
        stream = self._forget(received.stream)
        if stream is not None:
            status = _RESETS.get(code, StatusCode.INTERNAL)  # type: ignore[call-overload]  # Any number.
            stream.finish(CallStatus(status, f"http2 error: the stream was reset ({code})"))

    def _take_goaway(self, received: Frame) -> None:
        """No more calls here; those that the server has not seen are made elsewhere."""
        if len(received.payload) < 8:
            raise Http2Violation(ErrorCode.FRAME_SIZE_ERROR)
        last = int.from_bytes(received.payload[:4], "big") & MAX_WINDOW
        self._is_leaving = True
        text = "the server is going away"
        self._lose_waiting(text)
        for number in [number for number in self._streams if number > last]:
            stream = self._forget(number)
            if stream is not None:
                stream.finish(_lost(text))
        if not self._streams:
            self._loop.call_soon(self.close)

    _HANDLERS: ClassVar[FrameHandlers] = {
        **Http2Endpoint.COMMON_HANDLERS,
        FrameType.DATA: _take_data,
        FrameType.RST_STREAM: _take_reset,
        FrameType.GOAWAY: _take_goaway,
    }


def _lost(text: str) -> CallStatus:
    return CallStatus(StatusCode.UNAVAILABLE, text)


def _refusal_in(headers: dict[str, str]) -> CallStatus | None:
    """Why what follows these headers is no answer to a call; None when it may be one."""
    status = headers.get(":status", "")
    if status.startswith("1"):
        return None
    if status != "200":
        code = _HTTP_STATUSES.get(status, StatusCode.UNKNOWN)
        return CallStatus(code, f"the server answers with HTTP status {status[:8] or 'none'}")
    if not headers.get("content-type", "").startswith("application/grpc"):
        return CallStatus(StatusCode.UNKNOWN, "the answer is not gRPC")
    return None


def _status_in(headers: dict[str, str]) -> CallStatus | None:
    """The status of a call in its last headers; None for success."""
    text = headers.get("grpc-status")
    if text is None:
        if ":status" in headers:
            refusal = _refusal_in(headers)
            if refusal is not None:
                return refusal
        return CallStatus(StatusCode.INTERNAL, "the call has no status")
    if text == "0":
        return None
    code = int(text) if text.isascii() and text.isdigit() and len(text) <= 2 else 2
    return CallStatus(code, unquote(headers.get("grpc-message", ""), errors="replace"))
