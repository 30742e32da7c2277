"""Notifications: best effort, in order, bounded (spec 06 §6)."""

import asyncio

import pytest

from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId
from catenula.base.integers import BlockHeight
from catenula.protocol import NewRound, Notification, Round
from catenula.validator import notifier as module
from catenula.validator.notifier import Notifier

ONE, TWO = (ChainId(bytes((number,)) * 32) for number in (1, 2))


def note(chain_id: ChainId, number: int) -> Notification:
    return Notification(chain_id, NewRound(BlockHeight(number), Round.FAST))


def test_a_subscriber_hears_of_its_chains_in_order() -> None:
    async def scenario() -> None:
        notifier: Notifier[Notification] = Notifier()
        both, one = notifier.subscribe([ONE, TWO]), notifier.subscribe([ONE])
        notifier.notify([note(ONE, 1), note(TWO, 2)])
        notifier.notify([note(ONE, 3)])
        assert [await both.next() for _ in range(3)] == [note(ONE, 1), note(TWO, 2), note(ONE, 3)]
        assert [await one.next() for _ in range(2)] == [note(ONE, 1), note(ONE, 3)]

    asyncio.run(scenario())


def test_a_waiting_subscriber_wakes() -> None:
    async def scenario() -> None:
        notifier: Notifier[Notification] = Notifier()
        subscription = notifier.subscribe([ONE])
        waiting = asyncio.ensure_future(subscription.next())
        await asyncio.sleep(0)
        notifier.notify([note(ONE, 1)])
        assert await waiting == note(ONE, 1)

    asyncio.run(scenario())


def test_a_subscriber_that_does_not_read_loses_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SUBSCRIBER_QUEUE", 2)

    async def scenario() -> None:
        notifier: Notifier[Notification] = Notifier()
        subscription = notifier.subscribe([ONE])
        notifier.notify([note(ONE, number) for number in range(4)])
        assert subscription.dropped == 2
        assert await subscription.next() == note(ONE, 2)

    asyncio.run(scenario())


def test_a_closed_subscription_is_forgotten() -> None:
    notifier: Notifier[Notification] = Notifier()
    kept, closed = notifier.subscribe([ONE, ONE]), notifier.subscribe([ONE, TWO])
    closed.close()
    closed.close()
    assert notifier._by_chain == {ONE: [kept]}
    kept.close()
    assert notifier._by_chain == {}


def test_when_the_node_stops_a_subscriber_gets_the_rest_and_then_the_error() -> None:
    async def scenario() -> None:
        notifier: Notifier[Notification] = Notifier()
        subscription = notifier.subscribe([ONE])
        notifier.notify([note(ONE, 1)])
        notifier.fail_all(LocalError("stopped", retryable=True))
        heard = []
        with pytest.raises(LocalError, match="stopped"):
            async for notification in subscription:
                heard.append(notification)  # noqa: PERF401 # It ends with an error.
        assert heard == [note(ONE, 1)]

    asyncio.run(scenario())
