"""Validators that die, return, or answer late."""

import asyncio
from decimal import Decimal

import pytest

from catenula.client import NoQuorum
from catenula.network import Network
from tests.network.support import agree, asynchronous, balances

AGES = 3_600.0


@asynchronous
async def test_work_goes_on_without_one_validator_which_catches_up_later() -> None:
    async with await Network.start() as network:
        alice, bob = await network.wallet("alice", 10), await network.wallet("bob")
        await network.stop_validator(1)
        carol = await network.wallet("carol", 5)
        await alice.chain.transfer(bob.chain, 1)
        await bob.chain.receive()
        await bob.chain.transfer(carol.chain, 1)
        await carol.chain.receive()
        await network.start_validator(1)
        await agree(network)
        assert balances(network, carol.chain.id) == {Decimal(6)}


@asynchronous
async def test_slow_validator_is_not_waited_for() -> None:
    async with await Network.start() as network:
        alice, bob = await network.wallet("alice", 10), await network.wallet("bob")
        network.slow_validator(2, AGES)
        for _ in range(5):
            await alice.chain.transfer(bob.chain, 1)
        await bob.chain.receive(5)
        assert await bob.chain.balance() == 5


@asynchronous
async def test_without_a_quorum_nothing_is_lost_or_done_twice() -> None:
    async with await Network.start() as network:
        alice, bob = await network.wallet("alice", 10), await network.wallet("bob")
        await network.stop_validator(0)
        await network.stop_validator(3)
        with pytest.raises(NoQuorum):
            await alice.chain.transfer(bob.chain, 4)
        await network.start_validator(0)
        await alice.chain.process_inbox()
        await bob.chain.receive()
        await network.start_validator(3)
        await agree(network)
        assert balances(network, alice.chain.id) == {Decimal(6)}
        assert balances(network, bob.chain.id) == {Decimal(4)}


@asynchronous
async def test_each_validator_may_die_in_turn_under_load() -> None:
    async with await Network.start() as network:
        wallets = [await network.wallet(f"user-{number}", 100) for number in range(4)]
        ring = list(zip(wallets, wallets[1:] + wallets[:1], strict=True))

        async def spend() -> None:
            for _ in range(8):
                await asyncio.gather(
                    *(giver.chain.transfer(taker.chain, 1) for giver, taker in ring)
                )

        for index in range(len(network.validators)):
            spending = asyncio.create_task(spend())
            await asyncio.sleep(0)
            await network.stop_validator(index)
            await spending
            await network.start_validator(index)
        await asyncio.gather(*(taker.chain.receive(32) for _, taker in ring))
        await agree(network)
        for wallet in wallets:
            assert balances(network, wallet.chain.id) == {Decimal(100)}


@asynchronous
async def test_stopping_and_starting_twice_is_harmless() -> None:
    async with await Network.start() as network:
        await network.stop_validator(0)
        await network.stop_validator(0)
        await network.start_validator(0)
        await network.start_validator(0)
        alice = await network.wallet("alice", 1)
        await alice.chain.transfer(alice.chain, 1)
        await agree(network)
