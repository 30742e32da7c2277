"""Frames between processes: their bytes, the handshake, and what strangers get."""

import asyncio
import gc
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catenula.base.errors import DecodeError, LocalError
from catenula.base.limits import MAX_FRAME_BYTES, MAX_UNKNOWN_CONNECTIONS
from catenula.transport.calls import CallStatus, StatusCode
from catenula.validator import frame_server, frames, worker_link
from catenula.validator.addresses import HostPort
from catenula.validator.endpoints import Endpoint, socket_endpoints
from catenula.validator.frame_server import FrameServer
from catenula.validator.frames import (
    MAGIC,
    NONCE_BYTES,
    Frame,
    FrameKind,
    FrameReader,
    Role,
    encode_frame,
)
from catenula.validator.worker_link import WorkerLink
from tests.ports import free_port

SECRET = bytes(32)


class Echo:
    """Answers with the request, or fails in the way that the method names."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.delivered: list[bytes] = []
        self.cancelled = 0

    async def call(self, method: str, request: bytes) -> bytes:
        if method == "wait":
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        if method == "status":
            raise CallStatus(StatusCode.NOT_FOUND, "not here")
        if method == "disk":
            raise LocalError("the disk is full", retryable=True)
        if method == "bug":
            raise ZeroDivisionError
        return request

    async def deliver(self, request: bytes) -> None:
        self.delivered.append(request)

    def metrics(self) -> Any:
        return {"delivered": len(self.delivered)}


class Scene:
    """A server at a socket or a port, and a link to it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.echo = Echo()
        self.server = FrameServer(self.echo, SECRET)

    def link(self, secret: bytes = SECRET, role: Role = Role.FRONT_DOOR) -> WorkerLink:
        return WorkerLink(self.endpoint, secret=secret, role=role, name="worker 0")


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[tuple[Scene, WorkerLink]]:
    stage = Scene(socket_endpoints(folder / "sockets", 1)[0])
    await stage.server.start(stage.endpoint)
    link = stage.link()
    link.start()
    await link.opened()
    try:
        yield stage, link
    finally:
        await link.stop()
        await stage.server.stop(0.0)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # Any condition; nothing signals it.
        await asyncio.sleep(0)


# Bytes

FRAMES = st.lists(
    st.builds(
        Frame,
        st.sampled_from(FrameKind),
        st.integers(0, 2**64 - 1),
        st.binary(max_size=200),
    ),
    max_size=8,
)


@given(FRAMES, st.lists(st.integers(1, 50), min_size=1))
def test_frames_are_read_as_they_were_written_however_they_are_cut(
    written: list[Frame], cuts: list[int]
) -> None:
    data = b"".join(encode_frame(*frame) for frame in written)
    reader, found, position = FrameReader(), [], 0
    for number in range(len(data) + 1):
        size = cuts[number % len(cuts)]
        found += reader.feed(data[position : position + size])
        position += size
    assert found == written


@given(st.binary(max_size=300))
def test_any_bytes_are_frames_or_refused(data: bytes) -> None:
    try:
        found = FrameReader(limit_bytes=100).feed(data)
    except DecodeError:
        return
    assert sum(len(encode_frame(*frame)) for frame in found) <= len(data)


@pytest.mark.parametrize("length", [0, 8, MAX_FRAME_BYTES + 1, 2**32 - 1])
def test_a_length_out_of_bounds_is_refused_before_anything_is_kept(length: int) -> None:
    with pytest.raises(DecodeError, match="InvalidFrameLength"):
        FrameReader().feed(length.to_bytes(4, "big"))


# Calls


def test_calls_are_answered_with_what_the_handler_says(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as (stage, link):
            big = os.urandom(3_000_000)
            answers = await asyncio.gather(
                *(link.call("echo", data, timeout_seconds=10) for data in (b"", b"a", big))
            )
            assert answers == [b"", b"a", big]
            for method, code, text in (
                ("status", StatusCode.NOT_FOUND, "not here"),
                ("disk", StatusCode.UNAVAILABLE, "the disk is full"),
                ("bug", StatusCode.INTERNAL, "internal error"),
            ):
                with pytest.raises(CallStatus) as caught:
                    await link.call(method, b"", timeout_seconds=10)
                assert (caught.value.code, caught.value.details) == (code, text)
            assert await link.deliver(b"request") == b""
            assert stage.echo.delivered == [b"request"]
            assert await link.metrics(10) == {"delivered": 1}

    asyncio.run(body())


def test_a_slow_call_is_cancelled_as_the_reference_does(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as (stage, link):
            with pytest.raises(CallStatus) as caught:
                await link.call("wait", b"", timeout_seconds=0.01)
            assert caught.value.code is StatusCode.CANCELLED
            assert caught.value.details == "Timeout expired"
            assert caught.value.retryable
            assert await link.call("echo", b"x", timeout_seconds=10) == b"x"
            await until(lambda: stage.echo.cancelled == 1)
            assert link.calls == 0

    asyncio.run(body())


def test_a_full_link_refuses_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_link, "MAX_LINK_CALLS", 2)

    async def body() -> None:
        async with scene(tmp_path) as (stage, link):
            waiting = [
                asyncio.ensure_future(link.call("wait", b"x", timeout_seconds=10)) for _ in range(2)
            ]
            await until(lambda: link.calls == 2)
            with pytest.raises(CallStatus, match="overloaded"):
                await link.call("echo", b"", timeout_seconds=10)
            stage.echo.gate.set()
            assert await asyncio.gather(*waiting) == [b"x", b"x"]

    asyncio.run(body())


def test_a_full_worker_still_hears_that_calls_are_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_link, "MAX_LINK_CALLS", 2)
    monkeypatch.setattr(frame_server, "MAX_LINK_CALLS", 2)

    async def body() -> None:
        async with scene(tmp_path) as (stage, link):
            for _ in range(3):
                waiting = (link.call("wait", b"", timeout_seconds=0.01) for _ in range(2))
                ended = await asyncio.gather(*waiting, return_exceptions=True)
                assert [type(error) for error in ended] == [CallStatus] * 2
            assert await link.call("echo", b"x", timeout_seconds=10) == b"x"
            assert stage.echo.cancelled == 6

    asyncio.run(body())


def test_a_full_worker_refuses_further_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_server, "MAX_LINK_CALLS", 1)

    async def body() -> None:
        async with scene(tmp_path) as (stage, link):
            waiting = asyncio.ensure_future(link.call("wait", b"x", timeout_seconds=10))
            await until(lambda: link.calls == 1)
            with pytest.raises(CallStatus, match="overloaded") as caught:
                await link.call("echo", b"", timeout_seconds=10)
            assert caught.value.code is StatusCode.UNAVAILABLE
            stage.echo.gate.set()
            assert await waiting == b"x"

    asyncio.run(body())


def test_a_worker_that_goes_fails_its_calls_and_is_found_again(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as (stage, link):
            waiting = asyncio.ensure_future(link.call("wait", b"", timeout_seconds=10))
            await until(lambda: link.calls == 1)
            await stage.server.stop(0.0)
            with pytest.raises(CallStatus, match="stopped while it handled the request"):
                await waiting
            second = FrameServer(stage.echo, SECRET)
            await second.start(stage.endpoint)
            assert await link.call("echo", b"x", timeout_seconds=10) == b"x"
            await second.stop(0.0)

    asyncio.run(body())


def test_a_worker_that_is_not_there_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_link, "PATIENCE_SECONDS", 0.01)

    async def body() -> None:
        link = Scene(socket_endpoints(tmp_path / "s", 1)[0]).link()
        link.start()
        with pytest.raises(CallStatus, match="is not running") as caught:
            await link.call("echo", b"", timeout_seconds=10)
        assert caught.value.code is StatusCode.UNAVAILABLE
        await link.stop()

    asyncio.run(body())


def test_notifications_reach_front_doors_only(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as (stage, link):
            other = stage.link(role=Role.WORKER)
            heard: list[tuple[str, bytes]] = []
            link.on_notify = lambda data: heard.append(("front door", data))
            other.on_notify = lambda data: heard.append(("worker", data))
            other.start()
            await other.opened()
            stage.server.notify(b"news", 1)
            await link.call("echo", b"", timeout_seconds=10)
            await other.call("echo", b"", timeout_seconds=10)
            assert heard == [("front door", b"news")]
            await other.stop()

    asyncio.run(body())


# Strangers


async def talk(endpoint: Endpoint, data: bytes) -> bytes:
    """What a server says to somebody who sends these bytes, until it hangs up."""
    if endpoint.address is not None:
        reader, writer = await asyncio.open_connection(*endpoint.address)
    else:
        reader, writer = await asyncio.open_unix_connection(endpoint.path)
    try:
        writer.write(data)
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("is_tcp", [False, True])
def test_strangers_are_cut_off(
    is_tcp: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "HANDSHAKE_SECONDS", 0.05)

    async def body() -> None:
        endpoint = socket_endpoints(tmp_path / "s", 1)[0]
        if is_tcp:
            endpoint = Endpoint(address=HostPort("127.0.0.1", free_port()))
        stage = Scene(endpoint)
        await stage.server.start(endpoint)
        call = encode_frame(FrameKind.CALL, 1, b"\x04echo")
        attempts = [
            b"",
            b"GET / HTTP/1.1\r\n\r\n",
            MAGIC + bytes(NONCE_BYTES) + bytes(32) + b"\x01" + call,
            os.urandom(5000),
            MAGIC,
        ]
        for attempt in attempts:
            assert len(await talk(endpoint, attempt)) <= len(MAGIC) + NONCE_BYTES
        assert stage.server.refused_connections == len(attempts)
        stranger = stage.link(secret=bytes(31) + b"\x01")
        stranger.start()
        await until(lambda: stage.server.refused_connections > len(attempts))
        assert not stranger.is_open
        await stranger.stop()
        friend = stage.link()
        friend.start()
        await friend.opened()
        assert await friend.call("echo", b"x", timeout_seconds=10) == b"x"
        await friend.stop()
        await stage.server.stop(0.0)

    asyncio.run(body())


def test_a_link_does_not_talk_to_a_false_worker(tmp_path: Path) -> None:
    async def body() -> None:
        endpoint = socket_endpoints(tmp_path / "s", 1)[0]
        false = FrameServer(Echo(), b"\x01" * 32)
        await false.start(endpoint)
        link = Scene(endpoint).link()
        link.start()
        await until(lambda: false.refused_connections > 0)
        assert not link.is_open
        await link.stop()
        await false.stop(0.0)

    asyncio.run(body())


def test_a_known_peer_that_sends_nonsense_is_cut_off_alone(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as (stage, link):
            other = stage.link(role=Role.WORKER)
            other.start()
            await other.opened()
            connection = other._connection
            assert connection is not None
            connection._write(b"\xff" * 100)
            await until(lambda: not connection.is_open)
            assert await link.call("echo", b"x", timeout_seconds=10) == b"x"
            await other.stop()

    asyncio.run(body())


def test_connections_without_a_proof_are_bounded(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as (stage, link):
            path = stage.endpoint.path
            writers = []
            for _ in range(MAX_UNKNOWN_CONNECTIONS + 5):
                _, writer = await asyncio.open_unix_connection(path)
                writers.append(writer)
            await until(lambda: stage.server.refused_connections >= 5)
            assert await link.call("echo", b"x", timeout_seconds=10) == b"x"
            for writer in writers:
                writer.close()

    asyncio.run(body())


def test_a_folder_open_to_others_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    with pytest.raises(LocalError, match="open to others"):
        socket_endpoints(folder, 1)
    with pytest.raises(LocalError, match="too long"):
        socket_endpoints(tmp_path / ("x" * 120), 1)
    (endpoint,) = socket_endpoints(tmp_path / "private", 1)
    assert json.dumps(str(endpoint)).startswith('"unix:')


def test_a_call_that_is_taken_back_at_once_leaves_nothing_behind(tmp_path: Path) -> None:
    """The cancellation arrives with the call, before its task has made a step."""

    async def body() -> None:
        async with scene(tmp_path) as (stage, link):
            connection = link._connection
            assert connection is not None
            call = encode_frame(FrameKind.CALL, 7, b"\x04wait")
            connection._write(call + encode_frame(FrameKind.CANCEL, 7, b""))
            assert await link.call("echo", b"x", timeout_seconds=10) == b"x"
            assert stage.echo.cancelled == 0
            gc.collect()  # An unawaited coroutine would warn now, and warnings are errors.

    asyncio.run(body())
