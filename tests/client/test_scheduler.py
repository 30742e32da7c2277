"""Downloads that are made once, and the order in which validators are asked (spec 07 §3.3)."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId
from catenula.base.integers import BlockHeight
from catenula.client.options import DEFAULT_OPTIONS
from catenula.client.remote_node import RemoteNode
from catenula.client.scheduler import RequestScheduler
from catenula.protocol import BlobContent, BlobId, ConfirmedBlockCertificate, data_blob
from catenula.testing.clock import ManualClock
from catenula.testing.keys import validator_key
from catenula.transport.validator_node import ValidatorNode
from tests.client.world import asynchronous

BLOB = data_blob(b"content")
CHAIN = ChainId(bytes(32))


class Validator:
    """A validator whose answers to downloads are given by hand."""

    def __init__(self, number: int) -> None:
        self.asked: list[Sequence[BlockHeight]] = []
        self.answers: list[asyncio.Future[object]] = []
        node = cast(ValidatorNode, self)
        self.remote = RemoteNode(validator_key(number).public_key(), f"fake:{number}", node)

    async def _answer(self) -> object:
        self.answers.append(asyncio.get_running_loop().create_future())
        return await self.answers[-1]

    async def download_blob(self, blob_id: BlobId) -> BlobContent:
        self.asked.append(())
        return cast(BlobContent, await self._answer())

    async def download_certificates_by_heights(
        self, chain_id: ChainId, heights: Sequence[BlockHeight]
    ) -> list[ConfirmedBlockCertificate]:
        self.asked.append(heights)
        return cast(list[ConfirmedBlockCertificate], await self._answer())


class Scene:
    def __init__(self, is_proven: bool = True) -> None:
        self.clock = ManualClock()
        self.scheduler = RequestScheduler(DEFAULT_OPTIONS, self.clock, lambda _: is_proven)
        self.first, self.second = Validator(1), Validator(2)

    def blob(self, validator: Validator) -> "asyncio.Task[BlobContent]":
        return asyncio.ensure_future(self.scheduler.blob(validator.remote, BLOB.id))

    def certificates(
        self, validator: Validator, *heights: int
    ) -> "asyncio.Task[list[ConfirmedBlockCertificate]]":
        wanted = [BlockHeight(height) for height in heights]
        return asyncio.ensure_future(
            self.scheduler.certificates_by_heights(validator.remote, CHAIN, wanted)
        )


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


class Block:
    """As much of a block as the scheduler looks at."""

    bcs = bytes(100)

    def __init__(self, height: int) -> None:
        self.chain_id, self.height = CHAIN, BlockHeight(height)
        self.header = self


def certificate(height: int) -> ConfirmedBlockCertificate:
    return ConfirmedBlockCertificate(cast("object", Block(height)), None, ())  # type: ignore[arg-type]  # A stand-in.


@asynchronous
async def test_the_same_thing_is_downloaded_once() -> None:
    scene = Scene()
    tasks = [scene.blob(scene.first), scene.blob(scene.first), scene.blob(scene.second)]
    await turns()
    scene.first.answers[0].set_result(BLOB)
    assert await asyncio.gather(*tasks) == [BLOB] * 3
    assert len(scene.first.asked) == 1
    assert scene.second.asked == []


@asynchronous
async def test_another_validator_is_waited_for_only_for_a_moment() -> None:
    scene = Scene()
    slow = scene.blob(scene.first)
    await turns()
    quick = scene.blob(scene.second)
    await turns()
    assert scene.second.asked == []
    scene.clock.advance(DEFAULT_OPTIONS.alternative_peers_retry_delay_us)
    await turns()
    scene.second.answers[0].set_result(BLOB)
    assert await quick == BLOB
    assert not slow.done()
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)


@asynchronous
async def test_the_failure_of_one_validator_is_not_another_ones() -> None:
    scene = Scene()
    failing = scene.blob(scene.first)
    await turns()
    other = scene.blob(scene.second)
    await turns()
    scene.first.answers[0].set_exception(LocalError("down", retryable=True))
    await turns()
    scene.second.answers[0].set_result(BLOB)
    assert await other == BLOB
    with pytest.raises(LocalError, match="down"):
        await failing


@asynchronous
async def test_an_answer_serves_later_requests_for_a_moment() -> None:
    scene = Scene()
    task = scene.blob(scene.first)
    await turns()
    scene.first.answers[0].set_result(BLOB)
    await task
    assert await scene.blob(scene.second) == BLOB
    scene.clock.advance(DEFAULT_OPTIONS.cache_ttl_us + 1)
    task = scene.blob(scene.second)
    await turns()
    assert len(scene.second.asked) == 1
    scene.second.answers[0].set_result(BLOB)
    await task


@asynchronous
async def test_a_request_within_a_larger_one_waits_for_that() -> None:
    scene = Scene()
    all_of_them = scene.certificates(scene.first, 0, 1, 2)
    await turns()
    some = scene.certificates(scene.second, 1)
    await turns()
    found = [certificate(height) for height in range(3)]
    scene.first.answers[0].set_result(found)
    assert await all_of_them == found
    assert await some == [found[1]]
    assert await scene.certificates(scene.second, 2, 0) == [found[0], found[2]]
    assert scene.second.asked == []


@asynchronous
async def test_what_no_committee_signed_answers_only_for_the_validator_that_said_it() -> None:
    scene = Scene(is_proven=False)
    task = scene.certificates(scene.first, 0)
    await turns()
    other = scene.certificates(scene.second, 0)
    await turns()
    scene.first.answers[0].set_result([certificate(0)])
    await task
    await turns()
    assert len(scene.second.asked) == 1
    right = [certificate(0)]
    scene.second.answers[0].set_result(right)
    assert await other == right


@asynchronous
async def test_a_download_nobody_waits_for_is_cancelled() -> None:
    scene = Scene()
    tasks = [scene.blob(scene.first), scene.blob(scene.second)]
    await turns()
    tasks[0].cancel()
    await turns()
    assert not scene.first.answers[0].cancelled()
    tasks[1].cancel()
    await turns()
    assert scene.first.answers[0].cancelled()
    await asyncio.gather(*tasks, return_exceptions=True)


@asynchronous
async def test_a_validator_that_fails_or_is_late_is_asked_last_until_that_is_forgotten() -> None:
    scene = Scene()
    scores, bad, good = scene.scheduler.scores, scene.first.remote, scene.second.remote
    scores.record(good, 5_000, succeeded=True)
    scores.record(bad, 200_000, succeeded=False)
    assert scores.rank(bad) > scores.rank(good) == 0
    scene.clock.advance(61_000_000)
    assert scores.rank(bad) == 0


@asynchronous
async def test_a_late_answer_is_late_compared_with_others() -> None:
    scene = Scene()
    scores = scene.scheduler.scores
    assert scores.late_after_us() == DEFAULT_OPTIONS.alternative_peers_retry_delay_us
    scores.record(scene.first.remote, 100_000, succeeded=True)
    assert scores.late_after_us() == 400_000
