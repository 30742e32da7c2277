"""Claims under every circumstance: twice, together, in crowds, across restarts, out of money."""

import asyncio
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from catenula.base.errors import LocalError
from catenula.base.identifiers import AccountOwner
from catenula.base.integers import U64, Amount, Timestamp, tokens
from catenula.client import Client, ClientSetup
from catenula.network import Network, NetworkShape
from catenula.network.embedded import make_network
from catenula.network.network import EmbeddedProvider
from catenula.protocol import NO_FEES, ChainDescription, Child, ResourceControlPolicy
from catenula.services.faucet import Faucet, errors
from catenula.services.faucet.allowances import DAY_US, RateLimit
from catenula.services.faucet.database import FaucetDatabase
from catenula.services.faucet.errors import FaucetRefusal
from catenula.storage.memory import MemoryStore
from catenula.testing.clock import ManualClock
from tests.services.stage import AMOUNT, Stage, faucet_stage, graphql, options, owner, start


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(main())


async def refusal(claim: Coroutine[Any, Any, Any]) -> str:
    """The text a claim is refused with."""
    with pytest.raises(FaucetRefusal) as caught:
        await claim
    return caught.value.code


async def chains_of(stage: Stage, claimant: AccountOwner) -> list[ChainDescription]:
    """Every chain that the blocks of the faucet made for an owner."""
    chain = stage.faucet.chain
    found: list[ChainDescription] = []
    for height in range(chain.state().next_block_height):
        certificate = chain.context.local.certificate_at(chain.chain_id, height)  # type: ignore[arg-type]  # Small.
        assert certificate is not None
        found += [
            description
            for description in certificate.block.created_chains()
            if claimant in description.config.ownership.owners
        ]
    return found


def test_who_claims_many_times_at_once_gets_one_chain(tmp_path: Path) -> None:
    async def main() -> None:
        async with faucet_stage(tmp_path) as stage:
            claims = [stage.faucet.claim(owner(1)) for _ in range(12)]
            answers = await asyncio.gather(*claims, return_exceptions=True)
            descriptions = {
                str(item.chain_id) for item in answers if isinstance(item, ChainDescription)
            }
            refused = {str(item) for item in answers if isinstance(item, FaucetRefusal)}
            assert len(descriptions) == 1
            assert refused <= {errors.HAS_CHAIN}
            again = await stage.faucet.claim(owner(1))
            assert {str(again.chain_id)} == descriptions
            assert len(await chains_of(stage, owner(1))) == 1

    run(main)


def test_a_claim_that_was_committed_but_not_stored_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise LocalError("the disk is full", retryable=False)

    async def main() -> None:
        async with faucet_stage(tmp_path) as stage:
            with monkeypatch.context() as broken:
                broken.setattr(FaucetDatabase, "store", fail)
                with pytest.raises(LocalError, match="the disk is full"):
                    await stage.faucet.claim(owner(1))
                (made,) = await chains_of(stage, owner(1))
                await stage.server.close()
            stage.server = await start(stage.network, stage.wallet, options(tmp_path))
            assert await stage.faucet.claim(owner(1)) == made
            assert len(await chains_of(stage, owner(1))) == 1

    run(main)


def _remove_database(folder: Path) -> None:
    for file in folder.glob("faucet.sqlite*"):
        file.unlink()


def test_a_lost_database_is_made_again_from_the_chain(tmp_path: Path) -> None:
    async def main() -> None:
        async with faucet_stage(tmp_path) as stage:
            made = [await stage.faucet.claim(owner(number)) for number in range(1, 4)]
            await stage.server.close()
            _remove_database(tmp_path)
            stage.server = await start(stage.network, stage.wallet, options(tmp_path))
            again = [await stage.faucet.claim(owner(number)) for number in range(1, 4)]
            assert again == made

    run(main)


def test_a_caller_that_goes_away_does_not_take_its_claim_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with faucet_stage(tmp_path) as stage:
            claim = asyncio.ensure_future(stage.faucet.claim(owner(1)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            claim.cancel()
            await asyncio.gather(claim, return_exceptions=True)
            await stage.faucet.claim(owner(2))
            assert len(await chains_of(stage, owner(1))) <= 1
            await stage.faucet.claim(owner(1))
            assert len(await chains_of(stage, owner(1))) == 1

    run(main)


def test_a_full_queue_refuses_and_forgets_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catenula.services.faucet.batches.MAX_FAUCET_QUEUE", 5)

    async def main() -> None:
        async with faucet_stage(tmp_path) as stage:
            claims = [stage.faucet.claim(owner(number)) for number in range(1, 21)]
            answers = await asyncio.gather(*claims, return_exceptions=True)
            served = [item for item in answers if isinstance(item, ChainDescription)]
            busy = [item for item in answers if isinstance(item, FaucetRefusal)]
            assert {item.code for item in busy} == {errors.BUSY}
            assert len(served) >= 5
            assert len(served) + len(busy) == len(answers)

    run(main)


def test_a_block_that_cannot_hold_all_claims_is_made_smaller(tmp_path: Path) -> None:
    policy: ResourceControlPolicy = NO_FEES.replace(maximum_block_size=U64(2_000))

    async def main() -> None:
        shape = NetworkShape(policy=policy)
        async with await Network.start(shape=shape) as network:
            wallet = await network.wallet("faucet", tokens=100_000)
            server = await start(network, wallet, options(tmp_path))
            try:
                claims = (server.faucet.claim(owner(number)) for number in range(1, 41))
                found = await asyncio.gather(*claims)
            finally:
                await server.close()
            heights = {item.origin.block_height for item in found if isinstance(item.origin, Child)}
            assert len({item.chain_id for item in found}) == 40
            assert len(heights) > 1

    run(main)


def test_an_empty_faucet_serves_as_many_as_it_can_pay(tmp_path: Path) -> None:
    async def main() -> None:
        async with faucet_stage(tmp_path, funds="35") as stage:
            claims = (stage.faucet.claim(owner(number)) for number in range(1, 7))
            answers = await asyncio.gather(*claims, return_exceptions=True)
            served = [item for item in answers if isinstance(item, ChainDescription)]
            refused = [str(item) for item in answers if isinstance(item, FaucetRefusal)]
            assert (len(served), refused) == (3, [errors.EMPTY] * 3)
            said = await graphql(stage.server.port, f'mutation {{ claim(owner: "{owner(9)}") }}')
            assert said["errors"][0]["message"] == errors.EMPTY

    run(main)


def test_daily_tokens_once_in_every_window_counted_from_the_first_claim(tmp_path: Path) -> None:
    clock = ManualClock()

    async def main() -> None:
        embedded = make_network(NetworkShape(), random_bytes=secrets.token_bytes, clock=clock)
        async with Network(embedded) as network:
            wallet = await network.wallet("faucet", tokens=1000)
            chosen = options(tmp_path, daily_claim_amount=tokens(1))
            server = await start(network, wallet, chosen)
            try:
                await _claim_daily(server.faucet, clock)
            finally:
                await server.close()

    run(main)


async def _claim_daily(faucet: Faucet, clock: ManualClock) -> None:
    claimant = owner(1)
    assert await refusal(faucet.daily_claim(claimant)) == errors.CLAIM_FIRST
    assert faucet.next_daily_claim(claimant) is None
    await faucet.claim(claimant)
    first = faucet.initial_claim(claimant)
    assert first is not None
    assert await refusal(faucet.daily_claim(claimant)) == errors.CLAIMED_THIS_PERIOD
    assert faucet.next_daily_claim(claimant) == first.created_at + DAY_US
    clock.advance(first.created_at + DAY_US - clock.now() - 1)
    assert await refusal(faucet.daily_claim(claimant)) == errors.CLAIMED_THIS_PERIOD
    clock.advance(1)
    paid = await faucet.daily_claim(claimant)
    assert (paid.chain_id, paid.amount) == (first.chain_id, tokens(1))
    assert await refusal(faucet.daily_claim(claimant)) == errors.CLAIMED_THIS_PERIOD
    clock.advance(3 * DAY_US)
    await faucet.daily_claim(claimant)
    assert faucet.next_daily_claim(claimant) == first.created_at + 5 * DAY_US


def test_daily_claims_that_are_switched_off_are_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with faucet_stage(tmp_path) as stage:
            await stage.faucet.claim(owner(1))
            text = await refusal(stage.faucet.daily_claim(owner(1)))
            assert text in {errors.NO_DAILY_CLAIMS, errors.CLAIMED_THIS_PERIOD}

    run(main)


def test_the_rate_limit_unlocks_the_balance_evenly() -> None:
    limit = RateLimit(Amount(100), Timestamp(1_000), Timestamp(2_000))
    assert limit.allows(100, Timestamp(1_000))
    assert not limit.allows(99, Timestamp(1_000))
    assert limit.allows(50, Timestamp(1_500))
    assert not limit.allows(49, Timestamp(1_500))
    assert limit.allows(0, Timestamp(2_000))
    assert not limit.allows(-1, Timestamp(2_001))


def test_a_rate_limited_faucet_says_so(tmp_path: Path) -> None:
    far = Timestamp(time.time_ns() // 1_000 + 1_000 * DAY_US)

    async def main() -> None:
        async with faucet_stage(tmp_path, limit_rate_until=far) as stage:
            assert await refusal(stage.faucet.claim(owner(1))) == errors.RATE_LIMITED

    run(main)


def test_ten_thousand_stored_chains_do_not_slow_the_start(tmp_path: Path) -> None:
    async def main() -> None:
        async with faucet_stage(tmp_path) as stage:
            made = await stage.faucet.claim(owner(1))
            await stage.server.close()
            rows = [(str(owner(number)), str(made.chain_id), 1) for number in range(2, 10_002)]
            with sqlite3.connect(tmp_path / "faucet.sqlite") as connection:
                connection.executemany("INSERT INTO chains VALUES (?, ?, ?)", rows)
            connection.close()
            stage.server = await start(stage.network, stage.wallet, options(tmp_path))
            known = stage.faucet.initial_claim(owner(7_000))
            assert known is not None
            assert known.chain_id == made.chain_id
            fresh = await stage.faucet.claim(owner(20_000))
            assert fresh.config.balance == AMOUNT

    run(main)


@asynccontextmanager
async def second_faucet(stage: Stage, folder: Path, **changes: Any) -> AsyncIterator[Faucet]:
    """Another faucet on the same chain: its own client, store and database, the same key."""
    embedded, chain = stage.network.embedded, stage.wallet.chain
    signer = stage.wallet.client.signer
    setup = ClientSetup(
        store=MemoryStore("memory:"),
        genesis=embedded.genesis,
        provider=EmbeddedProvider(embedded),
        signer=signer,
    )
    client = Client(setup)
    owner_of_chain = stage.faucet.chain.owner
    assert owner_of_chain is not None
    await client.assign(owner_of_chain, chain.id)
    faucet = Faucet(
        client, chain.id, genesis=embedded.genesis, options=options(folder / "second", **changes)
    )
    await faucet.start()
    try:
        yield faucet
    finally:
        await faucet.stop()
        await client.close()


def test_two_faucets_on_one_chain_give_nobody_two_chains(tmp_path: Path) -> None:
    people, rounds = 8, 4

    async def ask(faucet: Faucet, who: AccountOwner) -> ChainDescription | None:
        try:
            return await faucet.claim(who)
        except FaucetRefusal as refusal:
            if refusal.code != errors.HAS_CHAIN:
                raise
            return None

    async def main() -> None:
        async with faucet_stage(tmp_path) as stage, second_faucet(stage, tmp_path) as second:
            for number in range(rounds):
                who = [owner(people * number + each + 1) for each in range(people)]
                asked = [ask(faucet, each) for each in who for faucet in (stage.faucet, second)]
                answers = await asyncio.gather(*asked)
                await stage.faucet.chain.synchronize()
                for each, pair in zip(
                    who, zip(answers[::2], answers[1::2], strict=True), strict=True
                ):
                    (made,) = await chains_of(stage, each)
                    assert made in pair
                    assert all(answer in (made, None) for answer in pair)
            for faucet in (stage.faucet, second):
                for last in range(1, people * rounds + 1):
                    (made,) = await chains_of(stage, owner(last))
                    assert await faucet.claim(owner(last)) == made

    run(main)


def test_two_faucets_on_one_chain_pay_a_day_once(tmp_path: Path) -> None:
    daily = tokens(1)

    async def main() -> None:
        async with (
            faucet_stage(tmp_path, daily_claim_amount=daily) as stage,
            second_faucet(stage, tmp_path, daily_claim_amount=daily) as second,
        ):
            assert await stage.faucet.claim(owner(1)) == await second.claim(owner(1))
            for faucet in (stage.faucet, second):
                assert faucet.initial_claim(owner(1)) is not None
                assert await refusal(faucet.daily_claim(owner(1))) == errors.CLAIMED_THIS_PERIOD

    run(main)
