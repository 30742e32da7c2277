"""Wiping a corrupted chain and keeping its votes (spec 05 §9.5)."""

import pytest

from catenula.base.errors import InvariantViolation
from catenula.base.integers import BlockHeight
from catenula.chain.info import chain_info
from catenula.protocol import ChainInfoQuery, Round
from tests.chain.node import (
    Node,
    account_key,
    root_chain,
    signed,
    transfer,
    validated,
    validator_key,
)

OWNER, KEY = account_key(0), validator_key(0)
CHAIN, OTHER = root_chain(0).chain_id, root_chain(1).chain_id


def test_votes_survive_replaying_the_chain_from_its_blocks() -> None:
    node = Node(KEY)
    node.describe(root_chain(0))
    blocks = [node.execute(CHAIN, transfer(OTHER)) for _ in range(3)]
    proposal = signed(node.propose(CHAIN, transfer(OTHER)), OWNER)
    node.lock(validated(node.vote(proposal), Round.multi_leader(0), [KEY]))
    chain = node.chain(CHAIN)
    query = ChainInfoQuery(CHAIN, request_manager_values=True)
    before = chain_info(chain, query)
    snapshot, height = chain.manager.snapshot(), chain.next_block_height

    chain.clear()
    node.save(chain)
    assert node.stored(CHAIN) == []
    node.reload()
    for block in blocks:
        node.confirm(block)
    chain = node.chain(CHAIN)
    assert chain.manager.confirmed_vote is None
    chain.manager.restore(snapshot, height, node.now)
    node.save(chain)
    node.reload()
    after = chain_info(node.chain(CHAIN), query)
    assert after.manager.pending == before.manager.pending
    assert after.manager.requested_locking == before.manager.requested_locking
    assert after.state_hash == before.state_hash


def test_votes_of_another_height_are_not_restored() -> None:
    node = Node(KEY)
    node.describe(root_chain(0))
    chain = node.active(CHAIN)
    snapshot = chain.manager.snapshot()
    with pytest.raises(InvariantViolation):
        chain.manager.restore(snapshot, BlockHeight(1), node.now)
