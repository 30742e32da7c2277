"""Flows tell how far they are, to whoever watches."""

from collections.abc import Hashable

from catenula.base.integers import tokens
from catenula.client.administration.push import push_chains, remote_node
from catenula.client.watcher import Span, Watcher
from catenula.protocol import Account, AccountOwner
from tests.client.world import World, asynchronous

BLOCKS = 5


class Recorder(Watcher):
    """Remembers everything it is told."""

    is_listening = True

    def __init__(self) -> None:
        self.works: dict[Hashable, list[tuple[int, int]]] = {}

    def told(self, work: Hashable, done: int, total: int) -> None:
        self.works.setdefault(work, []).append((done, total))


@asynchronous
async def test_a_download_tells_every_block() -> None:
    world = World()
    alice = await world.user(1)
    root = await world.root_chain()
    for _ in range(BLOCKS):
        await alice.transfer(Account(root.chain_id, AccountOwner.CHAIN), tokens(1))
    reader = world.client(2)
    recorder = reader.context.watcher = Recorder()
    chain = await reader.follow(alice.chain_id)
    await chain.synchronize()
    steps = recorder.works[alice.chain_id]
    assert steps[0] == (0, BLOCKS)
    assert set(steps) == {(done, BLOCKS) for done in range(BLOCKS + 1)}


@asynchronous
async def test_an_inbox_tells_what_is_left() -> None:
    world = World()
    alice, bob = await world.user(1), await world.user(2)
    for _ in range(BLOCKS):
        await alice.transfer(Account(bob.chain_id, AccountOwner.CHAIN), tokens(1))
    recorder = bob.context.watcher = Recorder()
    await bob.synchronize()
    assert recorder.works["received", bob.chain_id][-1] == (BLOCKS, BLOCKS)
    await bob.process_inbox()
    assert recorder.works["inbox", bob.chain_id] == [(0, BLOCKS), (BLOCKS, BLOCKS)]


@asynchronous
async def test_pushing_chains_tells_chains_and_blocks() -> None:
    world = World()
    alice = await world.user(1)
    await alice.transfer(Account(alice.chain_id, AccountOwner.CHAIN), tokens(1))
    client = world.client(3)
    await (await client.follow(alice.chain_id)).synchronize()
    recorder = client.context.watcher = Recorder()
    validator = client.context.nodes()[0]
    await push_chains(client, remote_node(client, validator.node), [alice.chain_id])
    assert recorder.works["chains"][1:] == [(0, 2), (1, 2), (2, 2)]


def test_a_span_counts_from_where_it_begins() -> None:
    recorder = Recorder()
    span = Span(recorder, "work", start=7, goal=10)
    span.reached(9)
    span.reached(12)
    assert recorder.works == {"work": [(0, 3), (2, 3), (3, 3)]}
    Span(recorder, "nothing", start=4, goal=4).reached(4)
    assert "nothing" not in recorder.works
