"""One process that pays from a wallet others use too; see `tests.process.test_shared_wallet`.

Tells every payment when it is final: ``paid <block hash> <milliseconds>``.
"""

import asyncio
import json
import sys
import time
from typing import Any

from catenula.base.codec import codec_of
from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.identifiers import AccountOwner, ChainId
from catenula.base.integers import tokens
from catenula.client import Client, ClientSetup
from catenula.protocol import Account, GenesisConfig, Transfer
from catenula.storage import open_store
from catenula.transport.grpc_client import GrpcNode, GrpcOptions, GrpcProvider


class Ports:
    """Connects to the ports of the test's validators."""

    def __init__(self, ports: dict[str, int]) -> None:
        self.grpc, self._ports = GrpcProvider(GrpcOptions()), ports

    def connect(self, public_key: Secp256k1PublicKey, address: str) -> GrpcNode:
        """See `NodeProvider`."""
        return self.grpc.connect_to(f"grpc:127.0.0.1:{self._ports[str(public_key)]}")


async def pay(task: dict[str, Any]) -> None:
    """Make the payments of a task one after the other."""
    provider = Ports(task["ports"])
    setup = ClientSetup(
        store=open_store(task["store"]),
        genesis=codec_of(GenesisConfig).from_bcs(bytes.fromhex(task["genesis"])),
        provider=provider,
        sharing=True,
    )
    client = Client(setup)
    chain = client.chain(ChainId.parse(task["chain"]))
    recipient = Account(ChainId.parse(task["recipient"]), AccountOwner.CHAIN)
    for _ in range(task["count"]):
        start = time.monotonic()
        certificate = await chain.commit([Transfer(AccountOwner.CHAIN, recipient, tokens(1))])
        milliseconds = (time.monotonic() - start) * 1000
        sys.stdout.write(f"paid {certificate.block.hash} {milliseconds:.2f}\n")
        sys.stdout.flush()
    await client.close()
    await provider.grpc.close()


if __name__ == "__main__":
    asyncio.run(pay(json.loads(sys.argv[1])))
