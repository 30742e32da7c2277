"""Steps of a reconfiguration that several tests need."""

from catenula.base.integers import Epoch
from catenula.protocol import (
    BlobContent,
    BlobType,
    Committee,
    ConfirmedBlockCertificate,
    CreateCommittee,
    PublishCommitteeBlob,
)
from catenula.testing.tiny_network import TinyNetwork


def committee_blob(committee: Committee) -> BlobContent:
    return BlobContent(BlobType.COMMITTEE, committee.bcs)


def enter_next_epoch(
    network: TinyNetwork, committee: Committee | None = None, epoch: int = 1
) -> list[ConfirmedBlockCertificate]:
    """The admin chain's blocks that publish a committee and make it that of the next epoch.

    The validators know its blob, but not the blocks.
    """
    admin = network.genesis.admin_chain_id
    blob = committee_blob(
        committee
        or network.committee.replace(policy=network.committee.policy.replace(operation=epoch))
    )
    for node in network.nodes:
        node.store_blobs(blob)
    published = network.execute(admin, PublishCommitteeBlob(blob.hash), blobs=[blob])
    created = network.execute(admin, CreateCommittee(Epoch(epoch), blob.hash))
    return [published, created]
