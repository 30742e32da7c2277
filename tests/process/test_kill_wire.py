"""``kill -9`` of processes of validators while clients pay over the wire.

Four validators, each a front door and two workers over one sqlite store. A random one loses a
worker, its front door, or all of its processes at once; the supervisor starts them again, and
nobody helps. In the end no block that a client was told of may be missing at any validator (C14),
every message has been taken in exactly once (M2, M14), and messages whose sender has fallen idle
have arrived as well. The seed is printed; ``CATENULA_SEED`` uses it again.
"""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from catenula.conformance.benchmarks.wire_networks import PortProvider, RootFaucet
from catenula.network.chain import Receipt
from catenula.network.configuration import (
    NetworkConfiguration,
    NetworkShape,
    make_configuration,
)
from catenula.network.remote import RemoteNetwork
from catenula.network.wallet import NetworkWallet
from catenula.protocol import ChainInfoQuery
from catenula.validator.clock import SystemClock
from catenula.validator.supervisor import RunningValidator
from tests.process.validators import PARTS, kill, running_validators, seeded

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

VALIDATORS = 4
PEOPLE = ("alice", "bob", "carol")
SMALLEST = Decimal("0.001")
PATIENCE_SECONDS = 60
MOST_BLOCKS_BETWEEN_KILLS = 12


class Payers:
    """Three wallets that pay each other all the time, and what they were told."""

    def __init__(self, wallets: list[NetworkWallet]) -> None:
        self._wallets = wallets
        self.told: list[Receipt] = []
        self._changed = asyncio.Condition()
        self._stopping = False
        self._tasks = [asyncio.ensure_future(self._pay(n)) for n in range(len(wallets))]

    async def _pay(self, number: int) -> None:
        payer = self._wallets[number]
        recipient = self._wallets[(number + 1) % len(self._wallets)]
        while not self._stopping:
            receipt = await payer.chain.transfer(recipient.chain, SMALLEST)
            async with self._changed:
                self.told.append(receipt)
                self._changed.notify_all()

    async def wait_for_more(self, count: int) -> None:
        """Return after so many more payments, however many processes are gone."""
        goal = len(self.told) + count
        failed = asyncio.ensure_future(
            asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        )
        paid = asyncio.ensure_future(self._wait_until(lambda: len(self.told) >= goal))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.wait((paid, failed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            paid.cancel()
            failed.cancel()
        for task in self._tasks:
            if task.done():
                task.result()
        assert len(self.told) >= goal

    async def _wait_until(self, condition: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(condition)

    async def stop(self) -> None:
        """Finish the payments that are under way."""
        self._stopping = True
        await asyncio.gather(*self._tasks)


@asynccontextmanager
async def _people(
    network: NetworkConfiguration, validators: list[RunningValidator]
) -> AsyncIterator[list[NetworkWallet]]:
    ports = {
        str(keys.consensus.public_key()): validator.port
        for keys, validator in zip(network.validators, validators, strict=True)
    }
    provider = PortProvider(ports)
    faucet = RootFaucet(network.genesis, network.root_key, provider)
    remote = RemoteNetwork(faucet, network.genesis, provider)
    try:
        yield [await remote.wallet(name) for name in PEOPLE]
    finally:
        await faucet.client.close()
        await remote.close()


async def _kill(victim: RunningValidator, what: str, chooser: random.Random) -> None:
    """Kill processes of one validator, and wait until it serves again by itself."""
    killed = kill(victim, what, chooser)
    async with asyncio.timeout(PATIENCE_SECONDS):
        for role, pid in killed.items():
            await victim.wait_restarted(role, pid)


@pytest.mark.parametrize("what", PARTS)
def test_killed_processes_lose_nothing_and_come_back(what: str, kills: int, tmp_path: Path) -> None:
    asyncio.run(_kill_again_and_again(what, kills, seeded(), tmp_path))


async def _kill_again_and_again(
    what: str, kills: int, chooser: random.Random, folder: Path
) -> None:
    network = make_configuration(
        NetworkShape(validators=VALIDATORS),
        random_bytes=secrets.token_bytes,
        now=SystemClock().now(),
    )
    keys = [validator.consensus for validator in network.validators]
    async with (
        running_validators(folder, keys, network.genesis) as validators,
        _people(network, validators) as wallets,
    ):
        held = sum([await wallet.chain.balance() for wallet in wallets], Decimal(0))
        payers = Payers(wallets)
        for _ in range(kills):
            await payers.wait_for_more(chooser.randint(1, MOST_BLOCKS_BETWEEN_KILLS))
            await _kill(chooser.choice(validators), what, chooser)
            await payers.wait_for_more(1)
        await payers.stop()
        await _everything_arrived(wallets, payers.told, held)
        for wallet in wallets:
            await _is_everywhere(wallet, payers.told)


async def _everything_arrived(
    wallets: list[NetworkWallet], told: list[Receipt], held: Decimal
) -> None:
    """All messages are taken in, each once: the sum of all balances is what it was."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            for wallet in wallets:
                await wallet.chain.synchronize()
                await wallet.chain.process_inbox()
            found = sum([await wallet.chain.balance() for wallet in wallets], Decimal(0))
            assert found <= held, "a message was taken in twice"
            if found == held:
                break
    taken = [
        (bundle.origin, bundle.bundle.height, bundle.bundle.transaction_index)
        for wallet in wallets
        for block in wallet.chain.blocks()
        for bundle in block.proposed.incoming_bundles()
    ]
    assert len(taken) == len(set(taken))
    assert len(taken) >= len(told)


async def _is_everywhere(wallet: NetworkWallet, told: list[Receipt]) -> None:
    """Every validator has every block that was told, once it has caught up by itself."""
    chain_id = wallet.chain.id
    mine = {item.height: item.block_hash for item in told if item.chain_id == chain_id}
    height = await wallet.chain.height()
    for remote in wallet.client.context.nodes():
        wallet.client.update_validator(remote.public_key)
    await wallet.client.settled()
    for remote in wallet.client.context.nodes():
        info = await remote.chain_info(ChainInfoQuery(chain_id))
        assert info.next_block_height == height, remote
        certificates = await remote.certificates_by_heights(chain_id, mine)
        assert {item.block.height: item.hash for item in certificates} == mine
        query = ChainInfoQuery(chain_id, request_pending_message_bundles=True)
        assert not (await remote.chain_info(query)).requested_pending_message_bundles
