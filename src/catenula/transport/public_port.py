"""The public port of a validator: everything clients need, behind one address (spec 06 §3.2).

    HTTP/2     → native gRPC, and gRPC-Web
    HTTP/1.1   → gRPC-Web
    TLS        → the same inside; HTTP/2 for all who can speak it

Health, reflection and CORS come with it.
"""

import asyncio
import contextlib
import socket
import ssl
from functools import partial
from pathlib import Path
from typing import NamedTuple

from catenula.base.errors import LocalError
from catenula.base.limits import (
    MAX_PUBLIC_BACKLOG,
    MAX_PUBLIC_BUFFER_BYTES,
    MAX_PUBLIC_CALLS,
    MAX_PUBLIC_STANDING_BYTES,
    MAX_PUBLIC_UNREAD_BYTES,
    PEEK_SECONDS,
)
from catenula.transport.arriving import PortBudget
from catenula.transport.endpoints import CallObserver, Endpoints, method_endpoints
from catenula.transport.grpc_web import answer
from catenula.transport.health import health_endpoints
from catenula.transport.http1 import Http1Connection
from catenula.transport.http2 import Http2Connection
from catenula.transport.newcomers import Newcomer, Reception, Speech
from catenula.transport.public_service import PublicService
from catenula.transport.reflection import reflection_endpoints
from catenula.transport.tls_beginning import TlsBeginning

_PASSIVE = socket.AI_PASSIVE


class TlsFiles(NamedTuple):
    """Where the certificate (with its chain) and its key are, as PEM."""

    certificate: Path
    key: Path


_Connection = Http1Connection | Http2Connection | TlsBeginning


class PublicServer:
    """A running public port."""

    def __init__(
        self, endpoints: Endpoints, listener: socket.socket, context: ssl.SSLContext | None
    ) -> None:
        """Serve at a socket that is bound already. Needs a running event loop."""
        self._answer, self._context = partial(answer, endpoints=endpoints), context
        self._budget = PortBudget(
            body_bytes=MAX_PUBLIC_BUFFER_BYTES,
            standing_bytes=MAX_PUBLIC_STANDING_BYTES,
            unread_bytes=MAX_PUBLIC_UNREAD_BYTES,
            calls=MAX_PUBLIC_CALLS,
        )
        self._open: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port: int = listener.getsockname()[1]
        self._reception = Reception(listener, self._welcome)

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return self._reception.connections

    @property
    def body_bytes(self) -> int:
        """Bytes of request bodies that are in memory now."""
        return self._budget.body_bytes

    @property
    def standing_bytes(self) -> int:
        """Bytes of large requests whose calls go on for long."""
        return self._budget.standing_bytes

    @property
    def calls(self) -> int:
        """Calls that run now."""
        return self._budget.calls

    @property
    def unread_bytes(self) -> int:
        """Bytes of answers that wait for clients which do not read."""
        return self._budget.unread.size

    def _welcome(self, newcomer: Newcomer) -> None:
        task = asyncio.get_running_loop().create_task(self._hand_over(newcomer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hand_over(self, newcomer: Newcomer) -> None:
        """Let the protocol that fits have the connection."""
        protocol = self._make_protocol(newcomer.speech)
        self._open.add(protocol)
        if (newcomer.speech is Speech.TLS) != (self._context is not None):
            newcomer.socket.close()
            self._closed(protocol)
            return
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol,
                newcomer.socket,
                ssl=self._context,
                ssl_handshake_timeout=None if self._context is None else PEEK_SECONDS,
            )
        except OSError:  # Also every failure of a TLS handshake.
            newcomer.socket.close()
            self._closed(protocol)

    def _make_protocol(self, speech: Speech) -> _Connection:
        if speech is Speech.TLS:
            return TlsBeginning(self._choose_version, self._closed)
        kind = Http2Connection if speech is Speech.HTTP2 else Http1Connection
        return kind(self._answer, self._budget, self._closed)

    def _choose_version(
        self, is_http2: bool, beginning: TlsBeginning
    ) -> Http2Connection | Http1Connection:
        kind = Http2Connection if is_http2 else Http1Connection
        return kind(self._answer, self._budget, beginning.closed)

    def _closed(self, connection: object) -> None:
        if connection in self._open:
            self._open.discard(connection)
            self._reception.gone()

    async def close(self, grace_seconds: float = 0.0) -> None:
        """Take no more calls; those that run may end within the grace period."""
        self._reception.close()
        for connection in list(self._open):
            connection.announce_end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await self._budget.quiet()
        for task in list(self._tasks):
            task.cancel()
        for connection in list(self._open):
            connection.shut_down()


async def serve_public(
    service: PublicService,
    *,
    host: str,
    port: int,
    tls: TlsFiles | None = None,
    observer: CallObserver | None = None,
) -> PublicServer:
    """Serve a validator at ``host:port``; port 0 takes a free one. Needs a running event loop.

    With ``tls`` the port speaks nothing but TLS. ``observer`` hears of every call of the
    validator's methods. Raises `LocalError` when the address or the certificate cannot be used.
    """
    context = None if tls is None else _make_context(tls)
    endpoints = {
        **method_endpoints(service, observer),
        **health_endpoints(),
        **reflection_endpoints(),
    }
    return PublicServer(endpoints, await _listen(host, port), context)


async def _listen(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server(address, family=family, backlog=MAX_PUBLIC_BACKLOG)
    except OSError as error:
        raise LocalError(
            f"nothing can listen at {host}:{port}: {error.strerror or error}; "
            "choose another port, or stop what uses this one",
            retryable=False,
        ) from error


def _make_context(tls: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except OSError as error:
        raise LocalError(
            f"the certificate {tls.certificate} with key {tls.key} cannot be used: {error}; "
            "both must be PEM files that belong together",
            retryable=False,
        ) from error
    return context
