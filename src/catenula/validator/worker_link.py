"""The connecting side of frames: one worker as its front door and the other workers see it.

A link connects by itself and again after every loss. Calls have an id; their number and the bytes
that wait are bounded, and a call that cannot be answered ends with UNAVAILABLE, so that a client
asks again. Calls are safe to repeat: every request of the protocol is.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from catenula.base.errors import LocalError
from catenula.base.limits import MAX_LINK_CALLS
from catenula.transport.calls import CallStatus, StatusCode
from catenula.validator.endpoints import Endpoint
from catenula.validator.frames import Frame, FrameConnection, FrameKind, Role
from catenula.validator.logs import Log

FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.5
CONNECT_SECONDS = 4.0
PING_SECONDS = 5.0
SILENCE_SECONDS = 15.0
"""A connection on which nothing is heard for so long is given up."""
PATIENCE_SECONDS = 1.0
"""How long a call waits for a worker that is just being started again."""


class WorkerLink:
    """A connection to one worker that comes back by itself."""

    def __init__(self, endpoint: Endpoint, *, secret: bytes, role: Role, name: str) -> None:
        self.name = name
        self._endpoint, self._secret, self._role = endpoint, secret, role
        self._connection: FrameConnection | None = None
        self._opened: asyncio.Event = asyncio.Event()
        self._calls: dict[int, asyncio.Future[bytes]] = {}
        self._next_id = 1
        self._heard = False
        self._task: asyncio.Task[None] | None = None
        self._log = Log("link", to=name)
        self.on_notify: Callable[[bytes], None] | None = None
        self.on_open: Callable[[], None] | None = None

    def start(self) -> None:
        """Connect, and stay connected until `stop`."""
        self._task = asyncio.get_running_loop().create_task(self._keep_connected())

    async def stop(self) -> None:
        """Disconnect; calls under way end with UNAVAILABLE."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
            self._task = None
        if self._connection is not None:
            self._connection.abort()
        self._fail_calls("this process is stopping")

    @property
    def is_open(self) -> bool:
        """Whether the worker can be reached now."""
        return self._connection is not None and self._connection.is_open

    @property
    def calls(self) -> int:
        """How many calls await their answer."""
        return len(self._calls)

    async def opened(self) -> None:
        """Return once the worker can be reached."""
        await self._opened.wait()

    # Connection

    async def _keep_connected(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            gone = asyncio.Event()
            if await self._connect(gone):
                await self._watch(gone)
                if self._opened.is_set():
                    pause = FIRST_PAUSE_SECONDS
                    self._lose()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _connect(self, gone: asyncio.Event) -> bool:
        connection = FrameConnection(self._secret, self._role)
        connection.on_open, connection.on_frame = self._open, self._receive
        connection.on_gone = lambda _: gone.set()
        self._connection = connection
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._endpoint.connect(lambda: connection)
        except (OSError, TimeoutError) as error:
            self._log.debug("not reachable", error=error)
            return False
        return True

    async def _watch(self, gone: asyncio.Event) -> None:
        """Ping until the connection is gone; give up one that is silent."""
        silent = 0.0
        while silent < SILENCE_SECONDS:
            self._heard = False
            try:
                async with asyncio.timeout(PING_SECONDS):
                    await gone.wait()
                    return
            except TimeoutError:
                silent = 0.0 if self._heard else silent + PING_SECONDS
                if self._connection is not None:
                    self._connection.send(FrameKind.PING, 0)
        self._log.warning("silent", seconds=SILENCE_SECONDS)
        if self._connection is not None:
            self._connection.abort()
            await gone.wait()

    def _open(self, connection: FrameConnection) -> None:
        self._log.debug("connected")
        self._opened.set()
        if self.on_open is not None:
            self.on_open()

    def _lose(self) -> None:
        self._opened.clear()
        self._log.info("connection lost", calls=len(self._calls))
        self._fail_calls(f"{self.name} stopped while it handled the request; ask again")

    def _fail_calls(self, reason: str) -> None:
        calls, self._calls = self._calls, {}
        for future in calls.values():
            if not future.done():
                future.set_exception(CallStatus(StatusCode.UNAVAILABLE, reason))

    def _receive(self, frame: Frame) -> None:
        self._heard = True
        if frame.kind is FrameKind.NOTIFY:
            if self.on_notify is not None:
                self.on_notify(frame.body)
            return
        future = self._calls.pop(frame.call_id, None)
        if future is None or future.done():
            return
        if frame.kind is FrameKind.REPLY:
            future.set_result(frame.body)
        elif frame.kind is FrameKind.STATUS and frame.body:
            details = frame.body[1:].decode("utf-8", errors="replace")
            future.set_exception(CallStatus(frame.body[0], details))

    # Calls

    async def call(self, method: str, request: bytes, *, timeout_seconds: float) -> bytes:
        """The answer of a public method; raises `CallStatus`.

        Waits a moment for a worker that is not there; after the time-out the status is that of the
        reference, CANCELLED (spec 06 §3.1).
        """
        name = method.encode()
        body = bytes((len(name),)) + name + request
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._patiently_opened()
                return await self._ask(FrameKind.CALL, body)
        except TimeoutError as error:
            raise CallStatus(StatusCode.CANCELLED, "Timeout expired") from error

    async def _patiently_opened(self) -> None:
        if self.is_open:
            return
        if len(self._calls) < MAX_LINK_CALLS:
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._opened.wait()
            except TimeoutError:
                self._log.debug("a call waited in vain")
        if not self.is_open:
            raise CallStatus(
                StatusCode.UNAVAILABLE, f"{self.name} is not running; it may be starting again"
            )

    async def _ask(self, kind: FrameKind, body: bytes) -> bytes:
        call_id, future = self._begin(kind, body)
        try:
            return await future
        finally:
            if self._calls.pop(call_id, None) is not None and self._connection is not None:
                self._connection.send(FrameKind.CANCEL, call_id)

    def _begin(self, kind: FrameKind, body: bytes) -> "tuple[int, asyncio.Future[bytes]]":
        connection = self._connection
        if connection is None or not connection.is_open:
            raise CallStatus(StatusCode.UNAVAILABLE, f"{self.name} is not running")
        if len(self._calls) >= MAX_LINK_CALLS or connection.is_full:
            raise CallStatus(StatusCode.UNAVAILABLE, f"{self.name} is overloaded; ask again later")
        call_id = self._next_id
        self._next_id += 1
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._calls[call_id] = future
        connection.send(kind, call_id, body)
        return call_id, future

    def deliver(self, request: bytes) -> "asyncio.Future[bytes]":
        """Send a cross-chain request; done once it is durable there. Raises `LocalError`."""
        _, future = self._begin(FrameKind.DELIVER, request)
        return future

    async def metrics(self, timeout_seconds: float) -> Any:
        """The counters of the worker; raises `LocalError` when it does not answer."""
        try:
            async with asyncio.timeout(timeout_seconds):
                return json.loads(await self._ask(FrameKind.METRICS, b""))
        except TimeoutError as error:
            raise LocalError(f"{self.name} does not answer", retryable=True) from error
