"""Local networks behind real ports: files, ports, what is refused, and that ports are asked."""

import asyncio
import socket
from pathlib import Path

import pytest
from msgspec.structs import replace

from catenula.base.errors import LocalError
from catenula.base.integers import Timestamp, tokens
from catenula.client.files.keystore_json import KeyStoreFile
from catenula.client.files.wallet_json import WalletFile
from catenula.network.configuration import HISTORICAL_HASH_FLAG
from catenula.network.devnet import Devnet, FaucetPlan, RunPlan
from catenula.network.devnet_files import (
    DevnetFolder,
    DevnetPlan,
    create_devnet,
    load_devnet,
)
from catenula.network.genesis import GenesisPlan
from catenula.network.ports import PortLayout
from catenula.network.probe import Place, await_health, await_page
from catenula.protocol import NO_FEES
from catenula.testing.keys import predictable_bytes
from tests.ports import free_port, free_port_range

_GENESIS = GenesisPlan(2, tokens(1_000_000), NO_FEES, Timestamp(1_700_000_000_000_000), "devnet")


def _plan(validators: int = 2) -> DevnetPlan:
    return DevnetPlan(_GENESIS, validators=validators, ports=PortLayout(free_port_range()))


def test_ports_are_those_of_the_reference() -> None:
    ports = PortLayout(workers=2)
    assert [ports.public(0), ports.public(3)] == [13_001, 13_004]
    assert [ports.worker(0, 0), ports.worker(1, 1)] == [9_001, 9_004]
    assert (ports.private(0), ports.worker_metrics(0, 0), ports.metrics(0)) == (
        10_001,
        11_001,
        12_001,
    )


def test_a_new_network_is_read_again_as_it_was_made(tmp_path: Path) -> None:
    folder = DevnetFolder(tmp_path / "net")
    new = create_devnet(folder, _plan(), predictable_bytes("devnet"))
    assert not folder.path.exists()
    new.write()
    found = load_devnet(folder)
    assert found is not None
    assert found.genesis == new.files.genesis
    assert [server.public_key for server in found.servers] == [
        server.public_key for server in new.files.servers
    ]
    for path in (folder.keystore, folder.server(0), folder.server(1)):
        assert path.stat().st_mode & 0o777 == 0o600
    assert len(KeyStoreFile.read(folder.keystore).owners()) == 3
    content = WalletFile.read(folder.wallet).content
    assert content.default_chain() == found.genesis.admin_chain_id
    assert found.root_chains() == sorted(found.root_chains())


def test_a_seed_makes_the_same_network_again(tmp_path: Path) -> None:
    plan = replace(_plan(), seed=37)
    made = [
        create_devnet(DevnetFolder(tmp_path / name), plan, predictable_bytes(name)).files
        for name in ("one", "two")
    ]
    assert made[0].genesis == made[1].genesis
    # The first key that the reference's tools make of this seed.
    assert made[0].servers[0].public_key.startswith("03d65441d55784a3")


def test_the_state_hash_is_the_references_unless_asked_otherwise(tmp_path: Path) -> None:
    flags = []
    for historical in (False, True):
        plan = replace(_plan(), historical_hash=historical)
        files = create_devnet(DevnetFolder(tmp_path / "n"), plan, predictable_bytes("n")).files
        flags.append(HISTORICAL_HASH_FLAG in files.genesis.committee.policy.http_request_allow_list)
    assert flags == [False, True]


def test_impossible_networks_are_refused(tmp_path: Path) -> None:
    folder = DevnetFolder(tmp_path / "net")
    random = predictable_bytes("n")
    with pytest.raises(LocalError, match="--validators"):
        create_devnet(folder, replace(_plan(), validators=0), random)
    with pytest.raises(LocalError, match="--workers"):
        create_devnet(folder, replace(_plan(), workers=0), random)
    with pytest.raises(LocalError, match="TEST_OFFSET_PORT"):
        create_devnet(folder, replace(_plan(), ports=PortLayout(65_000)), random)


def test_a_devnet_is_an_object_that_starts_and_ends(tmp_path: Path) -> None:
    async def body() -> None:
        files = create_devnet(DevnetFolder(tmp_path / "n"), _plan(1), predictable_bytes("n"))
        plan = RunPlan(faucet=FaucetPlan(tokens(10), 0))
        devnet = await Devnet.start(files.files, plan, write_files=files.write)
        try:
            port = int((devnet.faucet_url() or "").rpartition(":")[2])
            await await_page(Place("faucet", "127.0.0.1", port), "/ready", patience_seconds=5)
            with pytest.raises(LocalError, match="is taken"):
                await Devnet.start(files.files, RunPlan())
        finally:
            await devnet.close()
        # The ports are free again at once.
        again = await Devnet.start(files.files, RunPlan())
        await again.close()

    asyncio.run(body())


def test_a_port_that_nobody_answers_is_named() -> None:
    place = Place("validator 7", "127.0.0.1", free_port())
    with pytest.raises(LocalError, match="validator 7 does not answer at"):
        asyncio.run(await_health(place, patience_seconds=0.05))


def test_a_port_that_says_something_else_is_not_a_validator() -> None:
    async def body() -> None:
        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(refuse, "127.0.0.1", 0, family=socket.AF_INET)
        port = server.sockets[0].getsockname()[1]
        async with server:
            with pytest.raises(LocalError, match="404 Not Found"):
                place = Place("validator 0", "127.0.0.1", port)
                await await_health(place, patience_seconds=0.05)

    asyncio.run(body())
