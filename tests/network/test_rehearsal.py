"""Two blocks tried before either is made: what they would cost, and that nothing stays of it."""

import pytest

from catenula.client.applications import Module, make_module
from catenula.client.errors import ClientError
from catenula.client.rehearsal import RehearsalStore, Rehearsed
from catenula.network import Network
from catenula.network.configuration import NetworkShape
from catenula.network.example_applications import example_module
from catenula.protocol import TESTNET, CreateApplication, PublishModule
from catenula.storage import Batch
from catenula.storage.engine import open_store
from tests.network.support import asynchronous

PAID = NetworkShape(policy=TESTNET)


def publishing(module: Module) -> Rehearsed:
    return Rehearsed((PublishModule(module.module_id),), module.blobs)


def creating(module: Module, argument: bytes) -> Rehearsed:
    return Rehearsed((CreateApplication(module.module_id, b'{"limit":100}', argument, ()),))


@asynchronous
async def test_two_blocks_cost_what_they_cost_in_the_rehearsal() -> None:
    async with await Network.start(shape=PAID) as network:
        alice = (await network.wallet("alice", tokens=10)).chain
        bob = (await network.wallet("bob", tokens=10)).chain
        await bob.transfer(alice.id, 1)
        await alice.synchronize()
        module = make_module(*example_module("counter"))
        first, second = publishing(module), creating(module, b"5")
        rehearsed = await alice.client.estimate_in_turn(first, second)

        assert await alice.height() == 0
        assert not any(alice.client.context.local.shared.has_blob(blob.id) for blob in module.blobs)
        real_first = await alice.client.estimate(first.operations, first.blobs)
        assert len(real_first.transaction_fees) == 2, "The message is in the first block only."
        await alice.client.commit(first.operations, first.blobs)
        assert rehearsed == (real_first, await alice.client.estimate(second.operations))


@asynchronous
async def test_a_second_block_that_would_be_refused_says_why() -> None:
    async with await Network.start(shape=PAID) as network:
        alice = (await network.wallet("alice", tokens=10)).chain
        module = make_module(*example_module("counter"))
        with pytest.raises(ClientError, match="panicked"):
            await alice.client.estimate_in_turn(publishing(module), creating(module, b'"five"'))
        assert await alice.height() == 0


def test_what_is_written_in_a_rehearsal_stays_there() -> None:
    batch = Batch()
    batch.put(b"key", b"stored")
    with open_store("memory:base") as base:
        base.commit([(b"root", batch)])
        token = base.acquire(b"scope").token
        rehearsal = RehearsalStore(base)
        changed, more = Batch(), Batch()
        changed.put(b"key", b"rehearsed")
        more.put(b"key", b"new")
        fence = rehearsal.acquire(b"scope")
        rehearsal.commit([(b"root", changed), (b"room", more)], [fence])

        assert rehearsal.partition(b"root").get(b"key") == b"rehearsed"
        assert rehearsal.roots(b"ro") == [b"room", b"root"]
        assert (fence.token, rehearsal.token(b"scope")) == (token + 1, token + 1)
        assert base.partition(b"root").get(b"key") == b"stored"
        assert base.roots() == [b"root"]
        assert base.token(b"scope") == token
        rehearsal.close()
        assert rehearsal.partition(b"root").get(b"key") == b"stored"
