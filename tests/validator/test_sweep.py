"""What waits in outboxes goes out again although nobody touches the sender (M13)."""

import asyncio
from itertools import pairwise

import pytest

from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId
from catenula.protocol import ChainInfoQuery, ConfirmedBlockCertificate, UpdateRecipient
from catenula.validator import sweep
from catenula.validator.sweep import Sweeper, SweepOptions
from tests.validator.scene import Scene, turns

QUICK = SweepOptions(pass_seconds=0.0, scan_pause_seconds=0.0)


def commit_without_effects(scene: Scene, certificate: ConfirmedBlockCertificate) -> None:
    """As when the process is killed between the commit and what follows from it."""
    worker = scene.driver.worker_of(certificate.chain_id)
    outcome = worker.handle_confirmed_certificate(certificate, scene.clock.now())
    scene.store.commit(outcome.writes)
    worker.committed(outcome)
    worker.forget_chain(certificate.chain_id)


def drop_updates(scene: Scene) -> list[UpdateRecipient]:
    """From now on updates are lost on their way; the list gets them."""
    lost: list[UpdateRecipient] = []
    queue = scene.driver._queue
    put = queue.put

    def lossy(request: object) -> None:
        if isinstance(request, UpdateRecipient):
            lost.append(request)
        else:
            put(request)  # type: ignore[arg-type]  # The other cross-chain requests.

    queue.put = lossy  # type: ignore[method-assign]  # A fault for this test.
    return lost


def heal(scene: Scene) -> None:
    del scene.driver._queue.put


async def waiting_at(scene: Scene, chain_id: ChainId) -> int:
    query = ChainInfoQuery(
        chain_id, request_pending_message_bundles=True, create_network_actions=False
    )
    response = await scene.driver.handle_chain_info_query(query)
    return len(response.info.requested_pending_message_bundles)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_scan_after_a_start_sends_what_a_killed_process_left(workers: int) -> None:
    async def body() -> None:
        scene = Scene(workers=workers)
        commit_without_effects(scene, scene.block())
        assert await waiting_at(scene, scene.chain_ids[1]) == 0
        sweeper = Sweeper(scene.driver, options=QUICK)
        await sweeper.scan()
        await scene.driver.settled()
        assert await waiting_at(scene, scene.chain_ids[1]) == 1
        assert (sweeper.resent_chains, sweeper.scanned_chains > 0) == (1, True)
        await sweeper.scan()
        assert sweeper.resent_chains == 1

    asyncio.run(body())


def test_the_scan_leaves_out_chains_that_are_served_elsewhere() -> None:
    async def body() -> None:
        scene = Scene()
        commit_without_effects(scene, scene.block())
        sweeper = Sweeper(scene.driver, serves=lambda _: False, options=QUICK)
        await sweeper.scan()
        assert sweeper.scanned_chains == 0

    asyncio.run(body())


def test_a_lost_update_is_sent_again_while_the_sender_is_idle() -> None:
    async def body() -> None:
        scene = Scene()
        sweeper = Sweeper(scene.driver, options=QUICK)
        lost = drop_updates(scene)
        await scene.driver.handle_confirmed_certificate(scene.block())
        await turns()
        assert len(lost) == sweeper.waiting_chains == 1
        heal(scene)
        await sweeper.sweep()
        assert sweeper.resent_chains == 0  # It may still be under way.
        await sweeper.sweep()
        await scene.driver.settled()
        assert await waiting_at(scene, scene.chain_ids[1]) == 1
        for _ in range(QUICK.most_passes):
            await sweeper.sweep()
        assert (sweeper.resent_chains, sweeper.waiting_chains) == (1, 0)

    asyncio.run(body())


def test_an_update_that_never_arrives_is_sent_ever_more_rarely() -> None:
    async def body() -> None:
        scene = Scene()
        sweeper = Sweeper(scene.driver, options=QUICK)
        drop_updates(scene)
        await scene.driver.handle_confirmed_certificate(scene.block())
        moments = []
        for number in range(60):
            before = sweeper.resent_chains
            await sweeper.sweep()
            if sweeper.resent_chains > before:
                moments.append(number)
        gaps = [late - early for early, late in pairwise(moments)]
        assert gaps == sorted(gaps)
        assert len(gaps) > 5
        assert max(gaps) <= QUICK.most_passes

    asyncio.run(body())


def damage(scene: Scene, chain_id: ChainId) -> None:
    """From now on the chain cannot be read."""
    worker = scene.driver.worker_of(chain_id)
    has_undelivered = worker.has_undelivered

    def damaged(asked: ChainId) -> bool:
        if asked == chain_id:
            raise LocalError("damaged", retryable=False)
        return has_undelivered(asked)

    worker.has_undelivered = damaged  # type: ignore[method-assign,assignment]  # A fault for this test.


@pytest.mark.parametrize("damaged", [0, 1])
def test_a_chain_that_cannot_be_read_keeps_no_other_from_its_turn(damaged: int) -> None:
    async def body() -> None:
        scene = Scene()
        sweeper = Sweeper(scene.driver, options=QUICK)
        drop_updates(scene)
        await scene.driver.handle_confirmed_certificate(scene.block(0, 2))
        await scene.driver.handle_confirmed_certificate(scene.block(1, 2))
        heal(scene)
        damage(scene, scene.chain_ids[damaged])
        for _ in range(3):
            await sweeper.sweep()
        await scene.driver.settled()
        assert await waiting_at(scene, scene.chain_ids[2]) == 1
        assert sweeper.failed_chains == 1  # The next time is later.

    asyncio.run(body())


@pytest.mark.parametrize("damaged", [0, 1])
def test_the_scan_goes_on_after_a_chain_that_cannot_be_read(damaged: int) -> None:
    async def body() -> None:
        scene = Scene()
        commit_without_effects(scene, scene.block(0, 2))
        commit_without_effects(scene, scene.block(1, 2))
        damage(scene, scene.chain_ids[damaged])
        sweeper = Sweeper(scene.driver, options=QUICK)
        await sweeper.scan()
        await scene.driver.settled()
        assert await waiting_at(scene, scene.chain_ids[2]) == 1
        assert (sweeper.failed_chains, scene.chain_ids[damaged] in sweeper._waiting) == (1, True)

    asyncio.run(body())


def test_beyond_what_is_remembered_all_chains_are_scanned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweep, "MAX_UNDELIVERED_CHAINS", 1)

    async def body() -> None:
        scene = Scene()
        sweeper = Sweeper(scene.driver, options=QUICK)
        drop_updates(scene)
        await scene.driver.handle_confirmed_certificate(scene.block(0, 1))
        await scene.driver.handle_confirmed_certificate(scene.block(1, 2))
        assert sweeper.waiting_chains == 1
        heal(scene)
        sweeper.start()
        while not await waiting_at(scene, scene.chain_ids[2]):
            await turns()
        await sweeper.stop()

    asyncio.run(body())
