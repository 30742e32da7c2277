"""The public API over the wire: the same wallets and chains as on an embedded network."""

import asyncio
import stat
from pathlib import Path

import pytest

from catenula.base.errors import LocalError
from catenula.client.errors import Overdraft
from catenula.network import NetworkChain
from catenula.protocol import ChainOwnership, NewBlock, NewIncomingBundle, Notification
from tests.network.support import asynchronous
from tests.network.wire import Ports, ports


@asynchronous
async def test_wallets_claim_chains_and_pay_each_other() -> None:
    async with ports() as served, served.client() as network:
        alice, bob = await network.wallet("alice", 10), await network.wallet("bob")
        before = await bob.chain.balance()
        receipt = await alice.chain.transfer(bob.chain, "2.5")
        assert receipt.height == 0
        await bob.chain.receive()
        assert str(await bob.chain.balance() - before) == "2.5"
        assert await network.wallet("alice") is alice


@asynchronous
async def test_a_chain_can_be_followed_while_it_happens() -> None:
    async with ports() as served, served.client() as network, served.client() as elsewhere:
        alice, bob = await network.wallet("alice"), await elsewhere.wallet("bob")
        heard: asyncio.Queue[Notification] = asyncio.Queue()

        async def follow(chain: NetworkChain) -> None:
            async for notification in chain.notifications():
                heard.put_nowait(notification)

        watched = await bob.follow(alice.chain.id)
        tasks = [asyncio.ensure_future(follow(chain)) for chain in (watched, bob.chain)]
        await asyncio.sleep(0)
        await alice.chain.transfer(bob.chain, 1)
        found = [await heard.get(), await heard.get()]
        reasons = {notification.chain_id: notification.reason for notification in found}
        assert isinstance(reasons[alice.chain.id], NewBlock)
        assert isinstance(reasons[bob.chain.id], NewIncomingBundle)
        assert [block.height for block in watched.blocks()] == [0]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynchronous
async def test_notifications_end_when_nobody_holds_them() -> None:
    async with ports() as served, served.client() as network:
        alice = await network.wallet("alice")
        notifier = alice.client.context.local.driver.notifier
        notifications = alice.chain.notifications()
        assert alice.chain.id in notifier._by_chain
        del notifications
        assert alice.chain.id not in notifier._by_chain


@asynchronous
async def test_wallets_in_a_folder_are_found_again_and_are_secret(tmp_path: Path) -> None:
    folder = tmp_path / "wallets"
    async with ports() as served:
        async with served.client(folder) as network:
            alice = await network.wallet("alice")
            chain_id, owner = alice.chain.id, alice.owner
            await alice.chain.transfer(alice.chain, 1)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for path in folder.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        async with served.client(folder) as network:
            again = await network.wallet("alice")
            assert (again.chain.id, again.owner) == (chain_id, owner)
            assert await again.chain.height() == 1


@asynchronous
async def test_a_faucet_that_gives_less_than_is_needed_is_told() -> None:
    async with ports() as served, served.client() as network:
        with pytest.raises(Overdraft, match="The faucet gives"):
            await network.wallet("greedy", 10**9)
        # What it gave is there nevertheless.
        assert await (await network.wallet("greedy")).chain.balance() > 0


@asynchronous
async def test_new_chains_come_out_of_the_wallet() -> None:
    async with ports() as served, served.client() as network:
        alice = await network.wallet("alice")
        chain_id = await network.new_chain(alice, ChainOwnership.single(alice.owner), 3)
        assert await alice.handle(chain_id).balance() == 3
        assert len(alice.chains()) == 2


@asynchronous
async def test_names_that_are_no_file_names_are_refused() -> None:
    async with ports() as served, served.client() as network:
        with pytest.raises(LocalError, match="no name for a wallet"):
            await network.wallet("../alice")


async def _heights(served: Ports, chain: NetworkChain) -> list[int]:
    return [
        validator.chain(chain.id).next_block_height
        for validator in served.network.validators
        if validator.is_running
    ]


@asynchronous
async def test_a_dead_validator_is_brought_up_to_date_when_it_is_back() -> None:
    async with ports() as served, served.client() as network:
        alice = await network.wallet("alice")
        await served.kill(1)
        for _ in range(3):
            await alice.chain.transfer(alice.chain, 1)
        await served.revive(1)
        await alice.chain.transfer(alice.chain, 1)
        await network.settled()
        assert await _heights(served, alice.chain) == [4, 4, 4, 4]
