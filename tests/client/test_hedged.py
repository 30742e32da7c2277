"""Hedged downloads (spec 07 §3.2)."""

import asyncio
from random import Random

import pytest

from catenula.base.errors import LocalError
from catenula.client.errors import DownloadFailed
from catenula.client.hedged import Hedging, hedged
from catenula.client.remote_node import RemoteNode
from catenula.testing.clock import ManualClock
from tests.client.fakes import remote
from tests.client.world import asynchronous

NODES = [remote(number) for number in range(4)]


class Downloads:
    """The requests of a hedged download, answered by hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.asked: list[RemoteNode] = []
        self.answers: list[asyncio.Future[str]] = []

    async def operation(self, node: RemoteNode) -> str:
        self.asked.append(node)
        self.answers.append(asyncio.get_running_loop().create_future())
        return await self.answers[-1]

    def start(self, nodes: list[RemoteNode] = NODES) -> "asyncio.Task[str]":
        hedging = Hedging(self.clock, Random(3), 1_000)
        return asyncio.ensure_future(hedged(nodes, self.operation, hedging=hedging, what="it"))

    async def reach(self, count: int) -> None:
        """Wait until that many nodes have been asked."""
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(self.asked) == count


@asynchronous
async def test_only_one_node_is_asked_when_it_answers() -> None:
    downloads = Downloads()
    task = downloads.start()
    await downloads.reach(1)
    downloads.answers[0].set_result("found")
    assert await task == "found"
    assert len(downloads.asked) == 1


@asynchronous
async def test_a_failure_starts_the_next_node_at_once() -> None:
    downloads = Downloads()
    task = downloads.start()
    await downloads.reach(1)
    downloads.answers[0].set_exception(LocalError("down", retryable=True))
    await downloads.reach(2)
    downloads.answers[1].set_result("found")
    assert await task == "found"


@asynchronous
async def test_slow_nodes_are_overtaken_at_growing_intervals() -> None:
    downloads = Downloads()
    task = downloads.start()
    await downloads.reach(1)
    downloads.clock.advance(999)
    await downloads.reach(1)
    downloads.clock.advance(1)
    await downloads.reach(2)
    downloads.clock.advance(3_999)
    await downloads.reach(2)
    downloads.clock.advance(1)
    await downloads.reach(3)
    downloads.answers[0].set_result("found")
    assert await task == "found"
    await asyncio.sleep(0)
    assert downloads.answers[1].cancelled()
    assert downloads.answers[2].cancelled()


@asynchronous
async def test_when_all_fail_every_reason_is_told() -> None:
    downloads = Downloads()
    task = downloads.start()
    for count in range(1, 5):
        await downloads.reach(count)
        downloads.answers[-1].set_exception(LocalError(f"reason {count}", retryable=True))
    with pytest.raises(DownloadFailed) as caught:
        await task
    assert [f"reason {n}" in caught.value.message() for n in range(1, 5)] == [True] * 4


@asynchronous
async def test_nobody_to_ask_is_a_failure() -> None:
    with pytest.raises(DownloadFailed):
        await Downloads().start([])


@asynchronous
async def test_the_order_comes_from_the_given_source_of_chance() -> None:
    orders = []
    for _ in range(2):
        downloads = Downloads()
        task = downloads.start()
        for count in range(1, 5):
            await downloads.reach(count)
            downloads.answers[-1].set_exception(LocalError("no", retryable=True))
        with pytest.raises(DownloadFailed):
            await task
        orders.append(downloads.asked)
    assert orders[0] == orders[1]
    assert orders[0] != NODES
