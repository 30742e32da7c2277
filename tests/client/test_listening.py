"""Reacting to notifications: inboxes empty themselves (spec 07 §12)."""

import asyncio

from catenula.base.integers import TimeDelta, tokens
from catenula.client import ChainListener, InMemorySigner
from catenula.client.notifications import ListeningMode
from catenula.protocol import Account, ChainOwnership, ConfirmedBlockCertificate, TimeoutConfig
from tests.client.world import World, asynchronous, committed, owner


class Blocks:
    """Collects what listeners report."""

    def __init__(self) -> None:
        self.found: list[ConfirmedBlockCertificate] = []
        self._arrived = asyncio.Event()

    def __call__(self, certificate: ConfirmedBlockCertificate) -> None:
        self.found.append(certificate)
        self._arrived.set()

    async def next(self) -> ConfirmedBlockCertificate:
        async with asyncio.timeout(10):
            await self._arrived.wait()
        self._arrived.clear()
        return self.found[-1]


@asynchronous
async def test_a_listening_client_takes_messages_in_by_itself() -> None:
    world = World()
    alice = await world.user(1)
    chain_id = await world.open(ChainOwnership.single(owner(2)))
    client = world.client(2)
    bob = await client.assign(owner(2), chain_id)
    blocks = Blocks()
    listener = ChainListener(client, blocks)
    listener.start()
    committed(await alice.transfer(Account.chain(chain_id), "1"))
    await blocks.next()
    assert await bob.local_balance() == tokens(11)
    committed(await alice.transfer(Account.chain(chain_id), "1"))
    await blocks.next()
    assert await bob.local_balance() == tokens(12)
    await listener.stop()
    await client.close()


@asynchronous
async def test_a_follower_sees_new_blocks() -> None:
    world = World()
    alice = await world.user(1)
    client = world.client()
    followed = await client.follow(alice.chain_id)
    changed = asyncio.Event()
    listener = client.listener(lambda _: changed.set())
    listener.follow([alice.chain_id], ListeningMode.FOLLOW_CHAIN)
    await asyncio.sleep(0)
    committed(await alice.transfer(Account.chain(world.root), "1"))
    async with asyncio.timeout(10):
        await changed.wait()
    assert followed.state().next_block_height == 1
    await client.close()


@asynchronous
async def test_validators_with_a_silent_leader_empty_a_public_inbox() -> None:
    world = World()
    public = ChainOwnership(timeout_config=TimeoutConfig(fallback_duration=TimeDelta(0)))
    chain_id = await world.open(public)
    source = await world.user(3)
    blocks = Blocks()
    listeners, clients = [], []
    for keys in world.network.configuration.validators[:3]:
        client = world.client(signer=InMemorySigner([keys.account]))
        await client.assign(keys.account.owner(), chain_id)
        listener = ChainListener(client, blocks)
        listener.start()
        listeners.append(listener)
        clients.append(client)
    committed(await source.transfer(Account.chain(chain_id), "3"))
    for _ in range(200):
        for _ in range(50):
            await asyncio.sleep(0)
        if blocks.found:
            break
        world.clock.advance(1_000_000)
    assert blocks.found
    assert blocks.found[0].round.is_validator
    for listener, client in zip(listeners, clients, strict=True):
        await listener.stop()
        await client.close()
