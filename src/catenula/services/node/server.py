"""A node service on the network: its HTTP port, its page, its metrics port (spec 08 §2.1)."""

import hmac
import time
from typing import TYPE_CHECKING, Any

from catenula.base.limits import MAX_NODE_SERVICE_BODY_BYTES, MAX_NODE_SERVICE_TOKENS
from catenula.services.http.application import HttpApplication, HttpLimits
from catenula.services.http.graphql_server import (
    GraphqlServer,
    graphql_application,
    graphql_page,
)
from catenula.services.http.messages import Handler, Request, Response, WebSocket
from catenula.services.http.metrics import WriteMetrics
from catenula.services.node.application_endpoint import answer_application
from catenula.services.node.service import NodeService

if TYPE_CHECKING:
    from catenula.services.http.graphql.endpoint import GraphqlEndpoint

_APPLICATION = "/chains/{chain}/applications/{application}"
_MS_PER_SECOND = 1_000


class NodeServiceServer(GraphqlServer):
    """A service that can be reached; `close` it when done."""

    def __init__(self, service: NodeService) -> None:
        super().__init__(service.options)
        self.service = service
        self._token = None if service.options.token is None else service.options.token.encode()
        self._open_sockets = 0

    def _count(self) -> WriteMetrics:
        from catenula.services.node.metrics import prometheus_metrics

        self.service.metrics, write = prometheus_metrics()
        return write

    async def _start(self, write_metrics: WriteMetrics | None) -> None:
        await self._open_ports(self._application(), write_metrics)
        self.service.public_url = f"http://localhost:{self.port}"
        self.service.start()

    async def _stop(self) -> None:
        await self._close_ports()
        await self.service.stop()

    def _application(self) -> HttpApplication:
        application = graphql_application(
            self._measured("graphql", self._graphql),
            self._socket,
            limits=HttpLimits(body_bytes=MAX_NODE_SERVICE_BODY_BYTES),
        )
        application.route("GET", _APPLICATION, graphql_page)
        application.route("POST", _APPLICATION, self._measured("application", self._ask))
        return application

    def _make_endpoint(self) -> "GraphqlEndpoint":
        from catenula.services.http.graphql.endpoint import GraphqlEndpoint
        from catenula.services.node.schema import node_schema, shorten_programs

        return GraphqlEndpoint(
            node_schema(read_only=self.service.options.read_only),
            self.service,
            max_tokens=MAX_NODE_SERVICE_TOKENS,
            prepare=shorten_programs,
        )

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


def _unauthorized() -> Response:
    return Response(
        401,
        b"This service wants a token: send the header `Authorization: Bearer TOKEN`.",
        "text/plain; charset=utf-8",
        (("www-authenticate", "Bearer"),),
    )
