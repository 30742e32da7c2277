"""The public port among strangers: nonsense, excess, idleness and malice (issue 4, robustness).

Each test lets a well-behaved client in beside the others and expects it to be served as usual.
"""

import asyncio
import gc
import gzip
import resource
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catenula.base.limits import MAX_MESSAGE_BYTES, MAX_PUBLIC_BODY_BYTES
from catenula.transport.calls import METHODS, CallStatus, MethodKind, StatusCode
from catenula.transport.grpc_web import decode_text, read_messages
from catenula.transport.public_port import PublicServer, TlsFiles
from catenula.transport.public_service import NodeService
from tests.network.support import asynchronous
from tests.transport.certificates import make_certificate
from tests.transport.http2_client import http2
from tests.transport.raw_http import connect, frame, request
from tests.transport.recorded_node import conversation, recorded_driver
from tests.transport.scripted_service import ScriptedService, scripted_port
from tests.transport.test_public_port import channel_to, client_context, native
from tests.transport.wire_network import until

VERSION = METHODS["GetVersionInfo"].path
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return make_certificate(tmp_path_factory.mktemp("tls"))


async def others_are_served(server: PublicServer) -> None:
    """A new client of either protocol gets its answer."""
    async with asyncio.timeout(20):
        assert await native(server.port, VERSION, b"") == b"answer"
        async with connect(server.port) as browser:
            response = await browser.ask(request("GetVersionInfo", frame(b"")))
            assert response.messages == [b"answer"]


@asynccontextmanager
async def port_and_witness(**options: Any) -> AsyncIterator[tuple[PublicServer, ScriptedService]]:
    """A port that must serve others, and hold no connection, after what a test does to it."""
    async with scripted_port(**options) as (server, service):
        yield server, service
        await others_are_served(server)
        gc.collect()  # The gRPC library keeps a connection while anything refers to a call on it.
        async with asyncio.timeout(20):
            await until(lambda: server.connections == 0)
        assert server.body_bytes == 0


async def refused_with(port: int, path: str, body: bytes, **options: Any) -> str:
    """The name of the status of a native call that must not succeed."""
    import grpc

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await native(port, path, body, **options)
    return raised.value.code().name


def memory_growth_bytes(before: int) -> int:
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024


def peak_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


# Nonsense


async def code_of(service: NodeService, method: str, data: bytes) -> str:
    """The name of the status that a call ends with."""
    try:
        await service.unary(method, data)
    except CallStatus as status:
        return status.code.name
    return "OK"


def test_any_bytes_for_any_method_give_an_answer_or_a_status() -> None:
    methods = [name for name, row in METHODS.items() if row.kind is not MethodKind.STREAM]
    recorded = [
        (entry["method"], bytes.fromhex(entry["req"]))
        for entry in conversation("b-testnet", "direct_grpc")
        if entry["method"] in methods
    ]
    valid = (
        st.sampled_from(recorded) if recorded else st.tuples(st.sampled_from(methods), st.just(b""))
    )
    with asyncio.Runner() as runner:
        driver, close = runner.run(recorded_driver("b-testnet"))
        service = NodeService(driver)
        expected = ("OK", "INVALID_ARGUMENT", "NOT_FOUND", "INTERNAL")

        @settings(max_examples=300, suppress_health_check=list(HealthCheck))
        @given(valid, st.binary(max_size=60), st.integers(0), st.integers(0, 8))
        def check(call: tuple[str, bytes], noise: bytes, place: int, removed: int) -> None:
            method, data = call
            position = place % (len(data) + 1)
            damaged = data[:position] + noise + data[position + removed :]
            for received in (damaged, noise):
                assert runner.run(code_of(service, method, received)) in expected

        check()
        runner.run(close())


@given(st.binary(max_size=80))
def test_reading_frames_is_total(body: bytes) -> None:
    for is_text in (False, True):
        try:
            messages, rest = read_messages(decode_text(body) if is_text else body, {})
            assert len(rest) <= len(body)
            assert all(len(message) <= len(body) for message in messages)
        except CallStatus:
            continue


def test_text_bodies_may_have_several_padded_parts() -> None:
    assert decode_text(b"AAAAAAI=AAE=") == b"\0\0\0\0\2\0\1"
    assert decode_text(b"AA==AAA=AAAA") == b"\0\0\0\0\0\0"


@asynchronous
async def test_nonsense_on_the_socket_is_refused_and_forgotten() -> None:
    from random import Random

    random = Random(4)
    good = request("GetVersionInfo", frame(b"abc"))
    async with port_and_witness() as (server, _):
        for number in range(200):
            data = bytearray(good if number % 2 else random.randbytes(60))
            for _ in range(random.randrange(1, 6)):
                data[random.randrange(len(data))] = random.randrange(256)
            async with connect(server.port) as stranger:
                stranger.writer.write(bytes(data))
                stranger.writer.write_eof()
                await stranger.is_closed()


@asynchronous
async def test_nonsense_after_the_preface_of_http2_harms_nobody() -> None:
    from random import Random

    from catenula.transport.http2_frames import PREFACE

    random = Random(5)
    async with port_and_witness() as (server, _):
        for _ in range(50):
            async with connect(server.port) as stranger:
                stranger.writer.write(PREFACE + random.randbytes(random.randrange(200)))
                stranger.writer.write_eof()
                await stranger.is_closed()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (b"NONSENSE\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400),
        (
            b"POST / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
            400,
        ),
        (b"GET / HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 20_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 20_000, 431),
        (b"GET /" + b"a" * 20_000, 431),
    ],
)
@asynchronous
async def test_wrong_heads_are_answered_with_an_http_status(head: bytes, status: int) -> None:
    async with port_and_witness() as (server, _), connect(server.port) as stranger:
        stranger.writer.write(head)
        assert (await stranger.head())[0] == status


# Too much


@asynchronous
async def test_a_declared_excess_is_refused_before_it_is_sent() -> None:
    async with port_and_witness() as (server, service), connect(server.port) as stranger:
        head = request("UploadBlob", b"").replace(
            b"content-length: 0", b"content-length: %d" % (MAX_PUBLIC_BODY_BYTES + 1)
        )
        response = await stranger.ask(head)
        assert response.grpc_status == str(int(StatusCode.OUT_OF_RANGE))
        assert service.requests == []


@asynchronous
async def test_a_declared_message_beyond_the_limit_is_refused() -> None:
    async with port_and_witness() as (server, service), connect(server.port) as stranger:
        body = b"\0" + (MAX_MESSAGE_BYTES + 1).to_bytes(4, "big") + b"only this"
        response = await stranger.ask(request("UploadBlob", body))
        assert response.grpc_status == str(int(StatusCode.OUT_OF_RANGE))
        assert service.requests == []


@asynchronous
async def test_an_excess_that_was_not_declared_is_refused_when_it_comes() -> None:
    async with port_and_witness() as (server, _), connect(server.port) as stranger:
        head = request("UploadBlob", b"").replace(
            b"content-length: 0", b"transfer-encoding: chunked"
        )
        stranger.writer.write(head)
        part = b"%X\r\n%b\r\n" % (MEGABYTE, bytes(MEGABYTE))
        for _ in range(MAX_PUBLIC_BODY_BYTES // MEGABYTE + 2):
            stranger.writer.write(part)
        response = await stranger.response()
        assert response.grpc_status == str(int(StatusCode.OUT_OF_RANGE))
        assert response.headers["connection"] == "close"


@pytest.mark.parametrize("size", [MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES + 1])
@asynchronous
async def test_the_limit_of_native_messages_is_exact(size: int) -> None:
    async with port_and_witness() as (server, service):
        path = METHODS["UploadBlob"].path
        if size > MAX_MESSAGE_BYTES:
            assert await refused_with(server.port, path, bytes(size)) == "OUT_OF_RANGE"
            assert service.requests == []
        else:
            assert await native(server.port, path, bytes(size)) == b"answer"


@asynchronous
async def test_far_too_large_native_messages_are_not_read_to_their_end() -> None:
    before = peak_memory()
    async with port_and_witness() as (server, service):
        body = bytes(64 * MEGABYTE)
        status = await refused_with(server.port, METHODS["UploadBlob"].path, body)
        assert status == "OUT_OF_RANGE"
        assert service.requests == []
    assert memory_growth_bytes(before) < 300 * MEGABYTE


@asynchronous
async def test_an_answer_beyond_the_limit_is_a_status() -> None:
    async with scripted_port() as (server, service):
        service.answer = bytes(MAX_MESSAGE_BYTES + 1)
        assert await refused_with(server.port, VERSION, b"") == "OUT_OF_RANGE"


@asynchronous
async def test_many_large_bodies_share_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catenula.transport.public_port.MAX_PUBLIC_BUFFER_BYTES", 4 * MEGABYTE)
    async with (
        port_and_witness() as (server, _),
        connect(server.port) as holder,
        connect(server.port) as stranger,
    ):
        whole = request("UploadBlob", frame(bytes(4 * MEGABYTE - 100)))
        holder.writer.write(whole[:-1])
        await until(lambda: server.body_bytes > 3 * MEGABYTE)
        response = await stranger.ask(request("UploadBlob", frame(bytes(MEGABYTE))))
        assert response.grpc_status == str(int(StatusCode.RESOURCE_EXHAUSTED))
        await others_are_served(server)
        assert (await holder.ask(whole[-1:])).grpc_status == "0"


@asynchronous
async def test_a_flood_of_requests_on_one_connection_is_cut_off() -> None:
    async with port_and_witness() as (server, service):
        service.gate = asyncio.Event()
        async with connect(server.port) as stranger:
            stranger.writer.write(request("GetVersionInfo", frame(b"")) * 200)
            assert await stranger.is_closed()
        service.gate.set()
        assert len(service.requests) <= 1


@asynchronous
async def test_abandoning_streams_without_end_is_not_tolerated(certificate: TlsFiles) -> None:
    async with scripted_port(tls=certificate) as (server, _):
        context = client_context(certificate, "h2", "http/1.1")
        async with http2(server.port, context) as stranger:
            for _ in range(600):
                number = stranger.send("GetVersionInfo", None)
                stranger.connection.reset_stream(number)
            stranger.flush()
            await stranger.until(lambda: stranger.is_over)
        async with http2(server.port, context) as browser:
            response = await browser.response(browser.send("GetVersionInfo", frame(b"")))
            assert response.messages == [b"answer"]


@asynchronous
async def test_a_large_upload_over_http2_is_refused_and_stopped(certificate: TlsFiles) -> None:
    async with scripted_port(tls=certificate) as (server, service):
        context = client_context(certificate, "h2", "http/1.1")
        async with http2(server.port, context) as stranger:
            number = stranger.send("UploadBlob", None)
            sent = 0
            while number not in stranger.ended:
                room = stranger.connection.local_flow_control_window(number)
                size = min(room, stranger.connection.max_outbound_frame_size)
                if size:
                    stranger.connection.send_data(number, bytes(size))
                    stranger.flush()
                    sent += size
                await asyncio.sleep(0)
            response = await stranger.response(number)
            assert response.grpc_status == str(int(StatusCode.OUT_OF_RANGE))
            assert sent < MAX_PUBLIC_BODY_BYTES + 4 * MEGABYTE
        assert service.requests == []


# Compression


@asynchronous
async def test_compressed_native_messages_are_refused_unread() -> None:
    import grpc

    before = peak_memory()
    async with port_and_witness() as (server, service):
        body, compression = bytes(12 * MEGABYTE), grpc.Compression.Gzip
        path = METHODS["UploadBlob"].path
        status = await refused_with(server.port, path, body, compression=compression)
        assert status == "UNIMPLEMENTED"
        assert service.requests == []
    assert memory_growth_bytes(before) < 100 * MEGABYTE


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@asynchronous
async def test_compressed_web_messages_are_refused_unread(encoding: str) -> None:
    bomb = gzip.compress(bytes(64 * MEGABYTE))
    before = peak_memory()
    async with port_and_witness() as (server, service), connect(server.port) as stranger:
        data = request("UploadBlob", frame(bomb, flag=1), grpc_encoding=encoding)
        response = await stranger.ask(data)
        expected = StatusCode.UNIMPLEMENTED if encoding == "gzip" else StatusCode.INTERNAL
        assert response.grpc_status == str(int(expected))
        data = request("UploadBlob", gzip.compress(frame(b"")), content_encoding="gzip")
        assert (await stranger.ask(data)).grpc_status == str(int(StatusCode.INTERNAL))
        assert service.requests == []
    assert memory_growth_bytes(before) < 32 * MEGABYTE


# Too slow


@pytest.mark.parametrize("beginning", [b"POST / HT", b"POST / HTTP/1.1\r\nhost: x\r\n"])
@asynchronous
async def test_a_head_that_does_not_end_is_not_waited_for(
    beginning: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catenula.transport.http1.PUBLIC_HEAD_SECONDS", 0.05)
    async with port_and_witness() as (server, _), connect(server.port) as stranger:
        stranger.writer.write(beginning)
        assert await stranger.is_closed()


@asynchronous
async def test_a_body_that_does_not_end_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("catenula.transport.http1.PUBLIC_BODY_SECONDS", 0.05)
    async with port_and_witness() as (server, _), connect(server.port) as stranger:
        response = await stranger.ask(request("UploadBlob", frame(b"0123456789"))[:-1])
        assert response.grpc_status == str(int(StatusCode.DEADLINE_EXCEEDED))
        assert await stranger.is_closed()


@asynchronous
async def test_idle_connections_are_closed_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catenula.transport.http1.PUBLIC_IDLE_SECONDS", 0.05)
    async with port_and_witness() as (server, _), connect(server.port) as browser:
        await browser.ask(request("GetVersionInfo", frame(b"")))
        assert await browser.is_closed()


@asynchronous
async def test_a_subscriber_that_does_not_read_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("catenula.transport.http1.PUBLIC_WRITE_SECONDS", 0.1)
    async with port_and_witness() as (server, service):
        service.answer = bytes(MEGABYTE)
        async with connect(server.port) as stranger:
            cast(Any, stranger.writer.transport).pause_reading()
            stranger.writer.write(request("Subscribe", frame(b"")))
            await until(lambda: service.subscribers == 1)
            before = peak_memory()

            def push() -> bool:
                service.news.set()
                return service.subscribers == 0

            await until(push)
            assert memory_growth_bytes(before) < 32 * MEGABYTE
        service.answer = b"answer"


# Many, and half gone


@asynchronous
async def test_thousands_of_idle_subscriptions_leave_the_port_quick() -> None:
    half = 1_000
    before = peak_memory()
    async with port_and_witness() as (server, service), channel_to(server.port) as channel:
        calls = [channel.unary_stream(METHODS["Subscribe"].path)(b"") for _ in range(half)]
        for call in calls:
            assert await call.read() == b""
        clients = []
        for _ in range(half):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(request("Subscribe", frame(b"")))
            clients.append((reader, writer))
        for reader, _ in clients:
            await reader.readuntil(frame(b"") + b"\r\n")
        assert service.subscribers == 2 * half
        assert memory_growth_bytes(before) < 400 * MEGABYTE
        for _ in range(20):
            await others_are_served(server)
        for call in calls:
            call.cancel()
        calls.clear()
        del call
        for _, writer in clients:
            writer.close()
        await until(lambda: service.subscribers == 0)


@asynchronous
async def test_connections_that_are_cut_leave_nothing_behind() -> None:
    reset = struct.pack("ii", 1, 0)
    async with port_and_witness() as (server, service):
        for _ in range(50):
            stranger = socket.create_connection(("127.0.0.1", server.port))
            stranger.sendall(request("Subscribe", frame(b"")))
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            stranger.close()
        await until(lambda: service.subscribers == 0 and server.connections == 0)


@asynchronous
async def test_a_half_closed_connection_ends_its_subscription() -> None:
    async with port_and_witness() as (server, service), connect(server.port) as stranger:
        stranger.writer.write(request("Subscribe", frame(b"")))
        await until(lambda: service.subscribers == 1)
        stranger.writer.write_eof()
        await until(lambda: service.subscribers == 0)
