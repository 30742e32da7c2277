"""Figures of other blocks in a healthy network of ordinary size, in memory."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path

from msgspec.structs import replace

from catenula.base.integers import Amount
from catenula.client.options import DEFAULT_OPTIONS
from catenula.conformance.benchmarks.figures import (
    Experiment,
    Figure,
    Sample,
    at_least,
    at_most,
)
from catenula.conformance.benchmarks.networks import (
    FUNDS,
    SMALLEST_PAYMENT,
    WARM_UP_BLOCKS,
    median_milliseconds,
    repeat,
    running_network,
    sampled,
)
from catenula.network import Network, NetworkChain
from catenula.protocol import Account, AccountOwner, ChainOwnership, Transfer

_TRANSFERS_PER_BLOCK = 100
_BATCHES_PER_RUN = 10
_MESSAGES_PER_RUN = 30
_WARM_UP_MESSAGES = 10
_TIME_TO_START_WAITING_S = 0.01


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


FAST_ROUND = Experiment((Figure("fast_block_p50_ms", "ms"),), sampled(_fast_round))
BATCHES = Experiment((Figure("transfers_per_s", "1/s", at_least(5_000)),), sampled(_batches))
MESSAGES = Experiment((Figure("cross_chain_p50_ms", "ms", at_most(20)),), sampled(_messages))
