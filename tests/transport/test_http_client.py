"""Requests to servers that are slow, silent or strange: bounded in time, and failing in one way."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from catenula.transport.http_client import HttpCall, HttpFailed, exchange
from tests.network.support import asynchronous
from tests.validator.http_server import answered, http_server

MEGABYTE = 1 << 20


@asynccontextmanager
async def deaf_server() -> AsyncIterator[str]:
    """A server that accepts connections and reads nothing; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


async def failure(call: HttpCall, *, seconds: float = 5.0, follows: bool = False) -> str:
    with pytest.raises(HttpFailed) as failed:
        async with asyncio.timeout(20):
            await exchange(call, seconds=seconds, max_bytes=1000, follows=follows)
    return str(failed.value)


@asynchronous
async def test_a_server_that_takes_no_body_is_left_in_time() -> None:
    async with deaf_server() as url:
        text = await failure(HttpCall("POST", url, body=bytes(32 * MEGABYTE)), seconds=0.1)
        assert "no answer within 0.1 s" in text


@asynchronous
async def test_a_request_that_is_cancelled_ends_at_once() -> None:
    async with deaf_server() as url:
        call = HttpCall("POST", url, body=bytes(32 * MEGABYTE))
        asking = asyncio.ensure_future(exchange(call, seconds=600, max_bytes=1000))
        await asyncio.wait((asking,), timeout=0.1)
        asking.cancel()
        async with asyncio.timeout(20):
            await asyncio.wait((asking,))
        assert asking.cancelled()


@pytest.mark.parametrize("place", ["http://[", "http://[::1", "http://a:b/", "ftp://a/"])
@asynchronous
async def test_a_redirection_to_no_address_is_an_error(place: str) -> None:
    async with http_server(a=answered(b"", "302 Found", f"location: {place}")) as server:
        assert "URL" in await failure(HttpCall("GET", server.url("/a")), follows=True)


@pytest.mark.parametrize("host", ["a" * 64, "a" * 60, "é" * 60, "a..b"])
@asynchronous
async def test_a_host_that_cannot_be_written_is_an_error(host: str) -> None:
    await failure(HttpCall("GET", f"http://{host}:8080/"))


@asynchronous
async def test_a_long_name_may_have_a_port() -> None:
    name = "a" * 60
    async with http_server(a=answered(b"found")) as server:
        loop = asyncio.get_running_loop()
        look_up = loop.getaddrinfo

        async def found(host: object, port: object, **options: object) -> object:
            return await look_up("127.0.0.1" if host == name else host, port, **options)  # type: ignore[arg-type]  # As given.

        loop.getaddrinfo = found  # type: ignore[assignment,method-assign]  # This loop's alone.
        reply = await exchange(
            HttpCall("GET", f"http://{name}:{server.port}/a"), seconds=5, max_bytes=1000
        )
        assert reply.body == b"found"
        assert f"host: {name}:{server.port}\r\n".encode() in server.asked[0]
