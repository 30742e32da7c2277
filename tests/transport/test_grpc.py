"""Native gRPC between our clients and our validators, through real ports."""

import asyncio
from decimal import Decimal

import pytest

from catenula.base.errors import DecodeError
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import U32, BlockHeight
from catenula.protocol import (
    BlobContent,
    BlobId,
    BlobType,
    ChainInfoQuery,
    EventId,
    NodeErrorReceived,
    StreamId,
    StreamName,
    epoch_event_id,
    node_error,
)
from catenula.transport.addresses import NetworkAddress
from catenula.transport.calls import CallStatus, StatusCode
from catenula.transport.grpc_client import GrpcProvider
from catenula.transport.public_service import close
from tests.network.support import agree, asynchronous, balances
from tests.transport.recorded_node import recorded_port
from tests.transport.wire_network import HASTY, until, wire_network

NOWHERE = ChainId(b"\xcd" * 32)
NO_BLOB = BlobId(CryptoHash(b"\xcd" * 32), BlobType.DATA)


@asynchronous
async def test_wallets_pay_each_other_through_ports() -> None:
    async with wire_network() as wire:
        network = wire.network
        alice, bob = await network.wallet("alice", 10), await network.wallet("bob")
        await alice.chain.transfer(bob.chain, 4)
        await bob.chain.receive()
        await bob.chain.transfer(alice.chain, "1.5")
        await alice.chain.receive()
        assert balances(network, alice.chain.id) == {Decimal("7.5")}
        await agree(network)


@asynchronous
async def test_a_node_over_grpc_answers_as_the_node_itself() -> None:
    async with wire_network(1) as wire:
        alice = await wire.network.wallet("alice", 10)
        await alice.chain.transfer(wire.network.admin_chain_id, 1)
        driver, node = wire.network.validators[0].driver, wire.node()
        assert driver is not None
        chain = alice.chain.id
        query = ChainInfoQuery(chain, create_network_actions=False, request_manager_values=True)
        for target in (node, driver):
            assert (await target.get_version_info()).rpc_hash
        assert (await node.handle_chain_info_query(query)).info == (
            await driver.handle_chain_info_query(query)
        ).info
        assert await node.get_network_description() == await driver.get_network_description()
        (certificate,) = await node.download_certificates_by_heights(chain, [BlockHeight(0)])
        assert await node.download_certificate(certificate.hash) == certificate
        assert await node.download_certificates([certificate.hash]) == [certificate]
        description = BlobId(CryptoHash(chain), BlobType.CHAIN_DESCRIPTION)
        assert (await node.download_blob(description)).id == description
        assert await node.missing_blob_ids([description, NO_BLOB]) == [NO_BLOB]
        assert await node.previous_event_blocks(chain, [StreamId.system(StreamName(b"x"))]) == {}


@asynchronous
async def test_errors_of_shared_methods_are_those_of_a_node_in_this_process() -> None:
    async with wire_network(1) as wire:
        driver = wire.network.validators[0].driver
        assert driver is not None
        blob = BlobContent(BlobType.DATA, b"nobody needs this")
        for node in (wire.node(), driver):
            for call, expected in (
                (node.download_blob(NO_BLOB), node_error.BlobsNotFound((NO_BLOB,))),
                (node.blob_last_used_by(NO_BLOB), node_error.BlobsNotFound((NO_BLOB,))),
                (node.blob_last_used_by_certificate(NO_BLOB), node_error.BlobsNotFound((NO_BLOB,))),
                (node.upload_blob(blob), node_error.BlobsNotFound((blob.id,))),
                (
                    node.download_certificate(NO_BLOB.hash),
                    node_error.MissingCertificates((NO_BLOB.hash,)),
                ),
            ):
                with pytest.raises(NodeErrorReceived) as raised:
                    await call
                assert raised.value.error == expected


@asynchronous
async def test_errors_of_a_chain_travel_in_the_answer() -> None:
    async with wire_network(1) as wire:
        with pytest.raises(NodeErrorReceived) as raised:
            await wire.node().handle_chain_info_query(ChainInfoQuery(NOWHERE))
        missing = BlobId(CryptoHash(NOWHERE), BlobType.CHAIN_DESCRIPTION)
        assert raised.value.error == node_error.BlobsNotFound((missing,))


@asynchronous
async def test_heights_of_events_are_found() -> None:
    async with wire_network(1) as wire:
        unknown = EventId(NOWHERE, StreamId.system(StreamName(b"x")), U32(0))
        assert await wire.node().event_block_heights([unknown]) == [None]


@asynchronous
async def test_a_validator_that_is_gone_cannot_be_reached() -> None:
    async with wire_network(1) as wire:
        node = wire.node()
        await wire.servers[0].close()
        with pytest.raises(CallStatus) as raised:
            await node.get_version_info()
        assert raised.value.code is StatusCode.UNAVAILABLE
        assert raised.value.retryable


@asynchronous
async def test_notifications_arrive_without_the_acknowledgement() -> None:
    async with wire_network(1) as wire:
        alice, bob = await wire.network.wallet("alice", 10), await wire.network.wallet("bob")
        driver = wire.network.validators[0].driver
        assert driver is not None
        notifications = wire.node().subscribe([bob.chain.id])
        receive = asyncio.ensure_future(anext(notifications))
        await until(lambda: bool(driver.notifier._by_chain))
        await alice.chain.transfer(bob.chain, 1)
        notification = await receive
        assert notification.chain_id == bob.chain.id
        await close(notifications)
        await until(lambda: not driver.notifier._by_chain)


def test_addresses_are_read_as_committees_write_them() -> None:
    assert NetworkAddress.parse("GRPC:Example.org:443") == ("example.org", 443, False)
    assert NetworkAddress.parse("grpcs:a.b:8080").url == "https://a.b:8080"
    for text in ("", "grpc:a", "grpc::1", "grpc:a:0", "grpc:a:65536", "grpc:[::1]:1", "http:a:1"):
        with pytest.raises(DecodeError):
            NetworkAddress.parse(text)
    with pytest.raises(DecodeError, match="UnsupportedNetworkProtocol"):
        GrpcProvider(HASTY).connect_to("tcp:localhost:1")


@asynchronous
async def test_heights_of_events_are_those_of_the_blocks_that_published_them() -> None:
    async with recorded_port("e-modes") as server:
        node = GrpcProvider(HASTY).connect_to(f"grpc:127.0.0.1:{server.port}")
        admin = (await node.get_network_description()).admin_chain_id
        heights = [BlockHeight(number) for number in range(200)]
        certificates = await node.download_certificates_by_heights(admin, heights)
        published = {
            event_id: certificate.block.height
            for certificate in certificates
            for event_id in certificate.block.event_ids()
        }
        assert published
        unknown = epoch_event_id(admin, 1_000)
        found = await node.event_block_heights([unknown, *published])
        assert found == [None, *published.values()]
