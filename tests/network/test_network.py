"""Wallets, chains and transfers on the embedded network, in memory and restarted from disk."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from catenula.base.errors import LocalError
from catenula.base.identifiers import AccountOwner
from catenula.base.integers import tokens
from catenula.network import Network, NetworkShape
from catenula.network.inspection import tips_on
from catenula.protocol import Account, ChainOwnership, Transfer
from tests.network.support import agree, asynchronous, balances

ENGINES = ("sqlite", "rocksdb")


@asynchronous
async def test_wallet_gets_a_key_and_a_funded_chain() -> None:
    async with await Network.start() as network:
        alice = await network.wallet("alice", "12.5")
        assert alice.chain.ownership() == ChainOwnership.single(alice.owner)
        assert balances(network, alice.chain.id) == {Decimal("12.5")}
        assert await alice.chain.height() == 0


@asynchronous
async def test_wallet_is_found_by_its_name() -> None:
    async with await Network.start() as network:
        assert await network.wallet("alice", 1) is await network.wallet("alice", 1)


@asynchronous
async def test_wallets_can_be_opened_at_once() -> None:
    async with await Network.start() as network:
        wallets = await asyncio.gather(*(network.wallet(f"user-{n}", n) for n in range(6)))
        for number, wallet in enumerate(wallets):
            assert await wallet.chain.balance() == number
        await agree(network)


@asynchronous
async def test_wallet_names_cannot_leave_the_folder() -> None:
    async with await Network.start() as network:
        with pytest.raises(LocalError, match="no name for a wallet"):
            await network.wallet("../alice")


@asynchronous
async def test_receive_waits_for_a_message_that_is_sent_later() -> None:
    async with await Network.start() as network:
        alice, bob = await network.wallet("alice", 10), await network.wallet("bob")
        waiting = asyncio.create_task(bob.chain.receive())
        await alice.chain.transfer(bob.chain, 4)
        (receipt,) = await waiting
        assert [bundle.origin for bundle in receipt.received] == [alice.chain.id]
        assert balances(network, bob.chain.id) == {Decimal(4)}


@asynchronous
async def test_receive_says_that_nothing_came() -> None:
    async with await Network.start() as network:
        alice = await network.wallet("alice")
        with pytest.raises(LocalError, match=f"no message arrived on chain {alice.chain.id}"):
            await alice.chain.receive(patience_seconds=0.01)


@asynchronous
async def test_recipient_can_be_written_in_every_form() -> None:
    async with await Network.start() as network:
        alice, bob = await network.wallet("alice", 10), await network.wallet("bob")
        account = Account(bob.chain.id, bob.owner)
        for recipient in (bob.chain, bob.chain.id, account, str(account)):
            await alice.chain.transfer(recipient, 1)
        await bob.chain.receive(4)
        assert balances(network, bob.chain.id) == {Decimal(2)}
        assert balances(network, bob.chain.id, bob.owner) == {Decimal(2)}


@asynchronous
async def test_estimate_tells_fees_and_changes_nothing() -> None:
    async with await Network.start() as network:
        alice = await network.wallet("alice", 10)
        gift = Transfer(AccountOwner.CHAIN, Account(alice.chain.id, alice.owner), tokens(1))
        estimate = await alice.chain.estimate(gift)
        assert estimate.fees == 0
        assert await alice.chain.height() == 0


@asynchronous
async def test_validators_can_have_several_workers() -> None:
    async with await Network.start(validators=4, workers=3) as network:
        wallets = [await network.wallet(f"user-{number}", 10) for number in range(6)]
        ring = list(zip(wallets, wallets[1:] + wallets[:1], strict=True))
        await asyncio.gather(*(giver.chain.transfer(taker.chain, 3) for giver, taker in ring))
        await asyncio.gather(*(taker.chain.receive() for _, taker in ring))
        await agree(network)
        driver = network.validators[0].driver
        assert driver is not None
        assert len(driver.workers) == 3
        assert sum(worker.loaded_chains() > 0 for worker in driver.workers) > 1
        for wallet in wallets:
            assert balances(network, wallet.chain.id) == {Decimal(10)}


@asynchronous
async def test_one_validator_alone_is_a_network() -> None:
    async with await Network.start(validators=1) as network:
        alice, bob = await network.wallet("alice", 2), await network.wallet("bob")
        await alice.chain.transfer(bob.chain, 2)
        await bob.chain.receive()
        assert balances(network, bob.chain.id) == {Decimal(2)}


# On disk


@pytest.mark.parametrize("engine", ENGINES)
@asynchronous
async def test_network_starts_again_from_disk(engine: str, tmp_path: Path) -> None:
    async with await Network.start(workers=2, folder=tmp_path, engine=engine) as network:
        alice, bob = await network.wallet("alice", 10), await network.wallet("bob")
        await alice.chain.transfer(bob.chain, 1)
        await bob.chain.receive()
        await alice.chain.transfer(bob.chain, 2)
        await network.settled()
        tips = tips_on(network.validators[0])
        chains, owners = (alice.chain.id, bob.chain.id), (alice.owner, bob.owner)
    async with await Network.start(folder=tmp_path) as network:
        alice, bob = await network.wallet("alice"), await network.wallet("bob")
        assert (alice.chain.id, bob.chain.id) == chains
        assert (alice.owner, bob.owner) == owners
        assert [tips_on(validator) for validator in network.validators] == [tips] * 4
        assert balances(network, alice.chain.id) == {Decimal(7)}
        await bob.chain.receive()
        assert balances(network, bob.chain.id) == {Decimal(3)}
        await bob.chain.transfer(alice.chain, 3)
        await alice.chain.receive()
        assert await alice.chain.balance() == 10
        await agree(network)


@asynchronous
async def test_folder_keeps_its_engine(tmp_path: Path) -> None:
    await (await Network.start(validators=1, folder=tmp_path, engine="rocksdb")).close()
    with pytest.raises(LocalError, match="stores its data with rocksdb, not with sqlite"):
        await Network.start(folder=tmp_path, engine="sqlite")


@asynchronous
async def test_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(LocalError, match="holds no network but something else"):
        await Network.start(folder=tmp_path)


@asynchronous
async def test_unreadable_configuration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text("{}")
    with pytest.raises(LocalError, match=r"network\.json is not a network configuration"):
        await Network.start(folder=tmp_path)


@asynchronous
async def test_configuration_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    await (await Network.start(validators=1, folder=tmp_path)).close()
    assert (tmp_path / "network.json").stat().st_mode & 0o777 == 0o600


@asynchronous
async def test_damaged_store_is_refused_by_name(tmp_path: Path) -> None:
    await (await Network.start(folder=tmp_path)).close()
    damaged = tmp_path / "validator-3.sqlite"
    damaged.write_bytes(b"not a database at all" * 100)
    with pytest.raises(LocalError, match=r"validator-3\.sqlite"):
        await Network.start(folder=tmp_path)


@pytest.mark.parametrize("shape", [NetworkShape(validators=0), NetworkShape(workers=0)])
@asynchronous
async def test_impossible_shape_is_refused(shape: NetworkShape) -> None:
    with pytest.raises(LocalError, match="at least one validator"):
        await Network.start(shape=shape)


@asynchronous
async def test_unknown_engine_is_refused() -> None:
    with pytest.raises(LocalError, match="choose one of sqlite, rocksdb"):
        await Network.start(engine="papyrus")
