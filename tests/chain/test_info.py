"""Chain info with every flag of a query (spec 06 §4.9)."""

import pytest

from catenula.base.identifiers import AccountOwner
from catenula.base.integers import U64, BlockHeight
from catenula.chain.errors import UnexpectedBlockHeight
from catenula.chain.info import chain_info
from catenula.protocol import (
    Account,
    ChainInfoQuery,
    CloseChain,
    LockingRegular,
    MessageAction,
    Round,
    Transfer,
)
from tests.chain.node import (
    Node,
    account_key,
    root_chain,
    signed,
    transfer,
    validated,
    validator_key,
)

OWNER = account_key(0)
KEY = validator_key(0)


@pytest.fixture
def node() -> Node:
    node = Node(KEY)
    node.describe(root_chain(0))
    node.describe(root_chain(1))
    return node


FIRST, SECOND = root_chain(0).chain_id, root_chain(1).chain_id


def test_the_plain_info_says_where_the_chain_stands(node: Node) -> None:
    block = node.execute(FIRST, transfer(SECOND, 3))
    info = chain_info(node.chain(FIRST))
    assert info.description == root_chain(0)
    assert (info.block_hash, info.next_block_height) == (block.hash, 1)
    assert info.state_hash == block.header.state_hash
    assert info.chain_balance == 10**18 - 3
    assert info.requested_owner_balance is None
    assert info.requested_committees is None
    assert info.requested_pending_message_bundles == ()
    assert info.requested_sent_certificate_hashes == ()
    assert info.requested_received_log == ()


def test_balances_of_owners(node: Node) -> None:
    owner = OWNER.owner()
    node.execute(FIRST, Transfer(AccountOwner.CHAIN, Account(FIRST, owner), 5))  # type: ignore[arg-type]  # An amount.
    chain = node.chain(FIRST)
    asked = {
        who: chain_info(chain, ChainInfoQuery(FIRST, request_owner_balance=who))
        for who in (AccountOwner.CHAIN, owner, AccountOwner.reserved(9))
    }
    assert [info.requested_owner_balance for info in asked.values()] == [10**18 - 5, 5, None]


def test_another_next_height_is_refused(node: Node) -> None:
    chain = node.active(FIRST)
    with pytest.raises(UnexpectedBlockHeight) as caught:
        chain_info(chain, ChainInfoQuery(FIRST, test_next_block_height=BlockHeight(4)))
    assert caught.value.fields == {"expected": 0, "found": 4}


def test_pending_bundles_are_to_be_rejected_on_a_closed_chain(node: Node) -> None:
    query = ChainInfoQuery(SECOND, request_pending_message_bundles=True)
    node.execute(FIRST, transfer(SECOND))
    node.active(SECOND)
    node.deliver(FIRST)
    [item] = chain_info(node.chain(SECOND), query).requested_pending_message_bundles
    assert (item.origin, item.action) == (FIRST, MessageAction.ACCEPT)
    node.execute(SECOND, CloseChain())
    [item] = chain_info(node.chain(SECOND), query).requested_pending_message_bundles
    assert item.action is MessageAction.REJECT


def test_hashes_by_height_put_executed_blocks_first(node: Node) -> None:
    source = Node(KEY)
    source.describe(root_chain(0))
    blocks = [source.execute(FIRST, transfer(FIRST)) for _ in range(4)]
    for number in (0, 1, 3):
        node.confirm(blocks[number])
    heights = tuple(BlockHeight(number) for number in (3, 1, 2, 9, 0))
    query = ChainInfoQuery(FIRST, request_sent_certificate_hashes_by_heights=heights)
    found = chain_info(node.chain(FIRST), query).requested_sent_certificate_hashes
    assert found == (blocks[1].hash, blocks[0].hash, blocks[3].hash)


def test_the_received_log_starts_where_asked(node: Node) -> None:
    for _ in range(3):
        node.execute(FIRST, transfer(SECOND))
        node.deliver(FIRST)
    chain = node.chain(SECOND)
    query = ChainInfoQuery(SECOND, request_received_log_excluding_first_n=U64(1))
    info = chain_info(chain, query)
    assert info.count_received_log == 3
    assert [entry.height for entry in info.requested_received_log] == [1, 2]


def test_committees_are_told_on_request(node: Node) -> None:
    info = chain_info(node.active(FIRST), ChainInfoQuery(FIRST, request_committees=True))
    assert info.requested_committees == node.committees


def test_manager_values_are_told_on_request(node: Node) -> None:
    proposal = signed(node.propose(FIRST, transfer(SECOND)), OWNER)
    block = node.vote(proposal)
    query = ChainInfoQuery(FIRST, request_manager_values=True)
    manager = chain_info(node.chain(FIRST), query).manager
    assert manager.requested_proposed == proposal
    assert manager.requested_validated == block
    assert manager.pending is not None
    certificate = validated(block, Round.multi_leader(0), [KEY])
    node.lock(certificate)
    manager = chain_info(node.chain(FIRST), query).manager
    assert manager.requested_locking == LockingRegular(certificate)
    assert manager.requested_confirmed == block
    assert manager.requested_validated is None
    plain = chain_info(node.chain(FIRST)).manager
    assert plain.requested_locking is None
    assert plain.requested_confirmed is None
    assert plain.requested_proposed is None
    assert plain.pending == manager.pending
