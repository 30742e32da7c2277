"""Figures that must not grow: block time with a large state, a long history, a full wallet.

Each compares a large case with a small one in the same process, in turns. Large cases are set up
once. History and wallet are made of real blocks. The million balances are put into the stores of
all nodes, the same entries in the layout that real blocks would have left; tokens that no block
has issued stand there, which no block of the comparison can notice.
"""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random

from catenula.base.identifiers import AccountOwner
from catenula.base.integers import Amount
from catenula.conformance.benchmarks.figures import Experiment, Figure, Sample, at_most
from catenula.conformance.benchmarks.networks import (
    SMALLEST_PAYMENT,
    WARM_UP_BLOCKS,
    Action,
    median_milliseconds,
    payment,
    ratio_of,
    repeat,
    running_network,
    sampled,
    wallet_with_chains,
)
from catenula.network import Network, NetworkChain, NetworkShape
from catenula.protocol import Account
from catenula.storage.batch import Batch
from catenula.storage.shared import chain_root

_MANY_ACCOUNTS, _FEW_ACCOUNTS = 1_000_000, 10
_MANY_BLOCKS, _FEW_BLOCKS = 10_000, 10
_MANY_CHAINS, _FEW_CHAINS = 1_000, 3
_HELD = Amount(10**18)
_LEGACY_BLOCKS = 1
_MOST = at_most(1.2)
_SEED = 1


# State


async def _state(_: Path, runs: int) -> AsyncIterator[Sample]:
    async with running_network() as network:
        many, few = await _credits(network)
        await repeat(many, WARM_UP_BLOCKS)
        await repeat(few, WARM_UP_BLOCKS)
        for _run in range(runs):
            yield {"state_ratio": await ratio_of(many, few)}


async def _state_legacy(_: Path, runs: int) -> AsyncIterator[Sample]:
    async with running_network(shape=NetworkShape(historical_hash=False)) as network:
        many, few = await _credits(network)
        await repeat(many, _LEGACY_BLOCKS)
        await repeat(few, WARM_UP_BLOCKS)
        for _run in range(runs):
            large = await median_milliseconds(many, _LEGACY_BLOCKS)
            yield {"state_ratio_legacy": large / await median_milliseconds(few)}


async def _credits(network: Network) -> tuple[Action, Action]:
    """Credits to a random account on a chain with many accounts, and on one with few."""
    first, second = (await wallet_with_chains(network, "holder", 2)).chains()
    many = await credits_to_accounts(network, first, _MANY_ACCOUNTS)
    return many, await credits_to_accounts(network, second, _FEW_ACCOUNTS)


async def credits_to_accounts(network: Network, chain: NetworkChain, count: int) -> Action:
    """Credits to random ones of ``count`` accounts on the chain, which are put there."""
    random = Random(_SEED)
    owners = [AccountOwner(b"\x02" + random.randbytes(20)) for _ in range(count)]
    accounts = [Account(chain.id, owner) for owner in owners]
    await chain.transfer(accounts[0], SMALLEST_PAYMENT)
    await network.settled()
    _give(network, chain, owners)
    return lambda: chain.transfer(random.choice(accounts), SMALLEST_PAYMENT)


def _give(network: Network, chain: NetworkChain, owners: Sequence[AccountOwner]) -> None:
    """Let every owner hold something on the chain, at every node."""
    workers = [chain.wallet.client.context.local.worker]
    workers += [each.driver.worker for each in network.validators if each.driver is not None]
    batch = Batch()
    balances = workers[0].chain(chain.id).execution.system.balances
    for owner in owners:
        balances.insert(owner, _HELD)
    balances.save(batch)
    for worker in workers:
        worker.store.commit([(chain_root(chain.id), batch)])
        worker.forget_chain(chain.id)


# History


async def _history(_: Path, runs: int) -> AsyncIterator[Sample]:
    """Every run compares with a network of its own that has made few blocks."""
    async with running_network() as network:
        after_many = await payment(network)
        await repeat(after_many, _MANY_BLOCKS)
        for _run in range(runs):
            async with running_network() as other:
                after_few = await payment(other)
                await repeat(after_few, _FEW_BLOCKS)
                yield {"history_ratio": await ratio_of(after_many, after_few)}


# Wallet


async def _wallet(_: Path, runs: int) -> AsyncIterator[Sample]:
    """Payments from one chain of a wallet of many chains, and of a wallet of few."""
    async with running_network() as network:
        with_many = await payment(network, name="rich")
        with_few = await payment(network, name="poor")
        await wallet_with_chains(network, "rich", _MANY_CHAINS)
        await wallet_with_chains(network, "poor", _FEW_CHAINS)
        await repeat(with_many, WARM_UP_BLOCKS)
        await repeat(with_few, WARM_UP_BLOCKS)
        for _run in range(runs):
            yield {"wallet_ratio": await ratio_of(with_many, with_few)}


STATE = Experiment((Figure("state_ratio", "ratio", _MOST),), sampled(_state))
STATE_LEGACY = Experiment((Figure("state_ratio_legacy", "ratio"),), sampled(_state_legacy))
HISTORY = Experiment((Figure("history_ratio", "ratio", _MOST),), sampled(_history))
WALLET = Experiment((Figure("wallet_ratio", "ratio", _MOST),), sampled(_wallet))
