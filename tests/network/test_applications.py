"""Applications over four validators, through the library's own interface."""

from catenula.base.identifiers import ApplicationId
from catenula.execution.applications import NativeModule
from catenula.execution.runtime import ContractRuntime, SendMessageRequest
from catenula.network.amounts import tokens_of
from catenula.network.chain import NetworkChain
from catenula.protocol import StreamId, StreamName, UserOperation
from tests.execution.scripted import Counter, CounterService, scripted
from tests.network.native import native_network
from tests.network.support import asynchronous

COUNTER = NativeModule(Counter, CounterService)


async def value(chain: NetworkChain, application_id: ApplicationId) -> int:
    return int((await chain.query(application_id, b"")).response)


@asynchronous
async def test_publish_create_operate_and_ask() -> None:
    async with native_network() as stage:
        alice = (await stage.network.wallet("alice", 10)).chain
        counter = await stage.create(alice, COUNTER, (5).to_bytes(8, "little"))
        await alice.operate(counter, b"\x03", b"\x04")
        assert await value(alice, counter) == 12
        description = await alice.describe_application(counter)
        assert description.creator_chain_id == alice.id
        assert description.application_id == counter
        await stage.network.settled()
        assert len(stage.state_hashes(alice)) == 1


@asynchronous
async def test_operations_a_service_wants_become_a_block() -> None:
    async with native_network() as stage:
        alice = (await stage.network.wallet("alice", 10)).chain
        counter = await stage.create(alice, COUNTER)
        height = await alice.height()
        outcome = await alice.query(counter, b"add 9")
        assert len(outcome.operations) == 1
        assert await alice.height() == height
        assert await alice.query_and_execute(counter, b"add 9") == outcome.response
        assert await alice.height() == height + 1
        assert await value(alice, counter) == 9


@asynchronous
async def test_an_application_deploys_itself_to_a_chain_that_uses_it() -> None:
    async with native_network() as stage:
        alice = (await stage.network.wallet("alice", 10)).chain
        bob = (await stage.network.wallet("bob", 10)).chain
        counter = await stage.create(alice, COUNTER)
        # Bob's wallet has neither description nor bytecode: it asks validators for them.
        assert await bob.operate(counter, b"\x07")
        assert await value(bob, counter) == 7
        assert await value(alice, counter) == 0
        assert (await bob.describe_application(counter)).creator_chain_id == alice.id


@asynchronous
async def test_a_message_deploys_the_application_where_it_arrives() -> None:
    received: list[bytes] = []
    module = scripted(
        operation=lambda runtime, operation: runtime.send_message(
            SendMessageRequest(bob.id, operation)
        ),
        message=lambda _, message: received.append(message),
    )
    async with native_network() as stage:
        alice = (await stage.network.wallet("alice", 10)).chain
        bob = (await stage.network.wallet("bob", 10)).chain
        application = await stage.create(alice, module)
        await alice.operate(application, b"hello")
        await bob.receive()
        assert set(received) == {b"hello"}
        await stage.network.settled()
        assert len(stage.state_hashes(bob)) == 1


@asynchronous
async def test_data_blobs_and_events_can_be_read_back() -> None:
    def emit(runtime: ContractRuntime, operation: bytes) -> None:
        runtime.emit(b"feed", operation)

    module = scripted(operation=emit)
    async with native_network() as stage:
        alice = (await stage.network.wallet("alice", 10)).chain
        bob = (await stage.network.wallet("bob", 10)).chain
        blob_hash = await alice.publish_data_blob(b"some bytes")
        assert await bob.read_data_blob(blob_hash) == b"some bytes"
        application = await stage.create(alice, module)
        await alice.operate(application, b"a", b"b", b"c")
        stream = StreamId.user(application, StreamName(b"feed"))
        assert [event.value for event in alice.events(stream)] == [b"a", b"b", b"c"]
        assert [(event.index, event.value) for event in alice.events(stream, 2)] == [(2, b"c")]


@asynchronous
async def test_what_a_block_with_operations_of_applications_costs_is_known_before() -> None:
    async with native_network() as stage:
        alice = (await stage.network.wallet("alice", 10)).chain
        counter = await stage.create(alice, COUNTER)
        operation = UserOperation(counter, b"\x01")
        estimate = await alice.estimate(operation)
        before = await alice.balance()
        await alice.execute(operation)
        assert before - await alice.balance() == tokens_of(estimate.fees)
