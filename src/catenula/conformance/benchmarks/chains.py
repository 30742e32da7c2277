"""Figures of networks with many chains: how fast they are made, and whether others feel them.

The 100,000 chains are opened by real blocks. Each is then made live as by its owner's first look at
it: one validator answers a query about it, and what that wrote goes into the stores of the others,
whose answers would write the same. In the end every validator has answered for as many chains as
it keeps in memory, so that the rest is evicted. The network of ten chains runs in a process of its
own, in turns with the large one.
"""

import multiprocessing
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from catenula.base.identifiers import ChainId
from catenula.base.integers import Amount
from catenula.base.limits import MAX_LOADED_CHAINS
from catenula.conformance.benchmarks.figures import (
    Experiment,
    Figure,
    Sample,
    at_least,
    at_most,
)
from catenula.conformance.benchmarks.memory import resident_megabytes
from catenula.conformance.benchmarks.networks import (
    BLOCKS_PER_TURN,
    FUNDS,
    SMALLEST_PAYMENT,
    WARM_UP_BLOCKS,
    Action,
    milliseconds,
    payments_side_by_side,
    repeat,
    running_network,
    sampled,
)
from catenula.network import Network, NetworkChain
from catenula.protocol import (
    ChainInfoQuery,
    ChainOwnership,
    OpenChain,
    OpenChainConfig,
)
from catenula.transport import event_loop
from catenula.validator.driver import NodeDriver

_CHAINS_PER_BLOCK = 100
_BLOCKS_OF_CHAINS = 10
_MANY_CHAINS = 100_000
_MANY_PER_BLOCK = 1_000
_TURNS = 4
_PAIRS = 5
"""Chains that pay, each to another: the ten live chains of the small network."""
_HELD = Amount(1)
_END_TIMEOUT_S = 30
_SEED = 1

Measure = Callable[[], list[float]]
"""Milliseconds of the blocks of one turn."""


# Making chains


async def _creation(_: Path, runs: int) -> AsyncIterator[Sample]:
    async with running_network() as network:
        parent = (await network.wallet("parent", FUNDS)).chain
        await _chains_per_second(network, parent)
        for _run in range(runs):
            yield {"chains_created_per_s": await _chains_per_second(network, parent)}


async def _chains_per_second(network: Network, parent: NetworkChain) -> float:
    started = time.perf_counter()
    for _ in range(_BLOCKS_OF_CHAINS):
        await _open_chains(parent, _CHAINS_PER_BLOCK)
    await network.settled()
    return _BLOCKS_OF_CHAINS * _CHAINS_PER_BLOCK / (time.perf_counter() - started)


async def _open_chains(parent: NetworkChain, count: int) -> list[ChainId]:
    """Open chains of the parent's owner in one block."""
    config = OpenChainConfig(ChainOwnership.single(parent.wallet.owner), _HELD)
    certificate = await parent.client.commit((OpenChain(config),) * count)
    return [description.chain_id for description in certificate.block.created_chains()]


# Living with them


async def _live_chains(_: Path, runs: int) -> AsyncIterator[Sample]:
    async with running_network() as network:
        hot = await _hot_payments(network)
        cold = await _cold_payments(network, await _populate(network))
        with _few_chains() as few:
            for _run in range(runs):
                yield await _compare(hot, cold, few)


async def _compare(hot: Action, cold: Action, few: Measure) -> Sample:
    hot_times, cold_times, few_times = [], [], []
    for _ in range(_TURNS):
        hot_times += await milliseconds(hot, BLOCKS_PER_TURN)
        cold_times += await milliseconds(cold, BLOCKS_PER_TURN)
        few_times += few()
    base = statistics.median(few_times)
    return {
        "live_chains_ratio": statistics.median(hot_times) / base,
        "cold_recipient_ratio": statistics.median(cold_times) / base,
        "live_chains_memory_mb": resident_megabytes(),
    }


async def _hot_payments(network: Network) -> Action:
    """Payments between ten chains that are all in use, one pair after the other."""
    payments = cycle(await payments_side_by_side(network, _PAIRS))

    async def pay() -> None:
        await next(payments)()

    await repeat(pay, WARM_UP_BLOCKS)
    return pay


async def _cold_payments(network: Network, chain_ids: Sequence[ChainId]) -> Action:
    """Payments from one chain, each to another of the chains that nobody has in memory."""
    sender = (await network.wallet("payer")).chain
    cold = list(chain_ids[:-MAX_LOADED_CHAINS])
    Random(_SEED).shuffle(cold)
    recipients = cycle(cold)
    return lambda: sender.transfer(next(recipients), SMALLEST_PAYMENT)


async def _populate(network: Network) -> list[ChainId]:
    """Open the many chains, make them live, and let every validator fill its memory."""
    parent = (await network.wallet("parent", FUNDS)).chain
    chain_ids: list[ChainId] = []
    while len(chain_ids) < _MANY_CHAINS:
        chain_ids += await _open_chains(parent, _MANY_PER_BLOCK)
    await network.settled()
    drivers = [each.driver for each in network.validators if each.driver is not None]
    for chain_id in chain_ids:
        _make_live(drivers, chain_id)
    for driver in drivers[1:]:
        for chain_id in chain_ids[-MAX_LOADED_CHAINS:]:
            await driver.handle_chain_info_query(ChainInfoQuery(chain_id))
    return chain_ids


def _make_live(drivers: Sequence[NodeDriver], chain_id: ChainId) -> None:
    """Let the first validator answer a query; all stores get what that writes."""
    worker = drivers[0].worker
    outcome = worker.handle_chain_info_query(ChainInfoQuery(chain_id), drivers[0].clock.now())
    if outcome.error is not None:
        raise outcome.error
    for driver in drivers:
        driver.worker.store.commit(outcome.writes)
    worker.committed(outcome)


@contextmanager
def _few_chains() -> Iterator[Measure]:
    """Another process with a network of ten chains, which stands still between its turns."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve_few_chains, args=(theirs,))
    process.start()
    theirs.close()

    def ask() -> list[float]:
        ours.send(BLOCKS_PER_TURN)
        times: list[float] = ours.recv()
        return times

    try:
        yield ask
    finally:
        ours.close()
        process.join(_END_TIMEOUT_S)


def _serve_few_chains(connection: Connection) -> None:
    event_loop.run(_measure_few_chains(connection))


async def _measure_few_chains(connection: Connection) -> None:
    """Measure as many payments as asked for, until the other end hangs up."""
    async with running_network() as network:
        pay = await _hot_payments(network)
        try:
            while True:
                connection.send(await milliseconds(pay, connection.recv()))
                await network.settled()
        except EOFError:
            return


CREATION = Experiment((Figure("chains_created_per_s", "1/s", at_least(1_000)),), sampled(_creation))
LIVE_CHAINS = Experiment(
    (
        Figure("live_chains_ratio", "ratio", at_most(1.2)),
        Figure("cold_recipient_ratio", "ratio"),
        Figure("live_chains_memory_mb", "MB"),
    ),
    sampled(_live_chains),
)
