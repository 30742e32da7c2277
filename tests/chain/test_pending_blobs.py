"""Blobs that pending blocks wait for (spec 05 §1.1, §5 step 13; spec 06 §4.10)."""

import pytest

from catenula.base.integers import U64
from catenula.chain.chain_state import ChainState
from catenula.chain.errors import InsufficientRound, TooManyPublishedBlobs, UnexpectedBlob
from catenula.execution.errors import ExecutionError
from catenula.protocol import BlobContent, BlobType, Round
from tests.chain.node import HISTORICAL, Node, account_key, committee_of, root_chain, validator_key

ONE, TWO, THREE = (BlobContent(BlobType.DATA, bytes((number,)) * number) for number in (1, 2, 3))
OWNER, OTHER = account_key(0).owner(), account_key(1).owner()
R0, R1 = Round.multi_leader(0), Round.multi_leader(1)
POLICY = HISTORICAL.replace(maximum_published_blobs=U64(3), maximum_blob_size=U64(2))


@pytest.fixture
def node() -> Node:
    node = Node(validator_key(0), committee=committee_of([validator_key(0)], POLICY))
    node.describe(root_chain(0))
    return node


@pytest.fixture
def chain(node: Node) -> ChainState:
    return node.active(root_chain(0).chain_id)


def test_a_higher_round_replaces_the_set(chain: ChainState) -> None:
    pending = chain.pending_blobs
    pending.expect_validated(R0, {ONE.id: ONE, TWO.id: None})
    pending.expect_validated(R1, {THREE.id: None})
    assert pending.validated().blob_ids == (THREE.id,)
    assert pending.get(ONE.id) is None
    with pytest.raises(InsufficientRound) as caught:
        pending.expect_validated(R0, {ONE.id: None})
    assert caught.value.round == R1


def test_the_same_round_adds_to_the_set(chain: ChainState) -> None:
    pending = chain.pending_blobs
    pending.expect_proposed(OWNER, R0, validated=False, blobs={ONE.id: ONE})
    pending.expect_proposed(OWNER, R0, validated=True, blobs={TWO.id: None})
    head = pending.proposed(OWNER)
    assert (head.blob_ids, head.validated) == ((ONE.id, TWO.id), False)


def test_an_uploaded_blob_is_found_after_a_restart(node: Node, chain: ChainState) -> None:
    chain.pending_blobs.expect_proposed(OWNER, R0, validated=False, blobs={ONE.id: None})
    node.save(chain)
    assert chain.find_blobs([ONE.id]) == {ONE.id: None}
    chain.take_pending_blob(ONE)
    node.save(chain)
    node.reload()
    assert node.chain(chain.chain_id).find_blobs([ONE.id]) == {ONE.id: ONE}


def test_a_blob_nobody_asked_for_is_refused(chain: ChainState) -> None:
    with pytest.raises(UnexpectedBlob):
        chain.take_pending_blob(ONE)
    chain.pending_blobs.expect_proposed(OWNER, R0, validated=False, blobs={TWO.id: None})
    with pytest.raises(UnexpectedBlob):
        chain.take_pending_blob(ONE)


def test_a_set_as_long_as_the_limit_takes_no_upload(chain: ChainState) -> None:
    blobs = {blob.id: None for blob in (ONE, TWO, THREE)}
    chain.pending_blobs.expect_proposed(OWNER, R0, validated=False, blobs=blobs)
    with pytest.raises(TooManyPublishedBlobs):
        chain.take_pending_blob(ONE)


def test_size_is_limited_until_the_block_is_validated(chain: ChainState) -> None:
    chain.pending_blobs.expect_proposed(OWNER, R0, validated=False, blobs={THREE.id: None})
    with pytest.raises(ExecutionError) as caught:
        chain.take_pending_blob(THREE)
    assert caught.value.code == "BlobTooLarge"
    chain.rollback()
    chain.pending_blobs.expect_proposed(OWNER, R0, validated=True, blobs={THREE.id: None})
    chain.take_pending_blob(THREE)
    assert chain.pending_blob(THREE.id) == THREE


def test_sets_of_owners_are_kept_apart(chain: ChainState) -> None:
    pending = chain.pending_blobs
    pending.expect_proposed(OWNER, R0, validated=False, blobs={ONE.id: ONE})
    pending.expect_proposed(OTHER, R0, validated=False, blobs={ONE.id: None})
    assert sorted(pending.owners()) == sorted([OWNER, OTHER])
    pending.forget_proposed()
    assert pending.owners() == []
    assert pending.get(ONE.id) is None


def test_a_new_height_forgets_all_sets(node: Node, chain: ChainState) -> None:
    chain.pending_blobs.expect_validated(R0, {ONE.id: ONE})
    node.save(chain)
    chain.pending_blobs.clear()
    node.save(chain)
    node.reload()
    assert node.chain(chain.chain_id).pending_blobs.validated().blob_ids == ()
    assert node.chain(chain.chain_id).pending_blob(ONE.id) is None
