"""Which messages go into the next block (spec 07 §7.1)."""

from catenula.base.integers import tokens
from catenula.client import BlanketPolicy, ChainClient, ClientOptions, MessagePolicy
from catenula.protocol import Account, IncomingBundle
from tests.client.world import World, asynchronous, committed


async def received(chain: ChainClient) -> list[IncomingBundle]:
    """The bundles of the chain's next block."""
    certificate = committed(await chain.execute())
    return list(certificate.block.proposed.incoming_bundles())


@asynchronous
async def test_blocks_take_a_limited_number_of_messages_oldest_first() -> None:
    world = World()
    alice = await world.user(1)
    bob = await world.user(2, options=ClientOptions(max_pending_message_bundles=2))
    for _ in range(5):
        world.clock.advance(1)
        committed(await alice.transfer(Account.chain(bob.chain_id), "1"))
    await world.settled()
    await bob.synchronize()
    heights = [[item.bundle.height for item in await received(bob)] for _ in range(3)]
    assert heights == [[0, 1], [2, 3], [4]]


@asynchronous
async def test_prioritised_origins_go_first() -> None:
    world = World()
    alice, eve = await world.user(1), await world.user(3)
    options = ClientOptions(max_pending_message_bundles=1, priority_origins=(eve.chain_id,))
    bob = await world.user(2, options=options)
    for sender in (alice, eve):
        world.clock.advance(1)
        committed(await sender.transfer(Account.chain(bob.chain_id), "1"))
    await world.settled()
    await bob.synchronize()
    origins = [item.origin for _ in range(2) for item in await received(bob)]
    assert origins == [eve.chain_id, alice.chain_id]


@asynchronous
async def test_a_rejecting_policy_sends_tokens_back() -> None:
    world = World()
    alice, bob = await world.user(1), await world.user(2)
    bob.set_message_policy(MessagePolicy(blanket=BlanketPolicy.REJECT))
    committed(await alice.transfer(Account.chain(bob.chain_id), "1"))
    await world.settled()
    await bob.synchronize()
    await bob.process_inbox()
    assert await bob.local_balance() == tokens(10)
    await world.settled()
    await alice.synchronize()
    await alice.process_inbox()
    assert await alice.local_balance() == tokens(10)


@asynchronous
async def test_an_ignoring_policy_leaves_messages_where_they_are() -> None:
    world = World()
    alice, bob = await world.user(1), await world.user(2)
    bob.set_message_policy(MessagePolicy(blanket=BlanketPolicy.IGNORE))
    committed(await alice.transfer(Account.chain(bob.chain_id), "1"))
    await world.settled()
    await bob.synchronize()
    assert await bob.process_inbox() == ([], None)
    bob.set_message_policy(MessagePolicy())
    await bob.process_inbox()
    assert await bob.local_balance() == tokens(11)
