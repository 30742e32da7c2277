"""Real processes that use one wallet at once, over real ports, also when one is killed.

The moment of the kill is random; its seed is printed and can be given as ``CATENULA_SEED``.
"""

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import pytest

from catenula.base.codec import codec_of
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import tokens
from catenula.client import ChainClient, Client, ClientSetup, WalletSigner
from catenula.protocol import ChainOwnership, GenesisConfig
from catenula.storage import open_store
from catenula.testing.keys import account_key
from tests.client.world import committed
from tests.conftest import REPOSITORY
from tests.process.wallet_user import Ports
from tests.transport.wire_network import WireNetwork, wire_network

pytestmark = pytest.mark.process

PROCESSES, PAYMENTS = 3, 8
START = 100
LIMIT_SECONDS = 120


def tell(text: str) -> None:
    """For whoever looks at the output of the test."""
    sys.stdout.write(f"{text}\n")


class SharedWallet:
    """A wallet of some chains, and processes that pay from them."""

    def __init__(self, wire: WireNetwork, folder: Path) -> None:
        self._location = f"sqlite:{folder / 'wallet'}"
        self.genesis = wire.network.embedded.genesis
        self.ports = {str(key): port for key, port in wire.provider.ports.items()}
        self.provider = Ports(self.ports)
        self.network = wire.network
        self.client = Client(
            ClientSetup(
                store=open_store(self._location),
                genesis=self.genesis,
                provider=self.provider,
                sharing=True,
            )
        )

    async def chain(self, number: int, balance: int = START) -> ChainClient:
        """A new chain of the wallet, with so many tokens."""
        signer = self.client.signer
        assert isinstance(signer, WalletSigner)
        owner = await signer.add(account_key(number))
        root = await self.network._root_wallet()
        ownership = ChainOwnership.single(owner)
        opened = await root.client.chain(self.network.admin_chain_id).open_chain(
            ownership, tokens(balance)
        )
        return await self.client.assign(owner, committed(opened).chain_id)

    async def start(self, chain_id: ChainId, recipient: ChainId) -> asyncio.subprocess.Process:
        """A process that pays from a chain."""
        task = {
            "store": self._location,
            "genesis": codec_of(GenesisConfig).to_bcs(self.genesis).hex(),
            "ports": self.ports,
            "chain": str(chain_id),
            "recipient": str(recipient),
            "count": PAYMENTS,
        }
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.process.wallet_user", json.dumps(task)),
            cwd=REPOSITORY,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def close(self) -> None:
        await self.client.close()
        await self.provider.grpc.close()


class Told:
    """What the processes have told."""

    def __init__(self) -> None:
        self.blocks: list[CryptoHash] = []
        self.milliseconds: list[float] = []

    async def listen(
        self, process: asyncio.subprocess.Process, kill_after: int | None = None
    ) -> None:
        """Until a process ends; it is killed after so many payments, if a number is given."""
        assert process.stdout is not None
        assert process.stderr is not None
        count = 0
        while line := await process.stdout.readline():
            if not line.endswith(b"\n"):
                break
            _, block_hash, milliseconds = line.decode().split()
            self.blocks.append(CryptoHash.parse(block_hash))
            self.milliseconds.append(float(milliseconds))
            count += 1
            if count == kill_after:
                process.kill()
        errors = (await process.stderr.read()).decode()
        status = await process.wait()
        assert kill_after is not None or (status, count) == (0, PAYMENTS), errors


@asynccontextmanager
async def shared_wallet(folder: Path, rounds: int = 1) -> AsyncIterator[SharedWallet]:
    async with wire_network() as wire, asyncio.timeout(LIMIT_SECONDS * rounds):
        wallet = SharedWallet(wire, folder)
        yield wallet
        await wallet.close()


def blocks_of(wallet: SharedWallet, chain: ChainClient) -> list[CryptoHash]:
    """The hashes of the chain's blocks, each of which is in the store."""
    found = []
    for height in range(chain.state().next_block_height):
        certificate = wallet.client.context.local.certificate_at(chain.chain_id, height)  # type: ignore[arg-type]  # A height.
        assert certificate is not None
        found.append(certificate.hash)
    return found


def test_processes_pay_from_one_chain(tmp_path: Path) -> None:
    """Invariants K9, W7."""

    async def scenario() -> None:
        async with shared_wallet(tmp_path) as wallet:
            chain = await wallet.chain(1)
            told = Told()
            root = wallet.network.admin_chain_id
            started = [await wallet.start(chain.chain_id, root) for _ in range(PROCESSES)]
            await asyncio.gather(*map(told.listen, started))
            assert sorted(blocks_of(wallet, chain)) == sorted(told.blocks)
            assert await chain.local_balance() == tokens(START - PROCESSES * PAYMENTS)
            tell(f"one chain: median {median(told.milliseconds)} ms, {max(told.milliseconds)} ms")

    asyncio.run(scenario())


def test_processes_pay_from_chains_of_their_own(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with shared_wallet(tmp_path) as wallet:
            chains = [await wallet.chain(number) for number in range(PROCESSES)]
            told = Told()
            started = [
                await wallet.start(chain.chain_id, chains[position - 1].chain_id)
                for position, chain in enumerate(chains)
            ]
            await asyncio.gather(*map(told.listen, started))
            for chain in chains:
                await chain.synchronize()
                assert len(blocks_of(wallet, chain)) == PAYMENTS
                assert await chain.query_balance() == tokens(START)
            tell(f"own chains: median {median(told.milliseconds)} ms, {max(told.milliseconds)} ms")

    asyncio.run(scenario())


@pytest.mark.timeout(1_200)
def test_killed_processes_lose_nothing_they_have_told(tmp_path: Path, kills: int) -> None:
    """Invariants K3, K4: a block in flight is finished or lost as a whole."""
    seed = int(os.environ.get("CATENULA_SEED", random.randrange(2**32)))
    tell(f"CATENULA_SEED={seed}")
    chooser, balance = random.Random(seed), PROCESSES * PAYMENTS * kills

    async def scenario() -> None:
        async with shared_wallet(tmp_path, kills) as wallet:
            chain, told = await wallet.chain(1, balance), Told()
            root = wallet.network.admin_chain_id
            for number in range(kills):
                started = [await wallet.start(chain.chain_id, root) for _ in range(PROCESSES)]
                victim, *others = started
                moment = chooser.randint(1, PAYMENTS - 1)
                await asyncio.gather(told.listen(victim, moment), *map(told.listen, others))
                tell(f"kill {number + 1}: {len(told.blocks)} payments so far")
            await chain.process_pending_block()
            await chain.synchronize()
            blocks = blocks_of(wallet, chain)
            assert set(told.blocks) <= set(blocks)
            # Of each that was killed, one block may have become final without being told.
            assert 0 <= len(blocks) - len(told.blocks) <= kills
            assert await chain.local_balance() == tokens(balance - len(blocks))

    asyncio.run(scenario())
