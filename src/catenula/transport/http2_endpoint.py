"""What both ends of an HTTP/2 connection do alike (RFC 9113 §4 to §6).

Frames are handed to the methods that take them, header blocks are collected, settings and windows
of the other end are kept, and what is sent in one turn of the event loop is sent together. It is a
base class and not a part of its own because every frame passes here: an end adds no call.

A broken rule is raised as `Http2Violation`; how the connection ends then is the end's own matter,
as are its streams and the frames that only one end may send.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

from catenula.base.limits import MAX_PUBLIC_HEADER_BYTES, MAX_UNREAD_REPLIES
from catenula.transport.http2_frames import (
    ACK,
    DEFAULT_WINDOW,
    END_HEADERS,
    MAX_FRAME_BYTES,
    MAX_WINDOW,
    SETTING_FRAME_BYTES,
    SETTING_MAX_STREAMS,
    SETTING_WINDOW,
    ErrorCode,
    Frame,
    FrameReader,
    FrameType,
    HeaderReader,
    Http2Violation,
    frame,
    number_in,
    settings_in,
    unpadded,
    window_frame,
)

FrameHandlers = Mapping[int, Callable[[Any, Frame], None]]
"""By type, the method of an end that takes a frame."""

_UNTOLD_STREAMS = 100
"""Streams that a server takes as long as it has not said how many."""


class Http2Stream(Protocol):
    """What an end keeps of a stream for the windows."""

    room: int
    """Bytes that the other end takes on this stream."""


StreamT = TypeVar("StreamT", bound=Http2Stream)


class Http2Endpoint(asyncio.Protocol, Generic[StreamT]):
    """One end of a connection with its streams.

    No more than ``most_sent_bytes`` are sent in one frame, even to who takes more.
    """

    _HANDLERS: ClassVar[FrameHandlers]
    """Begins with `COMMON_HANDLERS`; frames of other types need no reaction."""

    def __init__(self, reader: FrameReader, *, most_sent_bytes: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport = cast(Any, None)
        self._reader, self._headers = reader, HeaderReader()
        self._streams: dict[int, StreamT] = {}
        self._block: list[bytes] = []
        self._block_of: Frame | None = None
        self._unreported = 0
        """Bytes that have arrived and for which the other end has got no new room yet."""
        # What the other end takes: on a new stream, on the connection, in one frame, at once.
        self.initial_room = self._room = DEFAULT_WINDOW
        self._frame_bytes = MAX_FRAME_BYTES
        self._most_streams = _UNTOLD_STREAMS
        self._most_sent_bytes = most_sent_bytes
        self._outgoing: list[bytes] = []
        self._unread_replies = 0
        self._is_paused = self._is_leaving = self._has_settings = False

    # What an end does in its own way

    @abstractmethod
    def _take_block(self, first: Frame, headers: dict[str, str]) -> None:
        """The headers are complete that began with the frame ``first``."""

    @abstractmethod
    def _take_room(self, stream: StreamT | None) -> None:
        """The other end takes more on a stream; of None, on any."""

    # Sending

    def put(self, data: bytes) -> None:
        """Send with all else that this turn of the event loop gathers."""
        if not self._outgoing:
            self._loop.call_soon(self.flush)
        self._outgoing.append(data)

    def flush(self) -> None:
        """Send what was gathered, in one piece."""
        parts, self._outgoing = self._outgoing, []
        if parts and not self._transport.is_closing():
            self._transport.write(parts[0] if len(parts) == 1 else b"".join(parts))

    def _report_room(self) -> None:
        """What has arrived on the connection is dealt with: as much may follow."""
        self.put(window_frame(0, self._unreported))
        self._unreported = 0

    # Frames

    def _take(self, received: Frame) -> None:
        if self._block_of is not None and received.kind != FrameType.CONTINUATION:
            raise Http2Violation(ErrorCode.PROTOCOL_ERROR)
        handle = self._HANDLERS.get(received.kind)
        if handle is not None:
            handle(self, received)

    def _take_headers(self, received: Frame) -> None:
        # Only clients open streams here, so that all have odd numbers.
        if received.stream % 2 == 0:
            raise Http2Violation(ErrorCode.PROTOCOL_ERROR)
        part = unpadded(received)
        if received.flags & END_HEADERS:
            self._take_block(received, self._headers.read(part))
        else:
            self._block_of, self._block = received, [part]

    def _take_continuation(self, received: Frame) -> None:
        first = self._block_of
        if first is None or received.stream != first.stream:
            raise Http2Violation(ErrorCode.PROTOCOL_ERROR)
        self._block.append(received.payload)
        if sum(map(len, self._block)) > MAX_PUBLIC_HEADER_BYTES or not received.payload:
            raise Http2Violation(ErrorCode.ENHANCE_YOUR_CALM)
        if received.flags & END_HEADERS:
            block = b"".join(self._block)
            self._block_of, self._block = None, []
            self._take_block(first, self._headers.read(block))

    def _take_settings(self, received: Frame) -> None:
        self._has_settings = True
        if received.flags & ACK:
            return
        room = self.initial_room
        for key, value in settings_in(received.payload):
            if key == SETTING_WINDOW:
                room = value
                if value > MAX_WINDOW:
                    raise Http2Violation(ErrorCode.FLOW_CONTROL_ERROR)
            elif key == SETTING_FRAME_BYTES:
                self._frame_bytes = max(MAX_FRAME_BYTES, min(value, self._most_sent_bytes))
            elif key == SETTING_MAX_STREAMS:
                self._most_streams = value
        if room != self.initial_room:
            # Once per frame, however often the frame says it: this costs as much as it has streams.
            self._change_rooms(room)
        self._reply(FrameType.SETTINGS)
        self._take_room(None)

    def _change_rooms(self, value: int) -> None:
        for stream in self._streams.values():
            stream.room += value - self.initial_room
        self.initial_room = value

    def _take_window(self, received: Frame) -> None:
        increment = number_in(received.payload) & MAX_WINDOW
        stream = self._streams.get(received.stream)
        if received.stream == 0:
            self._room += increment
        elif stream is not None:
            stream.room += increment
        room = self._room if stream is None else stream.room
        if increment == 0 or room > MAX_WINDOW:
            raise Http2Violation(ErrorCode.FLOW_CONTROL_ERROR)
        if stream is not None or received.stream == 0:
            self._take_room(stream)

    def _take_ping(self, received: Frame) -> None:
        if len(received.payload) != 8:
            raise Http2Violation(ErrorCode.FRAME_SIZE_ERROR)
        if not received.flags & ACK:
            self._reply(FrameType.PING, received.payload)

    def _reply(self, kind: FrameType, payload: bytes = b"") -> None:
        """Acknowledge; not without end to somebody who asks and does not read."""
        self._unread_replies = self._unread_replies + 1 if self._is_paused else 0
        if self._unread_replies > MAX_UNREAD_REPLIES:
            raise Http2Violation(ErrorCode.ENHANCE_YOUR_CALM)
        self.put(frame(kind, ACK, 0, payload))

    def _refuse_push(self, received: Frame) -> None:
        raise Http2Violation(ErrorCode.PROTOCOL_ERROR)

    COMMON_HANDLERS: ClassVar[FrameHandlers] = {
        FrameType.HEADERS: _take_headers,
        FrameType.CONTINUATION: _take_continuation,
        FrameType.SETTINGS: _take_settings,
        FrameType.WINDOW_UPDATE: _take_window,
        FrameType.PING: _take_ping,
        FrameType.PUSH_PROMISE: _refuse_push,
    }
    """For the frames that both ends take alike."""
