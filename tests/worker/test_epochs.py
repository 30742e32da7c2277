"""Reconfiguration as one node sees it (spec 05 §10)."""

import pytest

from catenula.base.integers import Epoch
from catenula.chain.errors import InvalidEpoch
from catenula.execution.errors import EventsNotFound, ExecutionError
from catenula.protocol import (
    BlobContent,
    ConfirmedBlockCertificate,
    CreateCommittee,
    OracleBlob,
    ProcessNewEpoch,
    RemoveCommittee,
    epoch_event_id,
)
from catenula.protocol.certificates import InvalidCertificateSigner
from catenula.testing.keys import validator_key
from catenula.testing.tiny_network import TinyNetwork, committee_of, transfer
from tests.worker.epochs import committee_blob, enter_next_epoch


@pytest.fixture
def network() -> TinyNetwork:
    return TinyNetwork()


def learn(network: TinyNetwork, certificates: list[ConfirmedBlockCertificate]) -> None:
    for certificate in certificates:
        network.node.confirm(certificate)


def test_the_admin_chain_announces_an_epoch(network: TinyNetwork) -> None:
    learn(network, enter_next_epoch(network))
    admin = network.genesis.admin_chain_id
    assert network.node.info(admin).epoch == 1
    event = epoch_event_id(admin, Epoch(1))
    assert network.node.worker.shared.event(event) is not None
    assert network.node.worker.committees.get(Epoch(1)) is not None


def test_the_announcement_tells_subscribers_of_the_stream(network: TinyNetwork) -> None:
    blocks = enter_next_epoch(network)
    learn(network, blocks)
    stream = epoch_event_id(network.genesis.admin_chain_id, Epoch(1)).stream_id
    reasons = [notification.reason for notification in network.node.notifications]
    streams = [getattr(reason, "event_streams", None) for reason in reasons]
    assert streams == [(), (stream,), (stream,)]  # Two new blocks, then the events.


def test_another_chain_follows_once_the_announcement_is_known(network: TinyNetwork) -> None:
    chain_id = network.chain_ids[1]
    blocks = enter_next_epoch(network)
    follow = network.draft(chain_id, ProcessNewEpoch(Epoch(1)))
    with pytest.raises(EventsNotFound) as caught:
        network.node.propose(network.sign(follow))
    assert caught.value.event_ids == (epoch_event_id(network.genesis.admin_chain_id, Epoch(1)),)
    learn(network, blocks)
    assert network.node.propose(network.sign(follow)).manager.pending is not None
    network.node.confirm(network.confirmed(network.stage(follow)))
    assert network.node.info(chain_id).epoch == 1


def test_an_epoch_may_not_be_skipped(network: TinyNetwork) -> None:
    learn(network, enter_next_epoch(network))
    with pytest.raises(ExecutionError, match="InvalidCommitteeEpoch"):
        network.node.propose(
            network.sign(network.draft(network.chain_ids[1], ProcessNewEpoch(Epoch(2))))
        )


def test_blocks_of_the_old_epoch_are_refused_after_the_change(network: TinyNetwork) -> None:
    chain_id, admin = network.chain_ids[1], network.chain_ids[0]
    old = network.draft(chain_id, transfer(admin))
    learn(network, enter_next_epoch(network))
    learn(network, [network.execute(chain_id, ProcessNewEpoch(Epoch(1)))])
    tip = network.node.info(chain_id)
    stale = old.replace(height=tip.next_block_height, previous_block_hash=tip.block_hash)
    with pytest.raises(InvalidEpoch):
        network.node.propose(network.sign(stale))


def test_the_new_committee_certifies_from_the_next_height_on(network: TinyNetwork) -> None:
    admin, other, _ = network.chain_ids
    newcomers = [validator_key(50), validator_key(51)]
    learn(network, enter_next_epoch(network, committee_of(newcomers)))
    block = network.stage(network.draft(admin, transfer(other)))
    assert block.epoch == 1
    with pytest.raises(InvalidCertificateSigner):
        network.node.confirm(network.confirmed(block))
    network.secrets = newcomers
    network.node.confirm(network.confirmed(block))
    assert network.node.info(admin).next_block_height == block.height + 1


def test_a_removed_epoch_still_vouches_for_its_blocks(network: TinyNetwork) -> None:
    admin, other, third = network.chain_ids
    sent = network.execute(other, transfer(third))
    learn(network, enter_next_epoch(network))
    learn(network, [network.execute(admin, RemoveCommittee(Epoch(0)))])
    assert network.node.info(admin).next_block_height == 3
    network.node.confirm(sent)
    network.node.deliver()
    assert len(network.node.chain(third).inboxes.queued(other)) == 1


def test_the_committee_of_a_later_epoch_is_not_learned_from_its_own_certificate(
    network: TinyNetwork,
) -> None:
    chain_id = network.chain_ids[1]
    enter_next_epoch(network)
    network.execute(chain_id, ProcessNewEpoch(Epoch(1)))
    later = network.execute(chain_id, transfer(network.chain_ids[0]))
    assert later.block.epoch == 1
    with pytest.raises(EventsNotFound):
        network.node.confirm(later)


def test_using_a_committee_records_its_blob(network: TinyNetwork) -> None:
    blocks = enter_next_epoch(network)
    blob: BlobContent = committee_blob(
        network.committee.replace(policy=network.committee.policy.replace(operation=1))
    )
    follow = network.execute(network.chain_ids[1], ProcessNewEpoch(Epoch(1)))
    assert OracleBlob(blob.id) in follow.block.body.oracle_responses[0]
    assert blob.id in follow.block.required_blob_ids
    assert isinstance(
        next(iter(blocks[1].block.proposed.operations())),
        CreateCommittee,
    )
