"""Confirmations that are applied with the next request to their chain (decision 0008)."""

import pytest

from catenula.base.errors import LocalError
from catenula.base.integers import BlockHeight, Timestamp
from catenula.execution.environment import NeedsThread
from catenula.validator.side_runs import ASKING
from catenula.worker import Outcome, Worker
from catenula.worker.step import Step
from tests.validator.scene import Scene, start, turns
from tests.validator.test_driver import query, run


async def put_off(scene: Scene) -> None:
    """A block whose message has arrived; the sender's outbox still shows it."""
    await scene.driver.handle_confirmed_certificate(scene.block())
    await turns()
    assert not scene.driver._put_off.is_empty
    assert waiting(scene) == {0: 1}


def waiting(scene: Scene) -> dict[BlockHeight, int]:
    return scene.workers[0].chain(scene.chain_ids[0]).outboxes.counters()


@run
async def test_in_memory_too_a_confirmation_shares_the_step_of_the_next_request() -> None:
    scene = Scene()
    await put_off(scene)
    commits = scene.store.commits
    await scene.driver.handle_chain_info_query(query(scene))
    assert waiting(scene) == {}
    assert scene.store.commits == commits + 1
    assert scene.driver._put_off.is_empty


@pytest.mark.parametrize("error", [LocalError("no disk", retryable=True), ZeroDivisionError()])
def test_a_confirmation_waits_once_more_when_the_request_fails(error: Exception) -> None:
    @run
    async def scenario() -> None:
        scene = Scene()
        await put_off(scene)
        chain_id = scene.chain_ids[0]

        def fail(step: Step) -> None:
            raise error

        def handler(worker: Worker, now: Timestamp) -> Outcome[None]:
            return worker._run(chain_id, now, fail)

        with pytest.raises(type(error)):
            await scene.driver.run(chain_id, handler)
        assert waiting(scene) == {0: 1}
        assert not scene.driver._put_off.is_empty
        await scene.driver.settled()
        assert waiting(scene) == {}

    scenario()


@run
async def test_a_question_takes_nothing_along() -> None:
    """So it leaves the chain in memory when it has to go on on a thread."""
    scene = Scene()
    await put_off(scene)
    chain_id = scene.chain_ids[0]
    before = scene.workers[0].chain(chain_id)
    asked: list[Worker] = []

    def handler(worker: Worker, now: Timestamp) -> Outcome[int]:
        def ask(step: Step) -> int:
            asked.append(worker)
            if worker is scene.workers[0]:
                raise NeedsThread
            return 7

        return worker._run(chain_id, now, ask)

    assert await scene.driver.run(chain_id, handler, limits=ASKING) == 7
    assert len(asked) == 2
    assert scene.workers[0].chain(chain_id) is before
    await scene.driver.settled()
    assert waiting(scene) == {}


@run
async def test_a_refused_confirmation_does_not_fail_the_request_and_is_shown() -> None:
    scene = Scene()
    await put_off(scene)
    counters = scene.workers[0].chain(scene.chain_ids[0]).outboxes._counters
    counters.set(BlockHeight(0), None)
    counters.commit()
    await scene.driver.handle_chain_info_query(query(scene))
    await scene.driver.settled()
    (error,) = scene.driver.refused_cross_chain_requests
    assert "outbox counter is missing" in str(error)


@run
async def test_whoever_waits_for_delivery_does_not_wait_for_company() -> None:
    scene = Scene(gated=True)
    urgent: list[bool] = []
    submit = scene.gated.submit

    def watched(*arguments: object, is_urgent: bool = True, **options: object) -> None:
        urgent.append(is_urgent)
        submit(*arguments, is_urgent=is_urgent, **options)  # type: ignore[arg-type]  # Passed on.

    scene.gated.submit = watched  # type: ignore[method-assign]  # One scene only.
    request = start(
        scene.driver.handle_confirmed_certificate(scene.block(), wait_for_outgoing_messages=True)
    )
    await scene.settle()
    await request
    assert urgent == [True, True, True]  # The block, the delivery, the confirmation.
