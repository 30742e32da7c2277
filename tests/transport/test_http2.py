"""HTTP/2 on the public port: frames, headers, flow control, and peers that break the rules."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenula.transport.http2_frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    MAX_FRAME_BYTES,
    PADDED,
    PREFACE,
    PRIORITY,
    ErrorCode,
    Frame,
    FrameReader,
    FrameType,
    HeaderReader,
    Http2Violation,
    frame,
    header_block,
    settings_frame,
    window_frame,
)
from catenula.transport.public_port import PublicServer
from tests.network.support import asynchronous
from tests.transport import raw_http
from tests.transport.http2_client import http2
from tests.transport.raw_http import Connection, connect
from tests.transport.scripted_service import ScriptedService, scripted_port
from tests.transport.wire_network import until

NATIVE = "application/grpc"
HEADERS = (
    (":method", "POST"),
    (":path", "/rpc.v1.ValidatorNode/GetVersionInfo"),
    (":scheme", "http"),
    ("content-type", NATIVE),
)
MESSAGE = raw_http.frame(b"hello")


# Frames and headers


@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 255), st.binary(max_size=60)), max_size=8
    ),
    st.integers(1, 40),
)
def test_frames_are_read_however_they_are_cut(
    written: list[tuple[int, int, bytes]], size: int
) -> None:
    sent = PREFACE + b"".join(
        len(payload).to_bytes(3, "big") + bytes((kind, flags)) + b"\x80\0\0\x05" + payload
        for kind, flags, payload in written
    )
    reader = FrameReader()
    found = [
        item
        for start in range(0, len(sent), size)
        for item in reader.feed(sent[start : start + size])
    ]
    assert found == [Frame(kind, flags, 5, payload) for kind, flags, payload in written]


@given(st.binary(max_size=100))
def test_what_does_not_begin_with_the_preface_is_no_http2(data: bytes) -> None:
    reader = FrameReader()
    if PREFACE.startswith(data):
        assert list(reader.feed(data)) == []
    elif not data.startswith(PREFACE):
        with pytest.raises(Http2Violation):
            list(reader.feed(data))


_NAMES = st.sampled_from(["te", "content-type", "x-one", "x-two", "user-agent"])
_VALUES = st.text(st.characters(codec="ascii", categories=("L", "N")), max_size=20)


@given(st.lists(st.lists(st.tuples(_NAMES, _VALUES), max_size=6), max_size=12))
def test_remembered_headers_are_those_that_a_decoder_reads(
    blocks: list[list[tuple[str, str]]],
) -> None:
    encoder, reader = hpack.Encoder(), HeaderReader()
    for number, headers in enumerate(blocks):
        if number % 5 == 4:
            encoder.header_table_size = 64 if number % 2 else 4096
        assert reader.read(encoder.encode(headers)) == dict(headers)


@given(st.binary(max_size=60))
def test_reading_headers_is_total(block: bytes) -> None:
    reader = HeaderReader()
    for _ in range(2):
        try:
            reader.read(block)
        except Http2Violation as violation:
            assert violation.code is ErrorCode.COMPRESSION_ERROR  # noqa: PT017  # Or no error.


@given(st.lists(st.tuples(_NAMES, st.text(st.characters(codec="ascii"), max_size=400))))
def test_our_headers_are_read_by_others(headers: list[tuple[str, str]]) -> None:
    decoded = hpack.Decoder().decode(header_block(tuple(headers)), raw=True)
    assert [(bytes(n).decode(), bytes(v).decode()) for n, v in decoded] == headers


# Connections


@asynccontextmanager
async def greeted() -> AsyncIterator[tuple[PublicServer, ScriptedService, Connection]]:
    """A connection that has sent its settings."""
    async with scripted_port() as (server, service), connect(server.port) as client:
        client.writer.write(PREFACE + settings_frame(()))
        yield server, service, client


async def frames_until(client: Connection, *kinds: FrameType) -> list[Frame]:
    """What the server sends, up to the first frame of one of these kinds."""
    found: list[Frame] = []
    while not found or found[-1].kind not in kinds:
        head = await client.reader.readexactly(9)
        payload = await client.reader.readexactly(int.from_bytes(head[:3], "big"))
        found.append(Frame(head[3], head[4], int.from_bytes(head[5:], "big"), payload))
    return found


def call(number: int, body: bytes = MESSAGE, flags: int = 0, prefix: bytes = b"") -> bytes:
    block = prefix + header_block(HEADERS)
    return frame(FrameType.HEADERS, END_HEADERS | flags, number, block) + frame(
        FrameType.DATA, END_STREAM, number, body
    )


@pytest.mark.parametrize(
    "request_bytes",
    [
        call(1),
        call(1, flags=PRIORITY, prefix=b"\0\0\0\0\x10"),
        frame(
            FrameType.HEADERS, END_HEADERS | PADDED, 1, b"\x03" + header_block(HEADERS) + b"\0\0\0"
        )
        + frame(FrameType.DATA, END_STREAM | PADDED, 1, b"\x02" + MESSAGE + b"\0\0"),
        frame(FrameType.HEADERS, 0, 1, header_block(HEADERS[:2]))
        + frame(FrameType.CONTINUATION, END_HEADERS, 1, header_block(HEADERS[2:]))
        + frame(FrameType.DATA, 0, 1, MESSAGE[:3])
        + frame(FrameType.PING, 0, 0, b"01234567")
        + frame(FrameType(2), 0, 1, b"\0\0\0\0\0")
        + frame(FrameType.DATA, 0, 1, MESSAGE[3:])
        + frame(FrameType.HEADERS, END_HEADERS | END_STREAM, 1, header_block((("x", "y"),))),
    ],
    ids=["plain", "priority", "padded", "in pieces"],
)
@asynchronous
async def test_requests_are_understood_in_every_form(request_bytes: bytes) -> None:
    async with greeted() as (_, service, client):
        client.writer.write(request_bytes)
        answer = await frames_until(client, FrameType.DATA)
        assert answer[-1].payload == raw_http.frame(b"answer")
        trailers = (await frames_until(client, FrameType.HEADERS))[-1]
        assert trailers.flags == END_HEADERS | END_STREAM
        assert service.requests == [("GetVersionInfo", b"hello")]


@pytest.mark.parametrize(
    ("received", "code"),
    [
        (frame(FrameType.DATA, 0, 1, b"x"), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.DATA, 0, 0, b"x"), ErrorCode.PROTOCOL_ERROR),
        (call(2), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.PUSH_PROMISE, 0, 1, b"x"), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.CONTINUATION, 0, 1, b"x"), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.HEADERS, 0, 1) + frame(FrameType.PING, 0, 0), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.HEADERS, PADDED, 1, b"\x09x"), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.HEADERS, PADDED, 1), ErrorCode.FRAME_SIZE_ERROR),
        (frame(FrameType.PING, 0, 0, b"x"), ErrorCode.FRAME_SIZE_ERROR),
        (frame(FrameType.RST_STREAM, 0, 1, b"x"), ErrorCode.FRAME_SIZE_ERROR),
        (frame(FrameType.SETTINGS, 0, 0, b"x"), ErrorCode.FRAME_SIZE_ERROR),
        (frame(FrameType.DATA, 0, 1, bytes(MAX_FRAME_BYTES + 1)), ErrorCode.FRAME_SIZE_ERROR),
        (settings_frame(((4, 1 << 31),)), ErrorCode.FLOW_CONTROL_ERROR),
        (window_frame(0, 0), ErrorCode.FLOW_CONTROL_ERROR),
        (window_frame(0, (1 << 31) - 1), ErrorCode.FLOW_CONTROL_ERROR),
        (frame(FrameType.HEADERS, END_HEADERS, 1, b"\xff\xff\xff"), ErrorCode.COMPRESSION_ERROR),
        (
            frame(FrameType.HEADERS, 0, 1) + frame(FrameType.CONTINUATION, 0, 1, bytes(16_000)) * 2,
            ErrorCode.ENHANCE_YOUR_CALM,
        ),
        (
            frame(FrameType.HEADERS, 0, 1) + frame(FrameType.CONTINUATION, 0, 1),
            ErrorCode.ENHANCE_YOUR_CALM,
        ),
    ],
)
@asynchronous
async def test_who_breaks_the_rules_is_told_and_left(received: bytes, code: ErrorCode) -> None:
    async with greeted() as (server, _, client):
        client.writer.write(received)
        last = (await frames_until(client, FrameType.GOAWAY))[-1]
        assert int.from_bytes(last.payload[4:8], "big") == code
        assert await client.is_closed()
        await until(lambda: server.connections == 0)


@asynchronous
async def test_pings_are_answered() -> None:
    async with greeted() as (_, _, client):
        client.writer.write(frame(FrameType.PING, 0, 0, b"01234567"))
        answer = (await frames_until(client, FrameType.PING))[-1]
        assert (answer.flags, answer.payload) == (ACK, b"01234567")


@asynchronous
async def test_nothing_is_sent_beyond_what_the_client_takes() -> None:
    async with scripted_port() as (server, service), connect(server.port) as client:
        service.answer = bytes(100)
        client.writer.write(PREFACE + settings_frame(((4, 10),)) + call(1))
        sent = (await frames_until(client, FrameType.DATA))[-1].payload
        assert len(sent) == 10
        client.writer.write(window_frame(1, 50))
        sent += (await frames_until(client, FrameType.DATA))[-1].payload
        assert len(sent) == 60
        client.writer.write(settings_frame(((4, 55),)))
        sent += (await frames_until(client, FrameType.DATA))[-1].payload
        assert sent == raw_http.frame(bytes(100))


@asynchronous
async def test_a_client_without_settings_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catenula.transport.http2.PUBLIC_HEAD_SECONDS", 0.05)
    async with scripted_port() as (server, _), connect(server.port) as client:
        client.writer.write(PREFACE)
        assert await client.is_closed()
        await until(lambda: server.connections == 0)


@asynchronous
async def test_conversations_are_answered_message_by_message() -> None:
    path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    async with greeted() as (_, _, client):
        headers = header_block((HEADERS[0], (":path", path), *HEADERS[2:]))
        client.writer.write(frame(FrameType.HEADERS, END_HEADERS, 1, headers))
        for _ in range(3):
            client.writer.write(frame(FrameType.DATA, 0, 1, raw_http.frame(b"\x3a\0")))
            answer = (await frames_until(client, FrameType.DATA))[-1]
            assert b"rpc.v1.ValidatorNode" in answer.payload


@asynchronous
async def test_streams_beyond_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catenula.transport.public_port.MAX_PUBLIC_CALLS", 2)
    async with scripted_port() as (server, service), http2(server.port, None) as client:
        for _ in range(2):
            client.send("Subscribe", raw_http.frame(b""), NATIVE)
        await until(lambda: service.subscribers == 2)
        third = client.send("Subscribe", raw_http.frame(b""), NATIVE)
        await client.until(lambda: third in client.resets)
        assert client.resets[third] == ErrorCode.REFUSED_STREAM


@asynchronous
async def test_a_port_that_closes_lets_calls_end_and_takes_no_more() -> None:
    async with greeted() as (server, service, client):
        service.gate = asyncio.Event()
        client.writer.write(call(1))
        await until(lambda: service.calls_running == 1)
        closing = asyncio.ensure_future(server.close(grace_seconds=30))
        told = (await frames_until(client, FrameType.GOAWAY))[-1]
        assert told.payload == b"\0\0\0\1" + bytes(4)
        client.writer.write(call(3))
        refused = (await frames_until(client, FrameType.RST_STREAM))[-1]
        assert refused.payload == bytes((0, 0, 0, ErrorCode.REFUSED_STREAM))
        service.gate.set()
        assert (await frames_until(client, FrameType.DATA))[-1].payload[5:] == b"answer"
        await closing
        assert await client.is_closed()
