"""What applications rely on, over four validators (spec 02 §9-15, 04 §4-5, 07)."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from msgspec.structs import replace

from catenula.base.identifiers import AccountOwner, ApplicationId, ChainId, GenericApplicationId
from catenula.base.integers import U32, BlockHeight
from catenula.client import MessagePolicy
from catenula.client.errors import ClientError
from catenula.execution.applications import StreamUpdate
from catenula.execution.errors import ExecutionError
from catenula.execution.resources import MessageResources
from catenula.execution.runtime import ContractRuntime, SendMessageRequest
from catenula.network import Network
from catenula.network.chain import NetworkChain, Receipt
from catenula.network.configuration import NetworkShape
from catenula.protocol import (
    TESTNET,
    ApplicationPermissions,
    ChainOwnership,
    ChangeApplicationPermissions,
    ExecuteOperation,
    MessageAction,
    MessageKind,
    PostedMessage,
    StreamId,
    StreamName,
    UpdateStreams,
    UserMessage,
    UserOperation,
)
from catenula.storage import Batch
from tests.execution.scripted import COUNTER, scripted
from tests.network.native import NativeNetwork, native_network
from tests.network.support import asynchronous

PAID = NetworkShape(policy=TESTNET)


async def value(chain: NetworkChain, application_id: ApplicationId) -> int:
    return int((await chain.query(application_id, b"")).response)


def last_block_operations(chain: NetworkChain) -> list[type]:
    *_, block = chain.blocks()
    return [
        type(transaction.operation)
        for transaction in block.proposed.transactions
        if isinstance(transaction, ExecuteOperation)
    ]


def user_messages(receipts: Iterable[Receipt]) -> list[PostedMessage]:
    """The messages of applications that blocks have taken in."""
    return [
        posted
        for receipt in receipts
        for bundle in receipt.received
        for posted in bundle.bundle.messages
        if type(posted.message) is UserMessage
    ]


@asynccontextmanager
async def missed_by_a_validator(network: Network) -> AsyncIterator[None]:
    """What a validator does not hear of, until it is needed for a quorum.

    No wallet knows that it is back, so none brings it what it missed before asking for its vote.
    """
    await network.settled()
    await network.stop_validator(3)
    yield
    await network.settled()
    network.validators[3].start()
    await network.stop_validator(0)


# Deployment


@asynchronous
async def test_a_validator_that_missed_an_application_gets_it_with_its_first_use() -> None:
    async with native_network() as stage:
        alice, bob = await stage.chains("alice", "bob")
        async with missed_by_a_validator(stage.network):
            counter = await stage.create(alice, COUNTER)
        # Bob's wallet has never seen the blocks that published and created the application.
        await bob.operate(counter, b"\x07")
        assert await value(bob, counter) == 7


@asynchronous
async def test_several_applications_missing_at_a_validator_are_sent_one_after_the_other() -> None:
    async with native_network() as stage:
        alice, bob = await stage.chains("alice", "bob")
        async with missed_by_a_validator(stage.network):
            counters = [await stage.create(alice, COUNTER) for _ in range(3)]
        await bob.execute(*(UserOperation(counter, b"\x07") for counter in counters))
        assert [await value(bob, counter) for counter in counters] == [7, 7, 7]


@asynchronous
async def test_a_validator_that_missed_an_application_gets_it_with_a_message() -> None:
    received: set[bytes] = set()

    def send(runtime: ContractRuntime, operation: bytes) -> None:
        runtime.send_message(SendMessageRequest(bob.id, operation))

    module = scripted(operation=send, message=lambda _, message: received.add(message))
    async with native_network() as stage:
        alice, bob = await stage.chains("alice", "bob")
        async with missed_by_a_validator(stage.network):
            application = await stage.create(alice, module)
            await alice.operate(application, b"hello")
        await bob.receive()
        assert received == {b"hello"}


@asynchronous
async def test_a_validator_that_missed_events_gets_them_from_a_subscriber() -> None:
    async with native_network() as stage:
        alice, bob = await stage.chains("alice", "bob")
        feed = await Feed.followed(stage, alice, bob)
        async with missed_by_a_validator(stage.network):
            await alice.operate(feed.id, b"one", b"two")
        await bob.synchronize()
        await bob.process_inbox()
        assert set(feed.heard[bob.id]) == {b"one", b"two"}


@asynchronous
async def test_a_module_can_be_used_on_another_chain_than_the_one_that_published_it() -> None:
    async with native_network() as stage:
        alice, bob = await stage.chains("alice", "bob")
        module_id = await stage.publish(alice, COUNTER)
        counter = await bob.create_application(module_id, argument=b"\x2a")
        assert await value(bob, counter) == 42
        assert await value(alice, counter) == 0


@asynchronous
async def test_required_applications_come_along() -> None:
    async with native_network() as stage:
        alice, bob = await stage.chains("alice", "bob")
        counter = await stage.create(alice, COUNTER)

        def forward(runtime: ContractRuntime, operation: bytes) -> bytes:
            return runtime.call_application(counter, operation, authenticated=True)

        module_id = await stage.publish(alice, scripted(operation=forward))
        caller = await alice.create_application(module_id, required=(counter,))
        await bob.operate(caller, b"\x05")
        assert await value(bob, counter) == 5
        assert (await bob.describe_application(caller)).required_application_ids == (counter,)


# Failures leave nothing


def spend_and_fail(runtime: ContractRuntime, operation: bytes) -> None:
    batch = Batch()
    batch.put(b"key", b"left behind")
    runtime.write_batch(batch)
    runtime.emit(b"feed", b"left behind")
    runtime.create_data_blob(b"left behind")
    if operation == b"fail":
        raise ExecutionError("UserError", reason="on purpose")


@asynchronous
async def test_a_failed_operation_leaves_nothing() -> None:
    async with native_network(PAID) as stage:
        (alice,) = await stage.chains("alice")
        application = await stage.create(alice, scripted(operation=spend_and_fail))
        await stage.network.settled()
        before = (await alice.height(), await alice.balance(), stage.state_hashes(alice))
        with pytest.raises(ClientError, match="on purpose"):
            await alice.operate(application, b"fail")
        # A block with one failing operation among good ones does not exist either.
        with pytest.raises(ClientError, match="on purpose"):
            await alice.operate(application, b"good", b"fail")
        assert (await alice.height(), await alice.balance(), stage.state_hashes(alice)) == before
        assert alice.client.pending_proposal() is None
        await alice.operate(application, b"good")
        assert await alice.height() == before[0] + 1
        await stage.network.settled()
        assert len(stage.state_hashes(alice)) == 1


# Messages


@asynchronous
async def test_a_tracked_message_that_fails_comes_back_with_its_grant() -> None:
    bounced: list[bool | None] = []

    def send(runtime: ContractRuntime, operation: bytes) -> None:
        grant = MessageResources(wasm_fuel=1_000_000)
        runtime.send_message(SendMessageRequest(bob.id, operation, is_tracked=True, grant=grant))

    def take(runtime: ContractRuntime, message: bytes) -> None:
        if not runtime.message_is_bouncing():
            raise ExecutionError("UserError", reason="not taken")
        bounced.append(runtime.message_is_bouncing())

    async with native_network(PAID) as stage:
        alice, bob = await stage.chains("alice", "bob")
        application = await stage.create(alice, scripted(operation=send, message=take))
        await alice.operate(application, b"hello")
        (rejected,) = await bob.receive()
        assert rejected.received[0].action is MessageAction.REJECT
        receipts = await alice.receive()
        (message,) = user_messages(receipts)
        assert message.kind is MessageKind.BOUNCING
        assert message.grant == 1_000_000 * TESTNET.wasm_fuel_unit
        assert set(bounced) == {True}
        await stage.network.settled()
        assert len(stage.state_hashes(alice)) == 1


@asynchronous
async def test_a_message_carries_its_signer_and_origin() -> None:
    seen: set[tuple[AccountOwner | None, ChainId | None, ApplicationId | None]] = set()

    def send(runtime: ContractRuntime, operation: bytes) -> None:
        runtime.send_message(SendMessageRequest(bob.id, operation))

    def take(runtime: ContractRuntime, message: bytes) -> None:
        seen.add(
            (
                runtime.authenticated_signer(),
                runtime.message_origin_chain_id(),
                runtime.authenticated_caller_id(),
            )
        )

    async with native_network() as stage:
        alice, bob = await stage.chains("alice", "bob")
        application = await stage.create(alice, scripted(operation=send, message=take))
        await alice.operate(application, b"hello")
        await bob.receive()
        assert seen == {(alice.client.owner, alice.id, None)}


@asynchronous
async def test_messages_of_some_applications_only_are_taken_in() -> None:
    def send(runtime: ContractRuntime, operation: bytes) -> None:
        runtime.send_message(SendMessageRequest(bob.id, operation))

    module = scripted(operation=send, message=lambda *_: None)
    async with native_network() as stage:
        alice, bob = await stage.chains("alice", "bob")
        wanted, other = [await stage.create(alice, module) for _ in range(2)]
        policy = MessagePolicy(
            reject_without_application_ids=frozenset({GenericApplicationId.user(wanted)})
        )
        bob.client.set_message_policy(policy)
        await alice.operate(other, b"no")
        await alice.operate(wanted, b"yes")
        taken = [posted.message for posted in user_messages(await bob.receive())]
        assert taken == [UserMessage(wanted, b"yes")]


# Event streams


class Feed:
    """A publisher and its subscribers, as one application: what each chain has heard."""

    def __init__(self) -> None:
        self.heard: dict[ChainId, list[bytes]] = {}
        self.id = ApplicationId(bytes(32))

    @classmethod
    async def created(cls, stage: NativeNetwork, publisher: NetworkChain) -> "Feed":
        """A new one."""
        feed = cls()
        module = scripted(operation=feed.operate, streams=feed.take)
        feed.id = await stage.create(publisher, module)
        return feed

    @classmethod
    async def followed(
        cls, stage: NativeNetwork, publisher: NetworkChain, subscriber: NetworkChain
    ) -> "Feed":
        """A new one of which a chain follows another."""
        feed = await cls.created(stage, publisher)
        await feed.follow(subscriber, publisher)
        return feed

    async def follow(self, subscriber: NetworkChain, publisher: NetworkChain) -> None:
        """Let one chain hear what another publishes."""
        await subscriber.operate(self.id, b"follow " + publisher.id)

    def operate(self, runtime: ContractRuntime, operation: bytes) -> None:
        if operation.startswith(b"follow "):
            publisher = ChainId(operation[7:])
            runtime.subscribe_to_events(publisher, runtime.application_id(), b"feed")
        else:
            runtime.emit(b"feed", operation)

    def take(self, runtime: ContractRuntime, updates: tuple[StreamUpdate, ...]) -> None:
        heard = self.heard.setdefault(runtime.chain_id(), [])
        for update in updates:
            heard.extend(
                runtime.read_event(update.chain_id, b"feed", index)
                for index in range(update.previous_index, update.next_index)
            )


@asynchronous
async def test_subscribers_process_the_events_of_another_chain() -> None:
    async with native_network() as stage:
        alice, bob = await stage.chains("alice", "bob")
        feed = await Feed.followed(stage, alice, bob)
        await alice.operate(feed.id, b"one", b"two")
        await bob.synchronize()
        await bob.process_inbox()
        assert last_block_operations(bob) == [UpdateStreams]
        # The wallet's node and four validators have each heard both.
        assert set(feed.heard[bob.id]) == {b"one", b"two"}
        await alice.operate(feed.id, b"three")
        await bob.synchronize()
        await bob.process_inbox()
        assert b"three" in feed.heard[bob.id]
        stream = StreamId.user(feed.id, StreamName(b"feed"))
        found = bob.client.events_from_index(stream, 1, publisher=alice.id)
        assert [(event.index, event.value) for event in found] == [(1, b"two"), (2, b"three")]
        await stage.network.settled()
        assert len(stage.state_hashes(bob)) == 1


@asynchronous
async def test_a_new_subscriber_hears_what_was_published_before() -> None:
    async with native_network() as stage:
        alice, bob = await stage.chains("alice", "bob")
        feed = await Feed.created(stage, alice)
        await alice.operate(feed.id, *(bytes((number,)) for number in range(25)))
        await feed.follow(bob, alice)
        await bob.synchronize()
        # At most ten events go into one block.
        receipts = await bob.process_inbox()
        assert len(receipts) >= 2
        heard = list(dict.fromkeys(feed.heard[bob.id]))
        assert heard == [bytes((number,)) for number in range(25)]


# Rules of rounds and chains


@asynchronous
async def test_a_block_that_uses_an_oracle_is_not_proposed_in_the_fast_round() -> None:
    def ask(runtime: ContractRuntime, operation: bytes) -> None:
        runtime.validation_round()

    async with native_network() as stage:
        options = replace(stage.network.options, allow_fast_blocks=True)
        stage.network.options = options
        alice = await stage.network.wallet("alice", 10)
        owner = alice.owner
        ownership = ChainOwnership(super_owners=(owner,), owners={}, multi_leader_rounds=U32(5))
        await alice.chain.client.change_ownership(ownership)
        await alice.chain.transfer(alice.chain, 1)
        assert round_of_last(alice.chain) == "fast"
        application = await stage.create(alice.chain, scripted(operation=ask))
        await alice.chain.operate(application, b"")
        assert round_of_last(alice.chain) == "multi-leader"
        assert await alice.chain.balance() == Decimal(10)


def round_of_last(chain: NetworkChain) -> str:
    local = chain.client.context.local
    height = BlockHeight(local.chain(chain.id).next_block_height - 1)
    certificate = local.certificate_at(chain.id, height)
    assert certificate is not None
    return "fast" if certificate.round.is_fast else "multi-leader"


@asynchronous
async def test_a_chain_can_be_kept_for_one_application() -> None:
    async with native_network() as stage:
        alice, bob = await stage.chains("alice", "bob")
        counter = await stage.create(alice, COUNTER)
        other = await stage.create(alice, COUNTER)
        permissions = ApplicationPermissions(
            execute_operations=(counter,), mandatory_applications=(counter,)
        )
        await alice.execute(ChangeApplicationPermissions(permissions))
        await alice.operate(counter, b"\x01")
        with pytest.raises(ClientError, match="AuthorizedApplications"):
            await alice.operate(other, b"\x01")
        with pytest.raises(ClientError, match="AuthorizedApplications"):
            await alice.transfer(bob, 1)
        assert await value(alice, counter) == 1
