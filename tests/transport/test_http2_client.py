"""The calling side of HTTP/2: against our own port, the gRPC library's server, and bad servers."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catenula.base.limits import MAX_MESSAGE_BYTES
from catenula.transport.addresses import NetworkAddress
from catenula.transport.calls import METHODS, CallStatus, StatusCode
from catenula.transport.grpc_channel import ROOTS_VARIABLE, GrpcChannel
from catenula.transport.http2_client import Http2Client
from catenula.transport.http2_frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    ErrorCode,
    Frame,
    FrameReader,
    FrameType,
    frame,
    goaway_frame,
    header_block,
    reset_frame,
    settings_frame,
    window_frame,
)
from tests.network.support import asynchronous
from tests.transport.certificates import make_certificate
from tests.transport.scripted_service import scripted_port
from tests.transport.wire_network import until

VERSION = METHODS["GetVersionInfo"].path
SUBSCRIBE = METHODS["Subscribe"].path
MEGABYTE = 1 << 20
IDLE_TURNS = 2_000
"""Turns of the event loop in which nothing more was taken: nothing more will be."""


@asynccontextmanager
async def channel_to(
    port: int, *, encrypted: bool = False, **options: Any
) -> AsyncIterator[GrpcChannel]:
    address = NetworkAddress("localhost", port, encrypted)
    channel = GrpcChannel(address, connect_timeout_seconds=4.0, **options)
    try:
        yield channel
    finally:
        await channel.close()


async def status_of(call: Any) -> CallStatus:
    with pytest.raises(CallStatus) as caught:
        async with asyncio.timeout(20):
            await call
    return caught.value


# Against our own port


@asynchronous
async def test_many_calls_share_one_connection() -> None:
    async with scripted_port() as (server, service), channel_to(server.port) as channel:
        service.answer = b"x" * 1000
        calls = [channel.unary(VERSION, b"%d" % number) for number in range(200)]
        assert set(await asyncio.gather(*calls)) == {b"x" * 1000}
        assert sorted(service.requests) == sorted(("GetVersionInfo", b"%d" % n) for n in range(200))
        assert server.connections == 1


@pytest.mark.parametrize("size", [0, 1, 16_379, 16_384, 70_000, MAX_MESSAGE_BYTES - 1])
@asynchronous
async def test_messages_of_every_size_go_both_ways(size: int) -> None:
    data = bytes((size % 251,)) * size
    async with scripted_port() as (server, service), channel_to(server.port) as channel:
        service.answer = data
        assert await channel.unary(VERSION, data) == data
        assert service.requests == [("GetVersionInfo", data)]


@asynchronous
async def test_statuses_come_with_their_texts() -> None:
    async with scripted_port() as (server, service), channel_to(server.port) as channel:
        service.answer = CallStatus(StatusCode.NOT_FOUND, "kein Block für 100 %")
        status = await status_of(channel.unary(VERSION, b""))
        assert (status.code, status.details) == (StatusCode.NOT_FOUND, "kein Block für 100 %")
        status = await status_of(channel.unary("/rpc.v1.ValidatorNode/Nothing", b""))
        assert status.code is StatusCode.UNIMPLEMENTED
        service.answer = b"answer"
        assert await channel.unary(VERSION, b"") == b"answer"


@asynchronous
async def test_a_call_that_nobody_waits_for_is_cancelled_at_the_server() -> None:
    async with scripted_port() as (server, service), channel_to(server.port) as channel:
        service.gate = asyncio.Event()
        call = asyncio.ensure_future(channel.unary(VERSION, b""))
        await until(lambda: service.calls_running == 1)
        call.cancel()
        await until(lambda: service.calls_running == 0)
        service.gate = None
        assert await channel.unary(VERSION, b"") == b"answer"
        assert server.connections == 1


@asynchronous
async def test_a_stream_is_read_as_it_comes_and_ends_when_its_reader_goes() -> None:
    async with scripted_port() as (server, service), channel_to(server.port) as channel:
        answers = channel.stream(SUBSCRIBE, b"")
        assert await anext(answers) == b""
        for number in range(3):
            service.answer = b"%d" % number
            service.news.set()
            assert await anext(answers) == b"%d" % number
        await answers.aclose()
        await until(lambda: service.subscribers == 0)


@asynchronous
async def test_a_stream_is_not_sent_more_than_its_reader_takes() -> None:
    async with scripted_port() as (server, service), channel_to(server.port) as channel:
        service.answer = bytes(MEGABYTE)
        answers = channel.stream(SUBSCRIBE, b"")
        assert await anext(answers) == b""
        idle_turns = 0
        while idle_turns < IDLE_TURNS:
            idle_turns = idle_turns + 1 if service.news.is_set() else 0
            service.news.set()
            await asyncio.sleep(0)
        client = channel._client
        assert client is not None
        (stream,) = client._streams.values()
        held = sum(map(len, stream.messages))
        assert 15 * MEGABYTE <= held <= MAX_MESSAGE_BYTES
        assert server.unread_bytes > 0
        for _ in range(40):
            service.news.set()
            assert await anext(answers) == bytes(MEGABYTE)
        await answers.aclose()


@asynchronous
async def test_the_next_call_after_a_lost_connection_makes_another_one() -> None:
    async with scripted_port() as (server, _), channel_to(server.port) as channel:
        assert await channel.unary(VERSION, b"") == b"answer"
        answers = channel.stream(SUBSCRIBE, b"")
        await anext(answers)
        port = server.port
    # The end of the port is told to those who listen.
    async with scripted_port(), channel_to(port) as channel:
        status = await status_of(channel.unary(VERSION, b""))
        assert (status.code, status.retryable) == (StatusCode.UNAVAILABLE, True)
        assert f"localhost:{port}" in status.details


@asynchronous
async def test_a_closed_channel_makes_no_calls() -> None:
    async with scripted_port() as (server, service), channel_to(server.port) as channel:
        service.gate = asyncio.Event()
        call = asyncio.ensure_future(channel.unary(VERSION, b""))
        await until(lambda: service.calls_running == 1)
        await channel.close()
        assert (await status_of(call)).code is StatusCode.CANCELLED
        assert (await status_of(channel.unary(VERSION, b""))).code is StatusCode.CANCELLED


# Encrypted


@asynchronous
async def test_certificates_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = make_certificate(tmp_path)
    trusted = files.certificate.read_bytes()
    async with scripted_port(tls=files) as (server, _):
        async with channel_to(server.port, encrypted=True, root_certificates=trusted) as channel:
            assert await channel.unary(VERSION, b"") == b"answer"
        async with channel_to(server.port, encrypted=True) as channel:
            status = await status_of(channel.unary(VERSION, b""))
            assert status.code is StatusCode.UNAVAILABLE
            assert "certificate" in status.details.lower()
        monkeypatch.setenv(ROOTS_VARIABLE, str(files.certificate))
        async with channel_to(server.port, encrypted=True) as channel:
            assert await channel.unary(VERSION, b"") == b"answer"


# Against the gRPC library's server


@asynchronous
async def test_the_librarys_server_is_understood() -> None:
    import grpc

    async def echo(request: bytes, context: Any) -> bytes:
        if request == b"refuse":
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no: 50 % ü")
        return request

    async def count(request: bytes, _: Any) -> AsyncIterator[bytes]:
        for number in range(int(request)):
            yield b"%d" % number

    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 2 * MAX_MESSAGE_BYTES)])
    handlers: dict[str, Any] = {
        "Echo": grpc.unary_unary_rpc_method_handler(echo),
        "Count": grpc.unary_stream_rpc_method_handler(count),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with channel_to(port) as channel:
        for size in (0, 5, 70_000, 5 * MEGABYTE):
            assert await channel.unary("/test/Echo", bytes(size)) == bytes(size)
        echoes = [channel.unary("/test/Echo", b"%d" % number) for number in range(50)]
        assert await asyncio.gather(*echoes) == [b"%d" % number for number in range(50)]
        status = await status_of(channel.unary("/test/Echo", b"refuse"))
        assert (status.code, status.details) == (StatusCode.FAILED_PRECONDITION, "no: 50 % ü")
        assert [item async for item in channel.stream("/test/Count", b"100")] == [
            b"%d" % number for number in range(100)
        ]
        assert (await status_of(channel.unary("/test/None", b""))).code is StatusCode.UNIMPLEMENTED
    await server.stop(None)


# Against servers that a test scripts


class BadServer:
    """Answers the frames of one connection as a test says."""

    def __init__(self, react: Callable[["BadServer", Frame], None]) -> None:
        self._react = react
        self.frames: list[Frame] = []
        self.connections = 0
        self._writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writer = writer
        frames = FrameReader()
        while data := await reader.read(1 << 16):
            for received in frames.feed(data):
                self.frames.append(received)
                self._react(self, received)
        writer.close()

    def send(self, *data: bytes) -> None:
        assert self._writer is not None
        self._writer.write(b"".join(data))

    def kinds(self) -> list[int]:
        return [received.kind for received in self.frames]


@asynccontextmanager
async def bad_server(
    react: Callable[[BadServer, Frame], None],
) -> AsyncIterator[tuple[BadServer, GrpcChannel]]:
    server = BadServer(react)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with channel_to(port) as channel:
        yield server, channel
    listening.close()


def headers(stream: int, flags: int, *pairs: tuple[str, str]) -> bytes:
    return frame(FrameType.HEADERS, END_HEADERS | flags, stream, header_block(pairs))


GRPC = (("content-type", "application/grpc"), (":status", "200"))


def answering(*parts: Callable[[int], bytes]) -> Callable[[BadServer, Frame], None]:
    """Answers each complete request with these frames."""

    def react(server: BadServer, received: Frame) -> None:
        if received.kind == FrameType.SETTINGS and not received.flags & ACK:
            server.send(settings_frame(()))
        elif received.kind == FrameType.DATA and received.flags & END_STREAM:
            server.send(*(part(received.stream) for part in parts))

    return react


def data(message: bytes, flags: int = 0) -> Callable[[int], bytes]:
    return lambda stream: frame(FrameType.DATA, flags, stream, message)


def head(*pairs: tuple[str, str], flags: int = 0) -> Callable[[int], bytes]:
    return lambda stream: headers(stream, flags, *pairs)


OK_HEAD, OK_END = head(*GRPC), head(("grpc-status", "0"), flags=END_STREAM)
MESSAGE = b"\0\0\0\0\x02hi"
BAD_ANSWERS = {
    "no gRPC": ((head((":status", "200"), ("content-type", "text/html")),), "UNKNOWN", "not gRPC"),
    "busy proxy": ((head((":status", "503"), flags=END_STREAM),), "UNAVAILABLE", "503"),
    "no such page": ((head((":status", "404")), data(b"<html>")), "UNIMPLEMENTED", "404"),
    "no status": ((OK_HEAD, data(MESSAGE, END_STREAM)), "INTERNAL", "no status"),
    "no answer": ((OK_HEAD, OK_END), "INTERNAL", "0 answers"),
    "two answers": ((OK_HEAD, data(MESSAGE * 2), OK_END), "INTERNAL", "2 answers"),
    "cut off": ((OK_HEAD, data(MESSAGE[:-1]), OK_END), "INTERNAL", "cut off"),
    "compressed": ((OK_HEAD, data(b"\1\0\0\0\x02hi")), "INTERNAL", "compressed"),
    "endless": ((OK_HEAD, data(b"\0\xff\xff\xff\xff")), "RESOURCE_EXHAUSTED", "larger"),
    "strange code": ((head(*GRPC, ("grpc-status", "99"), flags=END_STREAM),), "UNKNOWN", ""),
    "no code": ((head(*GRPC, ("grpc-status", "x"), flags=END_STREAM),), "UNKNOWN", ""),
    "reset": ((lambda stream: reset_frame(stream, ErrorCode.REFUSED_STREAM),), "UNAVAILABLE", "7"),
    "calm": ((lambda s: reset_frame(s, ErrorCode.ENHANCE_YOUR_CALM),), "RESOURCE_EXHAUSTED", "11"),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
@asynchronous
async def test_bad_answers_end_their_call_alone(name: str) -> None:
    parts, code, text = BAD_ANSWERS[name]
    async with bad_server(answering(*parts)) as (server, channel):
        status = await status_of(channel.unary(VERSION, b""))
        assert status.code.name == code
        assert text in status.details
        server._react = answering(OK_HEAD, data(MESSAGE), OK_END)
        assert await channel.unary(VERSION, b"") == b"hi"
        assert server.connections == 1


VIOLATIONS = {
    "too large a frame": b"\xff\xff\xff" + bytes(6),
    "a push": frame(FrameType.PUSH_PROMISE, END_HEADERS, 1, bytes(4)),
    "a window of nothing": window_frame(0, 0),
    "a short ping": frame(FrameType.PING, 0, 0, b"x"),
    "bad headers": frame(FrameType.HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff\xff"),
    "a short settings frame": frame(FrameType.SETTINGS, 0, 0, b"x"),
    "a window beyond all": window_frame(0, 2**31 - 1),
    "headers of no call": frame(FrameType.HEADERS, END_HEADERS, 2, header_block(GRPC)),
    "headers that are cut in two": frame(FrameType.HEADERS, 0, 1) + frame(FrameType.DATA, 0, 1),
    "headers without end": frame(FrameType.HEADERS, 0, 1)
    + frame(FrameType.CONTINUATION, 0, 1, bytes(17_000)),
}


@pytest.mark.parametrize("name", VIOLATIONS)
@asynchronous
async def test_violations_end_the_connection_and_the_next_call_makes_another(name: str) -> None:
    async with bad_server(answering(lambda _: VIOLATIONS[name])) as (server, channel):
        status = await status_of(channel.unary(VERSION, b""))
        assert (status.code, status.retryable) == (StatusCode.UNAVAILABLE, True)
        server._react = answering(OK_HEAD, data(MESSAGE), OK_END)
        assert await channel.unary(VERSION, b"") == b"hi"
        assert server.connections == 2


@asynchronous
async def test_calls_that_a_leaving_server_has_not_seen_are_told_so() -> None:
    def react(server: BadServer, received: Frame) -> None:
        if received.kind == FrameType.DATA and received.stream == 3:
            server.send(goaway_frame(1, ErrorCode.NO_ERROR))
            server.send(OK_HEAD(1), data(MESSAGE)(1), OK_END(1))

    async with bad_server(react) as (server, channel):
        first = asyncio.ensure_future(channel.unary(VERSION, b""))
        await until(lambda: FrameType.DATA in server.kinds())
        second = await status_of(channel.unary(VERSION, b""))
        assert await first == b"hi"
        assert second.code is StatusCode.UNAVAILABLE
        server._react = answering(OK_HEAD, data(MESSAGE), OK_END)
        assert await channel.unary(VERSION, b"") == b"hi"
        assert server.connections == 2


@asynchronous
async def test_no_more_streams_than_allowed_are_opened() -> None:
    def react(server: BadServer, received: Frame) -> None:
        if received.kind == FrameType.SETTINGS and not received.flags & ACK:
            server.send(settings_frame(((3, 2),)))

    async with bad_server(react) as (server, channel):
        await status_or_nothing(channel, server)
        calls = [asyncio.ensure_future(channel.unary(VERSION, b"")) for _ in range(5)]
        await until(lambda: server.kinds().count(FrameType.DATA) == 3)
        for _ in range(20):
            await asyncio.sleep(0)
        assert server.kinds().count(FrameType.DATA) == 3
        calls[2].cancel()
        for stream in (3, 5, 7, 9):
            await until(partial(has_asked, server, stream))
            server.send(OK_HEAD(stream), data(MESSAGE)(stream), OK_END(stream))
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert [item for item in answers if isinstance(item, bytes)] == [b"hi"] * 4


def has_asked(server: BadServer, stream: int) -> bool:
    return any(received.stream == stream for received in server.frames)


async def status_or_nothing(channel: GrpcChannel, server: BadServer) -> None:
    """One call, so that the settings are known; it is answered."""
    call = asyncio.ensure_future(channel.unary(VERSION, b""))
    await until(lambda: server.kinds().count(FrameType.DATA) == 1)
    server.send(OK_HEAD(1), data(MESSAGE)(1), OK_END(1))
    assert await call == b"hi"


@asynchronous
async def test_a_server_that_answers_nothing_at_all_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("catenula.transport.http2_client.SILENCE_SECONDS", 0.05)
    async with bad_server(lambda *_: None) as (server, channel):
        status = await status_of(channel.unary(VERSION, b""))
        assert (status.code, status.details) == (StatusCode.UNAVAILABLE, "the server says nothing")
        assert server.frames


@asynchronous
async def test_a_quiet_connection_is_pinged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catenula.transport.http2_client.SILENCE_SECONDS", 0.02)
    monkeypatch.setattr("catenula.transport.http2_client.KEEP_ALIVE_SECONDS", 0.02)
    answer = answering(OK_HEAD, data(MESSAGE), OK_END)

    def react(server: BadServer, received: Frame) -> None:
        answer(server, received)
        if received.kind == FrameType.PING and server.kinds().count(FrameType.PING) < 4:
            server.send(frame(FrameType.PING, ACK, 0, received.payload))

    async with bad_server(react) as (server, channel):
        assert await channel.unary(VERSION, b"") == b"hi"
        client = channel._client
        assert client is not None
        await until(lambda: not client.is_usable)
        assert server.kinds().count(FrameType.PING) >= 4


def test_nobody_listens() -> None:
    async def main() -> CallStatus:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            async with channel_to(unused.getsockname()[1]) as channel:
                return await status_of(channel.unary(VERSION, b""))

    status = asyncio.run(main())
    assert status.code is StatusCode.UNAVAILABLE
    assert "no connection to" in status.details


class _Nowhere(asyncio.Transport):
    """Takes everything."""

    def write(self, data: Any) -> None:
        assert data

    def close(self) -> None:
        """Nothing to close."""

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=6))
def test_any_bytes_are_survived(parts: list[bytes]) -> None:
    async def main() -> None:
        client = Http2Client("localhost:1", "http")
        client.connection_made(_Nowhere())
        call = asyncio.ensure_future(client.unary(VERSION, b"request"))
        await asyncio.sleep(0)
        for part in parts:
            client.data_received(part)
        client.connection_lost(None)
        with pytest.raises(CallStatus):
            await call

    asyncio.run(main())
