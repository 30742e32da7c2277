"""Public chains, run by the validators."""

from decimal import Decimal
from pathlib import Path

from catenula.base.identifiers import ChainId
from catenula.network import Network
from catenula.protocol import Round, change_ownership_to
from tests.network.support import PUBLIC, agree, asynchronous, balances


def leader(network: Network, chain_id: ChainId) -> int:
    """The validator that leads the first round of the chain's next height."""
    rules = next(v for v in network.validators if v.is_running).chain(chain_id).manager.rules
    owner = rules.leader(Round.validator(0))
    owners = [validator.keys.account.owner() for validator in network.validators]
    assert owner is not None, "the chain has not been used yet"
    return owners.index(owner)


def round_of_tip(network: Network, chain_id: ChainId) -> Round:
    """The round in which the chain's last block was confirmed."""
    validator = next(v for v in network.validators if v.is_running)
    block_hash = validator.chain(chain_id).tip.block_hash
    assert block_hash is not None
    assert validator.driver is not None
    certificate = validator.driver.worker.shared.certificate(block_hash)
    assert certificate is not None
    return certificate.round


@asynchronous
async def test_validators_take_messages_in_by_themselves() -> None:
    async with await Network.start() as network:
        alice = await network.wallet("alice", 10)
        public = await network.new_chain(alice, PUBLIC)
        for height in range(1, 4):
            await alice.chain.transfer(public, 1)
            await network.wait_for_height(public, height)
            assert balances(network, public) == {Decimal(height)}
            assert round_of_tip(network, public).is_validator
        await agree(network)


@asynchronous
async def test_dead_leader_is_passed_over() -> None:
    async with await Network.start() as network:
        alice = await network.wallet("alice", 10)
        public = await network.new_chain(alice, PUBLIC)
        await alice.chain.transfer(public, 1)
        await network.wait_for_height(public, 1)
        for height in range(2, 4):
            dead = leader(network, public)
            await network.stop_validator(dead)
            await alice.chain.transfer(public, 1)
            await network.wait_for_height(public, height)
            assert round_of_tip(network, public) > Round.validator(0)
            await network.start_validator(dead)
            await network.wait_for_height(public, height)
        await agree(network)
        assert balances(network, public) == {Decimal(3)}


@asynchronous
async def test_chain_that_loses_its_owners_can_become_public() -> None:
    async with await Network.start() as network:
        alice = await network.wallet("alice", 10)
        bob = await network.wallet("bob", 3)
        await bob.chain.execute(change_ownership_to(PUBLIC))
        await alice.chain.transfer(bob.chain, 4)
        await network.wait_for_height(bob.chain.id, 2)
        assert balances(network, bob.chain.id) == {Decimal(7)}


@asynchronous
async def test_public_chain_goes_on_after_a_restart(tmp_path: Path) -> None:
    async with await Network.start(folder=tmp_path) as network:
        alice = await network.wallet("alice", 10)
        public = await network.new_chain(alice, PUBLIC)
        await alice.chain.transfer(public, 1)
        await network.wait_for_height(public, 1)
    async with await Network.start(folder=tmp_path) as network:
        alice = await network.wallet("alice")
        await alice.chain.transfer(public, 2)
        await network.wait_for_height(public, 2)
        assert balances(network, public) == {Decimal(3)}


@asynchronous
async def test_validator_that_missed_the_creation_takes_part_later() -> None:
    async with await Network.start() as network:
        alice = await network.wallet("alice", 10)
        await network.stop_validator(0)
        public = await network.new_chain(alice, PUBLIC)
        await network.start_validator(0)
        await network.settled()
        await alice.chain.transfer(public, 1)
        await network.wait_for_height(public, 1)
        height = 1
        while leader(network, public) != 0:
            height += 1
            await alice.chain.transfer(public, "0.01")
            await network.wait_for_height(public, height)
        await alice.chain.transfer(public, 1)
        await network.wait_for_height(public, height + 1)
        await agree(network)
