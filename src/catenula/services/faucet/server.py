"""A faucet on the network: its HTTP port, its pages, its metrics port."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from catenula.services.faucet.faucet import Faucet
from catenula.services.http.application import HttpApplication
from catenula.services.http.graphql_server import GraphqlServer, graphql_application
from catenula.services.http.messages import Request, Response, WebSocket
from catenula.services.http.metrics import WriteMetrics

if TYPE_CHECKING:
    from catenula.services.http.graphql.endpoint import GraphqlEndpoint

_CLAIM_PAGE = Path(__file__).parent / "assets" / "claim.html"


class FaucetServer(GraphqlServer):
    """A faucet that can be reached; `close` it when done."""

    def __init__(self, faucet: Faucet) -> None:
        super().__init__(faucet.options)
        self.faucet = faucet

    def _count(self) -> WriteMetrics:
        from catenula.services.faucet.metrics import prometheus_metrics

        self.faucet.metrics, write = prometheus_metrics()
        return write

    async def _start(self, write_metrics: WriteMetrics | None) -> None:
        await self.faucet.start()
        await self._open_ports(self._application(), write_metrics)

    async def _stop(self) -> None:
        await self.faucet.stop()
        await self._close_ports()

    def _application(self) -> HttpApplication:
        application = graphql_application(self._graphql, self._socket)
        application.route("GET", "/claim", _claim_page)
        return application

    def _make_endpoint(self) -> "GraphqlEndpoint":
        from catenula.services.faucet.schema import faucet_schema
        from catenula.services.http.graphql.endpoint import GraphqlEndpoint

        return GraphqlEndpoint(faucet_schema(), self.faucet)

    async def _socket(self, socket: WebSocket) -> None:
        from catenula.services.http.graphql.socket import serve_socket

        await serve_socket(self.endpoint(), socket)


@cache
def _claim_page_bytes() -> bytes:
    return _CLAIM_PAGE.read_bytes()


async def _claim_page(_request: Request) -> Response:
    return Response.html(_claim_page_bytes())
