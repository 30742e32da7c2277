"""An embedded network whose applications are written in Python by the test."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from catenula.base.identifiers import ApplicationId, CryptoHash
from catenula.execution.applications import NativeApplications, NativeModule
from catenula.network import Network
from catenula.network.chain import NetworkChain
from catenula.network.configuration import NetworkShape
from catenula.network.embedded import make_network
from catenula.protocol import ModuleId


@dataclass
class NativeNetwork:
    """A network and the loader that its nodes share."""

    network: Network
    applications: NativeApplications
    published: int = field(default=0)

    async def chains(self, *names: str) -> list[NetworkChain]:
        """The chains of new wallets with ten tokens each."""
        return [(await self.network.wallet(name, 10)).chain for name in names]

    async def publish(self, chain: NetworkChain, module: NativeModule) -> ModuleId:
        """Publish a module; its bytecode is only a name, but exists and travels like any other."""
        self.published += 1
        name = f"module {self.published}".encode()
        module_id = await chain.publish_module(b"contract of " + name, b"service of " + name)
        self.applications.register(module_id, module)
        return module_id

    async def create(
        self, chain: NetworkChain, module: NativeModule, argument: bytes = b""
    ) -> ApplicationId:
        """Publish a module and create one application from it."""
        module_id = await self.publish(chain, module)
        return await chain.create_application(module_id, argument=argument)

    def state_hashes(self, chain: NetworkChain) -> set[CryptoHash | None]:
        """What running validators say the chain's state is; one value if they agree."""
        return {
            validator.chain(chain.id).state_hash
            for validator in self.network.validators
            if validator.is_running
        }


@asynccontextmanager
async def native_network(
    shape: NetworkShape | None = None, *, folder: Path | None = None
) -> AsyncIterator[NativeNetwork]:
    """Four validators in memory, or as the shape says; on disk in a folder."""
    applications = NativeApplications()
    embedded = make_network(
        shape or NetworkShape(),
        random_bytes=secrets.token_bytes,
        folder=folder,
        applications=applications,
    )
    async with Network(embedded) as network:
        yield NativeNetwork(network, applications)
