"""A faucet on the network: its HTTP port, its pages, its metrics port.

Importing this module imports the HTTP server; GraphQL is imported when the ports are open already,
so that a faucet that has just been started answers ``/ready`` at once.
"""

import asyncio
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from catenula.services.faucet.faucet import Faucet
from catenula.services.http.application import HttpApplication
from catenula.services.http.messages import Request, Response, WebSocket
from catenula.services.http.server import HttpServer, serve_http

if TYPE_CHECKING:
    from catenula.services.http.graphql.endpoint import GraphqlEndpoint

_PRELOAD_SECONDS = 0.2
"""GraphQL is imported this long after the ports have opened, unless somebody asks before."""

_CLAIM_PAGE = Path(__file__).parent / "assets" / "claim.html"
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class FaucetServer:
    """A faucet that can be reached; `close` it when done."""

    def __init__(self, faucet: Faucet) -> None:
        self.faucet = faucet
        self._http: HttpServer | None = None
        self._metrics_http: HttpServer | None = None
        self._endpoint: GraphqlEndpoint | None = None
        self._preloading: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        """Where it listens; 0 before it does."""
        return 0 if self._http is None else self._http.port

    @property
    def metrics_port(self) -> int | None:
        """Where its metrics are, if they are anywhere."""
        return None if self._metrics_http is None else self._metrics_http.port

    async def start(self) -> None:
        """Start the faucet, then open the ports.

        Raises what `Faucet.start` raises, and `LocalError` when a port cannot be had.
        """
        options = self.faucet.options
        write_metrics = self._prepare_metrics()
        try:
            await self.faucet.start()
            self._http = await serve_http(self._application(), host=options.host, port=options.port)
            if write_metrics is not None and options.metrics_port is not None:
                application = _metrics_application(write_metrics)
                self._metrics_http = await serve_http(
                    application, host=options.host, port=options.metrics_port
                )
        except BaseException:
            await self.close()
            raise
        loop = asyncio.get_running_loop()
        self._preloading = loop.call_later(_PRELOAD_SECONDS, self.endpoint)

    def _prepare_metrics(self) -> Callable[[], bytes] | None:
        if self.faucet.options.metrics_port is None:
            return None
        from catenula.services.faucet.metrics import prometheus_metrics

        self.faucet.metrics, write = prometheus_metrics()
        return write

    def _application(self) -> HttpApplication:
        application = HttpApplication()
        application.route("GET", "/", _graphql_page)
        application.route("POST", "/", self._graphql)
        application.route("GET", "/ready", _ready)
        application.route("GET", "/claim", _claim_page)
        application.socket("/ws", self._socket)
        return application

    def endpoint(self) -> "GraphqlEndpoint":
        """The GraphQL interface, imported when it is first needed."""
        if self._endpoint is None:
            from catenula.services.faucet.schema import faucet_schema
            from catenula.services.http.graphql.endpoint import GraphqlEndpoint

            self._endpoint = GraphqlEndpoint(faucet_schema(), self.faucet)
        return self._endpoint

    async def _graphql(self, request: Request) -> Response:
        return await self.endpoint().handle(request)

    async def _socket(self, socket: WebSocket) -> None:
        from catenula.services.http.graphql.socket import serve_socket

        await serve_socket(self.endpoint(), socket)

    async def close(self) -> None:
        """Answer what is under way, stop the faucet, free the ports."""
        if self._preloading is not None:
            self._preloading.cancel()
        await self.faucet.stop()
        for http in (self._http, self._metrics_http):
            if http is not None:
                await http.close()


async def _ready(_request: Request) -> Response:
    return Response.text("ready!")


async def _graphql_page(request: Request) -> Response:
    from catenula.services.http.graphql.page import show_page

    return await show_page(request)


@cache
def _claim_page_bytes() -> bytes:
    return _CLAIM_PAGE.read_bytes()


async def _claim_page(_request: Request) -> Response:
    return Response.html(_claim_page_bytes())


def _metrics_application(write: Callable[[], bytes]) -> HttpApplication:
    async def show(_request: Request) -> Response:
        return Response(200, write(), _METRICS_TYPE)

    application = HttpApplication()
    application.route("GET", "/metrics", show)
    return application
