"""Committees and epochs (spec 02 §8)."""

import pytest

from catenula.base.identifiers import CryptoHash
from catenula.base.integers import Amount, Epoch
from catenula.execution.errors import BlobsNotFound, EventsNotFound, ExecutionError
from catenula.execution.policy import HISTORICAL_HASH_FLAG, ZERO_HASH_FLAG, HashMode
from catenula.protocol import (
    BlobContent,
    BlobId,
    BlobType,
    ChainDescription,
    ChainOwnership,
    Committee,
    CreateCommittee,
    EventId,
    OpenChain,
    OpenChainConfig,
    OracleBlob,
    OracleEvent,
    ProcessNewEpoch,
    ProcessRemovedEpoch,
    PublishCommitteeBlob,
    RemoveCommittee,
    ResourceControlPolicy,
)
from catenula.testing.execution_world import ALICE, BOB, Chain, World


def committee_blob(*flags: str) -> BlobContent:
    committee = Committee({}, ResourceControlPolicy(http_request_allow_list=flags))
    return BlobContent(BlobType.COMMITTEE, committee.to_bcs())


def start_epoch(world: World, epoch: int, *flags: str) -> BlobId:
    """Publish and create a committee on the admin chain."""
    blob = committee_blob(*flags)
    world.admin.execute(PublishCommitteeBlob(blob.hash), published=(blob,))
    world.admin.execute(CreateCommittee(Epoch(epoch), blob.hash))
    world.committees[Epoch(epoch)] = Committee.from_bcs(blob.bytes)
    return blob.id


def test_a_new_committee_is_announced_by_an_event_that_is_not_counted(world: World) -> None:
    blob = committee_blob("example.com")
    world.admin.execute(PublishCommitteeBlob(blob.hash), published=(blob,))
    executed = world.admin.execute(CreateCommittee(Epoch(1), blob.hash))
    (event,) = executed.events[0]
    assert (str(event.stream_id), event.index, event.value) == ("System:00", 1, bytes(blob.hash))
    assert executed.oracle_responses == ((),)
    system = world.admin.state.system
    assert system.epoch.get() == 1
    assert sorted(system.committees.get()) == [0, 1]
    assert world.admin.state.stream_event_counts.keys() == []


def test_a_committee_published_elsewhere_is_recorded_as_used(world: World) -> None:
    blob = committee_blob("example.com")
    world.add_blob(blob)
    executed = world.admin.execute(CreateCommittee(Epoch(1), blob.hash))
    assert executed.oracle_responses == ((OracleBlob(blob.id),),)


def test_a_committee_cannot_be_created_in_the_block_that_publishes_it(world: World) -> None:
    blob = committee_blob("example.com")
    block = world.admin.propose(
        PublishCommitteeBlob(blob.hash), CreateCommittee(Epoch(1), blob.hash)
    )
    with pytest.raises(BlobsNotFound):
        world.admin.try_run(block, blob)


@pytest.mark.parametrize("epoch", [0, 2, 2**32 - 1])
def test_epochs_follow_each_other(world: World, epoch: int) -> None:
    blob = committee_blob()
    world.add_blob(blob)
    with pytest.raises(ExecutionError, match="InvalidCommitteeEpoch"):
        world.admin.try_run(world.admin.propose(CreateCommittee(Epoch(epoch), blob.hash)))


def test_admin_operations_are_for_the_admin_chain(alice: Chain) -> None:
    blob = committee_blob()
    for operation in (
        PublishCommitteeBlob(blob.hash),
        CreateCommittee(Epoch(1), blob.hash),
        RemoveCommittee(Epoch(0)),
    ):
        published = (blob,) if isinstance(operation, PublishCommitteeBlob) else ()
        with pytest.raises(ExecutionError, match="AdminOperationOnNonAdminChain"):
            alice.try_run(alice.propose(operation), *published)


def test_other_chains_follow_through_the_event(world: World, alice: Chain) -> None:
    blob_id = start_epoch(world, 1, "example.com")
    executed = alice.execute(ProcessNewEpoch(Epoch(1)))
    event, blob = executed.oracle_responses[0]
    assert isinstance(event, OracleEvent)
    assert (event.event_id.chain_id, event.value) == (
        world.admin.chain_id,
        bytes(blob_id.hash),
    )
    assert blob == OracleBlob(blob_id)
    assert alice.state.system.epoch.get() == 1


def test_an_epoch_that_is_not_known_is_waited_for(world: World, alice: Chain) -> None:
    with pytest.raises(EventsNotFound) as refusal:
        alice.try_run(alice.propose(ProcessNewEpoch(Epoch(1))))
    (event_id,) = refusal.value.event_ids
    assert isinstance(event_id, EventId)
    assert event_id.index == 1


def test_several_epochs_fit_in_one_block(world: World, alice: Chain) -> None:
    start_epoch(world, 1, "one.example")
    start_epoch(world, 2, "two.example")
    alice.execute(ProcessNewEpoch(Epoch(1)), ProcessNewEpoch(Epoch(2)))
    assert alice.state.system.epoch.get() == 2


def test_an_epoch_is_retired_and_the_retirement_followed(world: World, alice: Chain) -> None:
    start_epoch(world, 1, "example.com")
    alice.execute(ProcessNewEpoch(Epoch(1)))
    executed = world.admin.execute(RemoveCommittee(Epoch(0)))
    (event,) = executed.events[0]
    assert (str(event.stream_id), event.index, event.value) == ("System:01", 0, b"")
    followed = alice.execute(ProcessRemovedEpoch(Epoch(0)))
    assert len(followed.oracle_responses[0]) == 1
    assert sorted(alice.state.system.committees.get()) == [1]
    with pytest.raises(ExecutionError, match="InvalidCommitteeRemoval"):
        alice.try_run(alice.propose(ProcessRemovedEpoch(Epoch(0))))


def test_child_chains_inherit_the_numeric_range_of_epochs(world: World) -> None:
    admin = world.admin
    committees = {Epoch(number): world.committees[Epoch(0)] for number in (1, 256)}
    admin.state.system.committees.set(committees)
    admin.save()
    config = OpenChainConfig(ChainOwnership.single(BOB), Amount(0))
    executed = admin.execute(OpenChain(config), signer=ALICE)
    opened = ChainDescription.from_bcs(executed.blobs[0][0].bytes).config
    assert (opened.min_active_epoch, opened.max_active_epoch) == (1, 256)


def test_the_hash_mode_follows_the_epoch_a_block_ends_in(world: World) -> None:
    admin = world.admin
    blob = committee_blob(ZERO_HASH_FLAG)
    admin.execute(PublishCommitteeBlob(blob.hash), published=(blob,))
    executed = admin.execute(CreateCommittee(Epoch(1), blob.hash))
    assert executed.state_hash == CryptoHash(bytes(32))
    assert admin.state.hash_mode(world) is HashMode.ZERO


def test_an_epoch_change_to_historical_seeds_the_rolling_hash_in_that_block(world: World) -> None:
    admin = world.admin
    blob = committee_blob(HISTORICAL_HASH_FLAG)
    admin.execute(PublishCommitteeBlob(blob.hash), published=(blob,))
    admin.execute(CreateCommittee(Epoch(1), blob.hash))
    assert admin.state.historical_hash.get() == admin.state.content_hash()
