"""The accepting side of frames: a worker's internal port.

Calls run as tasks of their own, so a slow one holds up nobody. A connection that has as many calls
running as allowed is refused more, and is still read from, because what frees it are cancellations;
one that does not read its answers is not read from until it does. Both bound memory. A bug in a
handler ends its call, not the connection.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from catenula.base.counting import Counter, Histogram, Told, spread
from catenula.base.errors import LocalError
from catenula.base.limits import (
    MAX_LINK_CALLS,
    MAX_NOTIFY_BUFFER_BYTES,
    MAX_UNKNOWN_CONNECTIONS,
)
from catenula.transport.calls import CallStatus, StatusCode
from catenula.validator.endpoints import Endpoint
from catenula.validator.frames import Frame, FrameConnection, FrameKind, Role
from catenula.validator.logs import Log


class FrameHandler(Protocol):
    """What a worker does with frames."""

    async def call(self, method: str, request: bytes) -> bytes:
        """Answer a public request; raises `CallStatus`."""
        ...

    async def deliver(self, request: bytes) -> None:
        """Apply a cross-chain request durably; after a `LocalError` it is sent again."""
        ...

    def metrics(self) -> Any:
        """The counters of this process, as JSON data."""
        ...


class FrameServer:
    """Serves frames to whoever knows the secret."""

    def __init__(self, handler: FrameHandler, secret: bytes) -> None:
        self._handler, self._secret = handler, secret
        self._connections: set[FrameConnection] = set()
        self._unknown: set[FrameConnection] = set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = Log("frames")
        self.refused_connections = 0
        self._batches = Counter("status")
        self._batch_sizes = Histogram(spread(1, 10_000))

    async def start(self, endpoint: Endpoint) -> None:
        """Accept connections; raises `LocalError`."""
        self._server = await endpoint.listen(self._accept)

    def _accept(self) -> FrameConnection:
        connection = FrameConnection(self._secret, None)
        connection.on_open = self._open
        connection.on_gone = self._forget
        self._unknown.add(connection)
        if len(self._unknown) > MAX_UNKNOWN_CONNECTIONS:
            # The newest goes: those before it have not had their time yet.
            connection.is_refused = True
        return connection

    def _open(self, connection: FrameConnection) -> None:
        self._unknown.discard(connection)
        self._connections.add(connection)
        session = _Session(self, connection)
        connection.on_frame = session.receive
        connection.on_close = session.close

    def _forget(self, connection: FrameConnection) -> None:
        if connection in self._unknown:
            self._unknown.discard(connection)
            self.refused_connections += 1
            self._log.warning("a stranger was refused", refused=self.refused_connections)
        self._connections.discard(connection)

    def run(self, frame: Frame, finish: Callable[[FrameKind, bytes], None]) -> Any:
        """Do what a frame asks for as a task of its own; returns it, to be cancelled.

        The work is made inside of the task: a cancellation may come before its first step.
        """
        task = asyncio.ensure_future(self._answer(frame, finish))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _answer(self, frame: Frame, finish: Callable[[FrameKind, bytes], None]) -> None:
        try:
            answer = await self._handle(frame)
        except CallStatus as status:
            finish(FrameKind.STATUS, _status(status))
        except LocalError as error:
            self._log.warning("a request failed", error=error)
            finish(FrameKind.STATUS, _status(CallStatus(StatusCode.UNAVAILABLE, str(error))))
        except Exception as error:  # noqa: BLE001  # It is logged, and ends its call alone.
            self._log.bug("a request hit a bug", error)
            finish(FrameKind.STATUS, _status(CallStatus(StatusCode.INTERNAL, "internal error")))
        else:
            finish(FrameKind.REPLY, answer)

    def _handle(self, frame: Frame) -> Awaitable[bytes]:
        """The work that a frame asks for."""
        if frame.kind is FrameKind.CALL:
            length = frame.body[0] if frame.body else 0
            method = frame.body[1 : 1 + length].decode("ascii", errors="replace")
            return self._handler.call(method, frame.body[1 + length :])
        if frame.kind is FrameKind.DELIVER:
            return self._acknowledged(frame.body)
        return self._counted()

    async def _acknowledged(self, request: bytes) -> bytes:
        await self._handler.deliver(request)
        return b""

    async def _counted(self) -> bytes:
        return json.dumps(self._handler.metrics()).encode()

    def notify(self, body: bytes, count: int) -> None:
        """Push notifications to every front door; best effort (spec 06 §6.2)."""
        for connection in self._connections:
            if connection.role is not Role.FRONT_DOOR:
                continue
            self._batch_sizes.observe(count)
            if connection.waiting_bytes > MAX_NOTIFY_BUFFER_BYTES:
                self._batches.add("dropped")
                continue
            self._batches.add("sent")
            connection.send(FrameKind.NOTIFY, 0, body)

    def told(self) -> Told:
        """What was counted, by the names of spec 06 §9."""
        return {
            "strangers_total": self.refused_connections,
            "notification_batch_size": self._batch_sizes.told(),
            "notification_batches_sent": self._batches.told(),
        }

    async def stop(self, grace_seconds: float) -> None:
        """Accept nothing more, let running calls end, then cut the connections."""
        if self._server is not None:
            self._server.close()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=grace_seconds)
        for task in tuple(self._tasks):
            task.cancel()
        for connection in (*self._connections, *self._unknown):
            connection.close()
        self._unknown.clear()


class _Session:
    """The calls of one connection."""

    def __init__(self, server: FrameServer, connection: FrameConnection) -> None:
        self._server, self._connection = server, connection
        self._running: dict[int, asyncio.Task[None]] = {}

    def receive(self, frame: Frame) -> None:
        """Start what a frame asks for."""
        if frame.kind is FrameKind.PING:
            self._connection.send(FrameKind.PONG, frame.call_id)
        elif frame.kind is FrameKind.CANCEL:
            task = self._running.pop(frame.call_id, None)
            if task is not None:
                task.cancel()
        elif frame.kind in (FrameKind.CALL, FrameKind.DELIVER, FrameKind.METRICS):
            self._begin(frame)

    def _begin(self, frame: Frame) -> None:
        if len(self._running) >= MAX_LINK_CALLS:
            refusal = CallStatus(
                StatusCode.UNAVAILABLE, "the worker is overloaded; ask again later"
            )
            self._connection.send(FrameKind.STATUS, frame.call_id, _status(refusal))
            return
        finish = partial(self._finish, frame.call_id)
        self._running[frame.call_id] = self._server.run(frame, finish)

    def _finish(self, call_id: int, kind: FrameKind, body: bytes) -> None:
        self._running.pop(call_id, None)
        self._connection.send(kind, call_id, body)

    def close(self, connection: FrameConnection) -> None:
        """Nobody waits for the answers any more; writes under way are finished all the same."""
        running, self._running = self._running, {}
        for task in running.values():
            task.cancel()


def _status(status: CallStatus) -> bytes:
    return bytes((status.code,)) + status.details.encode()
