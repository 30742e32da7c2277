"""Slow applications hold up their own chain, and nobody else (design §3 rule 1)."""

import asyncio
import threading
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from catenula.base.errors import LocalError
from catenula.base.identifiers import ApplicationId, ChainId
from catenula.base.integers import U64
from catenula.base.limits import MAX_UNLOCKED_QUESTIONS
from catenula.client.errors import ClientError
from catenula.execution.applications import NativeModule, Service
from catenula.execution.environment import HttpRequest, NeedsThread
from catenula.execution.queries import QueryOutcome
from catenula.execution.runtime import ContractRuntime
from catenula.network.chain import NetworkChain
from catenula.network.configuration import NetworkShape
from catenula.protocol import NO_FEES, OracleHttp, OracleService, ResourceControlPolicy
from tests.execution.scripted import COUNTER, Counter, read_counter, scripted
from tests.network.native import NativeNetwork, native_network
from tests.network.support import agree, asynchronous, balances
from tests.validator.http_server import answered, http_server

OPEN_POLICY = NO_FEES.replace(http_request_allow_list=frozenset({"127.0.0.1"}))


def fetch(runtime: ContractRuntime, operation: bytes) -> bytes:
    """A contract that fetches the URL it is given and answers with the body."""
    return runtime.http_request(HttpRequest("GET", operation.decode(), (), b"")).body


def ask_itself(runtime: ContractRuntime, operation: bytes) -> bytes:
    """A contract that asks its own service."""
    return runtime.query_service(runtime.application_id(), operation)


def endless(moved: asyncio.Event | None = None) -> NativeModule:
    """A service that does not answer but to "quick"; like Wasm code it can be ended.

    ``moved`` is set once it runs on a thread of its own.
    """

    class Endless(Service):
        def handle_query(self, argument: bytes) -> bytes:
            if moved is not None and threading.current_thread() is not threading.main_thread():
                loop.call_soon_threadsafe(moved.set)
            while argument != b"quick":
                self.runtime.check_execution_time()
            return b"answer"

    loop = asyncio.get_running_loop()
    return NativeModule(scripted(operation=ask_itself).contract, Endless)


async def asked_without_end(
    stage: NativeNetwork, chain: NetworkChain
) -> tuple[ApplicationId, "asyncio.Task[QueryOutcome]"]:
    """An application whose service has been asked, does not answer, and runs on a thread."""
    moved = asyncio.Event()
    application = await stage.create(chain, endless(moved))
    task = asyncio.create_task(chain.query(application, b"slow"))
    await moved.wait()
    return application, task


def heights(stage: NativeNetwork, chain_id: ChainId) -> set[int]:
    """What validators say how many blocks a chain has; one value if they agree."""
    return {validator.chain(chain_id).next_block_height for validator in stage.network.validators}


def shape(policy: ResourceControlPolicy = OPEN_POLICY) -> NetworkShape:
    return NetworkShape(policy=policy)


@asynchronous
async def test_an_http_response_becomes_part_of_the_block() -> None:
    async with http_server(a=answered(b"fetched")) as server, native_network(shape()) as stage:
        (chain,) = await stage.chains("alice")
        fetcher = await stage.create(chain, scripted(operation=fetch))
        receipt = await chain.operate(fetcher, server.url("/a").encode())
        block = next(iter(chain.blocks(receipt.height)))
        (responses,) = block.body.oracle_responses
        (response,) = [found for found in responses if type(found) is OracleHttp]
        assert response.response.body == b"fetched"
        assert block.body.operation_results[0] == b"fetched"
        await stage.network.settled()
        assert len(stage.state_hashes(chain)) == 1
        # The wallet's node and each validator that votes ask once.
        assert 4 <= len(server.asked) <= 5


@pytest.mark.parametrize("engine", ["memory", "sqlite", "rocksdb"])
@asynchronous
async def test_a_slow_server_freezes_nobody_but_its_chain(engine: str, tmp_path: Path) -> None:
    """Where commits take no time, and where they wait for a thread."""
    folder = None if engine == "memory" else tmp_path
    wanted = replace(shape(), engine=None if folder is None else engine)
    async with (
        http_server(a=answered(b"at last")) as server,
        native_network(wanted, folder=folder) as stage,
    ):
        slow, alice = await stage.chains("slow", "alice")
        bob = (await stage.network.wallet("bob")).chain
        fetcher = await stage.create(slow, scripted(operation=fetch))
        server.let_go.clear()
        # The confirmation of this message still waits for company when the application runs.
        await slow.transfer(bob, 1)
        task = asyncio.create_task(slow.operate(fetcher, server.url("/a").encode()))
        await server.arrived.wait()
        await alice.transfer(bob, 1)
        await bob.receive()
        # A message to the busy chain waits for it, and those to others do not.
        await alice.transfer(slow, 1)
        await alice.transfer(bob, 1)
        await bob.receive()
        assert not task.done()
        server.let_go.set()
        await task
        await slow.process_inbox()
        await stage.network.settled()
        await bob.process_inbox()
        await stage.network.settled()
        assert balances(stage.network, slow.id) == {Decimal(10)}
        assert balances(stage.network, bob.id) == {Decimal(3)}
        for validator in stage.network.validators:
            assert not validator.chain(slow.id).outboxes.nonempty_targets()


@asynchronous
async def test_an_answer_that_changes_once_is_asked_for_again() -> None:
    async with http_server(a=answered(b"old")) as server, native_network(shape()) as stage:
        (chain,) = await stage.chains("alice")
        fetcher = await stage.create(chain, scripted(operation=fetch))
        server.then["/a"] = answered(b"new")
        receipt = await chain.operate(fetcher, server.url("/a").encode())
        (result,) = next(iter(chain.blocks(receipt.height))).body.operation_results
        assert result == b"new"
        await stage.network.settled()
        assert len(stage.state_hashes(chain)) == 1


@asynchronous
async def test_the_chain_is_seen_as_last_committed_while_its_application_runs() -> None:
    def spend(runtime: ContractRuntime, operation: bytes) -> None:
        runtime.close_chain()
        fetch(runtime, operation)

    async with http_server(a=answered(b"")) as server, native_network(shape()) as stage:
        (chain,) = await stage.chains("alice")
        closer = await stage.create(chain, scripted(operation=spend))
        await stage.network.settled()
        server.let_go.clear()
        task = asyncio.create_task(chain.operate(closer, server.url("/a").encode()))
        await server.arrived.wait()
        assert not chain.is_closed()
        assert heights(stage, chain.id) == {2}
        server.let_go.set()
        await task
        await stage.network.settled()
        assert heights(stage, chain.id) == {3}


@asynchronous
async def test_a_service_that_takes_too_long_fails_the_operation_and_nothing_else() -> None:
    policy = OPEN_POLICY.replace(maximum_service_oracle_execution_ms=U64(30))
    async with native_network(shape(policy)) as stage:
        (chain,) = await stage.chains("alice")
        application = await stage.create(chain, endless())
        with pytest.raises(ClientError, match="MaximumServiceOracleExecutionTimeExceeded"):
            await chain.operate(application, b"slow")
        receipt = await chain.operate(application, b"quick")
        (responses,) = next(iter(chain.blocks(receipt.height))).body.oracle_responses
        assert OracleService(b"answer") in responses


@asynchronous
async def test_an_endless_query_of_a_user_is_ended() -> None:
    async with native_network() as stage:
        alice, bob = await stage.chains("alice", "bob")
        alice.client.context.local.driver.side_runs.maximum_seconds = 0.1
        application = await stage.create(alice, endless())
        with pytest.raises(ClientError, match="MaximumExecutionTimeExceeded"):
            await alice.query(application, b"slow")
        await alice.transfer(bob, 1)
        assert (await alice.query(application, b"quick")).response == b"answer"


@asynchronous
async def test_a_query_ends_with_whoever_asked() -> None:
    async with native_network() as stage:
        (chain,) = await stage.chains("alice")
        application, task = await asked_without_end(stage, chain)
        driver = chain.client.context.local.driver
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await chain.query(application, b"quick")).response == b"answer"
        await driver.side_runs.settled()


@asynchronous
async def test_a_node_that_stops_ends_what_runs() -> None:
    async with native_network() as stage:
        (chain,) = await stage.chains("alice")
        _, task = await asked_without_end(stage, chain)
        driver = chain.client.context.local.driver
        await driver.stop()
        with pytest.raises(LocalError, match=r"stops|stopped"):
            await task
        assert not driver.side_runs.count


@asynchronous
async def test_quick_applications_start_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    async with native_network() as stage:
        (chain,) = await stage.chains("alice")
        counter = await stage.create(chain, COUNTER)
        monkeypatch.setattr("catenula.validator.side_runs.start_guest_thread", None)
        await chain.operate(counter, b"\x01")
        assert (await chain.query(counter, b"")).response == b"1"
        assert stage.network.validators[0].driver is not None
        told = stage.network.validators[0].driver.told()
        assert (told["side_runs"], told["side_runs_total"]) == (0, 0)


@asynchronous
async def test_a_question_without_an_answer_does_not_hold_up_its_own_chain() -> None:
    async with native_network() as stage:
        alice, bob = await stage.chains("alice", "bob")
        application, task = await asked_without_end(stage, alice)
        await alice.transfer(bob, 1)
        assert (await alice.query(application, b"quick")).response == b"answer"
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Pausing:
    """A counter whose service, on a thread, reads its value before and after a pause."""

    def __init__(self) -> None:
        self.reading = asyncio.Event()
        self.go_on = threading.Semaphore(0)
        self.runs = 0
        pausing, loop = self, asyncio.get_running_loop()

        class PausingService(Service):
            def handle_query(self, argument: bytes) -> bytes:
                if threading.current_thread() is threading.main_thread():
                    raise NeedsThread
                pausing.runs += 1
                before = self.runtime.read_value(b"value")
                loop.call_soon_threadsafe(pausing.reading.set)
                pausing.go_on.acquire(timeout=10)
                assert self.runtime.read_value(b"value") == before
                return str(read_counter(before)).encode()

        self.module = NativeModule(Counter, PausingService)


@asynchronous
async def test_a_question_whose_chain_has_changed_is_asked_again() -> None:
    async with native_network() as stage:
        (chain,) = await stage.chains("alice")
        pausing = Pausing()
        counter = await stage.create(chain, pausing.module)
        task = asyncio.create_task(chain.query(counter, b""))
        await pausing.reading.wait()
        pausing.reading.clear()
        await chain.operate(counter, b"\x05")
        pausing.go_on.release()
        await pausing.reading.wait()
        pausing.go_on.release()
        assert (await task).response == b"5"
        assert pausing.runs == 2


@asynchronous
async def test_a_question_whose_chain_keeps_changing_gets_the_chain_for_itself() -> None:
    async with native_network() as stage:
        (chain,) = await stage.chains("alice")
        pausing = Pausing()
        counter = await stage.create(chain, pausing.module)
        task = asyncio.create_task(chain.query(counter, b""))
        for _ in range(MAX_UNLOCKED_QUESTIONS):
            await pausing.reading.wait()
            pausing.reading.clear()
            await chain.operate(counter, b"\x05")
            pausing.go_on.release()
        await pausing.reading.wait()
        waiting = asyncio.create_task(chain.operate(counter, b"\x05"))
        pausing.go_on.release()
        assert (await task).response == str(5 * MAX_UNLOCKED_QUESTIONS).encode()
        await waiting


@pytest.mark.parametrize("engine", ["memory", "sqlite", "rocksdb"])
@asynchronous
async def test_many_chains_with_slow_and_quick_applications_end_alike_everywhere(
    engine: str, tmp_path: Path
) -> None:
    folder = None if engine == "memory" else tmp_path
    wanted = replace(shape(), engine=None if folder is None else engine)
    async with (
        http_server(a=answered(b"fetched")) as server,
        native_network(wanted, folder=folder) as stage,
    ):
        wallets = [await stage.network.wallet(f"wallet-{number}", 100) for number in range(5)]
        chains = [wallet.chain for wallet in wallets]
        fetcher = await stage.create(chains[0], scripted(operation=fetch))
        counter = await stage.create(chains[0], COUNTER)

        async def use(number: int) -> None:
            chain, following = chains[number], chains[(number + 1) % len(chains)]
            for step in range(8):
                match (number + step) % 4:
                    case 0:
                        await chain.operate(fetcher, server.url("/a").encode())
                    case 1:
                        await chain.operate(counter, b"\x01")
                    case 2:
                        await chain.transfer(following, 1)
                    case _:
                        await chain.process_inbox()

        await asyncio.gather(*(use(number) for number in range(len(chains))))
        for chain in chains:
            await chain.process_inbox()
        await agree(stage.network)
        for chain in chains:
            assert len(stage.state_hashes(chain)) == 1
            assert (await chain.query(counter, b"")).response == b"2"
