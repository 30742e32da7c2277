"""The queue of requests between chains (spec 06 §5.4)."""

import asyncio
import gc
from collections.abc import Sequence

import pytest

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId
from catenula.base.integers import BlockHeight
from catenula.protocol import ConfirmUpdatedRecipient, CrossChainRequest
from catenula.validator import cross_chain
from catenula.validator.cross_chain import CrossChainQueue, Pace
from tests.validator.scene import turns


def request(sender: int, recipient: int, height: int = 0) -> ConfirmUpdatedRecipient:
    first, second = (ChainId(bytes((number,)) * 32) for number in (sender, recipient))
    return ConfirmUpdatedRecipient(first, second, BlockHeight(height))


class Receiver:
    """Remembers batches; a batch waits while its target is in ``blocked``, fails by ``errors``."""

    def __init__(self) -> None:
        self.batches: list[list[CrossChainRequest]] = []
        self.blocked: dict[int, asyncio.Event] = {}
        self.errors: list[Exception] = []
        self._changed = asyncio.Condition()

    async def reached(self, batches: int) -> None:
        """Return when so many batches have come."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.batches) >= batches)

    async def __call__(self, requests: Sequence[CrossChainRequest]) -> None:
        self.batches.append(list(requests))
        async with self._changed:
            self._changed.notify_all()
        gate = self.blocked.get(requests[0].sender[0])
        if gate is not None:
            await gate.wait()
        if self.errors:
            raise self.errors.pop(0)


def test_requests_for_one_chain_are_applied_together() -> None:
    async def scenario() -> None:
        receiver = Receiver()
        queue = CrossChainQueue(receiver)
        sent = [request(1, 2), request(1, 3), request(4, 2)]
        for item in sent:
            queue.put(item)
        await queue.settled()
        assert receiver.batches == [sent[:2], sent[2:]]

    asyncio.run(scenario())


def test_a_newer_request_replaces_a_waiting_one_of_its_pair() -> None:
    async def scenario() -> None:
        receiver = Receiver()
        queue = CrossChainQueue(receiver)
        for height in range(5):
            queue.put(request(1, 2, height))
        await queue.settled()
        assert receiver.batches == [[request(1, 2, 4)]]

    asyncio.run(scenario())


NEVER = Pace(lanes=2, pause_seconds=3600.0)
"""A pause that no test waits for."""


def test_requests_wait_for_the_pause_and_are_then_served_together() -> None:
    async def scenario() -> None:
        receiver = Receiver()
        queue = CrossChainQueue(receiver, Pace(lanes=2, pause_seconds=0.001))
        queue.put(request(1, 2))
        await turns(3)
        assert receiver.batches == []
        assert not queue.is_idle
        queue.put(request(3, 2))
        await receiver.reached(2)
        assert receiver.batches == [[request(1, 2)], [request(3, 2)]]
        await queue.settled()
        assert queue.is_idle

    asyncio.run(scenario())


def test_nobody_who_waits_waits_for_the_pause() -> None:
    async def scenario() -> None:
        receiver = Receiver()
        queue = CrossChainQueue(receiver, NEVER)
        queue.put(request(1, 2))
        queue.hurry()
        await turns(3)
        assert receiver.batches == [[request(1, 2)]]
        queue.put(request(1, 2, 1))
        await queue.put_and_wait(request(3, 2))
        queue.put(request(1, 2, 2))
        await queue.settled()
        assert len(receiver.batches) == 4
        queue.put(request(1, 2, 3))
        await queue.stop()
        assert queue.is_idle
        assert len(receiver.batches) == 4

    asyncio.run(scenario())


def test_a_pause_that_another_event_loop_did_not_end_is_begun_anew() -> None:
    receiver = Receiver()
    queue = CrossChainQueue(receiver, Pace(lanes=2, pause_seconds=0.001))

    async def first() -> None:
        queue.put(request(1, 2))

    async def then() -> None:
        queue.put(request(3, 2))
        await receiver.reached(2)
        await queue.settled()

    asyncio.run(first())
    asyncio.run(then())
    assert receiver.batches == [[request(1, 2)], [request(3, 2)]]


def test_settled_waits_for_what_came_for_a_parked_chain() -> None:
    async def scenario() -> None:
        receiver = Receiver()
        queue = CrossChainQueue(receiver, NEVER)
        queue.park(ChainId(bytes((1,)) * 32))
        queue.put(request(1, 2))
        settled = asyncio.ensure_future(queue.settled())
        await turns(3)
        assert not settled.done()
        queue.resume(ChainId(bytes((1,)) * 32))
        await settled
        assert receiver.batches == [[request(1, 2)]]

    asyncio.run(scenario())


def test_a_slow_chain_holds_up_no_other_where_there_are_lanes() -> None:
    async def scenario() -> None:
        receiver = Receiver()
        receiver.blocked[1] = asyncio.Event()
        queue = CrossChainQueue(receiver, Pace(lanes=2, pause_seconds=0.0))
        queue.put(request(1, 2))
        await turns(3)
        for sender in (4, 5, 6):
            queue.put(request(sender, 2))
        await turns(5)
        assert [batch[0].sender[0] for batch in receiver.batches] == [1, 4, 5, 6]
        receiver.blocked[1].set()
        await queue.settled()

    asyncio.run(scenario())


def test_a_full_queue_drops_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_chain, "MAX_CROSS_CHAIN_QUEUE", 2)

    async def scenario() -> None:
        receiver = Receiver()
        queue = CrossChainQueue(receiver)
        for sender in (1, 2, 3, 2):
            queue.put(request(sender, 9))
        await queue.settled()
        assert queue.dropped == 1
        assert [batch[0].sender[0] for batch in receiver.batches] == [1, 2]
        queue.put(request(3, 9))
        await queue.settled()
        assert len(receiver.batches) == 3

    asyncio.run(scenario())


def test_a_large_batch_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_chain, "MAX_CROSS_CHAIN_BATCH", 2)

    async def scenario() -> None:
        receiver = Receiver()
        queue = CrossChainQueue(receiver)
        for recipient in range(5):
            queue.put(request(1, recipient))
        await queue.settled()
        assert [len(batch) for batch in receiver.batches] == [2, 2, 1]

    asyncio.run(scenario())


def test_a_refused_batch_is_remembered_and_not_repeated() -> None:
    async def scenario() -> None:
        receiver = Receiver()
        receiver.errors = [ProtocolError("InboxGapDetected")]
        queue = CrossChainQueue(receiver)
        queue.put(request(1, 2))
        await queue.settled()
        assert len(receiver.batches) == 1
        assert [str(error) for error in queue.refused] == ["InboxGapDetected"]

    asyncio.run(scenario())


@pytest.mark.parametrize(("retryable", "attempts"), [(True, 3), (False, 1)])
def test_a_failing_disk_is_tried_again_a_few_times(retryable: bool, attempts: int) -> None:
    async def scenario() -> None:
        receiver = Receiver()
        receiver.errors = [LocalError("disk", retryable=retryable) for _ in range(9)]
        queue = CrossChainQueue(receiver)
        queue.put(request(1, 2))
        await queue.settled()
        assert len(receiver.batches) == len(queue.refused) == attempts

    asyncio.run(scenario())


def test_a_bug_leaves_nobody_waiting(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        receiver = Receiver()
        receiver.errors = [ZeroDivisionError("a bug")]
        queue = CrossChainQueue(receiver)
        with pytest.raises(LocalError, match="not applied"):
            await queue.put_and_wait(request(1, 2))
        await queue.put_and_wait(request(1, 2))
        assert len(receiver.batches) == 2
        await queue.settled()

    asyncio.run(scenario())
    gc.collect()
    assert "a bug" in caplog.text


def test_a_stopped_queue_finishes_what_runs_and_takes_nothing_more() -> None:
    async def scenario() -> None:
        receiver = Receiver()
        receiver.blocked[1] = asyncio.Event()
        queue = CrossChainQueue(receiver)
        queue.put(request(1, 2))
        queue.put(request(3, 2))
        await turns(3)
        stopping = asyncio.ensure_future(queue.stop())
        await turns(3)
        queue.put(request(4, 2))
        receiver.blocked[1].set()
        await stopping
        assert [batch[0].sender[0] for batch in receiver.batches] == [1]

    asyncio.run(scenario())
