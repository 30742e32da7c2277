"""GraphQL over WebSockets: ``graphql-transport-ws`` and the older ``graphql-ws`` (spec 08 §2.1).

What one connection may cost is bounded: operations under way, the size of messages (by the server),
the time until it introduces itself. A client that reads slowly holds up only its own operations.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from catenula.base.limits import MAX_SOCKET_OPERATIONS, SOCKET_INIT_SECONDS
from catenula.services.http.graphql.endpoint import GraphqlEndpoint, Operation
from catenula.services.http.messages import WebSocket, json_bytes


class _Words(Struct, frozen=True):
    """What the messages of a protocol are called."""

    start: str
    value: str
    stop: str


_PROTOCOLS = {
    "graphql-transport-ws": _Words("subscribe", "next", "complete"),
    "graphql-ws": _Words("start", "data", "stop"),
}


Admits = Callable[[Any], bool]
"""Whether somebody may go on who introduces itself with this payload."""


async def serve_socket(
    endpoint: GraphqlEndpoint, socket: WebSocket, *, admits: Admits | None = None
) -> None:
    """Serve one connection until either side ends it; those not admitted are sent away."""
    protocol = next((name for name in socket.offered if name in _PROTOCOLS), None)
    if protocol is None:
        known = ", ".join(_PROTOCOLS)
        await socket.refuse(400, f"Offer one of these WebSocket protocols: {known}.")
        return
    await socket.accept(protocol)
    conversation = _Conversation(endpoint, socket, _PROTOCOLS[protocol], admits=admits)
    try:
        await conversation.run()
    finally:
        await conversation.end()


class _Ended(Exception):
    """The connection is to be closed for a reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class _Conversation:
    """The messages of one connection."""

    def __init__(
        self,
        endpoint: GraphqlEndpoint,
        socket: WebSocket,
        words: _Words,
        *,
        admits: Admits | None,
    ) -> None:
        self._endpoint, self._socket, self._words = endpoint, socket, words
        self._admits = admits
        self._is_initialised = False
        self._operations: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Answer messages until the connection ends."""
        timer = asyncio.get_running_loop().call_later(SOCKET_INIT_SECONDS, self._give_up)
        try:
            async for text in self._socket.messages():
                await self._hear(_decoded(text))
        except _Ended as ended:
            await self._socket.close(ended.code, ended.reason)
        finally:
            timer.cancel()

    async def end(self) -> None:
        """Stop what is under way."""
        tasks = list(self._operations.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _give_up(self) -> None:
        if not self._is_initialised:
            closing = self._socket.close(4408, "Connection initialisation timeout.")
            self._operations[""] = asyncio.ensure_future(closing)

    async def _hear(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "connection_init":
            await self._initialise(message.get("payload"))
        elif kind == "ping":
            await self._say(type="pong")
        elif kind == "connection_terminate":
            raise _Ended(1000, "")
        elif kind == self._words.start:
            self._start(message)
        elif kind in (self._words.stop, "complete"):
            await self._stop(message)
        elif kind != "pong":
            raise _Ended(1002, f"unknown type of message {str(kind)[:40]!r}")

    async def _initialise(self, payload: Any) -> None:
        if self._is_initialised:
            raise _Ended(4429, "Too many initialisation requests.")
        if self._admits is not None and not self._admits(payload):
            raise _Ended(4401, "This service wants a token: say `Authorization` to begin with.")
        self._is_initialised = True
        await self._say(type="connection_ack")

    def _start(self, message: dict[str, Any]) -> None:
        if not self._is_initialised:
            raise _Ended(1011, "The handshake is not completed.")
        identifier, operation = message.get("id"), Operation.from_json(message.get("payload"))
        if not isinstance(identifier, str) or operation is None:
            raise _Ended(1002, "an operation has a text as its id, and a payload with a query")
        if identifier in self._operations:
            raise _Ended(4409, f"Subscriber for {identifier[:40]} already exists")
        if len(self._operations) >= MAX_SOCKET_OPERATIONS:
            raise _Ended(1008, f"at most {MAX_SOCKET_OPERATIONS} operations at a time")
        task = asyncio.create_task(self._run(identifier, operation))
        self._operations[identifier] = task

    async def _run(self, identifier: str, operation: Operation) -> None:
        try:
            if self._endpoint.is_subscription(operation):
                async for answer in self._endpoint.subscribe(operation):
                    await self._say(type=self._words.value, id=identifier, payload=answer)
            else:
                answer = await self._endpoint.execute(operation)
                await self._say(type=self._words.value, id=identifier, payload=answer)
            await self._say(type="complete", id=identifier)
        finally:
            self._operations.pop(identifier, None)

    async def _stop(self, message: dict[str, Any]) -> None:
        task = self._operations.get(str(message.get("id")))
        if task is None:
            return
        task.cancel()
        await asyncio.wait((task,))
        await self._say(type="complete", id=message["id"])

    async def _say(self, **message: Any) -> None:
        await self._socket.send(json_bytes(message).decode())


def _decoded(text: str) -> dict[str, Any]:
    try:
        message = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise _Ended(1002, "expected value at line 1 column 1") from None
    if not isinstance(message, dict):
        raise _Ended(1002, "expected a JSON object")
    return message
