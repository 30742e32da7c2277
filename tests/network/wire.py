"""A network in this process behind real ports, and clients that reach it through them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from catenula.client.options import DEFAULT_OPTIONS, ClientOptions
from catenula.conformance.benchmarks.wire_networks import PortProvider, RootFaucet
from catenula.network import Network
from catenula.network.remote import RemoteNetwork
from catenula.transport.public_port import PublicServer, serve_public
from catenula.transport.public_service import NodeService


class Ports:
    """The ports of an embedded network's validators."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.servers: dict[int, PublicServer] = {}
        self.by_key: dict[str, int] = {}

    async def open(self, index: int) -> None:
        """Serve a validator, at the same port as before if it had one."""
        validator = self.network.validators[index]
        key = str(validator.keys.consensus.public_key())
        service = NodeService(cast(Any, validator.node))
        port = self.by_key.get(key, 0)
        self.servers[index] = await serve_public(service, host="127.0.0.1", port=port)
        self.by_key[key] = self.servers[index].port

    async def kill(self, index: int) -> None:
        """Nothing listens at a validator's port any more, and it has stopped."""
        await self.servers.pop(index).close()
        await self.network.stop_validator(index)

    async def revive(self, index: int) -> None:
        """The validator runs again, at its port."""
        await self.network.start_validator(index)
        await self.open(index)

    def faucet(self, provider: PortProvider) -> RootFaucet:
        """Gives chains of the root chain away."""
        configuration = self.network.embedded.configuration
        return RootFaucet(configuration.genesis, configuration.root_key, provider)

    @asynccontextmanager
    async def client(
        self, folder: Path | None = None, options: ClientOptions = DEFAULT_OPTIONS
    ) -> AsyncIterator[RemoteNetwork]:
        """The network as a client elsewhere sees it."""
        provider = PortProvider(self.by_key)
        faucet = self.faucet(provider)
        genesis = self.network.embedded.genesis
        remote = RemoteNetwork(faucet, genesis, provider, folder=folder, options=options)
        try:
            yield remote
        finally:
            await faucet.client.close()
            await remote.close()


@asynccontextmanager
async def ports() -> AsyncIterator[Ports]:
    """Four validators behind ports."""
    async with await Network.start() as network:
        found = Ports(network)
        for index in range(len(network.validators)):
            await found.open(index)
        try:
            yield found
        finally:
            for server in found.servers.values():
                await server.close()
