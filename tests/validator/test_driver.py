"""The driver of a node: one writer per chain, writes before words, then effects (S2, W1)."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from catenula.base.errors import LocalError
from catenula.base.integers import BlockHeight, Timestamp
from catenula.protocol import (
    BlobContent,
    BlobType,
    BlockProposal,
    ChainInfoQuery,
    NewBlock,
    NodeErrorReceived,
    PublishDataBlob,
    UpdateRecipient,
    node_error,
)
from catenula.storage.memory import MemoryStore
from catenula.testing.faulty_store import Fault, FaultyStore, InjectedFault
from catenula.testing.tiny_network import TinyNetwork, transfer
from catenula.validator.committer import GroupCommitter
from catenula.validator.cross_chain import IN_COMPANY, Pace
from catenula.validator.ownership import partition_of
from tests.validator.scene import Scene, start, turns


@pytest.fixture(autouse=True)
def without_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests between chains are served in the next turns; the pause is tested by itself."""
    pace = Pace(IN_COMPANY.lanes, pause_seconds=0.0)
    monkeypatch.setattr("catenula.validator.driver.IN_COMPANY", pace)


HANGING_SECONDS = 30
"""A test that is not done by then waits for something that never comes."""

AsyncTest = Callable[[], Coroutine[Any, Any, None]]


def run(test: AsyncTest) -> Callable[[], None]:
    """An asynchronous test as a plain one."""

    def plain() -> None:
        asyncio.run(asyncio.wait_for(test(), HANGING_SECONDS))

    plain.__name__, plain.__doc__ = test.__name__, test.__doc__
    return plain


def query(scene: Scene, number: int = 0) -> ChainInfoQuery:
    return ChainInfoQuery(scene.chain_ids[number])


def proposal(scene: Scene, amount: int = 1) -> BlockProposal:
    chain_id, other, _ = scene.chain_ids
    return scene.network.sign(scene.network.draft(chain_id, transfer(other, amount)))


async def refusal(request: Awaitable[object]) -> node_error.NodeError:
    with pytest.raises(NodeErrorReceived) as caught:
        await request
    return caught.value.error


# Order


@run
async def test_a_node_in_memory_answers_without_switching_tasks() -> None:
    scene = Scene()
    call = scene.driver.handle_block_proposal(proposal(scene))
    with pytest.raises(StopIteration) as finished:
        call.send(None)
    assert finished.value.value.info.manager.pending is not None


@run
async def test_nothing_leaves_before_it_is_durable() -> None:
    scene = Scene(gated=True)
    await scene.listen()
    reply = start(scene.driver.handle_confirmed_certificate(scene.block()))
    await turns()
    assert not reply.done()
    assert scene.heard == []
    assert len(scene.gated.gates) == 1  # The update to the other chain is not even tried.
    await scene.gated.open()
    assert reply.done()
    assert [type(item.reason) for item in scene.heard] == [NewBlock]
    assert len(scene.gated.gates) == 1  # Now it waits for its own commit.
    await scene.settle()
    assert len(scene.heard) == 2


@run
async def test_requests_of_one_chain_run_one_after_the_other_in_their_order() -> None:
    scene = Scene(gated=True)
    first, second = (proposal(scene, amount) for amount in (1, 2))
    votes = start(scene.driver.handle_block_proposal(first))
    await turns()
    refused = start(scene.driver.handle_block_proposal(second))
    third = start(scene.driver.handle_chain_info_query(query(scene)))
    await turns()
    assert not third.done()
    assert len(scene.gated.gates) == 1
    await scene.gated.open()
    vote = (await votes).info.manager.pending
    assert isinstance(await refusal(refused), node_error.ChainError)  # C2
    assert (await third).info.manager.pending == vote


@run
async def test_a_request_that_arrives_inline_waits_for_a_chain_that_is_being_written() -> None:
    scene = Scene(gated=True)
    started = start(scene.driver.handle_block_proposal(proposal(scene)))
    await turns()
    scene.gated.inline = True  # As if the next commits took no time.
    late = start(scene.driver.handle_chain_info_query(query(scene)))
    await turns()
    assert not late.done()
    await scene.gated.open()
    assert (await late).info.manager == (await started).info.manager


@run
async def test_chains_do_not_wait_for_each_other() -> None:
    scene = Scene(gated=True)
    first = start(scene.driver.handle_chain_info_query(query(scene, 0)))
    second = start(scene.driver.handle_chain_info_query(query(scene, 1)))
    await turns()
    assert len(scene.gated.gates) == 2
    await scene.gated.open()
    await scene.gated.open()
    await asyncio.gather(first, second)


@run
async def test_locks_leave_nothing_behind() -> None:
    scene = Scene(gated=True)
    request = start(scene.driver.handle_chain_info_query(query(scene)))
    await turns()
    assert scene.driver._locks.is_locked(scene.chain_ids[0])
    await scene.gated.open()
    await request
    assert not scene.driver._locks.is_locked(scene.chain_ids[0])


# Failures


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("fault", [Fault.BEFORE, Fault.AFTER])
def test_a_failed_commit_is_a_local_error_and_the_chain_is_read_again(
    gated: bool, fault: Fault
) -> None:
    async def scenario() -> None:
        store = FaultyStore(MemoryStore())
        committer = GroupCommitter(store) if gated else None
        scene = Scene(store=store, committer=committer)
        await scene.listen()
        store.fail_next(fault)
        with pytest.raises(InjectedFault):
            await scene.driver.handle_block_proposal(proposal(scene))
        assert scene.driver.worker.loaded_chains() == 0
        info = (await scene.driver.handle_chain_info_query(query(scene))).info
        assert (info.manager.pending is not None) == (fault is Fault.AFTER)
        if committer is not None:
            await committer.close()

    asyncio.run(scenario())


@run
async def test_who_waits_behind_a_failed_commit_finds_the_stored_state() -> None:
    scene = Scene(gated=True)
    first, second = (proposal(scene, amount) for amount in (1, 2))
    lost = start(scene.driver.handle_block_proposal(first))
    await turns()
    behind = start(scene.driver.handle_block_proposal(second))
    await turns()
    scene.store.fail_next(Fault.BEFORE)
    await scene.gated.open()
    with pytest.raises(LocalError):
        await lost
    await scene.gated.open()
    assert (await behind).info.manager.pending is not None


@run
async def test_no_effect_of_a_failed_commit_leaves_the_node() -> None:
    scene = Scene()
    await scene.listen()
    certificate = scene.block()
    scene.store.fail_next()
    with pytest.raises(InjectedFault):
        await scene.driver.handle_confirmed_certificate(certificate)
    await turns()
    assert scene.heard == []
    assert scene.workers[0].chain(scene.chain_ids[1]).inboxes.origins() == []
    await scene.driver.handle_confirmed_certificate(certificate)
    await turns()
    assert len(scene.heard) == 2


def test_any_failure_of_the_engine_drops_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        scene = Scene()
        monkeypatch.setattr(scene.store, "commit", lambda groups: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            await scene.driver.handle_block_proposal(proposal(scene))
        assert scene.driver.worker.loaded_chains() == 0

    asyncio.run(scenario())


@run
async def test_what_a_refused_request_must_remember_is_durable_before_the_refusal() -> None:
    scene = Scene(gated=True)
    blob = BlobContent(BlobType.DATA, b"missing")
    draft = scene.network.draft(scene.chain_ids[0], PublishDataBlob(blob.hash))
    request = start(scene.driver.handle_block_proposal(scene.network.sign(draft)))
    await turns()
    assert not request.done()
    await scene.gated.open()
    assert await refusal(request) == node_error.BlobsNotFound((blob.id,))
    upload = start(scene.driver.handle_pending_blob(scene.chain_ids[0], blob))
    await turns()
    await scene.gated.open()
    await upload


@run
async def test_a_refusal_carries_its_cause() -> None:
    scene = Scene()
    with pytest.raises(NodeErrorReceived) as caught:
        await scene.driver.handle_chain_info_query(query(scene).replace(request_fallback=True))
    assert isinstance(caught.value.error, node_error.WorkerError)
    assert caught.value.__cause__ is not None


# Callers that go away


@run
async def test_a_caller_that_goes_away_stops_neither_the_write_nor_its_effects() -> None:
    scene = Scene(gated=True)
    await scene.listen()
    certificate = scene.block()
    request = start(scene.driver.handle_confirmed_certificate(certificate))
    await turns()
    request.cancel()
    await turns()
    assert request.cancelled()
    await scene.settle()
    assert scene.workers[0].shared.has_certificate(certificate.hash)
    assert len(scene.heard) == 2  # The block, and its message at the other chain.


@run
async def test_a_caller_that_goes_away_while_it_waits_for_its_turn_gives_up_its_place() -> None:
    scene = Scene(gated=True)
    first = start(scene.driver.handle_chain_info_query(query(scene)))
    await turns()
    second = start(scene.driver.handle_block_proposal(proposal(scene)))
    third = start(scene.driver.handle_chain_info_query(query(scene)))
    await turns()
    second.cancel()
    await scene.gated.open()
    await first
    assert (await third).info.manager.pending is None
    assert not scene.driver._locks.is_locked(scene.chain_ids[0])


# Waiting for delivery


@run
async def test_the_reply_waits_until_the_messages_are_in_their_inboxes() -> None:
    scene = Scene(gated=True)
    request = start(
        scene.driver.handle_confirmed_certificate(scene.block(), wait_for_outgoing_messages=True)
    )
    await turns()
    for _ in range(3):  # The block, the delivery, the confirmation.
        assert not request.done()
        await scene.gated.open()
    assert request.done()
    inbox = scene.workers[0].chain(scene.chain_ids[1]).inboxes
    assert len(inbox.queued(scene.chain_ids[0])) == 1


@run
async def test_a_known_block_is_waited_for_as_well() -> None:
    scene = Scene()
    certificate = scene.block()
    await scene.driver.handle_confirmed_certificate(certificate)
    reply = await scene.driver.handle_confirmed_certificate(
        certificate, wait_for_outgoing_messages=True
    )
    assert reply.info.next_block_height == 1
    reply = await scene.driver.handle_lite_certificate(
        certificate.lite(), wait_for_outgoing_messages=True
    )
    assert reply.info.next_block_height == 1


@run
async def test_a_block_without_messages_is_not_waited_for() -> None:
    scene = Scene(gated=True)
    blob = BlobContent(BlobType.DATA, b"data")
    scene.store.commit(scene.workers[0].store_blobs((blob,)))
    certificate = scene.network.execute(
        scene.chain_ids[0], PublishDataBlob(blob.hash), blobs=[blob]
    )
    request = start(
        scene.driver.handle_confirmed_certificate(certificate, wait_for_outgoing_messages=True)
    )
    await turns()
    await scene.gated.open()
    assert request.done()


@run
async def test_a_caller_may_give_up_waiting() -> None:
    scene = Scene(gated=True)
    request = start(
        scene.driver.handle_confirmed_certificate(scene.block(), wait_for_outgoing_messages=True)
    )
    await turns()
    await scene.gated.open()
    request.cancel()
    await turns()
    await scene.settle()
    assert not scene.driver._waiters.has(scene.chain_ids[0])


# Confirmations that wait for company


@run
async def test_a_confirmation_shares_the_commit_of_its_chains_next_request() -> None:
    scene = Scene(gated=True)
    sender = scene.workers[0].chain(scene.chain_ids[0])
    block = start(scene.driver.handle_confirmed_certificate(scene.block()))
    await turns()
    await scene.gated.open()  # The block.
    await block
    await scene.gated.open()  # Its delivery.
    assert sender.outboxes.counters() == {0: 1}
    vote = start(scene.driver.handle_block_proposal(proposal(scene)))
    await turns()
    assert len(scene.gated.gates) == 1
    await scene.gated.open()
    assert (await vote).info.manager.pending is not None
    assert sender.outboxes.counters() == {}
    assert scene.gated.gates == []


@run
async def test_a_confirmation_nobody_takes_along_is_applied_by_itself() -> None:
    scene = Scene(gated=True)
    block = start(scene.driver.handle_confirmed_certificate(scene.block()))
    await turns()
    await scene.gated.open()
    await block
    await scene.settle()
    assert scene.workers[0].chain(scene.chain_ids[0]).outboxes.counters() == {}


@run
async def test_a_confirmation_that_was_taken_along_by_a_failed_commit_comes_again() -> None:
    scene = Scene(gated=True)
    block = start(scene.driver.handle_confirmed_certificate(scene.block()))
    await turns()
    await scene.gated.open()
    await scene.gated.open()
    await block
    lost = start(scene.driver.handle_block_proposal(proposal(scene)))
    await turns()
    scene.store.fail_next()
    await scene.gated.open()
    with pytest.raises(InjectedFault):
        await lost
    again = start(scene.driver.handle_chain_info_query(query(scene)))
    await scene.settle()
    await again
    chains = [scene.workers[0].chain(chain_id) for chain_id in scene.chain_ids]
    assert chains[0].outboxes.counters() == {}
    assert len(chains[1].inboxes.queued(scene.chain_ids[0])) == 1  # M2


@run
async def test_a_bug_in_the_effects_reaches_the_caller_and_frees_the_chain() -> None:
    scene = Scene(gated=True)
    scene.driver.notifier.watchers.append(lambda _: 1 // 0)  # type: ignore[arg-type]  # A bug.
    request = start(scene.driver.handle_confirmed_certificate(scene.block()))
    await turns()
    with pytest.raises(ZeroDivisionError):
        await scene.gated.open()
    with pytest.raises(ZeroDivisionError):
        await request
    scene.driver.notifier.watchers.clear()
    assert not scene.driver._locks.is_locked(scene.chain_ids[0])
    await scene.settle()


# Time


@run
async def test_a_block_slightly_ahead_of_the_clock_is_waited_for() -> None:
    scene = Scene()
    chain_id, other, _ = scene.chain_ids
    draft = scene.network.draft(chain_id, transfer(other))
    ahead = draft.replace(timestamp=Timestamp(draft.timestamp + 400_000))
    request = start(scene.driver.handle_block_proposal(scene.network.sign(ahead)))
    await turns()
    assert scene.clock.sleepers == 1
    # Nothing is held meanwhile.
    await scene.driver.handle_chain_info_query(query(scene))
    scene.clock.advance(400_000)
    assert (await request).info.manager.pending is not None


@run
async def test_a_block_far_ahead_of_the_clock_is_refused_at_once() -> None:
    scene = Scene()
    chain_id, other, _ = scene.chain_ids
    draft = scene.network.draft(chain_id, transfer(other))
    ahead = draft.replace(timestamp=Timestamp(draft.timestamp + 600_000))
    error = await refusal(scene.driver.handle_block_proposal(scene.network.sign(ahead)))
    assert isinstance(error, node_error.WorkerError)
    assert error.error.endswith(f"[us:{ahead.timestamp}:{scene.clock.now()}]")


# Stopping


@run
async def test_a_stopped_node_finishes_what_it_accepted_and_refuses_the_rest() -> None:
    scene = Scene(gated=True)
    accepted = start(scene.driver.handle_block_proposal(proposal(scene)))
    await turns()
    stopping = start(scene.driver.stop())
    await turns()
    with pytest.raises(LocalError, match="the validator has stopped"):
        await scene.driver.handle_chain_info_query(query(scene))
    assert not stopping.done()
    await scene.gated.open()
    assert (await accepted).info.manager.pending is not None
    await stopping


@run
async def test_a_proposal_that_waits_for_its_time_gets_no_vote_from_a_stopped_node() -> None:
    scene = Scene()
    draft = scene.network.draft(scene.chain_ids[0], transfer(scene.chain_ids[1]))
    ahead = draft.replace(timestamp=Timestamp(draft.timestamp + 1))
    request = start(scene.driver.handle_block_proposal(scene.network.sign(ahead)))
    await turns()
    await scene.driver.stop()
    scene.clock.advance(1)
    with pytest.raises(LocalError, match="stopped"):
        await request  # C2: another node may serve the same store by now.


@run
async def test_stopping_wakes_those_who_wait_and_listen() -> None:
    scene = Scene(gated=True)
    listener = await scene.listen()
    request = start(
        scene.driver.handle_confirmed_certificate(scene.block(), wait_for_outgoing_messages=True)
    )
    await turns()
    await scene.gated.open()
    stopping = start(scene.driver.stop())
    await scene.gated.open_all()
    await stopping
    with pytest.raises(LocalError, match="stopped"):
        await request
    with pytest.raises(LocalError, match="stopped"):
        await listener


# Several workers, and the rest of the interface


@run
async def test_chains_are_shared_out_among_workers_that_send_to_each_other() -> None:
    partitions = [partition_of(chain_id) for chain_id in TinyNetwork().chain_ids]
    count = next(n for n in range(2, 64) if len({number % n for number in partitions}) == 3)
    scene = Scene(workers=count)
    for chain_id, number in zip(scene.chain_ids, partitions, strict=True):
        assert scene.driver.worker_of(chain_id) is scene.workers[number % count]
    certificate = scene.block()
    await scene.driver.handle_confirmed_certificate(certificate, wait_for_outgoing_messages=True)
    recipient = scene.driver.worker_of(scene.chain_ids[1])
    assert len(recipient.chain(scene.chain_ids[1]).inboxes.queued(scene.chain_ids[0])) == 1
    assert sum(worker.loaded_chains() for worker in scene.workers) == 2


@run
async def test_uploads_are_taken_only_when_a_certificate_asked_for_them() -> None:
    scene = Scene()
    blob = BlobContent(BlobType.DATA, b"data")
    assert await refusal(scene.driver.upload_blob(blob)) == node_error.BlobsNotFound((blob.id,))
    certificate = scene.network.execute(
        scene.chain_ids[0], PublishDataBlob(blob.hash), blobs=[blob]
    )
    error = await refusal(scene.driver.handle_confirmed_certificate(certificate))
    assert error == node_error.BlobsNotFound((blob.id,))
    assert await scene.driver.upload_blob(blob) == blob.id
    assert await scene.driver.upload_blob(blob) == blob.id
    await scene.driver.handle_confirmed_certificate(certificate)
    found = await scene.driver.download_blob(blob.id)
    assert found == blob


@run
async def test_what_a_node_tells_about_itself() -> None:
    scene = Scene()
    description = await scene.driver.get_network_description()
    assert description == scene.network.genesis.network_description()
    assert str((await scene.driver.get_version_info()).crate_version).startswith("0.15.")
    assert scene.driver.address == "the validator"


@run
async def test_refused_requests_between_chains_can_be_inspected() -> None:
    scene = Scene()
    scene.block()
    await scene.driver.handle_confirmed_certificate(scene.block())
    await scene.driver.settled()
    before = scene.driver.refused_cross_chain_requests
    assert before == ()
    update = scene.network.client.mail[-1]
    assert isinstance(update, UpdateRecipient)
    late = update.replace(bundles=update.bundles[1:], previous_height=BlockHeight(0))
    scene.driver._queue.put(late)
    await scene.driver.settled()
    refused = scene.driver.refused_cross_chain_requests
    assert [getattr(error, "code", "") for error in refused] == ["InboxGapDetected"]


@run
async def test_a_full_disk_delays_messages_but_loses_none() -> None:
    scene = Scene()
    certificate = scene.block()
    scene.store.fail_at(scene.store.commits + 2)  # The block is stored, its delivery not.
    await scene.driver.handle_confirmed_certificate(certificate, wait_for_outgoing_messages=True)
    inboxes = scene.workers[0].chain(scene.chain_ids[1]).inboxes
    assert len(inboxes.queued(scene.chain_ids[0])) == 1
    assert len(scene.driver.refused_cross_chain_requests) == 1


@run
async def test_a_reading_listener_that_leaves_is_forgotten() -> None:
    scene = Scene()
    listener = await scene.listen()
    listener.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listener
    await scene.driver.handle_confirmed_certificate(scene.block())
    assert scene.heard == []
    assert not scene.driver.notifier._by_chain
