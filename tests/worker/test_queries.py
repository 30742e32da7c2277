"""Chain info: what each flag of a query gives, and what it does (spec 06 §4.9)."""

from collections.abc import Mapping

import pytest

from catenula.base.identifiers import AccountOwner, ChainId, CryptoHash
from catenula.base.integers import U64, Amount, BlockHeight
from catenula.chain.errors import InactiveChain, NoFallbackMode, UnexpectedBlockHeight
from catenula.chain.streams import EPOCH_STREAM
from catenula.execution.errors import BlobsNotFound, ExecutionError
from catenula.protocol import (
    Account,
    BlobId,
    BlobType,
    ChainAndHeight,
    ChainInfoQuery,
    LockingRegular,
    MessageAction,
    Round,
    StreamId,
    StreamName,
    Transfer,
    UpdateRecipient,
)
from catenula.testing.keys import account_key
from catenula.testing.tiny_network import FIRST_ROUND, INITIAL_BALANCE, TinyNetwork, transfer
from tests.worker.epochs import enter_next_epoch


@pytest.fixture
def network() -> TinyNetwork:
    return TinyNetwork()


def query(network: TinyNetwork, number: int = 0) -> ChainInfoQuery:
    return ChainInfoQuery(network.chain_ids[number])


def test_plain_info_tells_where_the_chain_stands(network: TinyNetwork) -> None:
    chain_id, other, _ = network.chain_ids
    certificate = network.agree(chain_id, transfer(other))
    info = network.node.ask(query(network))
    assert info.chain_id == chain_id
    assert (info.next_block_height, info.block_hash) == (1, certificate.hash)
    assert info.timestamp == certificate.block.header.timestamp
    assert info.manager.current_round == FIRST_ROUND
    assert info.manager.ownership.is_owner(network.owners[0].owner())
    assert info.requested_committees is None
    assert info.manager.requested_proposed is None


def test_a_validator_signs_its_answer_and_a_client_does_not(network: TinyNetwork) -> None:
    ask = query(network)
    response = network.node.run(lambda worker, now: worker.handle_chain_info_query(ask, now))
    response.check(network.node.public_key)
    unsigned = network.client.run(lambda worker, now: worker.handle_chain_info_query(ask, now))
    assert unsigned.signature is None


def test_an_unknown_chain_is_a_missing_blob_and_not_an_inactive_chain(
    network: TinyNetwork,
) -> None:
    unknown = ChainId(b"?" * 32)
    with pytest.raises(BlobsNotFound) as caught:
        network.node.ask(ChainInfoQuery(unknown))
    own = BlobId(CryptoHash(unknown), BlobType.CHAIN_DESCRIPTION)
    assert caught.value.blob_ids == (own,)
    assert not isinstance(caught.value, InactiveChain)


def test_the_expected_height_is_checked(network: TinyNetwork) -> None:
    network.node.ask(query(network).replace(test_next_block_height=BlockHeight(0)))
    with pytest.raises(UnexpectedBlockHeight):
        network.node.ask(query(network).replace(test_next_block_height=BlockHeight(1)))


def test_the_balance_of_an_owner(network: TinyNetwork) -> None:
    chain_id = network.chain_ids[0]
    owner = account_key(9).owner()
    account = Account(chain_id, owner)
    network.agree(chain_id, Transfer(AccountOwner.CHAIN, account, Amount(3)))
    ask = query(network)
    assert network.node.ask(ask).requested_owner_balance == INITIAL_BALANCE - 3
    assert network.node.ask(ask.replace(request_owner_balance=owner)).requested_owner_balance == 3
    nobody = account_key(10).owner()
    found = network.node.ask(ask.replace(request_owner_balance=nobody))
    assert found.requested_owner_balance is None


def test_committees(network: TinyNetwork) -> None:
    for certificate in enter_next_epoch(network):
        network.node.confirm(certificate)
    info = network.node.ask(query(network).replace(request_committees=True))
    assert info.requested_committees is not None
    assert list(info.requested_committees) == [0, 1]


def test_waiting_bundles_by_origin_in_order(network: TinyNetwork) -> None:
    first, second, third = network.chain_ids
    for sender, amount in ((third, 1), (first, 2), (third, 3)):
        network.agree(sender, transfer(second, amount))
    network.deliver()
    ask = query(network, 1).replace(request_pending_message_bundles=True)
    found = network.node.ask(ask).requested_pending_message_bundles
    assert [item.origin for item in found] == sorted([first, third, third])
    assert {item.action for item in found} == {MessageAction.ACCEPT}
    heights = [item.bundle.height for item in found if item.origin == third]
    assert heights == [0, 1]
    network.node.crash()
    assert network.node.ask(ask).requested_pending_message_bundles == found


def test_hashes_by_height_come_executed_ones_first(network: TinyNetwork) -> None:
    chain_id, other, _ = network.chain_ids
    blocks = [network.execute(chain_id, transfer(other)) for _ in range(4)]
    for number in (0, 1, 3):
        network.node.confirm(blocks[number])
    heights = tuple(BlockHeight(number) for number in (3, 1, 2, 0, 9, 2**64 - 1))
    ask = query(network).replace(request_sent_certificate_hashes_by_heights=heights)
    hashes = network.node.ask(ask).requested_sent_certificate_hashes
    assert hashes == tuple(blocks[number].hash for number in (1, 0, 3))


def test_the_received_log_lists_sender_blocks_as_they_came(network: TinyNetwork) -> None:
    first, second, third = network.chain_ids
    for sender in (third, first, third):
        network.agree(sender, transfer(second), transfer(second))
        network.deliver()
    ask = query(network, 1)
    info = network.node.ask(ask)
    assert (info.count_received_log, info.requested_received_log) == (3, ())
    log = network.node.ask(ask.replace(request_received_log_excluding_first_n=U64(0)))
    assert log.requested_received_log == (
        ChainAndHeight(third, BlockHeight(0)),
        ChainAndHeight(first, BlockHeight(0)),
        ChainAndHeight(third, BlockHeight(1)),
    )
    for start, expected in ((2, 1), (3, 0), (2**64 - 1, 0)):
        part = network.node.ask(ask.replace(request_received_log_excluding_first_n=U64(start)))
        assert len(part.requested_received_log) == expected


def test_manager_values_tell_everything_about_consensus(network: TinyNetwork) -> None:
    chain_id, other, _ = network.chain_ids
    draft = network.draft(chain_id, transfer(other))
    block = network.stage(draft)
    proposal = network.sign(draft)
    network.node.propose(proposal)
    ask = query(network).replace(request_manager_values=True)
    manager = network.node.ask(ask).manager
    assert (manager.requested_proposed, manager.requested_validated) == (proposal, block)
    assert (manager.requested_locking, manager.requested_confirmed) == (None, None)
    network.node.lock(network.validated(block))
    manager = network.node.ask(ask).manager
    assert manager.requested_locking == LockingRegular(network.validated(block))
    assert manager.requested_confirmed == block
    assert manager.requested_validated is None


def test_a_rejected_proposal_shows_as_the_signed_one(network: TinyNetwork) -> None:
    chain_id, other, _ = network.chain_ids
    proposal = network.sign(network.draft(chain_id, transfer(other, 10**12)), Round.multi_leader(2))
    with pytest.raises(ExecutionError):
        network.node.propose(proposal)
    manager = network.node.ask(query(network).replace(request_manager_values=True)).manager
    assert manager.requested_signed_proposal == proposal
    assert manager.current_round == Round.multi_leader(2)


def test_network_actions_send_what_is_not_confirmed(network: TinyNetwork) -> None:
    chain_id, other, _ = network.chain_ids
    network.agree(chain_id, transfer(other))
    network.node.mail.clear()
    network.node.ask(query(network))
    assert network.node.mail == []
    network.node.resend(chain_id)
    (request,) = network.node.mail
    assert isinstance(request, UpdateRecipient)
    network.node.deliver()
    network.node.resend(chain_id)
    assert network.node.mail == []


def test_fallback_votes_are_never_given(network: TinyNetwork) -> None:
    with pytest.raises(NoFallbackMode):
        network.node.ask(query(network).replace(request_fallback=True))


def test_a_timeout_vote_survives_a_query_that_fails_afterwards(network: TinyNetwork) -> None:
    chain_id = network.chain_ids[0]
    round_ = Round.multi_leader(4)
    network.node.time_out(network.timed_out(chain_id, 0, Round.multi_leader(3)))
    network.clock.advance(20_000_000)
    ask = query(network).replace(request_leader_timeout=(BlockHeight(0), round_))
    with pytest.raises(NoFallbackMode):
        network.node.ask(ask.replace(request_fallback=True))
    network.node.crash()
    assert network.node.info(chain_id).manager.timeout_vote is not None


def test_the_last_blocks_on_event_streams(network: TinyNetwork) -> None:
    admin, other, _ = network.chain_ids
    stream = EPOCH_STREAM
    unknown = StreamId.system(StreamName(b"unknown"))
    blocks = enter_next_epoch(network)
    for certificate in blocks:
        network.node.confirm(certificate)

    def ask(chain_id: ChainId) -> Mapping[StreamId, tuple[BlockHeight, CryptoHash]]:
        return network.node.run(
            lambda worker, _: worker.previous_event_blocks(chain_id, (stream, unknown))
        )

    assert ask(admin) == {stream: (blocks[1].block.height, blocks[1].hash)}
    assert ask(other) == {}
    assert ask(ChainId(b"?" * 32)) == {}
