"""The HTTP server: routes, limits, cross-origin headers, starting and stopping."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from catenula.base.errors import LocalError
from catenula.base.limits import MAX_HTTP_HEADER_BYTES
from catenula.services.http.application import HttpApplication, HttpLimits
from catenula.services.http.messages import Request, Response
from catenula.services.http.server import HttpServer, serve_http
from catenula.transport.socket_options import set_options
from tests.services.stage import request


async def echo(received: Request) -> Response:
    return Response.json({"path": received.path, **received.parameters, "got": len(received.body)})


async def broken(_received: Request) -> Response:
    raise KeyError("a bug of the handler")


@asynccontextmanager
async def served(limits: HttpLimits | None = None) -> AsyncIterator[HttpServer]:
    application = HttpApplication(limits or HttpLimits())
    application.route("GET", "/", echo)
    application.route("POST", "/", echo)
    application.route("GET", "/bug", broken)
    application.route("POST", "/chains/{chain}/applications/{app}", echo)
    server = await serve_http(application, host="127.0.0.1", port=0)
    try:
        yield server
    finally:
        await server.close(1)


async def raw(port: int, data: bytes) -> bytes:
    """Everything the server says until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def test_routes_methods_and_unknown_paths() -> None:
    async def main() -> None:
        async with served() as server:
            found = await request(server.port, "POST", "/chains/a/applications/b", body=b"123")
            assert found.json() == {
                "path": "/chains/a/applications/b",
                "chain": "a",
                "app": "b",
                "got": 3,
            }
            assert (await request(server.port, "GET", "/nothing")).status == 404
            assert (await request(server.port, "GET", "/chains/a/b/applications/c")).status == 404
            refused = await request(server.port, "PUT", "/", body=b"{}")
            assert (refused.status, refused.headers["allow"]) == (405, "GET,HEAD,POST")
            head = await request(server.port, "HEAD", "/")
            assert (head.status, head.body) == (200, b"")

    asyncio.run(main())


def test_every_origin_is_allowed_and_browsers_may_remember_it() -> None:
    async def main() -> None:
        async with served() as server:
            preflight = await request(server.port, "OPTIONS", "/", headers={"Origin": "http://x"})
            assert preflight.status == 200
            assert preflight.headers["access-control-max-age"] == "86400"
            assert preflight.headers["allow"] == "GET,HEAD,POST"
            plain = await request(server.port, "GET", "/nothing")
            assert plain.headers["access-control-allow-origin"] == "*"

    asyncio.run(main())


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large_is_refused_whether_announced_or_not(announced: bool) -> None:
    async def main() -> None:
        async with served(HttpLimits(body_bytes=1000)) as server:
            body = b"x" * 2000
            length = f"Content-Length: {len(body)}" if announced else "Transfer-Encoding: chunked"
            content = body if announced else b"7d0\r\n" + body + b"\r\n0\r\n\r\n"
            head = f"POST / HTTP/1.1\r\nHost: a\r\n{length}\r\n\r\n".encode()
            answer = await raw(server.port, head + content)
            assert answer.startswith(b"HTTP/1.1 413 ")
            assert (await request(server.port, "POST", "/", body=b"x" * 1000)).status == 200

    asyncio.run(main())


def test_a_body_that_does_not_arrive_is_given_up() -> None:
    async def main() -> None:
        async with served(HttpLimits(body_seconds=0.05)) as server:
            head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"
            assert (await raw(server.port, head)).startswith(b"HTTP/1.1 408 ")

    asyncio.run(main())


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHo"])
def test_a_connection_without_complete_headers_is_closed(sent: bytes) -> None:
    async def main() -> None:
        async with served(HttpLimits(headers_seconds=0.05)) as server:
            assert await raw(server.port, sent) == b""
            assert (await request(server.port, "GET", "/")).status == 200

    asyncio.run(main())


def test_headers_without_end_are_not_collected() -> None:
    async def main() -> None:
        async with served() as server:
            line = b"x-filler: " + b"y" * 1000 + b"\r\n"
            flood = b"GET / HTTP/1.1\r\n" + line * (2 * MAX_HTTP_HEADER_BYTES // len(line))
            assert await raw(server.port, flood) == b""

    asyncio.run(main())


def test_nonsense_is_refused_and_others_are_served() -> None:
    async def main() -> None:
        async with served() as server:
            assert (await raw(server.port, b"\x16\x03\x01 nonsense\r\n\r\n")).startswith(
                b"HTTP/1.1 400 "
            )
            assert (await request(server.port, "GET", "/bug")).status == 500
            assert (await request(server.port, "GET", "/")).status == 200

    asyncio.run(main())


def test_a_taken_port_is_an_error_with_advice() -> None:
    async def main() -> None:
        async with served() as server:
            with pytest.raises(LocalError, match="stop what uses the port, or choose another one"):
                await serve_http(HttpApplication(), host="127.0.0.1", port=server.port)

    asyncio.run(main())


def test_closing_waits_for_a_request_but_not_for_ever() -> None:
    async def main() -> None:
        entered, never = asyncio.Event(), asyncio.Event()

        async def hang(_request: Request) -> Response:
            entered.set()
            await never.wait()
            return Response()

        application = HttpApplication()
        application.route("GET", "/", hang)
        server = await serve_http(application, host="127.0.0.1", port=0)
        asking = asyncio.create_task(raw(server.port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
        await entered.wait()
        started = time.monotonic()
        await server.close(1)
        assert time.monotonic() - started < 5
        await asking

    asyncio.run(main())


def test_connections_whose_clients_are_gone_are_noticed() -> None:
    async def main() -> None:
        async with served() as server:
            (listening,) = server._server.servers
            (listener,) = listening.sockets
            assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1

    asyncio.run(main())
    # What is set on a listening socket holds for its connections.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        set_options(listener)
        with socket.create_connection(listener.getsockname()):
            connection, _ = listener.accept()
            with connection:
                assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
                if hasattr(socket, "TCP_USER_TIMEOUT"):
                    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) > 0
