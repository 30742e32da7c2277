"""Cross-chain updates between the chains of a node (spec 05 §2.4, §3; M4, M9, M10, M13)."""

import pytest

from catenula.base.identifiers import ChainId
from catenula.base.integers import BlockHeight, Epoch, Timestamp
from catenula.chain.errors import (
    CannotSkipMessage,
    CorruptedChainState,
    InboxGapDetected,
    IncorrectBundleTimestamp,
    IncorrectMessageOrder,
    InvalidCrossChainRequest,
    ReadCertificatesError,
    UnexpectedMessage,
)
from catenula.chain.mailboxes import (
    confirm_delivery,
    cross_chain_requests,
    receive_update,
    remove_bundles_from_inboxes,
    revert_delivery,
    select_update,
)
from catenula.protocol import (
    Block,
    ChainAndHeight,
    ConfirmUpdatedRecipient,
    IncomingBundle,
    MessageAction,
    RevertConfirm,
    UpdateRecipient,
)
from tests.chain.node import Node, root_chain, transfer, validator_key


class Pair:
    """A node with a sender and a recipient."""

    def __init__(self) -> None:
        self.node = Node(validator_key(0))
        self.sender = self.node.describe(root_chain(0))
        self.recipient = self.node.describe(root_chain(1))

    def send(self, count: int = 1) -> list[Block]:
        """Blocks with one transfer to the recipient each."""
        return [
            self.node.execute(self.sender, transfer(self.recipient, number + 1))
            for number in range(count)
        ]

    def request(self) -> UpdateRecipient:
        """The only request of the sender."""
        [request] = cross_chain_requests(self.node.chain(self.sender))
        return request

    def incoming(self) -> tuple[IncomingBundle, ...]:
        """What the recipient can take in."""
        return self.node.chain(self.recipient).inboxes.pending(MessageAction.ACCEPT)


@pytest.fixture
def pair() -> Pair:
    return Pair()


# Delivery


def test_delivery_empties_the_outbox_and_fills_the_inbox(pair: Pair) -> None:
    pair.send(3)
    assert pair.request().previous_height is None
    pair.node.deliver(pair.sender)
    assert cross_chain_requests(pair.node.chain(pair.sender)) == []
    assert [item.bundle.height for item in pair.incoming()] == [0, 1, 2]
    log = pair.node.chain(pair.recipient).received_log.read()
    assert log == [ChainAndHeight(pair.sender, BlockHeight(number)) for number in range(3)]


def test_a_request_carries_the_whole_unconfirmed_prefix(pair: Pair) -> None:
    pair.send()
    pair.node.deliver(pair.sender)
    pair.send(2)
    request = pair.request()
    assert [bundle.height for _, bundle in request.bundles] == [1, 2]
    assert request.previous_height == 0


def test_redelivery_changes_nothing_and_is_not_confirmed(pair: Pair) -> None:
    pair.send()
    request = pair.request()
    assert pair.node.receive(request) is not None
    stored = pair.node.stored(pair.recipient)
    assert pair.node.receive(request) is None
    assert pair.node.stored(pair.recipient) == stored


def test_a_second_confirmation_changes_nothing(pair: Pair) -> None:
    pair.send()
    chain = pair.node.chain(pair.sender)
    confirmation = ConfirmUpdatedRecipient(pair.sender, pair.recipient, BlockHeight(0))
    assert confirm_delivery(chain, confirmation) is True
    pair.node.save(chain)
    assert confirm_delivery(chain, confirmation) is False
    assert not pair.node.save(chain).operations


def test_a_chain_that_does_not_exist_yet_receives(pair: Pair) -> None:
    unborn = root_chain(9)
    pair.node.execute(pair.sender, transfer(unborn.chain_id, 5))
    pair.node.deliver(pair.sender)
    assert not pair.node.chain(unborn.chain_id).is_described
    pair.node.describe(unborn)
    pair.node.reload()
    chain = pair.node.active(unborn.chain_id)
    bundles = chain.inboxes.pending(MessageAction.ACCEPT)
    pair.node.execute(unborn.chain_id, *bundles)
    assert chain.execution.system.balance.get() == 10**18 + 5


def test_a_chain_can_send_to_itself(pair: Pair) -> None:
    pair.node.execute(pair.sender, transfer(pair.sender))
    assert cross_chain_requests(pair.node.chain(pair.sender)) == []


def test_a_large_backlog_is_sent_in_chunks(pair: Pair) -> None:
    blocks = pair.send(3)
    chain = pair.node.chain(pair.sender)
    size = sum(
        bundle.estimated_size() for _, bundle in chain.bundles(blocks[0].hash, pair.recipient)
    )
    for limit, expected in ((1, 1), (2 * size, 2), (3 * size - 1, 2), (3 * size, 3)):
        [request] = cross_chain_requests(chain, size_limit=limit)
        assert len(request.bundles) == expected


def test_a_block_that_storage_lost_is_an_error(pair: Pair) -> None:
    pair.send()
    pair.node.blocks.clear()
    pair.node.reload()
    with pytest.raises(ReadCertificatesError):
        cross_chain_requests(pair.node.chain(pair.sender))


# Gaps and reverts


def test_a_gap_is_refused_or_answered_with_a_revert(pair: Pair) -> None:
    pair.send()
    chain = pair.node.chain(pair.sender)
    confirm_delivery(chain, ConfirmUpdatedRecipient(pair.sender, pair.recipient, BlockHeight(0)))
    pair.node.save(chain)
    pair.send()
    request = pair.request()
    with pytest.raises(InboxGapDetected) as caught:
        pair.node.receive(request)
    assert caught.value.fields["expected_height"] == 0
    recipient = pair.node.chain(pair.recipient)
    received = receive_update(recipient, request, trusts_all_epochs=False, may_revert=True)
    assert received.confirmation is None
    revert = RevertConfirm(pair.sender, pair.recipient, BlockHeight(0))
    assert received.revert == revert

    assert revert_delivery(chain, revert) is True
    assert revert_delivery(chain, revert) is False
    pair.node.save(chain)
    pair.node.deliver(pair.sender)
    assert [item.bundle.height for item in pair.incoming()] == [0, 1]


def test_a_revert_stops_at_the_height_it_names(pair: Pair) -> None:
    pair.send(4)
    chain = pair.node.chain(pair.sender)
    confirm_delivery(chain, ConfirmUpdatedRecipient(pair.sender, pair.recipient, BlockHeight(3)))
    assert revert_delivery(chain, RevertConfirm(pair.sender, pair.recipient, BlockHeight(2)))
    assert chain.outboxes.queue(pair.recipient) == (2, 3)


def test_a_revert_for_a_stranger_is_ignored(pair: Pair) -> None:
    chain = pair.node.active(pair.sender)
    revert = RevertConfirm(pair.sender, ChainId(b"\x05" * 32), BlockHeight(0))
    assert revert_delivery(chain, revert) is False


# Which bundles are trusted


def selection(pair: Pair, epochs: list[int], **options: bool) -> tuple[int, int]:
    """Select among bundles of blocks 0, 1, … with these epochs; the recipient is at epoch 3."""
    pair.send(len(epochs))
    recipient = pair.node.active(pair.recipient)
    recipient.execution.system.epoch.set(Epoch(3))
    bundles = [
        (Epoch(epoch), bundle)
        for epoch, (_, bundle) in zip(epochs, pair.request().bundles, strict=True)
    ]
    found = select_update(recipient, pair.sender, bundles, trusts_all_epochs=False, **options)
    return found.skipped, found.trusted


@pytest.mark.parametrize(
    ("epochs", "trusted"),
    [
        ([3, 4], 2),
        ([2, 3, 2], 2),
        ([2, 1], 0),
        ([0, 2], 1),
    ],
    ids=["current and later", "vouched for", "old and unknown", "old and known"],
)
def test_old_epochs_need_a_voucher(pair: Pair, epochs: list[int], trusted: int) -> None:
    assert selection(pair, epochs) == (0, trusted)


def test_an_anticipated_bundle_vouches(pair: Pair) -> None:
    pair.send(2)
    recipient = pair.node.active(pair.recipient)
    request = pair.request()
    recipient.inboxes.remove_bundle(pair.sender, request.bundles[1][1])
    recipient.execution.system.epoch.set(Epoch(3))
    old = [(Epoch(2), bundle) for _, bundle in request.bundles]
    assert select_update(recipient, pair.sender, old, trusts_all_epochs=False).trusted == 2


def test_client_nodes_trust_all_epochs(pair: Pair) -> None:
    pair.send()
    recipient = pair.node.active(pair.recipient)
    recipient.execution.system.epoch.set(Epoch(3))
    old = [(Epoch(2), bundle) for _, bundle in pair.request().bundles]
    assert select_update(recipient, pair.sender, old, trusts_all_epochs=True).trusted == 1


def test_heights_must_not_decrease(pair: Pair) -> None:
    pair.send(2)
    request = pair.request()
    swapped = request.replace(bundles=request.bundles[::-1])
    with pytest.raises(InvalidCrossChainRequest):
        pair.node.receive(swapped)


def test_a_delivery_against_a_certified_block_is_corruption(pair: Pair) -> None:
    pair.send()
    request = pair.request()
    _, bundle = request.bundles[0]
    recipient = pair.node.active(pair.recipient)
    recipient.inboxes.remove_bundle(pair.sender, bundle.replace(timestamp=Timestamp(1)))
    with pytest.raises(CorruptedChainState):
        receive_update(recipient, request, trusts_all_epochs=False, may_revert=False)


# Bundles of a block


def take(pair: Pair, *items: IncomingBundle, timestamp: int | None = None) -> None:
    block = pair.node.propose(pair.recipient, *items)
    if timestamp is not None:
        block = block.replace(timestamp=Timestamp(timestamp))
    remove_bundles_from_inboxes(pair.node.chain(pair.recipient), block, must_be_present=True)


def test_a_bundle_is_taken_once(pair: Pair) -> None:
    pair.send()
    pair.node.deliver(pair.sender)
    [item] = pair.incoming()
    with pytest.raises(IncorrectMessageOrder) as caught:
        take(pair, item, item)
    assert caught.value.fields["origin"] == pair.sender
    assert caught.value.fields["height"] == 0


def test_a_tracked_bundle_is_not_passed_over(pair: Pair) -> None:
    pair.send(2)
    pair.node.deliver(pair.sender)
    with pytest.raises(CannotSkipMessage):
        take(pair, pair.incoming()[1])


def test_a_forged_bundle_is_refused(pair: Pair) -> None:
    pair.send()
    pair.node.deliver(pair.sender)
    [item] = pair.incoming()
    forged = item.replace(bundle=item.bundle.replace(timestamp=Timestamp(0)))
    with pytest.raises(UnexpectedMessage):
        take(pair, forged)


def test_a_bundle_from_the_future_is_refused(pair: Pair) -> None:
    pair.node.now = Timestamp(pair.node.now + 10)
    pair.send()
    pair.node.deliver(pair.sender)
    with pytest.raises(IncorrectBundleTimestamp):
        take(pair, *pair.incoming(), timestamp=pair.node.now - 1)


# Client nodes


def test_a_client_sends_only_to_the_chains_it_follows() -> None:
    recipient, stranger = root_chain(1).chain_id, root_chain(2).chain_id
    node = Node(None, tracked={recipient})
    sender = node.describe(root_chain(0))
    node.execute(sender, transfer(recipient), transfer(stranger))
    assert [request.recipient for request in cross_chain_requests(node.chain(sender))] == [
        recipient
    ]
    node.tracked = {stranger}
    node.reload()
    assert [request.recipient for request in cross_chain_requests(node.chain(sender))] == [stranger]
