"""Requests to other workers: one per pair under way, newest wins, repeated until acknowledged."""

import asyncio
from collections.abc import Callable

import pytest

from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId
from catenula.base.integers import BlockHeight
from catenula.protocol import ConfirmUpdatedRecipient, CrossChainRequest
from catenula.validator import peers
from catenula.validator.peers import CROSS_CHAIN, PeerQueue, Peers
from catenula.validator.worker_link import WorkerLink
from tests.validator.scene import turns

SENDER, RECIPIENT = ChainId(bytes(32)), ChainId(b"\x01" * 32)


class FakeLink:
    """Takes requests down; the test acknowledges them."""

    def __init__(self) -> None:
        self.is_open = True
        self.on_open: Callable[[], None] | None = None
        self.sent: list[tuple[CrossChainRequest, asyncio.Future[bytes]]] = []

    def deliver(self, request: bytes) -> "asyncio.Future[bytes]":
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.sent.append((CROSS_CHAIN.from_bcs(request), future))
        return future

    def heights(self) -> list[int]:
        return [request.latest_height for request, _ in self.sent]  # type: ignore[union-attr]  # Confirmations.

    async def answer(self, error: LocalError | None = None) -> None:
        future = self.sent[-1][1]
        if error is None:
            future.set_result(b"")
        else:
            future.set_exception(error)
        await turns(3)


def confirmation(height: int, recipient: ChainId = RECIPIENT) -> ConfirmUpdatedRecipient:
    return ConfirmUpdatedRecipient(SENDER, recipient, BlockHeight(height))


def queue_over(link: FakeLink) -> PeerQueue:
    return PeerQueue(link)  # type: ignore[arg-type]  # Looks like a link.


FAILURE = LocalError("try again", retryable=True)


def test_a_newer_request_waits_for_the_one_under_way_and_replaces_those_that_wait() -> None:
    async def body() -> None:
        link = FakeLink()
        queue = queue_over(link)
        for height in (1, 2, 3):
            queue.put(confirmation(height))
        assert link.heights() == [1]
        await link.answer()
        assert link.heights() == [1, 3]
        await link.answer()
        assert queue.size == 0

    asyncio.run(body())


def test_a_request_that_failed_is_sent_again_later_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peers, "RETRY_SECONDS", 0.001)
    monkeypatch.setattr(peers, "MAX_DELIVERY_ATTEMPTS", 3)

    async def body() -> None:
        link = FakeLink()
        queue = queue_over(link)
        queue.put(confirmation(1))
        for attempts in (1, 2, 3):
            while len(link.sent) < attempts:
                await turns(1)
            await link.answer(FAILURE)
        assert (queue.size, queue.dropped, queue.repeated) == (0, 1, 2)

    asyncio.run(body())


def test_everything_goes_out_when_the_other_worker_comes_back() -> None:
    async def body() -> None:
        link = FakeLink()
        queue = queue_over(link)
        queue.put(confirmation(1))
        await link.answer(FAILURE)
        link.is_open = False
        queue.put(confirmation(2, ChainId(b"\x02" * 32)))
        assert (link.heights(), queue.size) == ([1], 2)
        link.is_open = True
        assert link.on_open is not None
        link.on_open()
        assert sorted(link.heights()) == [1, 1, 2]
        queue.stop()

    asyncio.run(body())


def test_a_full_queue_drops_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "MAX_CROSS_CHAIN_QUEUE", 2)

    async def body() -> None:
        link = FakeLink()
        link.is_open = False
        queue = queue_over(link)
        for number in range(5):
            queue.put(confirmation(number, ChainId(bytes((number,)) * 32)))
        queue.put(confirmation(9, ChainId(bytes(32))))
        assert (queue.size, queue.dropped) == (2, 3)

    asyncio.run(body())


def test_deliveries_under_way_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "MAX_DELIVERIES_IN_FLIGHT", 2)

    async def body() -> None:
        link = FakeLink()
        queue = queue_over(link)
        for number in range(5):
            queue.put(confirmation(number, ChainId(bytes((number,)) * 32)))
        assert len(link.sent) == 2
        await link.answer()
        assert len(link.sent) == 3

    asyncio.run(body())


def test_requests_go_to_the_worker_of_the_chain_that_must_act() -> None:
    async def body() -> None:
        links = [None, FakeLink(), FakeLink()]
        everybody = Peers(links, lambda chain_id: chain_id[0])  # type: ignore[arg-type]  # As above.
        for first in range(3):
            sender = ChainId(bytes((first,)) * 32)
            everybody.send(ConfirmUpdatedRecipient(sender, RECIPIENT, BlockHeight(first)))
        assert [link.heights() for link in links if link is not None] == [[1], [2]]

    asyncio.run(body())


def test_peers_are_links() -> None:
    assert {"deliver", "is_open"} <= set(dir(WorkerLink))
