"""Confirmed certificates: stored, then executed or preprocessed (spec 05 §9.1-§9.2, 06 §4.6)."""

import pytest

from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import Amount, Epoch
from catenula.chain.errors import (
    CannotSkipMessage,
    CorruptedChainState,
    InvalidBlockChaining,
    InvalidEpoch,
    UnexpectedMessage,
)
from catenula.execution.errors import BlobsNotFound, BlockRuleError, EventsNotFound
from catenula.protocol import (
    BlobContent,
    BlobType,
    Block,
    ChainInfoQuery,
    ChainOwnership,
    CloseChain,
    ConfirmedBlockCertificate,
    ConfirmUpdatedRecipient,
    IncomingBundle,
    MessageAction,
    NewBlock,
    OpenChain,
    OpenChainConfig,
    PublishDataBlob,
    UpdateRecipient,
    epoch_event_id,
)
from catenula.testing.keys import account_key
from catenula.testing.tiny_network import INITIAL_BALANCE, TinyNetwork, transfer
from catenula.worker import ProcessMode
from catenula.worker.errors import BlobNotRequired
from tests.worker.epochs import enter_next_epoch

BLOB = BlobContent(BlobType.DATA, b"published")


@pytest.fixture
def network() -> TinyNetwork:
    return TinyNetwork()


def chain_of_blocks(network: TinyNetwork, count: int) -> list[ConfirmedBlockCertificate]:
    """Final blocks of chain 0, each with a transfer to chain 1; no validator knows them."""
    chain_id, other, _ = network.chain_ids
    return [network.execute(chain_id, transfer(other, 1 + number)) for number in range(count)]


# Executing


def test_a_final_block_is_executed(network: TinyNetwork) -> None:
    (certificate,) = chain_of_blocks(network, 1)
    info = network.node.confirm(certificate)
    assert (info.next_block_height, info.block_hash) == (1, certificate.hash)
    assert info.chain_balance == INITIAL_BALANCE - 1
    assert info.state_hash == certificate.block.header.state_hash
    (notification,) = network.node.notifications
    assert notification.reason == NewBlock(certificate.block.height, certificate.hash, ())


def test_a_block_that_was_voted_on_is_not_executed_again(network: TinyNetwork) -> None:
    chain_id, other, _ = network.chain_ids
    draft = network.draft(chain_id, transfer(other))
    block = network.stage(draft)
    network.node.propose(network.sign(draft))
    chain = network.node.chain(chain_id)
    assert chain.restore_executed_state(block.hash)
    chain.rollback()
    network.node.confirm(network.confirmed(block))
    after_reuse = network.node.stored(chain_id)
    fresh = TinyNetwork()
    fresh.node.info(chain_id)
    fresh.node.confirm(network.confirmed(block))
    reused = dict(after_reuse)
    assert reused == dict(fresh.node.stored(chain_id))  # W5


def test_a_known_block_is_not_verified_again_but_its_messages_are_sent(
    network: TinyNetwork,
) -> None:
    (certificate,) = chain_of_blocks(network, 1)
    network.node.confirm(certificate)
    network.node.mail.clear()
    stored = network.node.stored(certificate.chain_id)
    info = network.node.confirm(certificate.replace(signatures=()))
    assert info.next_block_height == 1
    (request,) = network.node.mail
    assert isinstance(request, UpdateRecipient)
    assert network.node.stored(certificate.chain_id) == stored  # C15
    assert len(network.node.notifications) == 1


def test_a_block_on_another_parent_is_refused(network: TinyNetwork) -> None:
    first, second = chain_of_blocks(network, 2)
    network.node.confirm(first)
    header = second.block.header.replace(previous_block_hash=CryptoHash(b"p" * 32))
    with pytest.raises(InvalidBlockChaining):
        network.node.confirm(network.confirmed(second.block.replace(header=header)))
    assert network.node.info(first.chain_id).next_block_height == 1


def test_a_first_block_on_a_wrong_parent_does_not_set_the_chain_up(network: TinyNetwork) -> None:
    (certificate,) = chain_of_blocks(network, 1)
    header = certificate.block.header.replace(previous_block_hash=CryptoHash(b"p" * 32))
    with pytest.raises(InvalidBlockChaining):
        network.node.confirm(network.confirmed(certificate.block.replace(header=header)))
    assert network.node.stored(certificate.chain_id) == []


def test_a_block_of_an_unknown_epoch_asks_for_the_admin_chain(network: TinyNetwork) -> None:
    (certificate,) = chain_of_blocks(network, 1)
    header = certificate.block.header.replace(epoch=Epoch(1))
    with pytest.raises(EventsNotFound) as caught:
        network.node.confirm(network.confirmed(certificate.block.replace(header=header)))
    assert caught.value.event_ids == (epoch_event_id(network.genesis.admin_chain_id, Epoch(1)),)


def test_an_outcome_that_execution_does_not_give_is_corruption(network: TinyNetwork) -> None:
    (certificate,) = chain_of_blocks(network, 1)
    header = certificate.block.header.replace(state_hash=CryptoHash(b"s" * 32))
    wrong = network.confirmed(certificate.block.replace(header=header))
    with pytest.raises(CorruptedChainState):
        network.node.confirm(wrong)
    info = network.node.info(certificate.chain_id)
    assert (info.next_block_height, info.chain_balance) == (0, INITIAL_BALANCE)
    assert network.node.worker.shared.has_certificate(wrong.hash)  # Stored before it is executed.
    assert network.node.confirm(certificate).next_block_height == 1


def test_a_block_names_the_last_ones_that_its_recipients_heard_of(network: TinyNetwork) -> None:
    first, second = chain_of_blocks(network, 2)
    recipient = network.chain_ids[1]
    assert first.block.body.previous_message_blocks == {}
    assert second.block.body.previous_message_blocks == {recipient: (first.hash, 0)}


# Gaps


def test_a_block_above_a_gap_is_kept_and_sends_what_follows_without_one(
    network: TinyNetwork,
) -> None:
    first, second, third = chain_of_blocks(network, 3)
    info = network.node.confirm(second)
    assert info.next_block_height == 0
    assert network.node.mail == []  # The first block's message would be skipped.
    assert network.node.notifications == []
    chain = network.node.chain(first.chain_id)
    assert chain.preprocessed_blocks() == {1: second.hash}
    network.node.confirm(first)
    (request,) = network.node.mail
    assert isinstance(request, UpdateRecipient)
    assert [bundle.height for _, bundle in request.bundles] == [0]
    assert network.node.info(first.chain_id).next_block_height == 1  # The second comes again.
    network.node.confirm(second)
    network.node.confirm(third)
    assert chain.preprocessed_blocks() == {}
    assert network.node.info(first.chain_id).next_block_height == 3


def test_a_block_above_a_gap_that_is_the_first_to_its_recipient_is_sent(
    network: TinyNetwork,
) -> None:
    chain_id, other, third = network.chain_ids
    network.execute(chain_id, transfer(other))
    second = network.execute(chain_id, transfer(third))
    network.node.confirm(second)
    (request,) = network.node.mail
    assert isinstance(request, UpdateRecipient)
    assert request.recipient == third
    network.node.deliver()
    assert [item.origin for item in _pending(network, 2)] == [chain_id]
    assert network.node.chain(chain_id).outboxes.nonempty_targets() == []


def test_executing_a_preprocessed_block_does_not_send_twice(network: TinyNetwork) -> None:
    chain_id, other, third = network.chain_ids
    first = network.execute(chain_id, transfer(other))
    second = network.execute(chain_id, transfer(third))
    network.node.confirm(second)
    network.node.deliver()
    network.node.confirm(first)
    network.node.confirm(second)
    assert [item.recipient for item in network.node.mail] == [other]
    network.node.deliver()
    assert len(_pending(network, 2)) == 1  # M2


def test_executing_where_a_gap_is_not_allowed_is_refused(network: TinyNetwork) -> None:
    _, second = chain_of_blocks(network, 2)
    with pytest.raises(InvalidBlockChaining):
        network.node.confirm(second, ProcessMode.EXECUTE)


def test_a_node_may_preprocess_a_block_that_it_could_execute(network: TinyNetwork) -> None:
    (certificate,) = chain_of_blocks(network, 1)
    info = network.node.confirm(certificate, ProcessMode.PREPROCESS)
    assert info.next_block_height == 0
    assert info.description is None  # The chain is not even set up.
    assert network.node.chain(certificate.chain_id).hash_at(certificate.block.height) is not None


# Anticipation


def consuming(network: TinyNetwork) -> tuple[ConfirmedBlockCertificate, ConfirmedBlockCertificate]:
    """A block of chain 0 that sends to chain 1, and chain 1's block that takes the message in."""
    chain_id, other, _ = network.chain_ids
    sent = network.execute(chain_id, transfer(other, 7))
    network.client.deliver()
    return sent, network.execute(other, *network.incoming(other))


def test_a_final_block_may_take_in_what_has_not_arrived(network: TinyNetwork) -> None:
    sent, taken = consuming(network)
    info = network.node.confirm(taken)
    assert info.chain_balance == INITIAL_BALANCE + 7
    inboxes = network.node.chain(taken.chain_id).inboxes
    assert len(inboxes.anticipated(sent.chain_id)) == 1
    network.node.confirm(sent)
    network.node.deliver()
    assert inboxes.anticipated(sent.chain_id) == []  # M6
    assert inboxes.queued(sent.chain_id) == []
    assert network.node.chain(sent.chain_id).outboxes.nonempty_targets() == []


def test_a_delivery_that_contradicts_what_was_anticipated_is_corruption(
    network: TinyNetwork,
) -> None:
    sent, taken = consuming(network)
    network.node.confirm(taken)
    network.node.confirm(sent)
    (request,) = network.node.mail
    assert isinstance(request, UpdateRecipient)
    epoch, bundle = request.bundles[0]
    forged = bundle.replace(certificate_hash=CryptoHash(b"f" * 32))
    with pytest.raises(CorruptedChainState):
        network.node.cross_chain(request.replace(bundles=((epoch, forged),)))
    network.node.deliver()
    assert network.node.chain(taken.chain_id).inboxes.anticipated(sent.chain_id) == []


def test_a_validator_votes_only_for_bundles_that_lie_in_its_own_inbox(
    network: TinyNetwork,
) -> None:
    chain_id, other, _ = network.chain_ids
    sent = network.execute(chain_id, transfer(other, 7))
    network.deliver()
    (item,) = network.incoming(other)
    network.node.confirm(sent)
    network.node.deliver()
    forged = IncomingBundle(
        item.origin,
        item.bundle.replace(certificate_hash=CryptoHash(b"f" * 32)),
        MessageAction.ACCEPT,
    )
    with pytest.raises(UnexpectedMessage):
        network.node.propose(network.sign(network.draft(other, forged)))
    info = network.node.propose(network.sign(network.draft(other, item)))  # M4
    assert info.manager.pending is not None


def test_a_tracked_message_may_not_be_passed_over(network: TinyNetwork) -> None:
    chain_id, other, _ = network.chain_ids
    for amount in (1, 2):
        network.node.confirm(network.execute(chain_id, transfer(other, amount)))
    network.deliver()
    _, second = network.incoming(other)
    with pytest.raises(CannotSkipMessage):
        network.node.propose(network.sign(network.draft(other, second)))


# Blobs


def publishing(network: TinyNetwork) -> Block:
    draft = network.draft(network.chain_ids[0], PublishDataBlob(BLOB.hash))
    return network.stage(draft, blobs=[BLOB])


def test_a_block_without_its_blobs_waits_for_uploads(network: TinyNetwork) -> None:
    certificate = network.confirmed(publishing(network))
    shared = network.node.worker.shared
    with pytest.raises(BlobsNotFound) as caught:
        network.node.confirm(certificate)
    assert caught.value.blob_ids == (BLOB.id,)
    assert not shared.has_certificate(certificate.hash)
    state = shared.blob_state(BLOB.id)
    assert state is not None
    assert (state.last_used_by, state.epoch) == (None, None)
    network.node.crash()
    network.node.store.commit(network.node.worker.upload_blob(BLOB))
    assert network.node.confirm(certificate).next_block_height == 1
    state = network.node.worker.shared.blob_state(BLOB.id)
    assert state is not None
    assert state.last_used_by == certificate.hash


def test_a_blob_nobody_asked_for_is_not_taken(network: TinyNetwork) -> None:
    with pytest.raises(BlobNotRequired):
        network.node.worker.upload_blob(BLOB)


def test_a_created_chain_comes_to_life_from_its_block(network: TinyNetwork) -> None:
    chain_id = network.chain_ids[0]
    config = OpenChainConfig(ChainOwnership.single(account_key(5).owner()), balance=Amount(100))
    certificate = network.execute(chain_id, OpenChain(config))
    (description,) = certificate.block.created_blobs
    child = ChainId(description.hash)
    with pytest.raises(BlobsNotFound) as caught:
        network.node.info(child)
    assert caught.value.blob_ids == (description,)
    network.node.confirm(certificate)
    assert network.node.info(child).chain_balance == 100


# Closed chains and epochs


def test_a_closed_chain_takes_no_block_and_bounces_what_it_gets(network: TinyNetwork) -> None:
    closed, sender, _ = network.chain_ids
    network.agree(closed, CloseChain())
    network.agree(sender, transfer(closed, 9))
    network.deliver()
    with pytest.raises(BlockRuleError, match="ClosedChain"):
        network.node.propose(network.sign(network.draft(closed, transfer(sender))))
    (item,) = _pending(network, 0)
    assert item.action is MessageAction.REJECT
    network.agree(closed, item)
    network.deliver()
    network.agree(sender, *network.incoming(sender))
    assert network.node.info(sender).chain_balance == INITIAL_BALANCE


def test_an_executed_block_must_be_of_the_chains_epoch(network: TinyNetwork) -> None:
    (certificate,) = [network.execute(network.chain_ids[1], transfer(network.chain_ids[0]))]
    for admin_block in enter_next_epoch(network):
        network.node.confirm(admin_block)
    header = certificate.block.header.replace(epoch=Epoch(1))
    with pytest.raises(InvalidEpoch):
        network.node.confirm(network.confirmed(certificate.block.replace(header=header)))


def test_a_confirmation_request_for_nothing_changes_nothing(network: TinyNetwork) -> None:
    (certificate,) = chain_of_blocks(network, 1)
    network.node.confirm(certificate)
    network.node.deliver()
    stored = network.node.stored(certificate.chain_id)
    network.node.cross_chain(
        ConfirmUpdatedRecipient(
            certificate.chain_id, network.chain_ids[1], certificate.block.height
        )
    )
    assert network.node.stored(certificate.chain_id) == stored


def _pending(network: TinyNetwork, number: int) -> tuple[IncomingBundle, ...]:
    query = ChainInfoQuery(network.chain_ids[number], request_pending_message_bundles=True)
    return network.node.ask(query).requested_pending_message_bundles
