"""A wallet with very many chains listens, reacts and stays small (spec 07 §12.3)."""

import asyncio

from catenula.base.identifiers import ChainId
from catenula.base.integers import Amount
from catenula.client import ChainListener, ListenerOptions
from catenula.client.outcomes import Committed
from catenula.client.wallet import WalletChain
from catenula.protocol import Account, ChainOwnership, OpenChain, OpenChainConfig
from tests.client.test_listening import Blocks
from tests.client.world import World, asynchronous, committed, owner

CHAINS = 1_000
STREAMS_PER_VALIDATOR = 11
"""The logarithm of the number of chains, and one for the admin chain."""


async def many_chains(world: World, count: int) -> list[ChainId]:
    """Children of the root chain, all of owner 2, made in one block per hundred."""
    root = await world.root_chain()
    found: list[ChainId] = []
    operation = OpenChain(OpenChainConfig(ChainOwnership.single(owner(2)), Amount(10**18)))
    for _ in range(0, count, 100):
        outcome = await root.execute((operation,) * 100)
        assert isinstance(outcome, Committed)
        found += [each.chain_id for each in outcome.value.block.created_chains()]
    return found


@asynchronous
async def test_a_wallet_of_a_thousand_chains_listens_to_all_and_keeps_few_things() -> None:
    world = World()
    chain_ids = await many_chains(world, CHAINS)
    client = world.client(2)
    # As imported: nothing but the rows of the wallet is here.
    await client.wallet.put_chains({each: WalletChain(owner(2)) for each in chain_ids})
    blocks = Blocks()
    listener = ChainListener(client, blocks)
    listener.start()
    await asyncio.sleep(0)
    await listener.settled()
    for streams in listener._listener.validators:
        assert 0 < streams.count <= STREAMS_PER_VALIDATOR
        assert streams.is_open
    alice = await world.user(1)
    for chain_id in (chain_ids[0], chain_ids[500], chain_ids[-1]):
        committed(await alice.transfer(Account.chain(chain_id), "1"))
        assert (await blocks.next()).chain_id == chain_id
    await listener.settled()
    assert not listener._inboxes._running
    assert not listener._inboxes._timers
    assert not listener.failures
    await listener.stop()
    await client.close()


@asynchronous
async def test_chains_created_for_a_key_of_the_wallet_are_adopted_and_listened_to() -> None:
    world = World()
    parent_id = await world.open(ChainOwnership.multiple([owner(1), owner(2)]))
    here, elsewhere = world.client(2), world.client(1)
    await here.assign(owner(2), parent_id)
    parent = await elsewhere.assign(owner(1), parent_id)
    blocks = Blocks()
    listener = ChainListener(here, blocks)
    listener.start()
    await asyncio.sleep(0)
    child = committed(await parent.open_chain(ChainOwnership.single(owner(2)), "1"))
    async with asyncio.timeout(10):
        while here.wallet.chain(child.chain_id) is None:  # noqa: ASYNC110  # Nothing signals it.
            await asyncio.sleep(0)
    committed(await parent.transfer(Account.chain(child.chain_id), "1"))
    assert (await blocks.next()).chain_id == child.chain_id
    await listener.stop()
    await here.close()
    await elsewhere.close()


@asynchronous
async def test_a_listener_may_leave_messages_where_they_are() -> None:
    world = World()
    alice = await world.user(1)
    chain_id = await world.open(ChainOwnership.single(owner(2)))
    client = world.client(2)
    bob = await client.assign(owner(2), chain_id)
    heard = asyncio.Event()
    listener = ChainListener(
        client,
        options=ListenerOptions(skip_process_inbox=True),
        on_notification=lambda _: heard.set(),
    )
    listener.start()
    await asyncio.sleep(0)
    committed(await alice.transfer(Account.chain(chain_id), "1"))
    async with asyncio.timeout(10):
        await heard.wait()
    await listener.settled()
    assert bob.state().next_block_height == 0
    certificates, _ = await bob.process_inbox()
    assert len(certificates) == 1
    await listener.stop()
    await client.close()
