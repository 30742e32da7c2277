"""One port for everything: who is recognised as what, and is served what (spec 06 §3)."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from catenula.base.errors import LocalError
from catenula.transport.calls import METHODS, CallStatus, StatusCode
from catenula.transport.endpoints import Endpoint, FinishedCall
from catenula.transport.event_loop import loop_factory
from catenula.transport.grpc_client import GrpcOptions, GrpcProvider
from catenula.transport.http2_frames import PREFACE
from catenula.transport.newcomers import Speech, recognise
from catenula.transport.public_port import PublicServer, TlsFiles, serve_public
from tests.network.support import asynchronous
from tests.transport.certificates import make_certificate
from tests.transport.http2_client import http2
from tests.transport.raw_http import connect, frame, request
from tests.transport.scripted_service import ScriptedService, scripted_port
from tests.transport.wire_network import until


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def client_context(certificate: TlsFiles, *protocols: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificate.certificate))
    context.check_hostname = False
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


async def native(port: int, path: str, body: bytes, **options: Any) -> bytes:
    """One native call; the library's own error if it fails."""
    async with channel_to(port) as channel:
        answer: bytes = await channel.unary_unary(path)(body, **options)
        return answer


def channel_to(port: int) -> Any:
    import grpc

    return grpc.aio.insecure_channel(f"127.0.0.1:{port}")


# One address


@asynchronous
async def test_native_and_web_clients_share_a_port() -> None:
    async with scripted_port() as (server, service):
        assert await native(server.port, METHODS["GetVersionInfo"].path, b"n") == b"answer"
        async with connect(server.port) as browser:
            response = await browser.ask(request("GetVersionInfo", frame(b"w")))
            assert response.messages == [b"answer"]
        assert service.requests == [("GetVersionInfo", b"n"), ("GetVersionInfo", b"w")]


@asynchronous
async def test_a_connection_serves_many_requests_in_their_order() -> None:
    async with scripted_port() as (server, service), connect(server.port) as browser:
        bodies = [b"%d" % number for number in range(5)]
        browser.writer.write(b"".join(request("UploadBlob", frame(body)) for body in bodies))
        for _ in bodies:
            assert (await browser.response()).grpc_status == "0"
        assert [body for _, body in service.requests] == bodies


@asynchronous
async def test_subscriptions_are_flushed_at_once_and_end_with_the_client() -> None:
    async with scripted_port() as (server, service):
        async with connect(server.port) as browser:
            browser.writer.write(request("Subscribe", frame(b"")))
            await browser.head()
            assert await browser.chunk() == frame(b"")
            service.news.set()
            assert await browser.chunk() == frame(b"answer")
            assert service.subscribers == 1
        await until(lambda: service.subscribers == 0)


@asynchronous
async def test_an_error_after_messages_is_in_the_last_frame() -> None:
    async with scripted_port() as (server, service), connect(server.port) as browser:
        service.answer = CallStatus(StatusCode.UNAVAILABLE, "100% gone: é")
        service.news.set()
        response = await browser.ask(request("Subscribe", frame(b"")))
        assert response.grpc_status == "14"
        assert response.body.endswith(b"grpc-message:100%25%20gone:%20%C3%A9\r\n")


@asynchronous
async def test_a_call_ends_with_its_client() -> None:
    async with scripted_port() as (server, service):
        service.gate = asyncio.Event()
        async with connect(server.port) as browser:
            browser.writer.write(request("GetVersionInfo", frame(b"")))
            await until(lambda: service.calls_running == 1)
        await until(lambda: service.calls_running == 0)
        await until(lambda: server.connections == 0)


@asynchronous
async def test_bugs_are_internal_errors_and_say_nothing(caplog: pytest.LogCaptureFixture) -> None:
    import grpc

    async with scripted_port() as (server, service):
        service.answer = ZeroDivisionError("a secret")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await native(server.port, METHODS["GetVersionInfo"].path, b"")
        assert raised.value.code() is grpc.StatusCode.INTERNAL
        assert "secret" not in str(raised.value.details())
        async with connect(server.port) as browser:
            response = await browser.ask(request("GetVersionInfo", frame(b"")))
            assert response.grpc_status == "13"
    assert "a secret" in caplog.text


@asynchronous
async def test_bugs_beside_the_validators_methods_are_told_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    import grpc

    async def broken(request: bytes) -> bytes:
        raise ZeroDivisionError("a secret")

    async def broken_talk(requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for message in requests:
            yield await broken(message)

    endpoints = {"/a/B": Endpoint(unary=broken), "/a/C": Endpoint(conversation=broken_talk)}
    server = PublicServer(endpoints, socket.create_server(("127.0.0.1", 0)), None)
    async with connect(server.port) as browser:
        for path in endpoints:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await native(server.port, path, b"x", timeout=20)
            assert raised.value.code() is grpc.StatusCode.INTERNAL
            response = await browser.ask(request(path, frame(b"x")))
            assert response.grpc_status == "13"
            assert "secret" not in str(response)
    await server.close()
    assert caplog.text.count("ZeroDivisionError: a secret") == 4


class Heard:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.calls: list[tuple[FinishedCall, bytes | None]] = []

    def call_finished(self, call: FinishedCall, response: bytes | None) -> None:
        self.calls.append((call, response))


@asynchronous
async def test_an_observer_hears_of_every_call_of_both_protocols() -> None:
    heard = Heard()
    async with scripted_port(observer=heard) as (server, service):
        await native(server.port, METHODS["GetVersionInfo"].path, b"abc")
        service.answer = CallStatus(StatusCode.NOT_FOUND, "")
        async with connect(server.port) as browser:
            await browser.ask(request("DownloadBlob", frame(b"de")))
    (first, answer), (second, nothing) = heard.calls
    assert (first.method, first.code, first.request_bytes) == ("GetVersionInfo", StatusCode.OK, 3)
    assert (answer, nothing) == (b"answer", None)
    assert (second.method, second.code) == ("DownloadBlob", StatusCode.NOT_FOUND)


@asynchronous
async def test_a_port_in_use_is_refused_with_advice() -> None:
    async with scripted_port() as (server, _):
        with pytest.raises(LocalError, match="choose another port"):
            await serve_public(ScriptedService(), host="127.0.0.1", port=server.port)


def test_the_port_works_on_the_fastest_event_loop() -> None:
    async def use_it() -> None:
        async with scripted_port() as (server, _):
            assert await native(server.port, METHODS["GetVersionInfo"].path, b"") == b"answer"
            async with connect(server.port) as browser:
                assert (await browser.ask(request("GetVersionInfo", frame(b"")))).status == 200

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(asyncio.wait_for(use_it(), 30))


# Health and reflection


@asynchronous
async def test_health_is_told_for_known_services_only() -> None:
    import grpc

    path = "/grpc.health.v1.Health/Check"
    async with scripted_port() as (server, _):
        for name in (b"", b"rpc.v1.ValidatorNode"):
            body = b"" if not name else b"\x0a" + bytes((len(name),)) + name
            assert await native(server.port, path, body) == b"\x08\x01"
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await native(server.port, path, b"\x0a\x01x")
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND
        async with channel_to(server.port) as channel:
            watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"")
            assert await watch.read() == b"\x08\x01"
            watch.cancel()


def test_reflection_tells_the_whole_interface() -> None:
    from google.protobuf.descriptor_pool import DescriptorPool

    # The library's messages are those of v1alpha, which differ from v1 in the package's name only.
    reflection_pb2: Any = pytest.importorskip("grpc_reflection.v1alpha.reflection_pb2")

    async def ask(**question: Any) -> Any:
        async with scripted_port() as (server, _):
            path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
            async with channel_to(server.port) as channel:
                request_ = reflection_pb2.ServerReflectionRequest(**question)
                call = channel.stream_stream(path)(iter([request_.SerializeToString()]))
                return reflection_pb2.ServerReflectionResponse.FromString(await call.read())

    listed = asyncio.run(ask(list_services=""))
    names = {service.name for service in listed.list_services_response.service}
    assert {"rpc.v1.ValidatorNode", "grpc.health.v1.Health"} <= names
    pool = DescriptorPool()
    for name in sorted(names):
        told = asyncio.run(ask(file_containing_symbol=name))
        for file in told.file_descriptor_response.file_descriptor_proto:
            pool.AddSerializedFile(file)
    service = pool.FindServiceByName("rpc.v1.ValidatorNode")
    assert {method.name for method in service.methods} == set(METHODS)
    assert asyncio.run(ask(file_by_filename="no")).error_response.error_code == 5


# TLS


@asynchronous
async def test_native_clients_speak_tls(certificate: TlsFiles) -> None:
    async with scripted_port(tls=certificate) as (server, service):
        service.answer = b""
        options = GrpcOptions(root_certificates=certificate.certificate.read_bytes())
        provider = GrpcProvider(options)
        node = provider.connect_to(f"grpcs:localhost:{server.port}")
        assert await node.missing_blob_ids([]) == []
        await provider.close()


@asynchronous
async def test_browsers_get_http2_and_many_subscriptions_on_one_connection(
    certificate: TlsFiles,
) -> None:
    async with scripted_port(tls=certificate) as (server, service):
        async with http2(server.port, client_context(certificate, "h2", "http/1.1")) as browser:
            subscriptions = [browser.send("Subscribe", frame(b"")) for _ in range(20)]
            await browser.until(lambda: all(browser.bodies.get(n) for n in subscriptions))
            assert service.subscribers == 20
            response = await browser.response(browser.send("GetVersionInfo", frame(b"")))
            assert response.messages == [b"answer"]
            assert response.grpc_status == "0"
            assert response.headers["access-control-expose-headers"] == "*"
            browser.connection.reset_stream(subscriptions[0])
            browser.flush()
            await until(lambda: service.subscribers == 19)
        await until(lambda: service.subscribers == 0)


@asynchronous
async def test_large_answers_respect_the_windows_of_http2(certificate: TlsFiles) -> None:
    async with scripted_port(tls=certificate) as (server, service):
        service.answer = bytes(range(256)) * 20_000
        async with http2(server.port, client_context(certificate, "h2", "http/1.1")) as browser:
            asked = [browser.send("GetVersionInfo", frame(b"")) for _ in range(3)]
            for number in asked:
                assert (await browser.response(number)).messages == [service.answer]


@asynchronous
async def test_native_calls_over_a_browsers_connection_have_real_trailers(
    certificate: TlsFiles,
) -> None:
    context = client_context(certificate, "h2", "http/1.1")
    async with scripted_port(tls=certificate) as (server, _), http2(server.port, context) as proxy:
        number = proxy.send("GetVersionInfo", frame(b""), "application/grpc")
        response = await proxy.response(number)
        assert response.body == frame(b"answer")
        assert response.headers["grpc-status"] == "0"


@asynchronous
async def test_old_clients_get_http1_over_tls(certificate: TlsFiles) -> None:
    async with scripted_port(tls=certificate) as (server, _):
        context = client_context(certificate)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
        writer.write(request("GetVersionInfo", frame(b"")))
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()
        await writer.wait_closed()


@asynchronous
async def test_clear_text_is_refused_where_tls_is_spoken_and_the_other_way_round(
    certificate: TlsFiles,
) -> None:
    async with scripted_port(tls=certificate) as (server, _), connect(server.port) as browser:
        browser.writer.write(request("GetVersionInfo", frame(b"")))
        assert await browser.is_closed()
    async with scripted_port() as (server, _):
        context = client_context(certificate)
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", server.port, ssl=context)


@asynchronous
async def test_a_wrong_certificate_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "nonsense").write_text("nonsense")
    files = TlsFiles(tmp_path / "nonsense", tmp_path / "nonsense")
    with pytest.raises(LocalError, match="both must be PEM files"):
        await serve_public(ScriptedService(), host="127.0.0.1", port=0, tls=files)


# Recognising clients by what they say first


def test_clients_are_recognised_by_their_first_bytes() -> None:
    assert recognise(PREFACE) is Speech.HTTP2
    assert recognise(b"PRI") is None
    assert recognise(b"P") is None
    assert recognise(b"POST / HTTP/1.1\r\n") is Speech.HTTP1
    assert recognise(b"\x00") is Speech.HTTP1
    assert recognise(b"\x16\x03\x01") is Speech.TLS


@asynchronous
async def test_web_calls_over_http2_in_clear_text_are_served() -> None:
    async with scripted_port() as (server, service), http2(server.port, None) as proxy:
        response = await proxy.response(proxy.send("GetVersionInfo", frame(b"w")))
        assert (response.messages, response.grpc_status) == ([b"answer"], "0")
        response = await proxy.response(proxy.send("UploadBlob", frame(b"n"), "application/grpc"))
        assert response.headers["grpc-status"] == "0"
        assert [body for _, body in service.requests] == [b"w", b"n"]


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("catenula.transport.newcomers.PEEK_SECONDS", 0.05)
    return iter(())


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("beginning", [b"", b"P", PREFACE[:10]])
@asynchronous
async def test_who_says_nothing_is_sent_away(beginning: bytes) -> None:
    async with scripted_port() as (server, _), connect(server.port) as client:
        client.writer.write(beginning)
        assert await client.is_closed()
        await until(lambda: server.connections == 0)


@asynchronous
async def test_connections_beyond_the_limit_are_closed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("catenula.transport.newcomers.MAX_PUBLIC_CONNECTIONS", 3)
    async with scripted_port() as (server, _):
        clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
        await until(lambda: server.connections == 3)
        for _ in range(3):
            async with connect(server.port) as one_more:
                assert await one_more.is_closed()
        assert caplog.text.count("more than 3 connections") == 1
        for client in clients:
            client.close()
        await until(lambda: server.connections == 0)
