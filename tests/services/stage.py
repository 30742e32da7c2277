"""An embedded network with a faucet behind a real port, and plain requests to it."""

import asyncio
import http.client
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from catenula.base.identifiers import AccountOwner
from catenula.base.integers import tokens
from catenula.client.faucet_client import FaucetClient
from catenula.network import Network, NetworkWallet
from catenula.services.faucet import Faucet, FaucetOptions, start_faucet
from catenula.services.faucet.server import FaucetServer

AMOUNT = tokens(10)


def owner(number: int) -> AccountOwner:
    """Somebody without a key here."""
    return AccountOwner.address32(number.to_bytes(32, "big"))


class Answer(NamedTuple):
    """What a server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


async def request(
    port: int,
    method: str,
    path: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request on a connection of its own."""

    def ask() -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, named, response.read())
        finally:
            connection.close()

    return await asyncio.to_thread(ask)


async def graphql(port: int, query: str, **variables: Any) -> Any:
    """The JSON answer to a GraphQL operation."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    answer = await request(port, "POST", "/", body=body)
    assert answer.status == 200, answer
    return answer.json()


@dataclass(slots=True)
class Stage:
    """A network, the wallet that pays, and the faucet's server."""

    network: Network
    wallet: NetworkWallet
    server: FaucetServer

    @property
    def faucet(self) -> Faucet:
        """The faucet behind the server."""
        return self.server.faucet

    @property
    def client(self) -> FaucetClient:
        """A client that asks over HTTP."""
        return FaucetClient(f"http://127.0.0.1:{self.server.port}")


def options(folder: Path, **changes: Any) -> FaucetOptions:
    """Options for a test: loopback, any port."""
    settings = {"amount": AMOUNT, "host": "127.0.0.1", "port": 0, **changes}
    return FaucetOptions(storage_path=folder / "faucet.sqlite", **settings)


async def start(network: Network, wallet: NetworkWallet, chosen: FaucetOptions) -> FaucetServer:
    """A faucet on the wallet's chain."""
    faucet = Faucet(
        wallet.client, wallet.chain.id, genesis=network.embedded.genesis, options=chosen
    )
    return await start_faucet(faucet)


@asynccontextmanager
async def faucet_stage(
    folder: Path, *, funds: str = "1000000", **changes: Any
) -> AsyncIterator[Stage]:
    """A faucet with its network, closed at the end."""
    async with await Network.start() as network:
        wallet = await network.wallet("faucet", tokens=funds)
        stage = Stage(network, wallet, await start(network, wallet, options(folder, **changes)))
        try:
            yield stage
        finally:
            await stage.server.close()
