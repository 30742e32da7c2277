"""Notification streams: opening, merging, breaking, probing (spec 07 §12.2)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from random import Random
from typing import cast

from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import BlockHeight
from catenula.base.limits import MAX_STREAM_OPENING_US
from catenula.client.breaker import CircuitBreaker
from catenula.client.options import DEFAULT_OPTIONS
from catenula.client.reactions import Announced, Reactions
from catenula.client.remote_node import RemoteNode
from catenula.client.streams import ValidatorStreams
from catenula.protocol import NewBlock, NewIncomingBundle, NewRound, Notification, Round
from catenula.testing.clock import ManualClock
from catenula.testing.keys import validator_key
from catenula.transport.validator_node import ValidatorNode
from tests.client.world import asynchronous


def chain(number: int) -> ChainId:
    return ChainId(number.to_bytes(32, "big"))


def block(height: int) -> NewBlock:
    return NewBlock(BlockHeight(height), CryptoHash(bytes(32)), ())


class Validator:
    """A validator with streams that a test feeds; ``refuses`` makes it fail."""

    def __init__(self) -> None:
        self.refuses = False
        self.answers = True
        self.streams: list[tuple[tuple[ChainId, ...], asyncio.Queue[Notification | None]]] = []
        self.attempts = 0

    async def subscribe(
        self, chain_ids: Sequence[ChainId], *, on_open: Callable[[], None]
    ) -> AsyncIterator[Notification]:
        self.attempts += 1
        if self.refuses:
            raise LocalError("down", retryable=True)
        if not self.answers:
            await asyncio.Event().wait()
        entry = (tuple(chain_ids), asyncio.Queue[Notification | None]())
        self.streams.append(entry)
        on_open()
        try:
            while (item := await entry[1].get()) is not None:
                yield item
        finally:
            self.streams.remove(entry)

    def subscribed(self) -> list[int]:
        return [len(chain_ids) for chain_ids, _ in self.streams]


class Scene:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.validator = Validator()
        self.heard: list[tuple[ChainId, Announced]] = []
        self.errors: list[Exception] = []
        node = cast(ValidatorNode, self.validator)
        self.breaker = CircuitBreaker(DEFAULT_OPTIONS, self.clock, Random(1))
        self.streams = ValidatorStreams(
            RemoteNode(validator_key(1).public_key(), "fake:1", node),
            Reactions(self.react, limit=4),
            clock=self.clock,
            breaker=self.breaker,
            record=self.errors.append,
        )

    async def react(self, chain_id: ChainId, announced: Announced) -> None:
        self.heard.append((chain_id, announced))

    def caught_up(self) -> list[ChainId]:
        found = [chain_id for chain_id, announced in self.heard if announced.catch_up]
        self.heard.clear()
        return found

    async def advance(self, microseconds: int) -> None:
        self.clock.advance(microseconds)
        await turns()


async def turns() -> None:
    for _ in range(60):
        await asyncio.sleep(0)


@asynchronous
async def test_when_a_stream_opens_its_chains_catch_up() -> None:
    scene = Scene()
    scene.streams.add([chain(1), chain(2)])
    await turns()
    assert scene.validator.subscribed() == [2]
    assert scene.caught_up() == [chain(1), chain(2)]
    assert scene.streams.is_open
    await scene.streams.close()
    assert scene.validator.subscribed() == []


@asynchronous
async def test_adding_a_chain_restarts_only_small_streams() -> None:
    scene = Scene()
    scene.streams.add([chain(number) for number in range(100)])
    await turns()
    scene.caught_up()
    for number in range(100, 120):
        scene.streams.add([chain(number)])
        await turns()
        assert scene.validator.subscribed()[0] == 100
        assert sum(scene.validator.subscribed()) == number + 1
        assert len(scene.validator.subscribed()) <= 6
        # A chain that was listened to already has missed nothing.
        assert scene.caught_up() == [chain(number)]
    await scene.streams.close()


@asynchronous
async def test_a_merged_stream_is_in_force_before_others_end() -> None:
    scene = Scene()
    scene.streams.add([chain(1)])
    await turns()
    scene.validator.answers = False
    scene.streams.add([chain(2)])
    await turns()
    assert scene.validator.subscribed() == [1]
    await scene.streams.close()
    assert scene.validator.subscribed() == []


@asynchronous
async def test_a_stream_that_ends_is_opened_again_after_a_pause_and_catches_up() -> None:
    scene = Scene()
    scene.streams.add([chain(1)])
    await turns()
    scene.caught_up()
    scene.validator.streams[0][1].put_nowait(None)
    await turns()
    assert scene.validator.attempts == 1
    await scene.advance(DEFAULT_OPTIONS.retry_delay_us * 2)
    assert scene.validator.attempts == 2
    assert scene.caught_up() == [chain(1)]
    await scene.streams.close()


@asynchronous
async def test_a_failing_validator_is_only_probed_after_some_tries() -> None:
    scene = Scene()
    scene.validator.refuses = True
    scene.streams.add([chain(1)])
    await turns()
    for _ in range(DEFAULT_OPTIONS.max_retries):
        assert not scene.breaker.is_open
        await scene.advance(2 * DEFAULT_OPTIONS.max_backoff_us)
    assert scene.breaker.is_open
    attempts = scene.validator.attempts
    await scene.advance(DEFAULT_OPTIONS.max_backoff_us)
    assert scene.validator.attempts == attempts
    first = DEFAULT_OPTIONS.notification_circuit_breaker_initial_probe_interval_us
    await scene.advance(2 * first)
    assert scene.validator.attempts == attempts + 1
    scene.validator.refuses = False
    await scene.advance(3 * first)
    assert scene.streams.is_open
    assert not scene.breaker.is_failing
    assert scene.caught_up() == [chain(1)]
    await scene.streams.close()


@asynchronous
async def test_streams_that_break_together_count_as_one_failure_and_come_back_together() -> None:
    scene = Scene()
    scene.streams.add([chain(number) for number in range(9)])
    scene.streams.add([chain(100)])
    await turns()
    for _, queue in list(scene.validator.streams):
        queue.put_nowait(None)
    await turns()
    assert scene.breaker.failures == 1
    await scene.advance(2 * DEFAULT_OPTIONS.retry_delay_us)
    assert sorted(scene.validator.subscribed()) == [1, 9]
    await scene.streams.close()


@asynchronous
async def test_a_validator_that_never_answers_counts_as_failing() -> None:
    scene = Scene()
    scene.validator.answers = False
    scene.streams.add([chain(1)])
    await turns()
    await scene.advance(MAX_STREAM_OPENING_US)
    assert scene.breaker.failures == 1
    assert len(scene.errors) == 1
    await scene.streams.close()


@asynchronous
async def test_announcements_of_a_chain_are_merged_while_it_is_looked_into() -> None:
    may_go_on = asyncio.Event()
    heard: list[tuple[ChainId, Announced]] = []

    async def react(chain_id: ChainId, announced: Announced) -> None:
        heard.append((chain_id, announced))
        await may_go_on.wait()

    reactions = Reactions(react, limit=2)
    reactions.put(Notification(chain(1), block(0)))
    await turns()
    for height in (3, 1, 2):
        reactions.put(Notification(chain(1), block(height)))
    for height in (1, 5, 4):
        reactions.put(Notification(chain(1), NewIncomingBundle(chain(9), BlockHeight(height))))
    reactions.put(Notification(chain(1), NewRound(BlockHeight(1), Round.multi_leader(1))))
    reactions.put(Notification(chain(2), block(7)))
    await turns()
    assert [chain_id for chain_id, _ in heard] == [chain(1), chain(2)]
    may_go_on.set()
    await reactions.settled()
    assert len(heard) == 3
    assert list(heard[2][1].reasons.values()) == [
        block(3),
        NewIncomingBundle(chain(9), BlockHeight(5)),
        NewRound(BlockHeight(1), Round.multi_leader(1)),
    ]
    await reactions.close()


@asynchronous
async def test_more_senders_than_there_is_room_for_become_one_question_for_everything() -> None:
    announced = Announced()
    for number in range(2_000):
        announced.add(NewIncomingBundle(chain(number), BlockHeight(1)))
    assert len(announced.reasons) == 1_000
    assert announced.catch_up
