"""Reports about validators: what is checked, and the lines that scripts read."""

import pytest

from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.integers import U32
from catenula.client import Client, InMemorySigner
from catenula.client.administration.reports import (
    Refused,
    check_online,
    query_local_node,
    query_validator,
)
from catenula.client.chain_client import ChainClient
from catenula.protocol import CrateVersion
from catenula.transport.validator_node import ValidatorNode
from catenula.worker.version import VERSION_INFO, is_compatible
from tests.client.world import World, asynchronous


def _nodes(world: World) -> list[tuple[Secp256k1PublicKey, ValidatorNode]]:
    return list(world.network.nodes().items())


async def _admin(world: World) -> tuple[Client, ChainClient]:
    client = world.client(signer=InMemorySigner([world.root_key]))
    return client, await client.assign(world.root_key.owner(), world.root)


@asynchronous
async def test_a_report_has_the_lines_of_the_reference() -> None:
    world = World()
    client, _ = await _admin(world)
    public_key, node = _nodes(world)[0]
    report = await query_validator(client, node, world.root, public_key=public_key, weight=100)
    assert report.errors() == []
    labels = [line.split(":")[0] for line in report.lines()]
    assert labels == [
        "Public key",
        "Address",
        "Weight",
        "Linera protocol",
        "RPC API hash",
        "GraphQL API hash",
        "WIT API hash",
        "Source code",
        "Genesis config hash",
        "Block hash",
        "Next height",
        "Timestamp",
        "Epoch",
        "Round",
        "",
    ]
    assert "Round: multi-leader round 0" in report.lines()


@asynchronous
async def test_what_equals_the_local_node_is_left_out() -> None:
    world = World()
    client, _ = await _admin(world)
    local = await query_local_node(client, world.root)
    _, node = _nodes(world)[0]
    report = await query_validator(client, node, world.root)
    assert report.lines(local) == [f"Address: {node.address}", ""]


@asynchronous
async def test_a_validator_that_is_behind_shows_what_differs() -> None:
    world = World()
    client, chain = await _admin(world)
    await world.network.validators[3].stop()
    await chain.publish_data_blob(b"one block")
    await world.settled()
    world.network.validators[3].start()
    local = await query_local_node(client, world.root)
    key = world.network.validators[3].keys.consensus.public_key()
    report = await query_validator(client, world.connect(key, ""), world.root)
    labels = [line.split(":")[0] for line in report.lines(local)]
    assert labels == ["Address", "Block hash", "Next height", ""]


@asynchronous
async def test_a_wrong_key_is_reported() -> None:
    world = World()
    client, _ = await _admin(world)
    (_, node), (other_key, _) = _nodes(world)[:2]
    report = await query_validator(client, node, world.root, public_key=other_key)
    assert [str(error) for error in report.errors()] == [
        f"Signature for public key {other_key} is invalid."
    ]
    assert f"Error getting chain info: Signature for public key {other_key} is invalid." in (
        report.lines()
    )
    assert report.to_json()["chain"] is None


@asynchronous
async def test_a_validator_that_does_not_answer_is_reported() -> None:
    world = World()
    client, _ = await _admin(world)
    await world.network.validators[0].stop()
    key = world.network.validators[0].keys.consensus.public_key()
    report = await query_validator(client, world.connect(key, ""), world.root)
    assert len(report.errors()) == 3


@asynchronous
async def test_a_validator_of_another_network_is_refused() -> None:
    world, other = World(), World(validators=1)
    client, _ = await _admin(world)
    _, stranger = _nodes(other)[0]
    with pytest.raises(Refused, match="belongs to network"):
        await check_online(client, [stranger])


def test_newer_patches_of_the_line_are_understood() -> None:
    def version(minor: int, patch: int) -> bool:
        number = CrateVersion(U32(0), U32(minor), U32(patch))
        return is_compatible(VERSION_INFO.replace(crate_version=number, rpc_hash="other"))

    assert version(15, 0)
    assert version(15, 23)
    assert not version(15, 24)
    assert not version(16, 0)
