"""The way to one address for gRPC calls: a connection that is made when it is needed.

All calls share one connection. Whoever finds none, or one that has ended, makes the next; those who
come meanwhile wait for the same attempt. An attempt that fails is a CallStatus UNAVAILABLE for each
of them, and nothing is tried again here: callers know how often they want to.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncGenerator
from functools import partial

from catenula.transport.addresses import NetworkAddress
from catenula.transport.calls import CallStatus, StatusCode
from catenula.transport.http2_client import Http2Client

ROOTS_VARIABLE = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
"""Names a file of certificates to trust, for the gRPC libraries and so for us."""

_PROTOCOL = "h2"


def client_context(root_certificates: bytes | None) -> ssl.SSLContext:
    """How servers are checked: by these certificates (PEM), or those of the system."""
    if root_certificates is not None:
        context = ssl.create_default_context(cadata=root_certificates.decode("ascii"))
    else:
        context = ssl.create_default_context(cafile=os.environ.get(ROOTS_VARIABLE) or None)
    context.set_alpn_protocols([_PROTOCOL])
    return context


class GrpcChannel:
    """Calls to one address."""

    def __init__(
        self,
        address: NetworkAddress,
        *,
        connect_timeout_seconds: float,
        root_certificates: bytes | None = None,
    ) -> None:
        self._address, self._connect_seconds = address, connect_timeout_seconds
        self._root_certificates = root_certificates
        self._context: ssl.SSLContext | None = None
        self._client: Http2Client | None = None
        self._connecting: asyncio.Task[Http2Client] | None = None
        self._is_closed = False

    async def unary(self, path: str, request: bytes) -> bytes:
        """The one answer to a call; `CallStatus` for everything else."""
        client = self._client
        if client is None or not client.is_usable:
            client = await self._connect()
        return await client.unary(path, request)

    async def stream(self, path: str, request: bytes) -> AsyncGenerator[bytes, None]:
        """The answers to a call as they come; ends or raises `CallStatus` with it."""
        client = self._client
        if client is None or not client.is_usable:
            client = await self._connect()
        answers = client.stream(path, request)
        try:
            async for answer in answers:
                yield answer
        finally:
            await answers.aclose()

    async def _connect(self) -> Http2Client:
        if self._is_closed:
            raise _closed_here()
        if self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(self._open())
            self._connecting.add_done_callback(self._opened)
        connecting = self._connecting
        # A caller that goes away does not end the attempt for the others, nor does the end of the
        # channel look to a caller as if somebody had cancelled it.
        await asyncio.wait((connecting,))
        if connecting.cancelled():
            raise _closed_here()
        return connecting.result()

    def _opened(self, task: asyncio.Task[Http2Client]) -> None:
        self._connecting = None
        if task.cancelled() or task.exception() is not None:
            return
        self._client = task.result()

    async def _open(self) -> Http2Client:
        address = self._address
        scheme = "https" if address.is_encrypted else "http"
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_seconds):
                transport, client = await loop.create_connection(
                    partial(Http2Client, address.target, scheme),
                    address.host,
                    address.port,
                    ssl=self._tls(),
                )
        except TimeoutError as error:
            text = f"no connection to {address.target} within {self._connect_seconds:g} s"
            raise CallStatus(StatusCode.UNAVAILABLE, text) from error
        except (OSError, ssl.SSLError) as error:
            text = f"no connection to {address.target}: {error}"
            raise CallStatus(StatusCode.UNAVAILABLE, text) from error
        encryption = transport.get_extra_info("ssl_object")
        if encryption is not None and encryption.selected_alpn_protocol() != _PROTOCOL:
            client.close()
            text = f"{address.target} does not speak HTTP/2 under TLS"
            raise CallStatus(StatusCode.UNAVAILABLE, text)
        return client

    def _tls(self) -> ssl.SSLContext | None:
        if not self._address.is_encrypted:
            return None
        if self._context is None:
            self._context = client_context(self._root_certificates)
        return self._context

    async def close(self) -> None:
        """End the connection; calls that run end with CANCELLED."""
        self._is_closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        if self._client is not None:
            self._client.close()


def _closed_here() -> CallStatus:
    return CallStatus(StatusCode.CANCELLED, "the connection is closed here")
