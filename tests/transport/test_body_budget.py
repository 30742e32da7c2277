"""Requests that are large, slow or in pieces: who sends them takes nothing from the others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenula.transport import grpc_web
from catenula.transport.arriving import ArrivingBody, PortBudget
from catenula.transport.calls import CallStatus, StatusCode
from catenula.transport.grpc_web import _ArrivingMessages, read_messages
from catenula.transport.http2 import Http2Connection
from catenula.transport.http2_client import _Stream
from catenula.transport.http2_frames import END_HEADERS, FrameType, frame, header_block
from catenula.transport.public_port import PublicServer
from tests.network.support import asynchronous
from tests.transport import raw_http
from tests.transport.http2_client import http2
from tests.transport.raw_http import connect, request
from tests.transport.scripted_service import ScriptedService, scripted_port
from tests.transport.test_http2 import HEADERS, NATIVE, frames_until, greeted
from tests.transport.test_http2_client import SUBSCRIBE, channel_to, status_of
from tests.transport.test_robustness import MEGABYTE, port_and_witness
from tests.transport.wire_network import until

REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
LIST_SERVICES = raw_http.frame(b"\x3a\0")
EXHAUSTED = str(int(StatusCode.RESOURCE_EXHAUSTED))


@asynccontextmanager
async def small_port(
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[PublicServer, ScriptedService]]:
    """A port that takes bodies of four megabytes together, and two of them for long."""
    monkeypatch.setattr("catenula.transport.public_port.MAX_PUBLIC_BUFFER_BYTES", 4 * MEGABYTE)
    monkeypatch.setattr("catenula.transport.public_port.MAX_PUBLIC_STANDING_BYTES", 2 * MEGABYTE)
    async with port_and_witness() as (server, service):
        yield server, service
        await until(lambda: server.calls == 0)
        assert server.standing_bytes == 0


async def large_calls_are_served(server: PublicServer) -> None:
    """A call that needs nearly all the room there is."""
    async with connect(server.port) as browser:
        response = await browser.ask(request("UploadBlob", raw_http.frame(bytes(3 * MEGABYTE))))
        assert response.messages == [b"answer"]


# Calls that go on


@asynchronous
async def test_large_subscriptions_over_http2_leave_room_for_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with small_port(monkeypatch) as (server, service), channel_to(server.port) as stranger:
        large = [stranger.stream(SUBSCRIBE, bytes(MEGABYTE)) for _ in range(3)]
        for answers in large[:2]:
            assert await anext(answers) == b""
        assert (server.body_bytes, server.standing_bytes) == (0, 2 * MEGABYTE)
        status = await status_of(anext(large[2]))
        assert status.code is StatusCode.RESOURCE_EXHAUSTED
        await large_calls_are_served(server)
        small = stranger.stream(SUBSCRIBE, bytes(1000))
        assert await anext(small) == b""
        assert service.subscribers == 3
        for answers in (*large, small):
            await answers.aclose()


@asynchronous
async def test_large_subscriptions_over_http1_leave_room_for_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subscription = request("Subscribe", raw_http.frame(bytes(MEGABYTE)))
    async with small_port(monkeypatch) as (server, service), AsyncExitStack() as stack:
        for count in (1, 2):
            browser = await stack.enter_async_context(connect(server.port))
            browser.writer.write(subscription)
            await until(lambda count=count: service.subscribers == count)  # type: ignore[misc]  # Bound now.
        assert (server.body_bytes, server.standing_bytes) == (0, 2 * MEGABYTE)
        async with connect(server.port) as browser:
            assert (await browser.ask(subscription)).grpc_status == EXHAUSTED
        await large_calls_are_served(server)


# Conversations


def talking(connection: Any) -> ArrivingBody:
    """The body of the one call on the one connection of a server."""
    (exchange,) = cast(Http2Connection, connection)._streams.values()
    return exchange.arriving


def beginning() -> bytes:
    headers = header_block((HEADERS[0], (":path", REFLECTION), *HEADERS[2:]))
    return frame(FrameType.HEADERS, END_HEADERS, 1, headers)


@asynchronous
async def test_a_conversation_keeps_no_room_for_what_is_answered() -> None:
    async with greeted() as (server, _, client):
        client.writer.write(beginning())
        for _ in range(3):
            client.writer.write(frame(FrameType.DATA, 0, 1, LIST_SERVICES * 2))
            for _ in range(2):
                await frames_until(client, FrameType.DATA)
            await until(lambda: server.body_bytes == 0)
        (connection,) = server._open
        # It may rest as long as it likes.
        assert talking(connection)._timer is None
        client.writer.write(frame(FrameType.DATA, 0, 1, LIST_SERVICES[:3]))
        await until(lambda: server.body_bytes == 3)
        assert talking(connection)._timer is not None


@pytest.mark.parametrize("rest", [LIST_SERVICES[:3], LIST_SERVICES + LIST_SERVICES[:6]])
@asynchronous
async def test_a_message_of_a_conversation_is_not_waited_for(
    rest: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catenula.transport.http2.PUBLIC_BODY_SECONDS", 0.1)
    async with greeted() as (server, _, client):
        client.writer.write(beginning() + frame(FrameType.DATA, 0, 1, LIST_SERVICES))
        await frames_until(client, FrameType.DATA)
        client.writer.write(frame(FrameType.DATA, 0, 1, rest))
        # The headers of the answer have come; these are its end.
        end = (await frames_until(client, FrameType.HEADERS))[-1]
        assert b"grpc-status\x01" + str(int(StatusCode.DEADLINE_EXCEEDED)).encode() in end.payload
        assert server.body_bytes == 0
        await until(lambda: server.calls == 0)


@asynchronous
async def test_a_browser_converses_with_all_its_requests_at_once() -> None:
    async with scripted_port() as (server, _), connect(server.port) as browser:
        response = await browser.ask(request(REFLECTION, LIST_SERVICES * 3))
        assert len(response.messages) == 3
        assert response.grpc_status == "0"


# Requests behind others


@asynchronous
async def test_a_body_behind_a_subscription_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catenula.transport.http1.PUBLIC_BODY_SECONDS", 0.5)
    async with small_port(monkeypatch) as (server, service), connect(server.port) as stranger:
        stranger.writer.write(request("Subscribe", raw_http.frame(b"")))
        await until(lambda: service.subscribers == 1)
        stranger.writer.write(request("UploadBlob", raw_http.frame(bytes(3 * MEGABYTE))))
        await until(lambda: server.body_bytes > 2 * MEGABYTE)
        await until(lambda: server.body_bytes == 0)
        assert service.subscribers == 1
        await large_calls_are_served(server)
        # Its turn comes too late.
        service.answer = CallStatus(StatusCode.ABORTED, "over")
        service.news.set()
        assert (await stranger.response()).grpc_status == str(int(StatusCode.ABORTED))
        assert (await stranger.response()).grpc_status == str(int(StatusCode.DEADLINE_EXCEEDED))
        assert await stranger.is_closed()
        service.answer = b"answer"
        service.news.clear()


@asynchronous
async def test_calls_over_http1_count_like_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catenula.transport.public_port.MAX_PUBLIC_CALLS", 1)
    async with port_and_witness() as (server, service):
        async with http2(server.port, None) as subscriber:
            subscriber.send("Subscribe", raw_http.frame(b""), NATIVE)
            await until(lambda: service.subscribers == 1)
            for _ in range(2):
                async with connect(server.port) as browser:
                    response = await browser.ask(request("GetVersionInfo", raw_http.frame(b"")))
                    assert response.status == 503
                    assert await browser.is_closed()
            assert server.calls == 1
        await until(lambda: server.calls == 0)


# Pieces


def budget() -> PortBudget:
    return PortBudget(
        body_bytes=64 * MEGABYTE, standing_bytes=MEGABYTE, unread_bytes=MEGABYTE, calls=1
    )


@asynchronous
async def test_a_body_of_tiny_parts_costs_what_it_holds() -> None:
    arriving = ArrivingBody(budget())
    parts = [b"%02d" % (number % 100) for number in range(20_000)]
    for part in (*parts, b"", b""):
        arriving.add(part)
    assert len(arriving._parts) == 2
    arriving.complete()
    assert await arriving.whole() == b"".join(parts)


def test_an_answer_of_tiny_parts_costs_what_it_holds() -> None:
    stream = _Stream(memoryview(b""), lambda: None)
    message = bytes(range(250)) * 100
    data = raw_http.frame(message) * 2
    stream.add(b"")
    for start in range(0, len(data), 3):
        stream.add(data[start : start + 3])
        stream.add(b"")
        assert len(stream._parts) <= 2
    assert list(stream.messages) == [message] * 2
    assert not stream.is_cut_off
    assert stream._parts == []


def test_a_large_message_is_looked_at_when_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def counted(body: bytes, headers: Any) -> tuple[list[bytes], bytes]:
        looked.append(len(body))
        return read_messages(body, headers)

    monkeypatch.setattr(grpc_web, "read_messages", counted)
    arriving = _ArrivingMessages({})
    message = bytes(4 * MEGABYTE)
    data = raw_http.frame(message)
    found = [
        each for start in range(0, len(data), 1500) for each in arriving.add(data[start:][:1500])
    ]
    assert found == [message]
    assert looked == [1500, len(data)]


@given(
    st.lists(st.binary(max_size=12), max_size=6), st.lists(st.integers(0, 9)), st.binary(max_size=4)
)
def test_messages_are_the_same_however_they_are_cut(
    messages: list[bytes], sizes: list[int], rest: bytes
) -> None:
    arriving, found = _ArrivingMessages({}), []
    data = b"".join(map(raw_http.frame, messages)) + rest
    for size in sizes:
        found += arriving.add(data[:size])
        data = data[size:]
    found += arriving.add(data)
    assert found == messages
    assert arriving.size == len(rest)


@asynchronous
async def test_a_body_that_was_given_up_is_not_counted_twice() -> None:
    shared = budget()
    arriving = ArrivingBody(shared)
    arriving.add(bytes(100))
    parts = arriving.parts()
    assert await anext(parts) == bytes(100)
    arriving.refuse(CallStatus(StatusCode.ABORTED, "too late"))
    arriving.taken(100)
    assert shared.body_bytes == 0
    with pytest.raises(CallStatus, match="too late"):
        await anext(parts)
    with pytest.raises(CallStatus):
        arriving.stand(2 * MEGABYTE)
    arriving.stand(MEGABYTE)
    assert shared.standing_bytes == MEGABYTE
    arriving.forget()
    arriving.forget()
    assert (shared.body_bytes, shared.standing_bytes) == (0, 0)
    await asyncio.sleep(0)
