"""The conversations recorded with the reference's node service, held with ours.

Questions are asked of the very state that the recorded service stood in, so that answers are equal
to the last digit but for what is a node's own bookkeeping.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from catenula.services.node.server import NodeServiceServer
from tests.services.node_recording import conversations, recorded_stage
from tests.services.stage import Answer, request

_OURS_ALONE = {"access-control-max-age", "date", "allow", "content-length"}

_OWN_BOOKKEEPING = {"blockZeroExecutedAt", "receivedCertificateTrackers", "outboxIndexTrackedHash"}
"""What each node finds out, or chooses, for itself."""

_LAST_QUESTION = "events"
"""What comes behind it made blocks."""

_FIRST_SCHEDULED = "app: schedule"
_NEED_VALIDATORS = {"app: unknown app", "app: unknown blob"}

_HAVE_SEEN_NOTHING = {"notifications", "old protocol"}
"""Conversations about blocks, which are held over a network (test_node_subscriptions)."""


def _entries(folder: Path) -> list[Any]:
    entries: list[Any] = conversations(folder)["http"]
    return entries


def _questions(folder: Path) -> list[Any]:
    names = [entry["name"] for entry in _entries(folder)]
    return _entries(folder)[: names.index(_LAST_QUESTION) + 1]


def _mistakes(folder: Path) -> list[Any]:
    """Commands that are refused before anything is done."""
    return [
        entry
        for entry in _entries(folder)[len(_questions(folder)) :]
        if "Failed to parse" in entry["response_body"] or "weights" in entry["response_body"]
    ]


def _application_questions(folder: Path) -> list[Any]:
    found = [entry for entry in _entries(folder) if entry["name"].startswith("app: ")]
    return [
        entry
        for entry in found
        if "Schedule" not in entry["request_body"] and entry["name"] not in _NEED_VALIDATORS
    ]


def _without_bookkeeping(data: Any) -> Any:
    if isinstance(data, dict):
        return {
            key: type(value).__name__ if key in _OWN_BOOKKEEPING else _without_bookkeeping(value)
            for key, value in data.items()
        }
    if isinstance(data, list):
        items = [_without_bookkeeping(value) for value in data]
        return sorted(items, key=json.dumps) if _is_log_of_arrivals(items) else items
    return data


def _is_log_of_arrivals(items: list[Any]) -> bool:
    """What arrives arrives in another order at each node."""
    return all(isinstance(item, dict) and set(item) == {"chainId", "height"} for item in items)


async def _compare(server: NodeServiceServer, entry: Any) -> Answer:
    body = entry["request_body"]
    found = await request(
        server.port,
        entry["method"],
        entry["path"],
        body=None if body is None else body.encode(),
        headers=entry["request_headers"],
    )
    assert found.status == entry["status"], entry["name"]
    theirs = dict(entry["response_headers"])
    assert {name: found.headers.get(name) for name in theirs if name not in _OURS_ALONE} == {
        name: value for name, value in theirs.items() if name not in _OURS_ALONE
    }, entry["name"]
    return found


def test_questions_are_answered_as_recorded(shared_vectors: Path) -> None:
    async def main() -> None:
        async with recorded_stage(shared_vectors) as server:
            for entry in [*_questions(shared_vectors), *_mistakes(shared_vectors)]:
                found = (await _compare(server, entry)).body.decode()
                theirs = entry["response_body"]
                if theirs.startswith("{"):
                    theirs, found = (
                        _without_bookkeeping(json.loads(text)) for text in (theirs, found)
                    )
                assert found == theirs, entry["name"]

    asyncio.run(main())


def test_applications_answer_as_recorded(shared_vectors: Path) -> None:
    entries = {entry["name"]: entry for entry in _entries(shared_vectors)}
    block_hash = json.loads(entries[_FIRST_SCHEDULED]["response_body"])["data"]

    async def main() -> None:
        async with recorded_stage(shared_vectors, block_hash) as server:
            for entry in _application_questions(shared_vectors):
                found = await _compare(server, entry)
                if found.status in {200, 400}:
                    assert found.body.decode() == entry["response_body"], entry["name"]
                else:
                    assert list(found.json()) == ["error"], entry["name"]

    asyncio.run(main())


def test_a_service_that_only_reads_refuses_as_recorded(shared_vectors: Path) -> None:
    async def main() -> None:
        async with recorded_stage(shared_vectors, read_only=True) as server:
            for entry in _entries(shared_vectors):
                if entry["name"].startswith("read-only: "):
                    found = await _compare(server, entry)
                    assert found.body.decode() == entry["response_body"]
            schedule = next(e for e in _entries(shared_vectors) if e["name"] == _FIRST_SCHEDULED)
            answer = await request(
                server.port, "POST", schedule["path"], body=schedule["request_body"].encode()
            )
            assert (answer.status, list(answer.json())) == (403, ["error"])

    asyncio.run(main())


# WebSockets


async def _hold(connection: ClientConnection, messages: list[Any]) -> None:
    for message in messages:
        if "closed" in message:
            with pytest.raises(ConnectionClosed) as closed:
                await connection.recv()
            assert closed.value.rcvd is not None
            assert [closed.value.rcvd.code, closed.value.rcvd.reason] == message["closed"]
        elif message.get("dir") == "out":
            await connection.send(message["text"])
        elif message.get("dir") == "in":
            assert json.loads(await connection.recv()) == json.loads(message["text"])


def test_sockets_say_what_was_recorded(shared_vectors: Path) -> None:
    held = [
        each
        for each in conversations(shared_vectors)["websocket"]
        if each["name"] not in _HAVE_SEEN_NOTHING
    ]
    assert len(held) == 5

    async def main() -> None:
        async with recorded_stage(shared_vectors) as server:
            uri = f"ws://127.0.0.1:{server.port}/ws"
            for each in held:
                offered = [Subprotocol(each["subprotocol_offered"])]
                if "error" in each["messages"][0]:
                    with pytest.raises(InvalidStatus, match="400"):
                        await connect(uri, subprotocols=offered, proxy=None)
                    continue
                async with connect(uri, subprotocols=offered, proxy=None) as connection:
                    await _hold(connection, each["messages"])

    asyncio.run(main())
