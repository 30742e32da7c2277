"""Requests between the chains of one node (spec 05 §2.4, §3, 06 §5)."""

import pytest

from catenula.base.integers import Amount, BlockHeight
from catenula.chain.errors import InboxGapDetected, InvalidCrossChainRequest
from catenula.protocol import (
    ChainDescription,
    ChainInfoQuery,
    ChainOwnership,
    ConfirmUpdatedRecipient,
    NewIncomingBundle,
    OpenChain,
    OpenChainConfig,
    RevertConfirm,
    UpdateRecipient,
)
from catenula.testing.keys import account_key
from catenula.testing.tiny_network import TinyNetwork, transfer
from catenula.testing.tiny_node import TinyNode
from catenula.worker import WorkerConfig


@pytest.fixture
def network() -> TinyNetwork:
    return TinyNetwork()


def send(network: TinyNetwork, count: int, sender: int = 0, recipient: int = 1) -> None:
    """Execute blocks on the validator that send one message each; nothing is delivered."""
    for _ in range(count):
        certificate = network.execute(
            network.chain_ids[sender], transfer(network.chain_ids[recipient])
        )
        network.node.confirm(certificate)


def last_update(node: TinyNode) -> UpdateRecipient:
    request = node.mail[-1]
    assert isinstance(request, UpdateRecipient)
    return request


def heights(request: UpdateRecipient) -> list[int]:
    return [bundle.height for _, bundle in request.bundles]


def queued(node: TinyNode, network: TinyNetwork, sender: int = 0, recipient: int = 1) -> list[int]:
    inboxes = node.chain(network.chain_ids[recipient]).inboxes
    return [bundle.height for bundle in inboxes.queued(network.chain_ids[sender])]


# Delivery and confirmation


def test_an_update_carries_everything_unconfirmed(network: TinyNetwork) -> None:
    send(network, 3)
    update = last_update(network.node)
    assert heights(update) == [0, 1, 2]
    assert update.previous_height is None


def test_a_delivery_is_stored_confirmed_and_announced(network: TinyNetwork) -> None:
    send(network, 2)
    update = last_update(network.node)
    network.node.mail.clear()
    network.node.notifications.clear()
    network.node.cross_chain(update)
    sender, recipient, _ = network.chain_ids
    assert network.node.mail == [ConfirmUpdatedRecipient(sender, recipient, BlockHeight(1))]
    (notification,) = network.node.notifications
    assert notification.chain_id == recipient
    assert notification.reason == NewIncomingBundle(sender, BlockHeight(1))
    network.node.deliver()
    assert network.node.chain(sender).outboxes.counters() == {}
    assert queued(network.node, network) == [0, 1]


def test_a_repeated_delivery_changes_nothing_and_is_confirmed_again(network: TinyNetwork) -> None:
    send(network, 2)
    update = last_update(network.node)
    network.node.cross_chain(update)
    network.node.mail.clear()
    network.node.notifications.clear()
    recipient = network.chain_ids[1]
    stored, commits = network.node.stored(recipient), network.node.store.commits
    network.node.cross_chain(update)
    assert network.node.stored(recipient) == stored  # M13
    assert network.node.store.commits == commits
    assert network.node.notifications == []
    expected = ConfirmUpdatedRecipient(update.sender, recipient, BlockHeight(1))
    assert network.node.mail == [expected]  # Repairs a confirmation that was lost.


def test_a_lost_confirmation_is_repaired(network: TinyNetwork) -> None:
    send(network, 1)
    network.node.cross_chain(last_update(network.node))
    network.node.mail.clear()
    sender = network.chain_ids[0]
    assert network.node.chain(sender).outboxes.counters() == {0: 1}
    network.node.resend(sender)
    network.node.deliver()
    assert network.node.chain(sender).outboxes.counters() == {}
    assert queued(network.node, network) == [0]


def test_only_the_new_part_of_an_overlapping_update_is_applied(network: TinyNetwork) -> None:
    send(network, 1)
    early = last_update(network.node)
    send(network, 1)
    late = last_update(network.node)
    network.node.mail.clear()
    network.node.cross_chain(early)
    network.node.cross_chain(late)
    assert queued(network.node, network) == [0, 1]
    network.node.cross_chain(early)
    assert queued(network.node, network) == [0, 1]
    info = network.node.info(network.chain_ids[1])
    assert info.count_received_log == 2


def test_an_older_confirmation_after_a_newer_one_changes_nothing(network: TinyNetwork) -> None:
    send(network, 3)
    sender, recipient, _ = network.chain_ids
    network.node.cross_chain(last_update(network.node))
    network.node.mail.clear()
    network.node.cross_chain(ConfirmUpdatedRecipient(sender, recipient, BlockHeight(1)))
    assert heights(last_update(network.node)) == [2]
    network.node.mail.clear()
    network.node.cross_chain(ConfirmUpdatedRecipient(sender, recipient, BlockHeight(0)))
    assert network.node.mail == []
    assert network.node.chain(sender).outboxes.queue(recipient) == (2,)


def test_messages_to_a_chain_that_is_not_known_yet_are_kept_for_it(network: TinyNetwork) -> None:
    parent, _, _ = network.chain_ids
    config = OpenChainConfig(ChainOwnership.single(account_key(5).owner()), balance=Amount(100))
    created = network.execute(parent, OpenChain(config))
    description = ChainDescription.from_bcs(next(iter(created.block.created_blobs.values())).bytes)
    child = description.chain_id
    network.node.confirm(network.execute(network.chain_ids[1], transfer(child, 5)))
    network.node.deliver()
    assert network.node.chain(network.chain_ids[1]).outboxes.counters() == {}
    assert not network.node.chain(child).is_described
    network.node.crash()
    network.node.confirm(created)
    ask = ChainInfoQuery(child, request_pending_message_bundles=True)
    info = network.node.ask(ask)
    assert info.chain_balance == 100
    assert [item.origin for item in info.requested_pending_message_bundles] == [
        network.chain_ids[1]
    ]


# What is refused


def test_an_update_after_a_gap_is_refused(network: TinyNetwork) -> None:
    send(network, 2)
    update = last_update(network.node)
    late = update.replace(bundles=update.bundles[1:], previous_height=BlockHeight(0))
    with pytest.raises(InboxGapDetected) as caught:
        network.node.cross_chain(late)
    assert caught.value.fields["expected_height"] == 0
    assert queued(network.node, network) == []


def test_an_update_after_a_gap_asks_for_the_rest_where_that_is_allowed() -> None:
    network = TinyNetwork(config=WorkerConfig(allow_revert_confirm=True))
    send(network, 2)
    update = last_update(network.node)
    network.node.mail.clear()
    late = update.replace(bundles=update.bundles[1:], previous_height=BlockHeight(0))
    network.node.cross_chain(late)
    sender, recipient, _ = network.chain_ids
    assert network.node.mail == [RevertConfirm(sender, recipient, BlockHeight(0))]


def test_a_sender_queues_again_what_a_recipient_lost(network: TinyNetwork) -> None:
    send(network, 3)
    network.deliver()
    sender, recipient, _ = network.chain_ids
    network.node.cross_chain(RevertConfirm(sender, recipient, BlockHeight(1)))
    update = last_update(network.node)
    assert heights(update) == [1, 2]
    assert update.previous_height == 0
    network.node.crash()
    network.node.resend(sender)
    assert heights(last_update(network.node)) == [1, 2]


def test_decreasing_heights_are_refused(network: TinyNetwork) -> None:
    send(network, 2)
    update = last_update(network.node)
    with pytest.raises(InvalidCrossChainRequest):
        network.node.cross_chain(update.replace(bundles=tuple(reversed(update.bundles))))


def test_a_refused_request_does_not_touch_the_others_of_its_batch(network: TinyNetwork) -> None:
    send(network, 2)
    good = last_update(network.node)
    send(network, 2, sender=2)
    update = last_update(network.node)
    bad = update.replace(bundles=tuple(reversed(update.bundles)))
    network.node.mail.clear()
    with pytest.raises(InvalidCrossChainRequest):
        network.node.cross_chain(bad, good)
    assert queued(network.node, network) == [0, 1]
    assert queued(network.node, network, sender=2) == []
    network.node.crash()
    assert queued(network.node, network) == [0, 1]


def test_several_senders_are_received_in_one_write(network: TinyNetwork) -> None:
    send(network, 1)
    first = last_update(network.node)
    send(network, 1, sender=2)
    second = last_update(network.node)
    commits = network.node.store.commits
    network.node.cross_chain(first, second)
    assert network.node.store.commits == commits + 1
    assert queued(network.node, network) == queued(network.node, network, sender=2) == [0]


# Size


def test_a_long_update_is_cut_at_a_block_and_goes_on_after_the_confirmation() -> None:
    network = TinyNetwork(config=WorkerConfig(cross_chain_chunk_bytes=900))
    send(network, 5)
    assert heights(last_update(network.node)) == [0, 1]
    network.node.deliver()
    assert queued(network.node, network) == [0, 1, 2, 3, 4]
    assert network.node.chain(network.chain_ids[0]).outboxes.counters() == {}


def test_one_whole_block_is_sent_however_large() -> None:
    network = TinyNetwork(config=WorkerConfig(cross_chain_chunk_bytes=1))
    chain_id, other, _ = network.chain_ids
    network.node.confirm(network.execute(chain_id, *[transfer(other)] * 4))
    assert heights(last_update(network.node)) == [0, 0, 0, 0]


# A client's node


def test_a_client_delivers_to_tracked_chains_only() -> None:
    network = TinyNetwork()
    first, second, third = network.chain_ids
    follower = TinyNode(
        network.genesis,
        clock=network.clock,
        config=WorkerConfig(tracked_chains={first, second}),
    )
    follower.confirm(network.execute(first, transfer(second), transfer(third)))
    assert [request.recipient for request in follower.mail] == [second]
    follower.mail.clear()
    follower.worker.track_chain(third)
    follower.resend(first)
    assert sorted(request.recipient for request in follower.mail) == sorted([second, third])


def test_what_was_not_confirmed_is_sent_when_a_chain_is_first_touched_after_a_restart(
    network: TinyNetwork,
) -> None:
    send(network, 1)
    network.node.crash()
    network.node.info(network.chain_ids[0])
    assert heights(last_update(network.node)) == [0]
