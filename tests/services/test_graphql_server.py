"""The ports of a service: what is open when it starts, when it cannot, and when it has ended."""

import socket
from typing import TYPE_CHECKING

import pytest
from graphql import GraphQLField, GraphQLObjectType, GraphQLSchema, GraphQLString

from catenula.base.errors import LocalError
from catenula.services.http.graphql_server import GraphqlServer, graphql_application
from catenula.services.http.messages import Request, Response, WebSocket
from catenula.services.http.metrics import WriteMetrics
from catenula.services.node.options import NodeServiceOptions
from tests.network.support import asynchronous
from tests.services.stage import graphql, request

if TYPE_CHECKING:
    from catenula.services.http.graphql.endpoint import GraphqlEndpoint

LOOPBACK = "127.0.0.1"


class GreetingServer(GraphqlServer):
    """Greets, and notes what was asked of it."""

    def __init__(self, options: NodeServiceOptions, *, fails: bool = False) -> None:
        super().__init__(options)
        self.steps: list[str] = []
        self.opened: list[int | None] = []
        self._fails = fails

    def _count(self) -> WriteMetrics:
        self.steps.append("count")
        return lambda: b"greetings 1\n"

    async def _start(self, write_metrics: WriteMetrics | None) -> None:
        try:
            await self._open_ports(graphql_application(self._asked, self._socket), write_metrics)
        finally:
            self.opened = [self.port, self.metrics_port]
        if self._fails:
            raise LocalError("no greetings today", retryable=False)
        self.steps.append("start")

    async def _stop(self) -> None:
        await self._close_ports()
        self.steps.append("stop")

    def _make_endpoint(self) -> "GraphqlEndpoint":
        from catenula.services.http.graphql.endpoint import GraphqlEndpoint

        self.steps.append("import")
        greeting = GraphQLField(GraphQLString, resolve=lambda *_: "hello")
        query = GraphQLObjectType("Query", {"greeting": greeting})
        return GraphqlEndpoint(GraphQLSchema(query), None)

    async def _asked(self, asked: Request) -> Response:
        return await self._graphql(asked)

    async def _socket(self, socket: WebSocket) -> None:
        await socket.refuse(404, "no sockets here")


def is_free(port: int) -> bool:
    """Whether somebody else may listen there."""
    with socket.socket() as mine:
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            mine.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


@asynchronous
async def test_a_service_answers_at_its_ports_and_frees_them() -> None:
    server = GreetingServer(NodeServiceOptions(port=0, metrics_port=0))
    await server.start()
    port, metrics_port = server.port, server.metrics_port
    assert metrics_port is not None
    assert (await request(port, "GET", "/ready")).body == b"ready!"
    assert await graphql(port, "{ greeting }") == {"data": {"greeting": "hello"}}
    assert await graphql(port, "{ greeting }") == {"data": {"greeting": "hello"}}
    assert (await request(metrics_port, "GET", "/metrics")).body == b"greetings 1\n"
    assert (await request(port, "GET", "/metrics")).status == 404
    await server.close()
    assert server.steps == ["count", "start", "import", "stop"]
    assert is_free(port)
    assert is_free(metrics_port)


@asynchronous
async def test_a_service_without_a_metrics_port_counts_nothing() -> None:
    server = GreetingServer(NodeServiceOptions(port=0))
    await server.start()
    assert server.metrics_port is None
    await server.close()
    assert server.steps == ["start", "stop"]


@asynchronous
async def test_a_taken_port_leaves_no_other_open() -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        taken = other.getsockname()[1]
        server = GreetingServer(NodeServiceOptions(port=taken, metrics_port=0))
        with pytest.raises(LocalError, match=f"cannot listen on {LOOPBACK}:{taken}"):
            await server.start()
    assert server.steps == ["count", "stop"]
    assert server.opened[0] == 0
    assert server.opened[1] is not None
    assert is_free(server.opened[1])


@asynchronous
async def test_a_service_that_does_not_start_leaves_no_port_open() -> None:
    server = GreetingServer(NodeServiceOptions(port=0, metrics_port=0), fails=True)
    with pytest.raises(LocalError, match="no greetings"):
        await server.start()
    for port in server.opened:
        assert port
        assert is_free(port)
