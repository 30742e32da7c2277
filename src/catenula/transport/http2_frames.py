"""The frames and header blocks of HTTP/2 (RFC 9113, RFC 7541), as far as gRPC needs them.

Nothing here knows a connection's state but `HeaderReader`, whose table of headers is shared by all
requests of a connection. What we send is written without tables, so that the same headers are the
same bytes.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple

from catenula.base.limits import MAX_PUBLIC_HEADER_BYTES, MAX_REMEMBERED_HEADERS

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_FRAME_BYTES = 16_384
DEFAULT_WINDOW = 65_535
MAX_WINDOW = 2**31 - 1

_HEAD_BYTES = 9
_PRIORITY_BYTES = 5
_MAX_KEPT_BLOCK = 512
_LONG = 127


class FrameType(IntEnum):
    """The types of frames."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class ErrorCode(IntEnum):
    """Why a stream or connection ends."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


ACK = END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITY = 0x20

SETTING_PUSH = 2
SETTING_MAX_STREAMS = 3
SETTING_WINDOW = 4
SETTING_FRAME_BYTES = 5
SETTING_HEADER_BYTES = 6


class Http2Violation(Exception):
    """The peer broke a rule of HTTP/2; the connection cannot go on."""

    def __init__(self, code: ErrorCode) -> None:
        super().__init__(code.name)
        self.code = code


class Frame(NamedTuple):
    """One received frame."""

    kind: int
    flags: int
    stream: int
    payload: bytes


class FrameReader:
    """Cuts a connection's bytes into frames, after the preface where they come from a client.

    A frame's payload may have ``most_bytes``, as the peer was told.
    """

    def __init__(self, *, from_client: bool = True, most_bytes: int = MAX_FRAME_BYTES) -> None:
        self._rest = b""
        self._has_begun = not from_client
        self._most_bytes = most_bytes

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete now; `Http2Violation` for what is no frame."""
        if self._rest:
            data = self._rest + data
        position = 0
        if not self._has_begun:
            if not data.startswith(PREFACE[: len(data)]):
                raise Http2Violation(ErrorCode.PROTOCOL_ERROR)
            self._has_begun = len(data) >= len(PREFACE)
            position = len(PREFACE) if self._has_begun else 0
        while self._has_begun and position + _HEAD_BYTES <= len(data):
            size = int.from_bytes(data[position : position + 3], "big")
            if size > self._most_bytes:
                raise Http2Violation(ErrorCode.FRAME_SIZE_ERROR)
            start = position + _HEAD_BYTES
            if start + size > len(data):
                break
            stream = int.from_bytes(data[position + 5 : start], "big") & MAX_WINDOW
            kind, flags = data[position + 3], data[position + 4]
            position = start + size
            yield Frame(kind, flags, stream, data[start:position])
        self._rest = data[position:]


def unpadded(frame: Frame) -> bytes:
    """The content of a DATA or HEADERS frame without padding and priority."""
    start, end = 0, len(frame.payload)
    if frame.flags & PADDED:
        if not frame.payload:
            raise Http2Violation(ErrorCode.FRAME_SIZE_ERROR)
        start, end = 1, end - frame.payload[0]
    if frame.kind == FrameType.HEADERS and frame.flags & PRIORITY:
        start += _PRIORITY_BYTES
    if start > end:
        raise Http2Violation(ErrorCode.PROTOCOL_ERROR)
    return frame.payload[start:end]


def settings_in(payload: bytes) -> Iterator[tuple[int, int]]:
    """The identifiers and values of a SETTINGS frame."""
    if len(payload) % 6:
        raise Http2Violation(ErrorCode.FRAME_SIZE_ERROR)
    for start in range(0, len(payload), 6):
        yield (
            int.from_bytes(payload[start : start + 2], "big"),
            int.from_bytes(payload[start + 2 : start + 6], "big"),
        )


def number_in(payload: bytes) -> int:
    """The number of a WINDOW_UPDATE or RST_STREAM frame."""
    if len(payload) != 4:
        raise Http2Violation(ErrorCode.FRAME_SIZE_ERROR)
    return int.from_bytes(payload, "big")


def frame(kind: FrameType, flags: int, stream: int, *parts: bytes | memoryview) -> bytes:
    """The bytes of a frame whose payload consists of these parts."""
    size = sum(map(len, parts))
    head = size.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
    return b"".join((head, *parts))


def settings_frame(values: Iterable[tuple[int, int]]) -> bytes:
    """A SETTINGS frame."""
    payload = b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in values)
    return frame(FrameType.SETTINGS, 0, 0, payload)


def window_frame(stream: int, increment: int) -> bytes:
    """A WINDOW_UPDATE frame."""
    return frame(FrameType.WINDOW_UPDATE, 0, stream, increment.to_bytes(4, "big"))


def reset_frame(stream: int, code: ErrorCode) -> bytes:
    """A RST_STREAM frame."""
    return frame(FrameType.RST_STREAM, 0, stream, code.to_bytes(4, "big"))


def goaway_frame(last_stream: int, code: ErrorCode) -> bytes:
    """A GOAWAY frame."""
    return frame(FrameType.GOAWAY, 0, 0, last_stream.to_bytes(4, "big") + code.to_bytes(4, "big"))


class HeaderReader:
    """Decodes the header blocks of one connection.

    Clients repeat themselves: a block that did not change the table means the same until the table
    changes, so its headers are remembered.
    """

    def __init__(self) -> None:
        import hpack

        self._decoder = hpack.Decoder(max_header_list_size=MAX_PUBLIC_HEADER_BYTES)
        self._error = hpack.HPACKError
        self._known: OrderedDict[bytes, dict[str, str]] = OrderedDict()

    def read(self, block: bytes) -> dict[str, str]:
        """The headers of a block; of repeated ones the last. Not to be changed."""
        found = self._known.get(block)
        if found is not None:
            return found
        table = self._decoder.header_table
        newest, count, limit = self._newest(), len(table.dynamic_entries), table.maxsize
        try:
            pairs: Any = self._decoder.decode(block, raw=True)
        except self._error as error:
            raise Http2Violation(ErrorCode.COMPRESSION_ERROR) from error
        headers = {
            bytes(name).decode("latin-1"): bytes(value).decode("latin-1") for name, value in pairs
        }
        is_same = newest is self._newest() and count == len(table.dynamic_entries)
        if not is_same or limit != table.maxsize:
            self._known.clear()
        elif len(block) <= _MAX_KEPT_BLOCK:
            self._known[block] = headers
            if len(self._known) > MAX_REMEMBERED_HEADERS:
                self._known.popitem(last=False)
        return headers

    def _newest(self) -> Any:
        """The newest entry of the table; every addition makes another object."""
        entries = self._decoder.header_table.dynamic_entries
        return entries[0] if entries else None


@lru_cache(maxsize=256)
def header_block(headers: tuple[tuple[str, str], ...]) -> bytes:
    """The block of headers, as literals that no table remembers."""
    return b"".join(
        b"\x00" + _text(name.encode("ascii")) + _text(value.encode("latin-1"))
        for name, value in headers
    )


def _text(data: bytes) -> bytes:
    """A string literal without Huffman coding (RFC 7541 §5.2)."""
    if len(data) < _LONG:
        return bytes((len(data),)) + data
    rest, length = bytearray((_LONG,)), len(data) - _LONG
    while length >= 128:
        rest.append(length % 128 + 128)
        length //= 128
    rest.append(length)
    return bytes(rest) + data
