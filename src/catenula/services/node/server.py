"""A node service on the network: its HTTP port, its page, its metrics port (spec 08 §2.1).

Importing this module imports the HTTP server; GraphQL is imported when the ports are open already,
so that a service that has just been started answers ``/ready`` at once.
"""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from catenula.base.limits import MAX_NODE_SERVICE_BODY_BYTES, MAX_NODE_SERVICE_TOKENS
from catenula.services.http.application import HttpApplication, HttpLimits
from catenula.services.http.messages import Handler, Request, Response, WebSocket
from catenula.services.http.server import HttpServer, serve_http
from catenula.services.node.application_endpoint import answer_application
from catenula.services.node.service import NodeService

if TYPE_CHECKING:
    from catenula.services.http.graphql.endpoint import GraphqlEndpoint

_PRELOAD_SECONDS = 0.2
"""GraphQL is imported this long after the ports have opened, unless somebody asks before."""

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_APPLICATION = "/chains/{chain}/applications/{application}"
_MS_PER_SECOND = 1_000


class NodeServiceServer:
    """A service that can be reached; `close` it when done."""

    def __init__(self, service: NodeService) -> None:
        self.service = service
        self._token = None if service.options.token is None else service.options.token.encode()
        self._http: HttpServer | None = None
        self._metrics_http: HttpServer | None = None
        self._endpoint: GraphqlEndpoint | None = None
        self._preloading: asyncio.TimerHandle | None = None
        self._open_sockets = 0

    @property
    def port(self) -> int:
        """Where it listens; 0 before it does."""
        return 0 if self._http is None else self._http.port

    @property
    def metrics_port(self) -> int | None:
        """Where its metrics are, if they are anywhere."""
        return None if self._metrics_http is None else self._metrics_http.port

    async def start(self) -> None:
        """Open the ports, then start the service; `LocalError` when a port cannot be had."""
        options = self.service.options
        write_metrics = self._prepare_metrics()
        try:
            self._http = await serve_http(self._application(), host=options.host, port=options.port)
            self.service.public_url = f"http://localhost:{self.port}"
            if write_metrics is not None and options.metrics_port is not None:
                application = _metrics_application(write_metrics)
                self._metrics_http = await serve_http(
                    application, host=options.host, port=options.metrics_port
                )
            self.service.start()
        except BaseException:
            await self.close()
            raise
        loop = asyncio.get_running_loop()
        self._preloading = loop.call_later(_PRELOAD_SECONDS, self.endpoint)

    def _prepare_metrics(self) -> Callable[[], bytes] | None:
        if self.service.options.metrics_port is None:
            return None
        from catenula.services.node.metrics import prometheus_metrics

        self.service.metrics, write = prometheus_metrics()
        return write

    def _application(self) -> HttpApplication:
        application = HttpApplication(HttpLimits(body_bytes=MAX_NODE_SERVICE_BODY_BYTES))
        application.route("GET", "/", _page)
        application.route("POST", "/", self._measured("graphql", self._graphql))
        application.route("GET", _APPLICATION, _page)
        application.route("POST", _APPLICATION, self._measured("application", self._ask))
        application.route("GET", "/ready", _ready)
        application.socket("/ws", self._socket)
        return application

    def endpoint(self) -> "GraphqlEndpoint":
        """The GraphQL interface, imported when it is first needed."""
        if self._endpoint is None:
            from catenula.services.http.graphql.endpoint import GraphqlEndpoint
            from catenula.services.node.schema import node_schema, shorten_programs

            schema = node_schema(read_only=self.service.options.read_only)
            self._endpoint = GraphqlEndpoint(
                schema,
                self.service,
                max_tokens=MAX_NODE_SERVICE_TOKENS,
                prepare=shorten_programs,
            )
        return self._endpoint

    # Requests

    def _measured(self, kind: str, handler: Handler) -> Handler:
        """The handler for those who may use it; what it takes is counted."""

        async def handle(request: Request) -> Response:
            started = time.perf_counter()
            if self._admits(request.headers.get("authorization")):
                response = await handler(request)
            else:
                response = _unauthorized()
            took_ms = (time.perf_counter() - started) * _MS_PER_SECOND
            self.service.metrics.request_answered(kind, response.status, took_ms)
            return response

        return handle

    def _admits(self, authorization: object) -> bool:
        if self._token is None:
            return True
        if not isinstance(authorization, str):
            return False
        scheme, _, token = authorization.partition(" ")
        right = hmac.compare_digest(token.strip().encode(), self._token)
        return scheme.lower() == "bearer" and right

    async def _graphql(self, request: Request) -> Response:
        return await self.endpoint().handle(request)

    async def _ask(self, request: Request) -> Response:
        return await answer_application(self.service, request)

    async def _socket(self, socket: WebSocket) -> None:
        from catenula.services.http.graphql.socket import serve_socket

        self._count_sockets(1)
        try:
            admits = None
            if not self._admits(socket.headers.get("authorization")):
                admits = self._admits_payload
            await serve_socket(self.endpoint(), socket, admits=admits)
        finally:
            self._count_sockets(-1)

    def _admits_payload(self, payload: Any) -> bool:
        """Browsers cannot send headers with a handshake; their first message bears the token."""
        given = payload if isinstance(payload, dict) else {}
        return any(
            self._admits(value) for name, value in given.items() if name.lower() == "authorization"
        )

    def _count_sockets(self, change: int) -> None:
        self._open_sockets += change
        self.service.metrics.sockets_changed(self._open_sockets)

    async def close(self) -> None:
        """Answer what is under way, stop the service, free the ports."""
        if self._preloading is not None:
            self._preloading.cancel()
        closing: list[Awaitable[None]] = [
            http.close() for http in (self._http, self._metrics_http) if http is not None
        ]
        await asyncio.gather(*closing)
        await self.service.stop()


def _unauthorized() -> Response:
    return Response(
        401,
        b"This service wants a token: send the header `Authorization: Bearer TOKEN`.",
        "text/plain; charset=utf-8",
        (("www-authenticate", "Bearer"),),
    )


async def _ready(_request: Request) -> Response:
    return Response.text("ready!")


async def _page(request: Request) -> Response:
    from catenula.services.http.graphql.page import show_page

    return await show_page(request)


def _metrics_application(write: Callable[[], bytes]) -> HttpApplication:
    async def show(_request: Request) -> Response:
        return Response(200, write(), _METRICS_TYPE)

    application = HttpApplication()
    application.route("GET", "/metrics", show)
    return application
