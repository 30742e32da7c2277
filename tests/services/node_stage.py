"""An embedded network with a node service behind a real port, and plain requests to it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from catenula.base.identifiers import ChainId
from catenula.client.client import Client
from catenula.network import Network, NetworkWallet
from catenula.services.node import NodeServiceOptions, start_node_service
from catenula.services.node.server import NodeServiceServer
from catenula.services.node.service import NodeService
from tests.services.stage import Answer, graphql, request


@dataclass(frozen=True, slots=True)
class ClientChains:
    """The chains of a client's wallet, the first of them as the default."""

    client: Client
    default: ChainId

    def chain_ids(self) -> list[ChainId]:
        """All of them."""
        return self.client.wallet.chain_ids()

    def default_chain(self) -> ChainId | None:
        """The one that was made first."""
        return self.default


@dataclass(slots=True)
class NodeStage:
    """A network, a wallet with tokens, and its node service."""

    network: Network
    wallet: NetworkWallet
    server: NodeServiceServer

    @property
    def port(self) -> int:
        """Where the service listens."""
        return self.server.port

    @property
    def chain_id(self) -> ChainId:
        """The wallet's chain."""
        return self.wallet.chain.id

    async def ask(self, query: str, **variables: Any) -> Any:
        """The data of an operation that succeeds."""
        answer = await graphql(self.port, query, **variables)
        assert "errors" not in answer, answer
        return answer["data"]

    async def fail(self, query: str, **variables: Any) -> str:
        """The message of an operation that fails."""
        answer = await graphql(self.port, query, **variables)
        assert answer["data"] is None, answer
        message: str = answer["errors"][0]["message"]
        return message

    async def application(self, application_id: Any, body: Any, **options: Any) -> Answer:
        """What an application answers."""
        path = f"/chains/{options.pop('chain_id', self.chain_id)}/applications/{application_id}"
        encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await request(self.port, "POST", path, body=encoded, **options)


def serve(wallet: NetworkWallet, options: NodeServiceOptions) -> NodeService:
    """A service over a wallet that is not started yet."""
    chains = ClientChains(wallet.client, wallet.chain.id)
    return NodeService(wallet.client, chains, options=options)


@asynccontextmanager
async def served(
    network: Network, wallet: NetworkWallet, **options: Any
) -> AsyncIterator[NodeStage]:
    """A service over a wallet, closed at the end."""
    chosen = NodeServiceOptions(**{"port": 0, **options})
    server = await start_node_service(serve(wallet, chosen))
    try:
        yield NodeStage(network, wallet, server)
    finally:
        await server.close()


@asynccontextmanager
async def node_stage(**options: Any) -> AsyncIterator[NodeStage]:
    """A service with its network, closed at the end."""
    async with await Network.start() as network:
        wallet = await network.wallet("owner", tokens="1000")
        async with served(network, wallet, **options) as stage:
            yield stage
