"""Answers of validators are checked (spec 07 §3.4)."""

from collections.abc import Sequence

import pytest

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.integers import tokens
from catenula.client.errors import NoQuorum
from catenula.client.remote_node import RemoteNode, Validators
from catenula.protocol import (
    Account,
    BlockHeight,
    ChainId,
    ChainInfoQuery,
    ChainInfoResponse,
    ConfirmedBlockCertificate,
    NodeErrorReceived,
    data_blob,
)
from catenula.protocol.node_error import (
    InvalidChainInfoResponse,
    MissingCertificatesByHeights,
    TooManyCertificatesReturned,
)
from catenula.testing.keys import validator_key
from tests.client.fakes import committee_of, remote
from tests.client.world import World, asynchronous, committed


@asynchronous
async def test_chain_info_must_be_signed_by_the_validator() -> None:
    world = World()
    alice = await world.user(1)
    honest, impostor = alice.context.nodes()[:2]
    query = ChainInfoQuery(alice.chain_id)
    await honest.chain_info(query)
    stolen = await honest.node.handle_chain_info_query(query)
    lying = RemoteNode(impostor.public_key, "x", honest.node)
    for response in (stolen, ChainInfoResponse(stolen.info)):
        with pytest.raises(NodeErrorReceived) as caught:
            lying.checked(response, alice.chain_id)
        assert isinstance(caught.value.error, InvalidChainInfoResponse)


@asynchronous
async def test_chain_info_must_be_about_the_chain() -> None:
    world = World()
    alice = await world.user(1)
    node = alice.context.nodes()[0]
    response = await node.node.handle_chain_info_query(ChainInfoQuery(world.root))
    with pytest.raises(NodeErrorReceived):
        node.checked(response, alice.chain_id)


async def history(world: World) -> tuple[ChainId, list[ConfirmedBlockCertificate]]:
    """A chain with three blocks."""
    alice = await world.user(1)
    recipient = Account.chain(world.root)
    blocks = [committed(await alice.transfer(recipient, "1")) for _ in range(3)]
    return alice.chain_id, blocks


@asynchronous
async def test_certificates_by_height_are_asked_for_until_all_are_there() -> None:
    chain_id, blocks = await history(World())
    asked: list[list[int]] = []

    def one_at_a_time(_: ChainId, heights: Sequence[int]) -> list[ConfirmedBlockCertificate]:
        asked.append(list(heights))
        return [blocks[heights[0]]]

    node = remote(0, download_certificates_by_heights=one_at_a_time)
    heights = [BlockHeight(height) for height in (2, 0, 1)]
    assert await node.certificates_by_heights(chain_id, heights) == blocks
    assert asked == [[0, 1, 2], [1, 2], [2]]


@asynchronous
async def test_other_certificates_than_asked_for_are_refused() -> None:
    chain_id, blocks = await history(World())
    wanted = [BlockHeight(1)]
    for answer, error in (
        ([], MissingCertificatesByHeights),
        ([blocks[0]], TooManyCertificatesReturned),
        ([blocks[1], blocks[1]], TooManyCertificatesReturned),
    ):
        node = remote(0, download_certificates_by_heights=lambda *_, given=answer: given)
        with pytest.raises(NodeErrorReceived) as caught:
            await node.certificates_by_heights(chain_id, wanted)
        assert isinstance(caught.value.error, error)


@asynchronous
async def test_another_blob_than_asked_for_is_refused() -> None:
    wanted, other = data_blob(b"wanted"), data_blob(b"other")
    assert await remote(0, download_blob=lambda _: wanted).blob(wanted.id) == wanted
    for answer in (remote(0, download_blob=lambda _: other).blob(wanted.id),):
        with pytest.raises(ProtocolError):
            await answer


@asynchronous
async def test_a_certificate_for_a_blob_must_require_it() -> None:
    _, blocks = await history(World())
    node = remote(0, blob_last_used_by_certificate=lambda _: blocks[1])
    with pytest.raises(NodeErrorReceived):
        await node.certificate_for_blob(data_blob(b"unrelated").id)


@asynchronous
async def test_forged_votes_do_not_count() -> None:
    """Invariant K1."""
    world = World()
    alice = await world.user(1)
    nodes = alice.context.nodes()
    # Two validators answer with the votes of the others.
    swapped = dict(zip(nodes[:2], (nodes[2].node, nodes[3].node), strict=True))
    for node, other in swapped.items():
        node.node = other
    with pytest.raises(NoQuorum) as caught:
        await alice.transfer(Account.chain(world.root), "1")
    assert (
        sum(
            "SignatureInvalid" in r.text or "ignature" in r.text
            for r in caught.value.explanation.reasons
        )
        == 2
    )
    assert await alice.local_balance() == tokens(10)


@asynchronous
async def test_a_wrong_address_is_that_validators_failure() -> None:
    class Provider:
        """Knows no address."""

        def connect(self, validator: object, address: str) -> object:
            raise LocalError(f"{address} is no address", retryable=False)

    committee = committee_of(1, 0, 1)
    nodes = Validators(Provider()).of(committee)  # type: ignore[arg-type]  # It only refuses.
    assert {node.public_key for node in nodes} == {
        validator_key(0).public_key(),
        validator_key(2).public_key(),
    }
    with pytest.raises(LocalError, match="no connection can be made to fake"):
        await nodes[0].chain_info(ChainInfoQuery(ChainId(bytes(32))))
