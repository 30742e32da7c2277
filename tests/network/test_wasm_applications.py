"""An application made with the official SDK, over four validators with the real engine."""

import asyncio
from decimal import Decimal
from pathlib import Path
from time import monotonic

import pytest
from msgspec.structs import replace

from catenula.base.identifiers import ApplicationId
from catenula.base.limits import MAX_SIDE_RUN_SECONDS
from catenula.client.errors import ClientError
from catenula.network import Network
from catenula.network.chain import NetworkChain
from catenula.network.configuration import NetworkShape
from catenula.protocol import NO_FEES, TESTNET, MessageAction
from catenula.validator import oracles
from tests.network.probe import (
    ENDLESS,
    Probe,
    call_probe,
    http_get,
    map_add,
    map_get,
    panic,
    query_service,
    send,
    spin,
    steps,
)
from tests.network.support import asynchronous, balances
from tests.validator.http_server import answered, http_server

OPEN = NetworkShape(policy=NO_FEES.replace(http_request_allow_list=frozenset({"127.0.0.1"})))
PAID = NetworkShape(policy=TESTNET)
SHORT_SECONDS = 0.4


@pytest.fixture
def probe(shared_vectors: Path) -> Probe:
    return Probe(shared_vectors.parent / "apps" / "probe")


async def number(chain: NetworkChain, application_id: ApplicationId, key: str = "k") -> str:
    return (await chain.query(application_id, map_get(key))).response.decode()


def limit_side_runs(network: Network, *chains: NetworkChain, seconds: float) -> None:
    """Let applications run for a short time only, on all validators and in these wallets."""
    drivers = [validator.driver for validator in network.validators]
    drivers += [chain.client.context.local.driver for chain in chains]
    for driver in drivers:
        assert driver is not None
        driver.side_runs.maximum_seconds = seconds


@asynchronous
async def test_publish_create_operate_and_ask(probe: Probe) -> None:
    async with await Network.start(shape=PAID) as network:
        alice = (await network.wallet("alice", 100)).chain
        application = await probe.create(alice)
        before = await alice.balance()
        await alice.operate(application, steps(map_add("k", 3)), steps(map_add("k", 4)))
        assert await number(alice, application) == '{"MaybeNumber":7}'
        assert await alice.balance() < before
        outcome = await alice.query(application, b'{"Schedule":[0]}')
        assert [operation.bytes for operation in outcome.operations] == [b"\x00"]


@asynchronous
async def test_a_message_deploys_the_application_and_calls_compose(probe: Probe) -> None:
    async with await Network.start(shape=PAID) as network:
        alice = (await network.wallet("alice", 100)).chain
        bob = (await network.wallet("bob", 100)).chain
        first, second = await probe.create(alice), await probe.create(alice)
        await alice.operate(
            first, steps(send(bob.id, map_add("k", 2), call_probe(second, map_add("k", 5))))
        )
        await bob.receive()
        assert await number(bob, first) == '{"MaybeNumber":2}'
        assert await number(bob, second) == '{"MaybeNumber":5}'
        assert await number(alice, first) == '{"MaybeNumber":null}'


@asynchronous
async def test_a_panic_fails_the_operation_and_bounces_the_message(probe: Probe) -> None:
    async with await Network.start(shape=PAID) as network:
        alice = (await network.wallet("alice", 100)).chain
        bob = (await network.wallet("bob", 100)).chain
        application = await probe.create(alice)
        before = (await alice.height(), await alice.balance())
        with pytest.raises(ClientError, match="it logged: no more") as failed:
            await alice.operate(application, steps(map_add("k", 1), panic("no more")))
        assert failed.value.explanation.what == "An application failed"
        assert (await alice.height(), await alice.balance()) == before
        assert await number(alice, application) == '{"MaybeNumber":null}'
        await alice.operate(application, steps(send(bob.id, panic("not here"), tracked=True)))
        (receipt,) = await bob.receive()
        assert receipt.received[0].action is MessageAction.REJECT
        await alice.receive()


@asynchronous
async def test_a_contract_that_never_ends_holds_up_nobody_and_is_refused(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The policy without fees has no limit on fuel either."""
    passed_seconds = 0.0
    monkeypatch.setattr(oracles, "monotonic", lambda: monotonic() + passed_seconds)
    async with await Network.start() as network:
        slow, alice = [(await network.wallet(name, 10)).chain for name in ("slow", "alice")]
        bob = (await network.wallet("bob")).chain
        application = await probe.create(slow)
        task = asyncio.create_task(slow.operate(application, steps(spin(ENDLESS))))
        for _ in range(3):
            await alice.transfer(bob, 1)
        assert not task.done()
        passed_seconds = 2 * MAX_SIDE_RUN_SECONDS
        with pytest.raises(ClientError, match="MaximumExecutionTimeExceeded"):
            await task
        await slow.operate(application, steps(map_add("k", 1)))
        assert await number(slow, application) == '{"MaybeNumber":1}'


@asynchronous
async def test_validators_refuse_what_never_ends_whoever_proposes_it(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oracles, "LOOP_GUEST_SECONDS", 0.01)
    async with await Network.start() as network:
        slow, alice = [(await network.wallet(name, 10)).chain for name in ("slow", "alice")]
        application = await probe.create(slow)
        # The wallet's node would go on for longer than the validators do: some 0.2 s of work.
        limit_side_runs(network, seconds=0.01)
        with pytest.raises(ClientError, match="MaximumExecutionTimeExceeded"):
            await slow.operate(application, steps(spin(100_000_000)))
        await alice.operate(application, steps(map_add("k", 1)))
        await network.settled()
        assert balances(network, alice.id) == {Decimal(10)}


@asynchronous
async def test_a_message_that_never_ends_is_rejected_and_later_ones_are_taken(probe: Probe) -> None:
    async with await Network.start() as network:
        alice, bob = [(await network.wallet(name, 10)).chain for name in ("alice", "bob")]
        application = await probe.create(alice)
        await alice.operate(application, steps(send(bob.id, spin(ENDLESS))))
        await alice.operate(application, steps(send(bob.id, map_add("k", 1))))
        limit_side_runs(network, bob, seconds=SHORT_SECONDS)
        receipts = await bob.receive(2)
        actions = [bundle.action for receipt in receipts for bundle in receipt.received]
        assert actions == [MessageAction.REJECT, MessageAction.ACCEPT]
        assert await number(bob, application) == '{"MaybeNumber":1}'


@asynchronous
async def test_a_service_that_never_ends_does_not_stall_its_node(probe: Probe) -> None:
    async with await Network.start() as network:
        alice = (await network.wallet("alice", 10)).chain
        bob = (await network.wallet("bob")).chain
        application = await probe.create(alice)
        query = b'{"Spin":18446744073709551615}'
        limit_side_runs(network, alice, seconds=SHORT_SECONDS)
        task = asyncio.create_task(alice.query(application, query))
        # The wallet's node goes on serving its other chains.
        await bob.client.info()
        with pytest.raises(ClientError, match="MaximumExecutionTimeExceeded"):
            await task
        with pytest.raises(ClientError, match="MaximumExecutionTimeExceeded"):
            await alice.operate(application, steps(query_service(application, query.decode())))
        assert await number(alice, application) == '{"MaybeNumber":null}'


@asynchronous
async def test_a_contract_can_fetch_from_the_outside(probe: Probe) -> None:
    async with (
        http_server(a=answered(b"fetched")) as server,
        await Network.start(shape=OPEN) as network,
    ):
        alice = (await network.wallet("alice", 10)).chain
        application = await probe.create(alice)
        receipt = await alice.operate(application, steps(http_get(server.url("/a"))))
        (block,) = alice.blocks(receipt.height)
        (result,) = block.body.operation_results
        assert b"fetched" in bytes(result)
        with pytest.raises(ClientError, match="UnauthorizedHttpRequest"):
            await alice.operate(application, steps(http_get("http://elsewhere.example/")))


@asynchronous
async def test_long_lived_services_give_the_same_answers(probe: Probe) -> None:
    async with await Network.start() as network:
        network.options = replace(network.options, long_lived_services=True)
        alice = (await network.wallet("alice", 10)).chain
        application = await probe.create(alice)
        for expected in range(1, 4):
            await alice.operate(application, steps(map_add("k", 1)))
            for _ in range(3):
                assert await number(alice, application) == f'{{"MaybeNumber":{expected}}}'
        with pytest.raises(ClientError, match="no more"):
            await alice.query(application, b'{"Fail":{"Panic":"no more"}}')
        assert await number(alice, application) == '{"MaybeNumber":3}'
