"""The calling side of HTTP/2 and servers that want to cost it something; and how it ends."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from catenula.base.limits import MAX_UNREAD_REPLIES
from catenula.transport.addresses import NetworkAddress
from catenula.transport.calls import CallStatus, StatusCode
from catenula.transport.grpc_channel import GrpcChannel
from catenula.transport.grpc_client import GrpcOptions, GrpcProvider
from catenula.transport.http2_client import Http2Client
from catenula.transport.http2_frames import (
    ACK,
    SETTING_MAX_STREAMS,
    SETTING_WINDOW,
    Frame,
    FrameType,
    frame,
    settings_frame,
    window_frame,
)
from tests.network.support import asynchronous
from tests.transport.scripted_service import scripted_port
from tests.transport.test_http2_client import (
    MEGABYTE,
    MESSAGE,
    OK_END,
    OK_HEAD,
    VERSION,
    BadServer,
    answering,
    bad_server,
    channel_to,
    data,
    status_of,
)
from tests.transport.wire_network import until

WHOLE = (OK_HEAD, data(MESSAGE), OK_END)
PING = frame(FrameType.PING, 0, 0, b"01234567")


def is_settings(received: Frame) -> bool:
    return received.kind == FrameType.SETTINGS and not received.flags & ACK


@asynchronous
async def test_calls_that_wait_begin_when_the_server_takes_more() -> None:
    answer = answering(*WHOLE)

    def react(server: BadServer, received: Frame) -> None:
        if is_settings(received):
            server.send(settings_frame(((SETTING_MAX_STREAMS, 0),)))
        elif received.kind == FrameType.PING:
            server.send(settings_frame(((SETTING_MAX_STREAMS, 1),)))
        else:
            answer(server, received)

    async with bad_server(react) as (server, channel):
        client = await opened(channel, server)
        calls = [asyncio.ensure_future(channel.unary(VERSION, b"")) for _ in range(3)]
        await until(lambda: len(client._waiting) == 3)
        assert FrameType.HEADERS not in server.kinds()
        client._ping()
        assert await asyncio.gather(*calls) == [b"hi"] * 3


async def opened(channel: GrpcChannel, server: BadServer) -> Http2Client:
    """The channel's connection, once it knows the server's settings."""
    client = await channel._connect()
    await until(lambda: client._has_settings)
    assert server.connections == 1
    return client


@asynchronous
async def test_the_second_answer_ends_a_call_that_wants_one() -> None:
    # The server says neither that these were all, nor how the call has ended.
    async with bad_server(answering(OK_HEAD, data(MESSAGE * 3))) as (server, channel):
        status = await status_of(channel.unary(VERSION, b""))
        assert (status.code, status.details) == (StatusCode.INTERNAL, "3 answers instead of one")
        await until(lambda: FrameType.RST_STREAM in server.kinds())
        server._react = answering(*WHOLE)
        assert await channel.unary(VERSION, b"") == b"hi"
        assert server.connections == 1


@asynchronous
async def test_a_connection_without_numbers_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catenula.transport.http2_client._LAST_STREAM", 5)
    monkeypatch.setattr("catenula.transport.http2_endpoint._UNTOLD_STREAMS", 2)
    async with bad_server(lambda *_: None) as (server, channel):
        calls = [asyncio.ensure_future(channel.unary(VERSION, b"")) for _ in range(5)]
        await until(lambda: server.kinds().count(FrameType.DATA) == 2)
        server.send(
            *(part(stream) for stream in (1, 3) for part in (OK_HEAD, data(MESSAGE), OK_END))
        )
        await until(lambda: server.kinds().count(FrameType.DATA) == 3)
        server.send(*(part(5) for part in WHOLE))
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert found[:3] == [b"hi"] * 3
        for status in found[3:]:
            assert isinstance(status, CallStatus)
            assert status.code is StatusCode.UNAVAILABLE
        server._react = answering(*WHOLE)
        assert await channel.unary(VERSION, b"") == b"hi"
        assert server.connections == 2


# Servers that do not read


class DeafServer:
    """Answers the settings of one connection, reads nothing more, and says what it is told to."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self.connection: socket.socket | None = None

    async def accept(self) -> None:
        """Let the client send as much as it likes."""
        loop = asyncio.get_running_loop()
        self.connection, _ = await loop.sock_accept(self._listener)
        await self.say(settings_frame(((SETTING_WINDOW, 2**31 - 1),)) + window_frame(0, 1 << 30))

    async def say(self, said: bytes) -> None:
        """Send to whom it does not listen; the client may have had enough."""
        assert self.connection is not None
        try:
            await asyncio.get_running_loop().sock_sendall(self.connection, said)
        except ConnectionError:
            return

    def close(self) -> None:
        self._listener.close()
        if self.connection is not None:
            self.connection.close()


@asynccontextmanager
async def choked_client() -> AsyncIterator[tuple[DeafServer, GrpcChannel, Http2Client]]:
    """A client in the middle of a large request that its server does not read."""
    server = DeafServer()
    try:
        async with channel_to(server.port) as channel:
            call = asyncio.ensure_future(channel.unary(VERSION, bytes(32 * MEGABYTE)))
            await server.accept()
            await until(lambda: channel._client is not None and channel._client._is_paused)
            assert channel._client is not None
            yield server, channel, channel._client
            status = await status_of(call)
            assert status.code in (StatusCode.UNAVAILABLE, StatusCode.CANCELLED)
    finally:
        server.close()


@asynchronous
async def test_a_server_that_asks_and_does_not_read_is_left() -> None:
    async with choked_client() as (server, _, client):
        await server.say(PING * 2 * MAX_UNREAD_REPLIES)
        await until(lambda: not client.is_usable)
        assert client._unread_replies == MAX_UNREAD_REPLIES + 1
        await until(lambda: client._transport.get_write_buffer_size() == 0)


@asynchronous
async def test_a_server_that_does_not_read_keeps_no_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lost = asyncio.Event()
    end = Http2Client.connection_lost

    def heard(client: Http2Client, error: Exception | None) -> None:
        end(client, error)
        lost.set()

    monkeypatch.setattr(Http2Client, "connection_lost", heard)
    async with choked_client() as (_, channel, _):
        await channel.close()
        await lost.wait()


@asynchronous
async def test_whoever_reads_is_answered_as_often_as_he_asks() -> None:
    async with bad_server(answering(*WHOLE)) as (server, channel):
        await opened(channel, server)
        for _ in range(3):
            server.send(PING * MAX_UNREAD_REPLIES)
        await until(lambda: server.kinds().count(FrameType.PING) == 3 * MAX_UNREAD_REPLIES)
        assert await channel.unary(VERSION, b"") == b"hi"


# Ending


@asynchronous
async def test_a_call_that_waits_for_its_connection_is_told_the_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        # Nobody answers the beginning of TLS.
        async with channel_to(deaf.getsockname()[1], encrypted=True) as channel:
            calls = [asyncio.ensure_future(channel.unary(VERSION, b"")) for _ in range(2)]
            await until(lambda: channel._connecting is not None)
            calls[0].cancel()
            await asyncio.wait(calls[:1])
            await channel.close()
            assert calls[0].cancelled()
            assert (await status_of(calls[1])).code is StatusCode.CANCELLED


@asynchronous
async def test_nothing_is_tried_again_when_all_is_closed() -> None:
    async with scripted_port() as (server, service):
        service.gate = asyncio.Event()
        provider = GrpcProvider(GrpcOptions(retry_delay_seconds=600, request_timeout_seconds=600))
        node = provider.connect_to(f"grpc:127.0.0.1:{server.port}")
        call = asyncio.ensure_future(node.get_version_info())
        await until(lambda: service.calls_running == 1)
        await provider.close()
        assert (await status_of(call)).code is StatusCode.CANCELLED
        assert (await status_of(node.get_version_info())).code is StatusCode.CANCELLED
        with pytest.raises(CallStatus):
            provider.channel(NetworkAddress("127.0.0.1", server.port, False))
        await until(lambda: server.connections == 0)
