"""Validators that were away, that lack data, or that are slow."""

import asyncio

from catenula.base.integers import tokens
from catenula.network.embedded_validator import EmbeddedValidator
from catenula.protocol import Account, ChainId, ChainOwnership
from tests.client.world import World, asynchronous, awaited, committed, owner


def height_on(validator: EmbeddedValidator, chain_id: ChainId) -> int:
    assert validator.driver is not None
    return validator.driver.worker.chain(chain_id).next_block_height


@asynchronous
async def test_a_validator_that_missed_the_creation_of_a_chain_learns_of_it() -> None:
    world = World()
    first, *_, late = world.network.validators
    await (await world.root_chain()).context.updates.settled()
    await late.stop()
    alice = await world.user(1)
    committed(await alice.transfer(Account.chain(world.root), "1"))
    late.start()
    await first.stop()
    committed(await alice.transfer(Account.chain(world.root), "1"))
    await alice.context.updates.settled()
    assert height_on(late, alice.chain_id) == 2


@asynchronous
async def test_a_validator_that_missed_a_message_gets_the_senders_blocks() -> None:
    world = World()
    first, *_, late = world.network.validators
    alice, bob = await world.user(1), await world.user(2)
    await world.settled()
    await late.stop()
    for _ in range(3):
        committed(await alice.transfer(Account.chain(bob.chain_id), "1"))
    await world.settled()
    late.start()
    await bob.synchronize()
    await first.stop()
    certificates, stopped = await bob.process_inbox()
    assert (len(certificates), stopped) == (1, None)
    assert await bob.local_balance() == tokens(13)
    assert height_on(late, alice.chain_id) == 3


@asynchronous
async def test_a_validator_that_missed_a_blob_gets_it() -> None:
    world = World()
    first, *_, late = world.network.validators
    alice = await world.user(1)
    await late.stop()
    certificate = committed(await alice.publish_data_blob(b"data"))
    late.start()
    committed(await alice.transfer(Account.chain(world.root), "1"))
    await alice.context.updates.settled()
    assert height_on(late, alice.chain_id) == 2
    assert late.driver is not None
    (blob_id,) = certificate.block.published_blob_ids
    assert late.driver.worker.shared.has_blob(blob_id)
    await first.stop()
    committed(await alice.publish_data_blob(b"more data"))


@asynchronous
async def test_a_validator_that_missed_epochs_gets_the_admin_chain() -> None:
    world = World()
    first, *_, late = world.network.validators
    alice = await world.user(1)
    await world.settled()
    await late.stop()
    root = await world.root_chain()
    committed(await root.stage_new_committee(root.state().current_committee()))
    await alice.synchronize()
    committed(await alice.transfer(Account.chain(world.root), "1"))
    assert alice.state().epoch == 1
    late.start()
    await first.stop()
    committed(await alice.transfer(Account.chain(world.root), "1"))
    await alice.context.updates.settled()
    assert height_on(late, alice.chain_id) == 2


@asynchronous
async def test_a_slow_validator_is_not_waited_for_and_nothing_piles_up() -> None:
    world = World()
    slow = world.network.validators[1]
    alice = await world.user(1)
    slow.make_slow(1000)
    async with asyncio.timeout(10):
        for _ in range(30):
            committed(await alice.transfer(Account.chain(world.root), "0.1"))
    updates = alice.context.updates
    assert updates.pending() == 2  # One under way, one waiting that replaced the others.
    assert len(asyncio.all_tasks()) < 10
    assert height_on(slow, alice.chain_id) == 0
    await updates.close()
    slow.make_slow(0)


@asynchronous
async def test_a_validator_with_a_slow_clock_votes_in_the_end() -> None:
    world = World(validators=1)
    alice = await world.user(1)
    (validator,) = world.network.validators
    assert validator.driver is not None

    class SlowClock:
        """Two seconds behind, and goes as fast."""

        def now(self) -> int:
            return world.clock.now() - 2_000_000

        async def sleep_until(self, timestamp: int) -> None:
            await world.clock.sleep_until(world.clock.now().__class__(timestamp + 2_000_000))

    validator.driver.clock = SlowClock()  # type: ignore[assignment]  # Plain integers do.
    task = asyncio.ensure_future(alice.transfer(Account.chain(world.root), "1"))
    await awaited(world.clock)
    world.clock.advance(2_000_000)
    committed(await task)


@asynchronous
async def test_chains_grow_independently_in_one_wallet() -> None:
    world = World()
    chain_ids = [await world.open(ChainOwnership.single(owner(1))) for _ in range(8)]
    client = world.client(1)
    chains = [await client.assign(owner(1), chain_id) for chain_id in chain_ids]
    recipient = Account.chain(world.root)
    await asyncio.gather(*(chain.transfer(recipient, "1") for chain in chains))
    await asyncio.gather(*(chain.transfer(recipient, "1") for chain in chains))
    assert [chain.state().next_block_height for chain in chains] == [2] * 8
