"""Figures of a client in its own process, with a network behind real ports in another.

Four validators share the network's process, each with a port, a store and keys of its own.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

from catenula.base.integers import BlockHeight
from catenula.conformance.benchmarks.figures import Experiment, Figure, Sample, at_least, at_most
from catenula.conformance.benchmarks.networks import (
    WARM_UP_BLOCKS,
    Action,
    median_milliseconds,
    payment,
    payments_side_by_side,
    ratio_of,
    repeat,
    sampled,
)
from catenula.conformance.benchmarks.wire_networks import WireNetwork, wire_network
from catenula.network.remote import RemoteNetwork

_CHAINS_AT_ONCE = 16
_BLOCKS_PER_CHAIN = 15
_CERTIFICATES = 500
_DOWNLOADS_PER_RUN = 8
_VALIDATORS = 4


async def _single_chain(_: Path, runs: int) -> AsyncIterator[Sample]:
    async with wire_network() as wire, wire.network() as network:
        pay = await payment(network)
        await repeat(pay, WARM_UP_BLOCKS)
        for _run in range(runs):
            yield {"wire_block_p50_ms": await median_milliseconds(pay)}


async def _many_chains(_: Path, runs: int) -> AsyncIterator[Sample]:
    async with wire_network() as wire, wire.network() as network:
        payments = await payments_side_by_side(network, _CHAINS_AT_ONCE)
        await _blocks_per_second(wire, network, payments)
        for _run in range(runs):
            per_second = await _blocks_per_second(wire, network, payments)
            yield {"wire_blocks_per_s": per_second}


async def _blocks_per_second(
    wire: WireNetwork, network: RemoteNetwork, payments: list[Action]
) -> float:
    """Blocks of all chains until all validators have them, messages included."""
    started = time.perf_counter()
    await asyncio.gather(*(repeat(pay, _BLOCKS_PER_CHAIN) for pay in payments))
    await network.settled()
    wire.order("settle")
    return len(payments) * _BLOCKS_PER_CHAIN / (time.perf_counter() - started)


async def _certificates(_: Path, runs: int) -> AsyncIterator[Sample]:
    """Blocks of one chain from one validator after the other, decoded but not executed.

    ``synchronized_blocks_per_s`` is a new client that follows the chain: checks and executes.
    """
    async with wire_network() as wire, wire.network() as network:
        payer = await network.wallet("payer")
        pay = await payment(network)
        await repeat(pay, _CERTIFICATES)
        chain_id = payer.chain.id
        nodes = payer.client.context.nodes()
        heights = [BlockHeight(height) for height in range(_CERTIFICATES)]
        for _run in range(runs):
            started = time.perf_counter()
            for number in range(_DOWNLOADS_PER_RUN):
                await nodes[number % len(nodes)].certificates_by_heights(chain_id, heights)
            downloading = time.perf_counter() - started
            async with wire.network() as elsewhere:
                reader = await elsewhere.wallet("reader")
                started = time.perf_counter()
                await (await reader.follow(chain_id)).synchronize()
                following = time.perf_counter() - started
            yield {
                "certificates_per_s": _DOWNLOADS_PER_RUN * _CERTIFICATES / downloading,
                "synchronized_blocks_per_s": _CERTIFICATES / following,
            }


async def _one_dead(_: Path, runs: int) -> AsyncIterator[Sample]:
    """Nobody listens at one validator's port; or somebody does who never says a word."""
    for run in range(runs):
        index = run % _VALIDATORS
        ratios = [await _ratio(f"{fault} {index}") for fault in ("stop", "hang")]
        yield {
            "wire_one_dead_ratio": max(ratios),
            "wire_one_stopped_ratio": ratios[0],
            "wire_one_black_holed_ratio": ratios[1],
        }


async def _ratio(fault: str) -> float:
    async with (
        wire_network() as faulty,
        wire_network() as healthy,
        faulty.network() as spoiled,
        healthy.network() as sound,
    ):
        pay, pay_soundly = await payment(spoiled), await payment(sound)
        await repeat(pay_soundly, WARM_UP_BLOCKS)
        await repeat(pay, WARM_UP_BLOCKS // 2)
        faulty.order(fault)
        await repeat(pay, WARM_UP_BLOCKS // 2)
        return await ratio_of(pay, pay_soundly)


SINGLE_CHAIN = Experiment((Figure("wire_block_p50_ms", "ms", at_most(15)),), sampled(_single_chain))
MANY_CHAINS = Experiment(
    (Figure("wire_blocks_per_s", "1/s", at_least(100)),), sampled(_many_chains)
)
CERTIFICATES = Experiment(
    (
        Figure("certificates_per_s", "1/s", at_least(2_000)),
        Figure("synchronized_blocks_per_s", "1/s"),
    ),
    sampled(_certificates),
)
ONE_DEAD = Experiment(
    (
        Figure("wire_one_dead_ratio", "ratio", at_most(1.2)),
        Figure("wire_one_stopped_ratio", "ratio"),
        Figure("wire_one_black_holed_ratio", "ratio"),
    ),
    sampled(_one_dead),
)
