"""An HTTP server inside the running event loop. Importing this module imports uvicorn.

The port is bound before anything else happens, so that port 0 works and a taken port is an error of
the caller. Signals stay with the caller. A connection that sends no complete headers in time, or
too large ones, is closed.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import Server

from catenula.base.errors import LocalError
from catenula.base.limits import (
    HTTP_CLOSE_SECONDS,
    HTTP_KEEP_ALIVE_SECONDS,
    MAX_HTTP_HEADER_BYTES,
    MAX_SOCKET_MESSAGE_BYTES,
)
from catenula.services.http.application import HttpApplication, HttpLimits
from catenula.transport.socket_options import set_options

_TICK_SECONDS = 1.0


class HttpServer:
    """A server that accepts requests; `close` it when done."""

    def __init__(self, server: "_Server", listener: socket.socket) -> None:
        self.host, self.port = listener.getsockname()[:2]
        self._server = server
        self._task = asyncio.create_task(server.serve(sockets=[listener]))

    async def _started(self) -> None:
        waiting = asyncio.ensure_future(self._server.is_started.wait())
        await asyncio.wait((waiting, self._task), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._task.done():
            await self._task

    async def close(self, grace_seconds: float = HTTP_CLOSE_SECONDS) -> None:
        """Accept nothing any more; requests under way have this long to finish."""
        self._server.stop(grace_seconds)
        _, late = await asyncio.wait((self._task,), timeout=grace_seconds + 2 * _TICK_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def serve_http(application: HttpApplication, *, host: str, port: int) -> HttpServer:
    """Serve an application; `LocalError` when the port cannot be had."""
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise LocalError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; "
            "stop what uses the port, or choose another one",
            retryable=False,
        ) from error
    # Inherited by every connection: headers and body are two writes, and the second one must not
    # wait for the client's delayed acknowledgement of the first; nor may a client that is gone, or
    # does not read, keep its connection for ever.
    set_options(listener)
    config = Config(
        application,
        loop="none",
        http=_protocol(application.limits),
        ws="websockets-sansio",
        ws_max_size=MAX_SOCKET_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=application.limits.connections,
        timeout_keep_alive=HTTP_KEEP_ALIVE_SECONDS,
    )
    server = HttpServer(_Server(config), listener)
    await server._started()
    return server


class _Server(Server):
    """uvicorn's server without its signal handlers, told to stop by an event."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.is_started = asyncio.Event()
        self._stopping = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self, grace_seconds: float) -> None:
        self.config.timeout_graceful_shutdown = max(1, round(grace_seconds))
        self.should_exit = True
        self._stopping.set()

    async def main_loop(self) -> None:
        self.is_started.set()
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _TICK_SECONDS)


class JoinedWrites:
    """A transport that sends in one call what is written in one go: headers and a body.

    A call of the system costs as much as a small query. Everything else is the transport's own.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._written: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send soon."""
        if not self._written:
            self._loop.call_soon(self._send)
        self._written.append(data)

    def _send(self) -> None:
        written, self._written = self._written, []
        if written and not self._transport.is_closing():
            self._transport.write(b"".join(written))

    def close(self) -> None:
        """Send what was written, then close."""
        self._send()
        self._transport.close()


def _protocol(limits: HttpLimits) -> type[HttpToolsProtocol]:
    """A connection whose headers must arrive in time and stay small."""

    class GuardedProtocol(HttpToolsProtocol):
        header_timer: asyncio.TimerHandle | None = None
        header_bytes = 0

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # As above it.
            joined = JoinedWrites(transport, self.loop)
            super().connection_made(joined)  # type: ignore[arg-type]  # All it uses is there.
            self._expect_headers()

        def connection_lost(self, exc: Exception | None) -> None:
            self._headers_complete()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.header_timer is not None:
                self.header_bytes += len(data)
                if self.header_bytes > MAX_HTTP_HEADER_BYTES:
                    self.transport.abort()

        def on_message_begin(self) -> None:
            self._expect_headers()
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._headers_complete()
            super().on_headers_complete()

        def _expect_headers(self) -> None:
            if self.header_timer is None:
                self.header_bytes = 0
                self.header_timer = self.loop.call_later(
                    limits.headers_seconds, self.transport.abort
                )

        def _headers_complete(self) -> None:
            timer, self.header_timer = self.header_timer, None
            if timer is not None:
                timer.cancel()

    return GuardedProtocol
