"""A faucet whose surroundings fail: database, validators, its own end. And its other pages."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId
from catenula.base.integers import MICROSECONDS_PER_SECOND, BlockHeight, tokens
from catenula.client import Client, ClientError
from catenula.protocol import ChainDescription, ChainOwnership
from catenula.services.faucet import Faucet, errors
from catenula.services.faucet.database import FaucetDatabase
from catenula.services.faucet.errors import FaucetRefusal
from catenula.services.faucet.options import FaucetOptions
from tests.client.world import World, asynchronous
from tests.client.world import owner as keyed
from tests.services.stage import faucet_stage, options, owner, request


async def prepared(world: World) -> tuple[Client, ChainId]:
    """A client with a chain for the faucet."""
    chain_id = await world.open(ChainOwnership.single(keyed(1)), tokens(1000))
    client = world.client(1)
    await client.assign(keyed(1), chain_id)
    return client, chain_id


@asynccontextmanager
async def running(
    world: World, client: Client, chain_id: ChainId, chosen: FaucetOptions
) -> AsyncIterator[Faucet]:
    faucet = Faucet(client, chain_id, genesis=world.network.genesis, options=chosen)
    await faucet.start()
    try:
        yield faucet
    finally:
        await faucet.stop()


async def refused(claim: Any) -> str:
    with pytest.raises(FaucetRefusal) as found:
        await claim
    return str(found.value)


def created(faucet: Faucet) -> list[ChainDescription]:
    """All chains that blocks of the faucet's chain created."""
    chain = faucet.chain
    found: list[ChainDescription] = []
    for height in range(chain.state().next_block_height):
        certificate = chain.context.local.certificate_at(chain.chain_id, BlockHeight(height))
        assert certificate is not None
        found += certificate.block.created_chains()
    return found


def test_whoever_waits_when_the_faucet_stops_is_told(tmp_path: Path) -> None:
    @asynchronous
    async def run() -> None:
        async with faucet_stage(tmp_path) as stage:
            claim = asyncio.create_task(stage.faucet.claim(owner(1)))
            await asyncio.sleep(0)
            await stage.faucet.stop()
            assert await refused(claim) == errors.STOPPING
            assert await refused(stage.faucet.claim(owner(2))) == errors.STOPPING

    run()


@pytest.mark.parametrize("heals", [True, False])
def test_a_database_that_fails_makes_nobody_get_two_chains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heals: bool
) -> None:
    @asynchronous
    async def run() -> None:
        failures = 0
        real = FaucetDatabase.store

        async def failing(self: FaucetDatabase, *arguments: Any) -> None:
            nonlocal failures
            failures += 1
            if failures == 1 or not heals:
                raise LocalError("the disk is full", retryable=True)
            await real(self, *arguments)

        async with faucet_stage(tmp_path) as stage:
            with monkeypatch.context() as patched:
                patched.setattr(FaucetDatabase, "store", failing)
                if heals:
                    description = await stage.faucet.claim(owner(1))
                else:
                    with pytest.raises(LocalError, match="the disk is full"):
                        await stage.faucet.claim(owner(1))
            assert failures > 1
            description = await stage.faucet.claim(owner(1))
            await stage.faucet.claim(owner(2))
            assert created(stage.faucet)[0] == description
            assert len(created(stage.faucet)) == 2

    run()


async def outcome_of(world: World, claim: "asyncio.Task[ChainDescription]") -> object:
    """What a claim led to, while time passes."""
    for _ in range(2_000):
        await asyncio.wait((claim,), timeout=0.01)
        if claim.done():
            return claim.exception() or claim.result()
        world.clock.advance(MICROSECONDS_PER_SECOND)
    raise AssertionError("the claim was never answered")


def test_without_a_quorum_a_claim_fails_and_later_gives_one_chain(tmp_path: Path) -> None:
    @asynchronous
    async def run() -> None:
        world = World()
        client, chain_id = await prepared(world)
        async with running(world, client, chain_id, options(tmp_path)) as faucet:
            for validator in world.network.validators[:2]:
                await validator.stop()
            failed = await outcome_of(world, asyncio.create_task(faucet.claim(owner(1))))
            assert isinstance(failed, ClientError | LocalError), failed
            for validator in world.network.validators[:2]:
                validator.start()
            found: object = None
            for _ in range(10):
                # The validators that were away first let the round of the others time out.
                found = await outcome_of(world, asyncio.create_task(faucet.claim(owner(1))))
                if not isinstance(found, LocalError):
                    break
            assert created(faucet) == [found]
        await client.close()

    run()


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "wallet.json"
    path.write_text('{"chains": {}}' * 100)
    with pytest.raises(LocalError, match=r"wallet\.json"):
        FaucetDatabase(path)
    assert path.read_text() == '{"chains": {}}' * 100


def test_pages_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    @asynchronous
    async def run() -> None:
        async with faucet_stage(tmp_path) as stage:
            for path in ("/", "/claim"):
                page = await request(stage.server.port, "GET", path)
                assert page.headers["content-type"] == "text/html; charset=utf-8"
                assert b"src=" not in page.body
                assert b"//unpkg" not in page.body
                assert b"https:/" not in page.body

    run()


def test_metrics_are_on_a_port_of_their_own(tmp_path: Path) -> None:
    @asynchronous
    async def run() -> None:
        async with faucet_stage(tmp_path, metrics_port=0) as stage:
            await stage.faucet.claim(owner(1))
            port = stage.server.metrics_port
            assert port is not None
            text = (await request(port, "GET", "/metrics")).body.decode()
            assert 'faucet_claim_requests_total{result="success"} 1.0' in text
            assert "faucet_chains_created_total 1.0" in text
            assert "faucet_balance_amount 999990.0" in text
            for name in ("claim_latency_ms", "batch_size", "batch_processing_latency_ms"):
                assert f"faucet_{name}_count 1.0" in text
            assert (await request(stage.server.port, "GET", "/metrics")).status == 404

    run()
