"""Figures of blocks in a healthy network of ordinary size, in memory and on disk."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from catenula.base.integers import Amount
from catenula.client.options import DEFAULT_OPTIONS
from catenula.conformance.benchmarks.figures import (
    Bar,
    Experiment,
    Figure,
    Medians,
    Sample,
    at_least,
    at_most,
)
from catenula.conformance.benchmarks.networks import (
    FUNDS,
    SMALLEST_PAYMENT,
    WARM_UP_BLOCKS,
    Action,
    median_milliseconds,
    payment,
    payments_side_by_side,
    repeat,
    running_network,
    sampled,
)
from catenula.network import Network, NetworkChain
from catenula.protocol import Account, AccountOwner, ChainOwnership, Transfer

_CHAINS_AT_ONCE = 16
_BLOCKS_PER_CHAIN = 15
_TRANSFERS_PER_BLOCK = 100
_BATCHES_PER_RUN = 10
_MESSAGES_PER_RUN = 30
_WARM_UP_MESSAGES = 10
_COMMITS_OF_ONE_BLOCK = 4
"""Durable commits that may follow each other while a block is made: both votes, the block at the
validators, the block at the client."""
_TIME_TO_START_WAITING_S = 0.01
_DISK_SHARE = 0.5


async def _single_chain(_: Path, runs: int) -> AsyncIterator[Sample]:
    async with running_network() as network:
        pay = await payment(network)
        await repeat(pay, WARM_UP_BLOCKS)
        for _run in range(runs):
            yield {"block_p50_ms": await median_milliseconds(pay)}


async def _fast_round(_: Path, runs: int) -> AsyncIterator[Sample]:
    """A super owner who is the only one to propose needs one phase instead of two."""
    options = replace(DEFAULT_OPTIONS, allow_fast_blocks=True)
    async with running_network(options=options) as network:
        recipient = (await network.wallet("recipient")).chain
        wallet = await network.wallet("payer")
        ownership = ChainOwnership.single_super(wallet.owner)
        sender = wallet.handle(await network.new_chain(wallet, ownership, FUNDS))
        await repeat(pay := lambda: sender.transfer(recipient, SMALLEST_PAYMENT), WARM_UP_BLOCKS)
        for _run in range(runs):
            yield {"fast_block_p50_ms": await median_milliseconds(pay)}


async def _many_chains(_: Path, runs: int) -> AsyncIterator[Sample]:
    async with running_network() as network:
        payments = await payments_side_by_side(network, _CHAINS_AT_ONCE)
        await _blocks_per_second(network, payments)
        for _run in range(runs):
            yield {"blocks_per_s": await _blocks_per_second(network, payments)}


async def _on_disk(folder: Path, runs: int) -> AsyncIterator[Sample]:
    async with running_network(folder) as network:
        pay = await payment(network)
        await repeat(pay, WARM_UP_BLOCKS)
        for _run in range(runs):
            yield {"sqlite_block_p50_ms": await median_milliseconds(pay)}


async def _many_chains_on_disk(folder: Path, runs: int) -> AsyncIterator[Sample]:
    async with running_network(folder) as network:
        payments = await payments_side_by_side(network, _CHAINS_AT_ONCE)
        await _blocks_per_second(network, payments)
        for _run in range(runs):
            yield {"sqlite_blocks_per_s": await _blocks_per_second(network, payments)}


async def _blocks_per_second(network: Network, payments: list[Action]) -> float:
    """Blocks of all chains until all validators have them, messages included."""
    started = time.perf_counter()
    await asyncio.gather(*(repeat(pay, _BLOCKS_PER_CHAIN) for pay in payments))
    await network.settled()
    return len(payments) * _BLOCKS_PER_CHAIN / (time.perf_counter() - started)


async def _batches(_: Path, runs: int) -> AsyncIterator[Sample]:
    async with running_network() as network:
        sender = (await network.wallet("payer", FUNDS)).chain
        recipient = (await network.wallet("recipient")).chain
        transfer = Transfer(AccountOwner.CHAIN, Account.chain(recipient.id), Amount(1))
        batch = (transfer,) * _TRANSFERS_PER_BLOCK
        await _transfers_per_second(network, sender, batch)
        for _run in range(runs):
            yield {"transfers_per_s": await _transfers_per_second(network, sender, batch)}


async def _transfers_per_second(
    network: Network, sender: NetworkChain, batch: tuple[Transfer, ...]
) -> float:
    """Transfers until their messages are in the inbox of the recipient everywhere."""
    started = time.perf_counter()
    for _ in range(_BATCHES_PER_RUN):
        await sender.execute(*batch)
    await network.settled()
    return _BATCHES_PER_RUN * len(batch) / (time.perf_counter() - started)


async def _messages(_: Path, runs: int) -> AsyncIterator[Sample]:
    async with running_network() as network:
        sender = (await network.wallet("payer", FUNDS)).chain
        recipient = (await network.wallet("recipient")).chain
        await _message_milliseconds(sender, recipient, _WARM_UP_MESSAGES)
        for _run in range(runs):
            yield {"cross_chain_p50_ms": await _message_milliseconds(sender, recipient)}


async def _message_milliseconds(
    sender: NetworkChain, recipient: NetworkChain, count: int = _MESSAGES_PER_RUN
) -> float:
    """The median time from proposing a transfer to the final block that takes it in.

    The recipient waits for notifications of its validators before the sender starts.
    """
    times = []
    for _ in range(count):
        waiting = asyncio.create_task(recipient.receive())
        await asyncio.sleep(_TIME_TO_START_WAITING_S)
        started = time.perf_counter_ns()
        await sender.transfer(recipient, SMALLEST_PAYMENT)
        await waiting
        times.append(time.perf_counter_ns() - started)
    return statistics.median(times) / 1e6


def _disk_limit(medians: Medians) -> float | None:
    memory, commit = medians.get("block_p50_ms"), medians.get("durable_batch_ms")
    if memory is None or commit is None:
        return None
    return memory + _COMMITS_OF_ONE_BLOCK * commit


def _disk_throughput(medians: Medians) -> float | None:
    memory = medians.get("blocks_per_s")
    return None if memory is None else _DISK_SHARE * memory


SINGLE_CHAIN = Experiment((Figure("block_p50_ms", "ms", at_most(5)),), sampled(_single_chain))
FAST_ROUND = Experiment((Figure("fast_block_p50_ms", "ms"),), sampled(_fast_round))
MANY_CHAINS = Experiment((Figure("blocks_per_s", "1/s", at_least(200)),), sampled(_many_chains))
ON_DISK = Experiment(
    (
        Figure(
            "sqlite_block_p50_ms",
            "ms",
            Bar("≤ block_p50_ms + 4 × durable_batch_ms", True, _disk_limit),
        ),
    ),
    sampled(_on_disk),
)
MANY_CHAINS_ON_DISK = Experiment(
    (Figure("sqlite_blocks_per_s", "1/s", Bar("≥ 0.5 × blocks_per_s", False, _disk_throughput)),),
    sampled(_many_chains_on_disk),
)
BATCHES = Experiment((Figure("transfers_per_s", "1/s", at_least(5_000)),), sampled(_batches))
MESSAGES = Experiment((Figure("cross_chain_p50_ms", "ms", at_most(20)),), sampled(_messages))
