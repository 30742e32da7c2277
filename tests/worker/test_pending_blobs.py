"""Blobs of blocks that are not final, and their uploads (spec 06 §4.2, §4.10)."""

import pytest

from catenula.base.identifiers import HASH_BYTES, ChainId
from catenula.base.integers import U64
from catenula.chain.errors import InsufficientRound, TooManyPublishedBlobs, UnexpectedBlob
from catenula.execution.errors import BlobsNotFound, ExecutionError
from catenula.protocol import (
    BlobContent,
    BlobType,
    BlockProposal,
    ChainOwnership,
    PublishDataBlob,
    Round,
)
from catenula.testing.keys import account_key
from catenula.testing.tiny_network import FIRST_ROUND, NO_FEES, TinyNetwork, transfer

ONE, TWO, THREE = (BlobContent(BlobType.DATA, bytes((number,))) for number in range(3))
SECOND_ROUND = Round.multi_leader(1)


@pytest.fixture
def network() -> TinyNetwork:
    return TinyNetwork()


def publishing(
    network: TinyNetwork, *blobs: BlobContent, round_: Round = FIRST_ROUND, owner: int = 0
) -> BlockProposal:
    key = account_key(owner)
    operations = [PublishDataBlob(blob.hash) for blob in blobs]
    draft = network.draft(network.chain_ids[0], *operations, signer=key)
    return network.sign(draft, round_, key=key)


def refused(network: TinyNetwork, proposal: BlockProposal) -> tuple[object, ...]:
    with pytest.raises(BlobsNotFound) as caught:
        network.node.propose(proposal)
    return caught.value.blob_ids


def test_all_missing_blobs_are_named(network: TinyNetwork) -> None:
    expected = tuple(sorted((ONE.id, TWO.id), key=lambda blob_id: blob_id.order_key()))
    assert refused(network, publishing(network, TWO, ONE)) == expected


def test_a_proposal_is_voted_on_once_its_blobs_are_uploaded(network: TinyNetwork) -> None:
    proposal = publishing(network, ONE, TWO)
    refused(network, proposal)
    network.node.upload(proposal.content.block.chain_id, ONE)
    assert refused(network, proposal) == (TWO.id,)
    network.node.crash()
    network.node.upload(proposal.content.block.chain_id, TWO)
    network.node.crash()
    assert network.node.propose(proposal).manager.pending is not None


def test_an_upload_to_an_unknown_chain_is_not_required(network: TinyNetwork) -> None:
    unknown = ChainId(bytes(HASH_BYTES))
    with pytest.raises(UnexpectedBlob):
        network.node.upload(unknown, ONE)


def test_blobs_that_are_stored_already_need_no_upload(network: TinyNetwork) -> None:
    network.node.store_blobs(ONE)
    assert network.node.propose(publishing(network, ONE)).manager.pending is not None


def test_blobs_of_a_voted_block_can_be_downloaded(network: TinyNetwork) -> None:
    proposal = publishing(network, ONE)
    chain_id = proposal.content.block.chain_id
    refused(network, proposal)
    network.node.upload(chain_id, ONE)
    with pytest.raises(BlobsNotFound):
        network.node.run(lambda worker, _: worker.download_pending_blob(chain_id, ONE.id))
    network.node.propose(proposal)
    found = network.node.run(lambda worker, _: worker.download_pending_blob(chain_id, ONE.id))
    assert found == ONE


def test_asking_for_a_pending_blob_does_not_set_the_chain_up(network: TinyNetwork) -> None:
    chain_id = network.chain_ids[0]
    with pytest.raises(BlobsNotFound) as caught:
        network.node.run(lambda worker, _: worker.download_pending_blob(chain_id, ONE.id))
    assert caught.value.blob_ids == (ONE.id,)
    assert network.node.stored(chain_id) == []


def test_a_blob_nobody_waits_for_is_refused(network: TinyNetwork) -> None:
    refused(network, publishing(network, ONE))
    with pytest.raises(UnexpectedBlob):
        network.node.upload(network.chain_ids[0], TWO)


def test_an_uploaded_blob_must_not_be_too_large() -> None:
    network = TinyNetwork(policy=NO_FEES.replace(maximum_blob_size=U64(3)))
    large = BlobContent(BlobType.DATA, b"four")
    refused(network, publishing(network, large))
    with pytest.raises(ExecutionError, match="BlobTooLarge"):
        network.node.upload(network.chain_ids[0], large)


def test_a_proposal_that_lists_the_maximum_of_blobs_takes_no_upload() -> None:
    network = TinyNetwork(policy=NO_FEES.replace(maximum_published_blobs=U64(2)))
    refused(network, publishing(network, ONE, TWO))
    with pytest.raises(TooManyPublishedBlobs):
        network.node.upload(network.chain_ids[0], ONE)


def test_a_later_round_replaces_the_list_of_an_owner(network: TinyNetwork) -> None:
    refused(network, publishing(network, ONE))
    refused(network, publishing(network, TWO, round_=SECOND_ROUND))
    with pytest.raises(UnexpectedBlob):
        network.node.upload(network.chain_ids[0], ONE)
    network.node.upload(network.chain_ids[0], TWO)


def test_each_owner_has_a_list_of_its_own() -> None:
    ownership = ChainOwnership.multiple((account_key(0).owner(), account_key(1).owner()))
    network = TinyNetwork(ownerships=[ownership])
    refused(network, publishing(network, ONE))
    refused(network, publishing(network, TWO, owner=1))
    network.node.upload(network.chain_ids[0], ONE)
    network.node.upload(network.chain_ids[0], TWO)


def test_an_open_chain_keeps_the_list_of_the_last_proposer_only() -> None:
    ownership = ChainOwnership.multiple((account_key(0).owner(), account_key(1).owner()))
    ownership = ownership.replace(open_multi_leader_rounds=True)
    network = TinyNetwork(ownerships=[ownership])
    refused(network, publishing(network, ONE))
    refused(network, publishing(network, TWO, owner=1))
    with pytest.raises(UnexpectedBlob):
        network.node.upload(network.chain_ids[0], ONE)


def test_an_executed_block_forgets_the_lists(network: TinyNetwork) -> None:
    refused(network, publishing(network, ONE))
    chain_id, other, _ = network.chain_ids
    network.node.confirm(network.execute(chain_id, transfer(other)))
    with pytest.raises(UnexpectedBlob):
        network.node.upload(chain_id, ONE)


def test_an_older_certificate_does_not_replace_the_list_of_a_later_one(
    network: TinyNetwork,
) -> None:
    chain_id = network.chain_ids[0]
    early = network.stage(network.draft(chain_id, PublishDataBlob(ONE.hash)), blobs=[ONE])
    late = network.stage(network.draft(chain_id, PublishDataBlob(TWO.hash)), blobs=[TWO])
    with pytest.raises(BlobsNotFound):
        network.node.lock(network.validated(late, SECOND_ROUND))
    with pytest.raises(InsufficientRound):
        network.node.lock(network.validated(early, FIRST_ROUND))
    network.node.upload(chain_id, TWO)
    assert network.node.lock(network.validated(late, SECOND_ROUND)).manager.pending is not None


def test_missing_blobs_do_not_undo_the_round(network: TinyNetwork) -> None:
    refused(network, publishing(network, THREE, round_=SECOND_ROUND))
    network.node.crash()
    assert network.node.info(network.chain_ids[0]).manager.current_round == SECOND_ROUND
