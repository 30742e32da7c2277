"""Figures of blocks in memory beside those of blocks on disk, and of one commit on this disk.

They are compared with each other, so they are measured in turns in one process: a minute in which
the machine is slow hits all of them.
"""

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count, islice
from pathlib import Path

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
    BLOCKS_PER_RUN,
    BLOCKS_PER_TURN,
    WARM_UP_BLOCKS,
    Action,
    milliseconds,
    payment,
    payments_side_by_side,
    repeat,
    running_network,
    sampled,
)
from catenula.network import Network
from catenula.storage.batch import Batch
from catenula.storage.engine import Group, Store, open_store
from catenula.storage.shared import CHAIN_TAG, CONFIRMED_ROOT, HEIGHT_ROOT

_TURNS = BLOCKS_PER_RUN // BLOCKS_PER_TURN
_COMMITS_PER_TURN = 10
_COMMITS_OF_ONE_BLOCK = 4
"""Durable commits that may follow each other while a block is made: both votes, the block at the
validators, the block at the client."""
_CHAINS_AT_ONCE = 16
_BLOCKS_PER_CHAIN = 15
_DISK_SHARE = 0.5

_CERTIFICATE_BYTES = (520, 420)
"""Lite certificate of four validators, and a block with one transfer."""
_CHAIN_STATE_BYTES = (16, 20, 32, 32, 40, 48, 60, 60, 72, 90, 120, 160, 420, 520)
"""What one such block changes in its chain's state: registers, queue entries, votes."""


@asynccontextmanager
async def _both_networks(folder: Path) -> AsyncIterator[tuple[Network, Network]]:
    async with running_network() as memory, running_network(folder / "network") as disk:
        yield memory, disk


async def _single_chain(folder: Path, runs: int) -> AsyncIterator[Sample]:
    with open_store(f"sqlite:{folder / 'durable.db'}") as store:
        commits = _commits(store)
        async with _both_networks(folder) as networks:
            pays = [await payment(network) for network in networks]
            for pay in pays:
                await repeat(pay, WARM_UP_BLOCKS)
            for _run in range(runs):
                yield await _blocks_and_commits(networks, pays, commits)


async def _blocks_and_commits(
    networks: tuple[Network, Network], pays: list[Action], commits: Iterator[float]
) -> Sample:
    memory: list[float] = []
    durable: list[float] = []
    disk: list[float] = []
    for _turn in range(_TURNS):
        memory += await _turn_of(networks[0], pays[0])
        durable += islice(commits, _COMMITS_PER_TURN)
        disk += await _turn_of(networks[1], pays[1])
    return {
        "block_p50_ms": statistics.median(memory),
        "durable_batch_ms": statistics.median(durable),
        "sqlite_block_p50_ms": statistics.median(disk),
    }


async def _turn_of(network: Network, pay: Action) -> list[float]:
    """The milliseconds of some blocks; what they leave behind is waited for, but not counted."""
    times = await milliseconds(pay, BLOCKS_PER_TURN)
    await network.settled()
    return times


def _commits(store: Store) -> Iterator[float]:
    """The milliseconds of one commit after the other."""
    for number in count():
        groups = _typical_groups(number)
        started = time.perf_counter_ns()
        store.commit(groups)
        yield (time.perf_counter_ns() - started) / 1e6


def _typical_groups(number: int) -> list[Group]:
    """The writes of one block with a transfer, with contents that do not repeat."""
    block_hash = number.to_bytes(32, "big")
    certificate, height, chain = Batch(), Batch(), Batch()
    for tag, size in enumerate(_CERTIFICATE_BYTES):
        certificate.put(block_hash + bytes((tag,)), os.urandom(size))
    height.put(bytes(32) + number.to_bytes(8, "little"), block_hash)
    for tag, size in enumerate(_CHAIN_STATE_BYTES):
        chain.put(bytes((0, tag)), os.urandom(size))
    chain.put(b"\x04" + number.to_bytes(4, "big"), block_hash)
    return [(CONFIRMED_ROOT, certificate), (HEIGHT_ROOT, height), (CHAIN_TAG + bytes(32), chain)]


async def _many_chains(folder: Path, runs: int) -> AsyncIterator[Sample]:
    async with _both_networks(folder) as networks:
        payments = [await payments_side_by_side(network, _CHAINS_AT_ONCE) for network in networks]
        for network, pays in zip(networks, payments, strict=True):
            await _blocks_per_second(network, pays)
        for _run in range(runs):
            yield {
                "blocks_per_s": await _blocks_per_second(networks[0], payments[0]),
                "sqlite_blocks_per_s": await _blocks_per_second(networks[1], payments[1]),
            }


async def _blocks_per_second(network: Network, payments: list[Action]) -> float:
    """Blocks of all chains until all validators have them, messages included."""
    started = time.perf_counter()
    await asyncio.gather(*(repeat(pay, _BLOCKS_PER_CHAIN) for pay in payments))
    await network.settled()
    return len(payments) * _BLOCKS_PER_CHAIN / (time.perf_counter() - started)


def _disk_limit(medians: Medians) -> float | None:
    memory, commit = medians.get("block_p50_ms"), medians.get("durable_batch_ms")
    if memory is None or commit is None:
        return None
    return memory + _COMMITS_OF_ONE_BLOCK * commit


def _disk_throughput(medians: Medians) -> float | None:
    memory = medians.get("blocks_per_s")
    return None if memory is None else _DISK_SHARE * memory


SINGLE_CHAIN = Experiment(
    (
        Figure("block_p50_ms", "ms", at_most(5)),
        Figure("durable_batch_ms", "ms"),
        Figure(
            "sqlite_block_p50_ms",
            "ms",
            Bar("≤ block_p50_ms + 4 × durable_batch_ms", True, _disk_limit),
        ),
    ),
    sampled(_single_chain),
)
MANY_CHAINS = Experiment(
    (
        Figure("blocks_per_s", "1/s", at_least(200)),
        Figure("sqlite_blocks_per_s", "1/s", Bar("≥ 0.5 × blocks_per_s", False, _disk_throughput)),
    ),
    sampled(_many_chains),
)
