"""A network in a process of its own, and clients of it in this one."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from catenula.base.codec import codec_of
from catenula.base.crypto import AccountSecretKey, Secp256k1PublicKey
from catenula.base.errors import LocalError
from catenula.base.identifiers import AccountOwner
from catenula.base.integers import Amount
from catenula.client import Client, ClientSetup, InMemorySigner
from catenula.client.outcomes import Committed
from catenula.network.remote import RemoteNetwork
from catenula.protocol import ChainDescription, ChainOwnership, GenesisConfig
from catenula.storage.engine import open_store
from catenula.transport.grpc_client import GrpcNode, GrpcProvider

_STANDING = "catenula.conformance.benchmarks.wire_standing"
_END_TIMEOUT_S = 30
_GIFT = Amount(10**24)


class PortProvider:
    """Connects to validators at ports of this machine, whatever addresses the committee names."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._grpc = GrpcProvider()
        self._ports = ports

    def connect(self, validator: Secp256k1PublicKey, address: str) -> GrpcNode:
        """See `NodeProvider`."""
        return self._grpc.connect_to(f"grpc:127.0.0.1:{self._ports[str(validator)]}")

    async def close(self) -> None:
        """Close all connections."""
        await self._grpc.close()


class RootFaucet:
    """Gives away children of the root chain, with the root chain's key."""

    def __init__(self, genesis: GenesisConfig, key: AccountSecretKey, provider: Any) -> None:
        self._genesis, self._key = genesis, key
        setup = ClientSetup(open_store("memory:"), genesis, provider, InMemorySigner((key,)))
        self.client = Client(setup)

    async def genesis_config(self) -> GenesisConfig:
        """See `Faucet`."""
        return self._genesis

    async def claim(self, owner: AccountOwner) -> ChainDescription:
        """See `Faucet`."""
        root = self._genesis.admin_chain_id
        if self.client.wallet.chain(root) is None:
            await self.client.assign(self._key.owner(), root)
        outcome = await self.client.chain(root).open_chain(ChainOwnership.single(owner), _GIFT)
        if not isinstance(outcome, Committed):
            raise LocalError("the root chain is used by somebody else", retryable=True)
        return outcome.value


class WireNetwork:
    """The network's process; `network` makes wallets on it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        told = json.loads(self._hear())
        self._genesis = codec_of(GenesisConfig).from_json(told["genesis"])
        self._key = AccountSecretKey.from_json(told["root_key"])
        self._ports: dict[str, int] = told["ports"]

    def _hear(self) -> str:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise LocalError("the network's process ended; see its message above", retryable=False)
        return line

    def order(self, words: str) -> None:
        """Have the process do something to a validator; see `wire_standing`."""
        if self._process.stdin is not None:
            self._process.stdin.write(f"{words}\n")
            self._process.stdin.flush()
        if self._hear().strip() != "done":
            raise LocalError(f"the network's process did not {words}", retryable=False)

    @asynccontextmanager
    async def network(self) -> AsyncIterator[RemoteNetwork]:
        """A client's view of the network, with connections of its own."""
        provider = PortProvider(self._ports)
        faucet = RootFaucet(self._genesis, self._key, provider)
        network = RemoteNetwork(faucet, self._genesis, provider)
        try:
            yield network
        finally:
            await faucet.client.close()
            await network.close()


@asynccontextmanager
async def wire_network() -> AsyncIterator[WireNetwork]:
    """Start the process; it ends when this is left."""
    process = subprocess.Popen(  # noqa: ASYNC220  # Nothing else runs meanwhile.
        [sys.executable, "-m", _STANDING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield WireNetwork(process)
        finally:
            if process.stdin is not None:
                process.stdin.close()
            process.wait(_END_TIMEOUT_S)
