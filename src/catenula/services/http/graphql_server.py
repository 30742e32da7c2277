"""A service on the network: its HTTP port with GraphQL and a page, and its metrics port.

Importing this module imports the HTTP server; GraphQL is imported when the ports are open already,
so that a service that has just been started answers ``/ready`` at once. A service begins with
`GraphqlServer`, and says what there is to start, to answer and to count.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Protocol

from catenula.services.http.application import DEFAULT_LIMITS, HttpApplication, HttpLimits
from catenula.services.http.messages import Handler, Request, Response, SocketHandler
from catenula.services.http.metrics import WriteMetrics, metrics_application
from catenula.services.http.server import HttpServer, serve_http

if TYPE_CHECKING:
    from catenula.services.http.graphql.endpoint import GraphqlEndpoint

_PRELOAD_SECONDS = 0.2
"""GraphQL is imported this long after the ports have opened, unless somebody asks before."""


class PortOptions(Protocol):
    """Where a service listens. Port 0 takes any free port; None opens none."""

    @property
    def host(self) -> str:
        """The address of this machine, for both ports."""
        ...

    @property
    def port(self) -> int:
        """Of the service."""
        ...

    @property
    def metrics_port(self) -> int | None:
        """Of its metrics."""
        ...


class GraphqlServer(ABC):
    """A service that can be reached; `close` it when done."""

    def __init__(self, options: PortOptions) -> None:
        self._options = options
        self._http: HttpServer | None = None
        self._metrics_http: HttpServer | None = None
        self._endpoint: GraphqlEndpoint | None = None
        self._preloading: asyncio.TimerHandle | None = None

    # What a service does in its own way

    @abstractmethod
    def _count(self) -> WriteMetrics:
        """Have the service count. Called before it starts, if there is a metrics port."""

    @abstractmethod
    async def _start(self, write_metrics: WriteMetrics | None) -> None:
        """Start the service, and `_open_ports` before or after that."""

    @abstractmethod
    async def _stop(self) -> None:
        """Stop the service, and `_close_ports` before or after that."""

    @abstractmethod
    def _make_endpoint(self) -> "GraphqlEndpoint":
        """The GraphQL interface; imports the library."""

    # What all do alike

    @property
    def port(self) -> int:
        """Where it listens; 0 before it does."""
        return 0 if self._http is None else self._http.port

    @property
    def metrics_port(self) -> int | None:
        """Where its metrics are, if they are anywhere."""
        return None if self._metrics_http is None else self._metrics_http.port

    async def start(self) -> None:
        """Start the service and open its ports.

        Raises what the service raises, and `LocalError` when a port cannot be had; then everything
        is closed again.
        """
        write_metrics = None if self._options.metrics_port is None else self._count()
        try:
            await self._start(write_metrics)
        except BaseException:
            await self.close()
            raise
        loop = asyncio.get_running_loop()
        self._preloading = loop.call_later(_PRELOAD_SECONDS, self.endpoint)

    async def close(self) -> None:
        """Answer what is under way, stop the service, free the ports."""
        if self._preloading is not None:
            self._preloading.cancel()
        await self._stop()

    async def _open_ports(
        self, application: HttpApplication, write_metrics: WriteMetrics | None
    ) -> None:
        """Listen. The service's own port comes last: nothing is between it and the return."""
        host, metrics_port = self._options.host, self._options.metrics_port
        if write_metrics is not None and metrics_port is not None:
            metrics = metrics_application(write_metrics)
            self._metrics_http = await serve_http(metrics, host=host, port=metrics_port)
        self._http = await serve_http(application, host=host, port=self._options.port)

    async def _close_ports(self) -> None:
        closing: list[Awaitable[None]] = [
            http.close() for http in (self._http, self._metrics_http) if http is not None
        ]
        await asyncio.gather(*closing)

    def endpoint(self) -> "GraphqlEndpoint":
        """The GraphQL interface, imported when it is first needed."""
        if self._endpoint is None:
            self._endpoint = self._make_endpoint()
        return self._endpoint

    async def _graphql(self, request: Request) -> Response:
        return await self.endpoint().handle(request)


def graphql_application(
    graphql: Handler, socket: SocketHandler, *, limits: HttpLimits = DEFAULT_LIMITS
) -> HttpApplication:
    """What all services answer: GraphQL, its page, its WebSocket, and whether they are there."""
    application = HttpApplication(limits)
    application.route("GET", "/", graphql_page)
    application.route("POST", "/", graphql)
    application.route("GET", "/ready", _ready)
    application.socket("/ws", socket)
    return application


async def graphql_page(request: Request) -> Response:
    """The page to try out GraphQL."""
    from catenula.services.http.graphql.page import show_page

    return await show_page(request)


async def _ready(_request: Request) -> Response:
    return Response.text("ready!")
