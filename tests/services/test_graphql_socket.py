"""GraphQL over WebSockets: both protocols, and what the recordings say about errors."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from catenula.base.limits import MAX_SOCKET_MESSAGE_BYTES, MAX_SOCKET_OPERATIONS
from catenula.services.http.application import HttpApplication
from catenula.services.http.graphql.socket import serve_socket
from catenula.services.http.server import serve_http
from tests.services.graphql_toy import Toy, endpoint

NEW, OLD = "graphql-transport-ws", "graphql-ws"


@asynccontextmanager
async def served(toy: Toy) -> AsyncIterator[int]:
    asked = endpoint(toy)
    application = HttpApplication()
    application.socket("/ws", lambda socket: serve_socket(asked, socket))
    server = await serve_http(application, host="127.0.0.1", port=0)
    try:
        yield server.port
    finally:
        await server.close(1)


@asynccontextmanager
async def connected(port: int, *protocols: str) -> AsyncIterator[ClientConnection]:
    offered = [Subprotocol(name) for name in protocols]
    uri = f"ws://127.0.0.1:{port}/ws"
    async with connect(uri, subprotocols=offered, proxy=None) as connection:
        yield connection


async def say(connection: ClientConnection, **message: Any) -> None:
    await connection.send(json.dumps(message))


async def hear(connection: ClientConnection) -> Any:
    return json.loads(await connection.recv())


async def introduced(connection: ClientConnection) -> None:
    await say(connection, type="connection_init")
    assert await hear(connection) == {"type": "connection_ack"}


@pytest.mark.parametrize(
    ("protocol", "start", "value"), [(NEW, "subscribe", "next"), (OLD, "start", "data")]
)
def test_a_subscription_gives_its_values_and_completes(
    protocol: str, start: str, value: str
) -> None:
    async def main() -> None:
        async with served(Toy()) as port, connected(port, protocol) as connection:
            assert connection.subprotocol == protocol
            await introduced(connection)
            payload = {"query": "subscription { count(to: 2) }"}
            await say(connection, id="1", type=start, payload=payload)
            heard = [await hear(connection) for _ in range(3)]
            assert heard == [
                {"type": value, "id": "1", "payload": {"data": {"count": 0}}},
                {"type": value, "id": "1", "payload": {"data": {"count": 1}}},
                {"type": "complete", "id": "1"},
            ]

    asyncio.run(main())


def test_queries_and_errors_are_answered_and_completed() -> None:
    async def main() -> None:
        async with served(Toy()) as port, connected(port, NEW) as connection:
            await introduced(connection)
            for query, expected in (
                ("{ version }", {"data": {"version": "1"}}),
                (
                    "subscription { nothing }",
                    {
                        "data": None,
                        "errors": [
                            {
                                "message": 'Unknown field "nothing" on type "Subscription".',
                                "locations": [{"line": 1, "column": 16}],
                            }
                        ],
                    },
                ),
                (
                    "subscription { count(to: 1) }",
                    {
                        "data": None,
                        "errors": [
                            {
                                "message": 'Failed to parse "Even": 1 is not even',
                                "locations": [{"line": 1, "column": 26}],
                                "path": ["count"],
                            }
                        ],
                    },
                ),
            ):
                await say(connection, id="1", type="subscribe", payload={"query": query})
                assert await hear(connection) == {"type": "next", "id": "1", "payload": expected}
                assert await hear(connection) == {"type": "complete", "id": "1"}
            await say(connection, type="ping")
            assert await hear(connection) == {"type": "pong"}

    asyncio.run(main())


_QUERY = {"query": "{ version }"}


@pytest.mark.parametrize(
    ("messages", "code", "reason"),
    [
        ([{"id": "1", "type": "subscribe", "payload": _QUERY}], 1011,
         "The handshake is not completed."),
        ([{"type": "connection_init"}] * 2, 4429, "Too many initialisation requests."),
        (["hello"], 1002, "expected value at line 1 column 1"),
        (["[" * 10_000], 1002, "expected value at line 1 column 1"),
        ([[1]], 1002, "expected a JSON object"),
        ([{"type": "surprise"}], 1002, "unknown type of message 'surprise'"),
        ([{"type": "connection_init"}, {"type": "connection_terminate"}], 1000, ""),
    ],
)  # fmt: skip
def test_what_breaks_the_protocol_ends_the_connection(
    messages: Sequence[Any], code: int, reason: str
) -> None:
    async def main() -> None:
        async with served(Toy()) as port, connected(port, NEW) as connection:
            for message in messages:
                await connection.send(message if isinstance(message, str) else json.dumps(message))
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    await connection.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, reason)

    asyncio.run(main())


@pytest.mark.parametrize("protocols", [("foo",), ()])
def test_an_unknown_protocol_is_refused(protocols: tuple[str, ...]) -> None:
    async def main() -> None:
        async with served(Toy()) as port:
            with pytest.raises(InvalidStatus) as refused:
                async with connected(port, *protocols):
                    pass
            assert refused.value.response.status_code == 400

    asyncio.run(main())


@pytest.mark.parametrize("ends", ["stop", "leave"])
def test_a_subscription_ends_with_its_client(ends: str) -> None:
    async def main() -> None:
        toy = Toy()
        async with served(toy) as port, connected(port, NEW) as connection:
            await introduced(connection)
            payload = {"query": "subscription { wait }"}
            await say(connection, id="1", type="subscribe", payload=payload)
            await hear(connection)
            assert toy.open == 1
            if ends == "stop":
                await say(connection, id="1", type="complete")
                assert await hear(connection) == {"type": "complete", "id": "1"}
            else:
                connection.transport.abort()
            await asyncio.wait_for(toy.closed.wait(), 10)
            assert toy.open == 0

    asyncio.run(main())


def test_one_connection_has_bounded_operations_and_messages() -> None:
    async def main() -> None:
        async with served(Toy()) as port:
            async with connected(port, NEW) as connection:
                await introduced(connection)
                payload = {"query": "subscription { wait }"}
                for number in range(MAX_SOCKET_OPERATIONS + 1):
                    await say(connection, id=str(number), type="subscribe", payload=payload)
                with pytest.raises(ConnectionClosed) as closed:
                    while True:
                        await connection.recv()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1008
            async with connected(port, NEW) as connection:
                with pytest.raises(ConnectionClosed):
                    await connection.send("x" * (MAX_SOCKET_MESSAGE_BYTES + 1))
                    await connection.recv()

    asyncio.run(main())
