"""Clients that ask for much and read nothing: bounded memory, and other clients unharmed."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import pytest

from catenula.transport.arriving import UnreadAnswers
from catenula.transport.http2_frames import ErrorCode
from catenula.transport.public_port import PublicServer
from tests.network.support import asynchronous
from tests.transport.http2_client import Http2Client, http2
from tests.transport.raw_http import Connection, connect, frame, request
from tests.transport.scripted_service import ScriptedService
from tests.transport.test_robustness import MEGABYTE, others_are_served, port_and_witness
from tests.transport.wire_network import until

BUDGET = 32 * MEGABYTE
ANSWER = 15 * MEGABYTE
"""Two of these fit the budget; of a third, the system's own buffers do not take enough."""


def test_the_oldest_unread_answer_goes_first() -> None:
    cut: list[str] = []
    unread = UnreadAnswers(100)
    for name in ("first", "second", "third"):
        unread.hold(name, 40, lambda name=name: cut.append(name))  # type: ignore[misc]  # Bound early.
    assert (cut, unread.size) == (["first"], 80)
    unread.release("first")
    unread.hold("second", 70, lambda: cut.append("second"))
    assert (cut, unread.size) == (["first", "second"], 40)
    unread.release("third")
    assert unread.size == 0


@asynccontextmanager
async def limited_port(
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[PublicServer, ScriptedService]]:
    """A port with a small budget for unread answers; it is empty in the end."""
    monkeypatch.setattr("catenula.transport.public_port.MAX_PUBLIC_UNREAD_BYTES", BUDGET)
    async with port_and_witness() as (server, service):
        service.answer = bytes(ANSWER)
        yield server, service
        service.answer = b"answer"
        await until(lambda: server.unread_bytes == 0)


async def deaf_browser(server: PublicServer, stack: AsyncExitStack) -> Connection:
    """Somebody who asks over HTTP/1.1 and does not read the answer."""
    browser = await stack.enter_async_context(connect(server.port))
    cast(Any, browser.writer.transport).pause_reading()
    browser.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    browser.writer.write(request("GetVersionInfo", frame(b"")))
    return browser


async def _until_more_is_unread(server: PublicServer, before: int) -> None:
    await until(lambda: server.unread_bytes > before + MEGABYTE)


@asynchronous
async def test_browsers_that_do_not_read_share_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    async with limited_port(monkeypatch) as (server, service), AsyncExitStack() as stack:
        for _ in range(2):
            before = server.unread_bytes
            await deaf_browser(server, stack)
            await _until_more_is_unread(server, before)
        assert server.connections == 2
        for _ in range(3):
            await deaf_browser(server, stack)
        await until(lambda: len(service.requests) == 5 and server.connections == 2)
        assert server.unread_bytes <= BUDGET
        service.answer = b"answer"
        await others_are_served(server)


@asynchronous
async def test_streams_that_are_not_read_share_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    async with limited_port(monkeypatch) as (server, service), http2(server.port, None) as stranger:
        _keep_windows_shut(stranger)
        first = stranger.send("GetVersionInfo", frame(b""))
        await until(lambda: server.unread_bytes == ANSWER + 5)
        for _ in range(2):
            stranger.send("GetVersionInfo", frame(b""))
        await stranger.until(lambda: first in stranger.resets)
        assert stranger.resets == {first: ErrorCode.ENHANCE_YOUR_CALM}
        assert server.unread_bytes == 2 * (ANSWER + 5)
        service.answer = b"answer"
        await others_are_served(server)


@asynchronous
async def test_whoever_reads_gets_all_while_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async with limited_port(monkeypatch) as (server, _), AsyncExitStack() as stack:
        for _ in range(4):
            await deaf_browser(server, stack)
        async with connect(server.port) as reader, http2(server.port, None) as native:
            response = await reader.ask(request("GetVersionInfo", frame(b"")))
            assert response.messages == [bytes(ANSWER)]
            number = native.send("GetVersionInfo", frame(b""))
            assert (await native.response(number)).messages == [bytes(ANSWER)]


def _keep_windows_shut(client: Http2Client) -> None:
    """The client takes what arrives, and makes no room for more."""
    connection: Any = client.connection
    connection.acknowledge_received_data = lambda size, number: None
