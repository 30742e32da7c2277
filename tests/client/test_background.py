"""Background updates are bounded and coalesce."""

import asyncio

from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId
from catenula.base.integers import BlockHeight
from catenula.client.background import BackgroundUpdates, Delivery, Update
from catenula.client.remote_node import RemoteNode
from tests.client.fakes import remote
from tests.client.world import asynchronous

FAST, SLOW = remote(0), remote(1)
CHAINS = [ChainId(bytes([number]) * 32) for number in range(10)]


class Network:
    """Takes updates; those to `SLOW` only when it is let go on."""

    def __init__(self, *, limit: int = 2, waiting_limit: int = 3) -> None:
        self.sent: list[tuple[RemoteNode, ChainId, int]] = []
        self.go_on = asyncio.Event()
        self.refuses = False
        self.updates = BackgroundUpdates(self.send, limit=limit, waiting_limit=waiting_limit)

    async def send(self, node: RemoteNode, update: Update) -> None:
        self.sent.append((node, update.chain_id, update.target_height))
        if self.refuses:
            raise LocalError("down", retryable=True)
        if node is SLOW:
            await self.go_on.wait()

    def submit(self, node: RemoteNode, chain: int, height: int) -> None:
        self.updates.submit(node, Update(CHAINS[chain], BlockHeight(height)))


@asynchronous
async def test_newer_updates_of_a_chain_replace_waiting_ones() -> None:
    network = Network()
    for height in range(1, 6):
        network.submit(SLOW, 0, height)
    assert network.updates.pending() == 2
    await asyncio.sleep(0)
    network.go_on.set()
    await network.updates.settled()
    assert network.sent == [(SLOW, CHAINS[0], 1), (SLOW, CHAINS[0], 5)]


@asynchronous
async def test_a_slow_validator_does_not_delay_another() -> None:
    network = Network()
    network.submit(SLOW, 0, 1)
    network.submit(FAST, 0, 1)
    await network.updates.settled_for(FAST, CHAINS[0])
    assert (FAST, CHAINS[0], 1) in network.sent
    assert network.updates.pending() == 1
    await network.updates.close()


@asynchronous
async def test_what_waits_is_bounded() -> None:
    network = Network(limit=2, waiting_limit=3)
    for chain in range(9):
        network.submit(SLOW, chain, 1)
    assert network.updates.pending() == 5
    assert network.updates.dropped == 4
    await asyncio.sleep(0)
    assert len(network.sent) == 2
    network.go_on.set()
    await network.updates.settled()
    assert [chain for _, chain, _ in network.sent] == [CHAINS[n] for n in (0, 1, 6, 7, 8)]


@asynchronous
async def test_a_failure_is_kept_and_ends_nothing() -> None:
    network = Network()
    network.refuses = True
    network.submit(FAST, 0, 1)
    await network.updates.settled()
    assert str(network.updates.last_error(FAST)) == "down"
    network.refuses = False
    network.submit(FAST, 0, 2)
    await network.updates.settled()
    assert network.sent[-1] == (FAST, CHAINS[0], 2)


@asynchronous
async def test_a_delivery_is_settled_by_a_quorum_or_its_impossibility() -> None:
    reached, missed = Delivery(3, 4), Delivery(3, 4)
    for _ in range(3):
        reached.report(1, acknowledged=True)
    assert await reached.settled()
    for _ in range(2):
        missed.report(1, acknowledged=False)
    assert not await missed.settled()


@asynchronous
async def test_after_closing_nothing_is_sent() -> None:
    network = Network()
    network.submit(SLOW, 0, 1)
    await asyncio.sleep(0)
    await network.updates.close()
    delivery = Delivery(1, 1)
    update = Update(CHAINS[1], BlockHeight(1), delivery=delivery, weight=1)
    network.updates.submit(FAST, update)
    assert not await delivery.settled()
    assert network.sent == [(SLOW, CHAINS[0], 1)]


@asynchronous
async def test_whoever_waits_for_a_delivery_hears_of_the_end() -> None:
    network = Network()
    network.submit(SLOW, 0, 1)
    await asyncio.sleep(0)
    delivery = Delivery(1, 1)
    update = Update(CHAINS[0], BlockHeight(2), delivery=delivery, weight=1)
    network.updates.submit(SLOW, update)
    await network.updates.close()
    async with asyncio.timeout(10):
        assert not await delivery.settled()
