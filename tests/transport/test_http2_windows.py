"""Answers that wait for room at a client: each goes on when it can, and waiting costs nobody."""

import asyncio
import gc
from collections import Counter
from typing import Any

import pytest

from catenula.base.limits import MAX_PUBLIC_BURDENS
from catenula.transport.http2 import Http2Connection
from catenula.transport.http2_frames import (
    PREFACE,
    SETTING_WINDOW,
    ErrorCode,
    Frame,
    FrameType,
    reset_frame,
    settings_frame,
    window_frame,
)
from tests.network.support import asynchronous
from tests.transport import raw_http
from tests.transport.http2_client import http2
from tests.transport.raw_http import Connection, connect
from tests.transport.scripted_service import scripted_port
from tests.transport.test_http2 import call, frames_until, greeted
from tests.transport.wire_network import until

CALLS = 50
ANSWER = 30_000
WHOLE = ANSWER + 5
LARGE_WINDOW = 1 << 20
DEFAULT_WINDOW = 65_535


class Waits:
    """How often answers have waited, and how many wait now."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = self.now = 0
        self._wait = Http2Connection._wait_until_read

        async def counted(connection: Any, exchange: Any) -> None:
            self.begun += 1
            self.now += 1
            try:
                await self._wait(connection, exchange)
            finally:
                self.now -= 1

        monkeypatch.setattr(Http2Connection, "_wait_until_read", counted)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    return Waits(monkeypatch)


async def data_until(client: Connection, size: int) -> Counter[int]:
    """The bytes of answers by stream, once they are so many together."""
    found: Counter[int] = Counter()
    while found.total() < size:
        received: Frame = (await frames_until(client, FrameType.DATA))[-1]
        found[received.stream] += len(received.payload)
    return found


@asynchronous
async def test_room_for_one_answer_wakes_no_other(waits: Waits) -> None:
    async with scripted_port() as (server, _), connect(server.port) as client:
        client.writer.write(PREFACE + settings_frame(((SETTING_WINDOW, 0),)))
        client.writer.write(b"".join(call(1 + 2 * index) for index in range(CALLS)))
        await until(lambda: waits.now == CALLS)
        for _ in range(5):
            client.writer.write(window_frame(9, 1))
            answer = (await frames_until(client, FrameType.DATA))[-1]
            assert (answer.stream, len(answer.payload)) == (9, 1)
        client.writer.write(window_frame(0, 1))
        await until(lambda: waits.now == CALLS)
        assert waits.begun == CALLS + 5


@asynchronous
async def test_a_little_room_on_the_connection_wakes_few_answers(waits: Waits) -> None:
    async with scripted_port() as (server, service), connect(server.port) as client:
        service.answer = bytes(ANSWER)
        client.writer.write(PREFACE + settings_frame(((SETTING_WINDOW, LARGE_WINDOW),)))
        client.writer.write(b"".join(call(1 + 2 * index) for index in range(CALLS)))
        found = await data_until(client, DEFAULT_WINDOW)
        await until(lambda: waits.now == CALLS - 2)
        before = waits.begun
        for _ in range(5):
            client.writer.write(window_frame(0, 1))
            found += await data_until(client, 1)
            await until(lambda: waits.now == CALLS - 2)
        assert waits.begun <= before + 10
        # With room for all of them, all are answered.
        client.writer.write(window_frame(0, CALLS * WHOLE))
        found += await data_until(client, CALLS * WHOLE - found.total())
        assert found == Counter({1 + 2 * index: WHOLE for index in range(CALLS)})
        assert waits.now == 0


@asynchronous
async def test_whoever_waits_behind_an_abandoned_call_is_answered(waits: Waits) -> None:
    async with scripted_port() as (server, service), connect(server.port) as client:
        service.answer = bytes(ANSWER)
        client.writer.write(PREFACE + settings_frame(((SETTING_WINDOW, LARGE_WINDOW),)))
        client.writer.write(b"".join(call(number) for number in (1, 3, 5, 7)))
        await data_until(client, DEFAULT_WINDOW)
        await until(lambda: waits.now == 2)
        # Room for the rest of the third answer comes together with the end of its call.
        room = 3 * WHOLE - DEFAULT_WINDOW
        client.writer.write(window_frame(0, room) + reset_frame(5, ErrorCode.CANCEL))
        assert await data_until(client, room) == Counter({7: room})


@asynchronous
async def test_settings_of_one_frame_are_applied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    applied: list[int] = []
    change = Http2Connection._change_rooms

    def counted(connection: Http2Connection, value: int) -> None:
        applied.append(value)
        change(connection, value)

    monkeypatch.setattr(Http2Connection, "_change_rooms", counted)
    async with scripted_port() as (server, service), connect(server.port) as client:
        service.answer = bytes(100)
        many = [(SETTING_WINDOW, 1 + index % 2) for index in range(2_000)]
        client.writer.write(PREFACE + settings_frame((*many, (SETTING_WINDOW, 20))) + call(1))
        assert len((await frames_until(client, FrameType.DATA))[-1].payload) == 20
        assert applied == [20]


@pytest.mark.parametrize("last", [1 << 31, 10])
@asynchronous
async def test_no_window_in_a_settings_frame_may_be_too_large(last: int) -> None:
    async with greeted() as (_, _, client):
        client.writer.write(settings_frame(((SETTING_WINDOW, 1 << 31), (SETTING_WINDOW, last))))
        told = (await frames_until(client, FrameType.GOAWAY))[-1]
        assert told.payload[7] == ErrorCode.FLOW_CONTROL_ERROR


@asynchronous
async def test_settings_may_not_change_without_end() -> None:
    async with greeted() as (_, _, client):
        changes = (
            settings_frame(((SETTING_WINDOW, index),)) for index in range(MAX_PUBLIC_BURDENS)
        )
        client.writer.write(b"".join(changes))
        told = (await frames_until(client, FrameType.GOAWAY))[-1]
        assert told.payload[7] == ErrorCode.ENHANCE_YOUR_CALM


@pytest.mark.parametrize("content_type", ["application/grpc", raw_http.GRPC_WEB])
@asynchronous
async def test_who_does_not_read_is_told_once_and_forgotten(
    content_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catenula.transport.http2.PUBLIC_WRITE_SECONDS", 0.05)
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, failure: failures.append(failure))
    async with scripted_port() as (server, service), http2(server.port, None) as client:
        service.answer = bytes(LARGE_WINDOW)
        connection: Any = client.connection
        connection.acknowledge_received_data = lambda size, number: None
        tasks = len(asyncio.all_tasks())
        number = client.send("GetVersionInfo", raw_http.frame(b""), content_type)
        await client.until(lambda: number in client.resets)
        await until(lambda: len(asyncio.all_tasks()) == tasks)
        gc.collect()  # What nobody has asked a task for is told when it is collected.
        await asyncio.sleep(0)
        assert client.resets == {number: ErrorCode.CANCEL}
        assert "grpc-status" not in client.headers[number]
        await until(lambda: server.unread_bytes == 0)
        assert not client.is_over
    assert failures == []
