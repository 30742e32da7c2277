"""Figures of a network with one faulty validator, in turns with a healthy network."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from catenula.conformance.benchmarks.figures import Experiment, Figure, Sample, at_most
from catenula.conformance.benchmarks.networks import (
    WARM_UP_BLOCKS,
    payment,
    ratio_of,
    repeat,
    running_network,
    sampled,
)
from catenula.network import Network

_SLOW_ANSWER_S = 30.0
_VALIDATORS = 4
_MOST = at_most(1.2)

Spoil = Callable[[Network, int], Awaitable[None]]


async def _kill(network: Network, index: int) -> None:
    await network.stop_validator(index)


async def _slow_down(network: Network, index: int) -> None:
    network.slow_validator(index, _SLOW_ANSWER_S)


async def _ratio(index: int, spoil: Spoil) -> float:
    """Block time with one faulty validator to that of a healthy network, both freshly started."""
    async with running_network() as faulty, running_network() as healthy:
        pay, pay_healthily = await payment(faulty), await payment(healthy)
        await repeat(pay_healthily, WARM_UP_BLOCKS)
        await repeat(pay, WARM_UP_BLOCKS // 2)
        await spoil(faulty, index)
        await repeat(pay, WARM_UP_BLOCKS // 2)
        return await ratio_of(pay, pay_healthily)


async def _ratios(name: str, spoil: Spoil, runs: int) -> AsyncIterator[Sample]:
    """Another validator is the faulty one in each run."""
    for run in range(runs):
        yield {name: await _ratio(run % _VALIDATORS, spoil)}


async def _one_dead(_: Path, runs: int) -> AsyncIterator[Sample]:
    async for sample in _ratios("one_dead_ratio", _kill, runs):
        yield sample


async def _one_slow(_: Path, runs: int) -> AsyncIterator[Sample]:
    async for sample in _ratios("one_slow_ratio", _slow_down, runs):
        yield sample


ONE_DEAD = Experiment((Figure("one_dead_ratio", "ratio", _MOST),), sampled(_one_dead))
ONE_SLOW = Experiment((Figure("one_slow_ratio", "ratio", _MOST),), sampled(_one_slow))
