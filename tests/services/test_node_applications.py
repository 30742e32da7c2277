"""Applications through a node service: published, created, asked, told, watched."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.services.node_stage import NodeStage, node_stage
from tests.services.stage import request

COUNTER = Path(__file__).parents[2] / "examples" / "applications" / "counter"
PUBLISH = """mutation ($chain: ChainId!, $contract: Bytecode!, $service: Bytecode!) {
  publishModule(chainId: $chain, contract: $contract, service: $service, vmRuntime: "Wasm") }"""
CREATE = """mutation ($chain: ChainId!, $module: ModuleId!) {
  createApplication(chainId: $chain, moduleId: $module, parameters: "{\\"limit\\": 1000}",
    instantiationArgument: "5", requiredApplicationIds: []) }"""
WATCHED = "query Number { value }"
SUBSCRIBE = """subscription ($chain: ChainId!, $application: ApplicationId!) {
  queryResult(name: "Number", chainId: $chain, applicationId: $application) }"""

Show = Callable[[NodeStage, str], Awaitable[None]]


def _numbers(name: str) -> dict[str, list[int]]:
    return {"bytes": list((COUNTER / f"counter_{name}.wasm").read_bytes())}


async def create_counter(stage: NodeStage) -> str:
    """The counter, published and created through the service; its id."""
    chain = str(stage.chain_id)
    published = await stage.ask(
        PUBLISH, chain=chain, contract=_numbers("contract"), service=_numbers("service")
    )
    created = await stage.ask(CREATE, chain=chain, module=published["publishModule"])
    application_id: str = created["createApplication"]
    return application_id


def on_counter(show: Show, **options: Any) -> None:
    async def main() -> None:
        async with node_stage(**options) as stage:
            await show(stage, await create_counter(stage))

    asyncio.run(main())


async def _value(stage: NodeStage, application_id: str) -> Any:
    answer = await stage.application(application_id, {"query": "{ value }"})
    assert answer.status == 200, answer
    return answer.json()["data"]["value"]


async def _add(stage: NodeStage, application_id: str, amount: int) -> Any:
    body = {"query": f"mutation {{ add(amount: {amount}) }}"}
    return await stage.application(application_id, body)


def test_an_application_is_made_asked_and_told_over_http() -> None:
    async def show(stage: NodeStage, application_id: str) -> None:
        assert await _value(stage, application_id) == 5
        made = await _add(stage, application_id, 3)
        assert made.headers["content-type"] == "application/octet-stream"
        query = "query ($chain: ChainId!) { block(chainId: $chain) { hash } }"
        block = (await stage.ask(query, chain=str(stage.chain_id)))["block"]
        assert made.json() == {"data": block["hash"]}
        assert await _value(stage, application_id) == 8
        query = "query ($chain: ChainId!) { applications(chainId: $chain) { id link } }"
        (listed,) = (await stage.ask(query, chain=str(stage.chain_id)))["applications"]
        path = f"/chains/{stage.chain_id}/applications/{application_id}"
        assert listed == {"id": application_id, "link": f"http://localhost:{stage.port}{path}"}
        page = await request(stage.port, "GET", path)
        assert page.headers["content-type"] == "text/html; charset=utf-8"

    on_counter(show)


def test_a_program_may_be_written_into_the_document() -> None:
    async def main() -> None:
        async with node_stage() as stage:
            code = {name: _numbers(name)["bytes"] for name in ("contract", "service")}
            programs = ", ".join(f"{name}: {{bytes: {code[name]}}}" for name in code)
            document = (
                f'mutation {{ publishModule(chainId: "{stage.chain_id}", {programs}, '
                'vmRuntime: "Wasm") }'
            )
            assert len((await stage.ask(document))["publishModule"]) == 130

    asyncio.run(main())


def test_what_an_application_refuses_is_an_error_and_no_block() -> None:
    async def show(stage: NodeStage, application_id: str) -> None:
        before = stage.server.service.state(stage.chain_id).next_block_height
        refused = await _add(stage, application_id, 1_000_000)
        assert refused.status == 500
        assert list(refused.json()) == ["error"]
        unknown = await stage.application("ab" * 32, {"query": "{ value }"})
        assert unknown.status == 500
        assert stage.server.service.state(stage.chain_id).next_block_height == before
        assert await _value(stage, application_id) == 5

    on_counter(show)


def test_answers_are_cached_until_the_next_block() -> None:
    async def show(stage: NodeStage, application_id: str) -> None:
        service, asked = stage.server.service, []
        metrics = service.metrics
        metrics.query_answered = lambda *, is_cached: asked.append(is_cached)  # type: ignore[method-assign]  # To look on.
        assert await _value(stage, application_id) == 5
        assert await _value(stage, application_id) == 5
        await _add(stage, application_id, 1)
        assert await _value(stage, application_id) == 6
        assert asked == [False, True, False, False]

    on_counter(show, query_cache_size=10)


async def _subscribed(connection: ClientConnection, query: str, **variables: Any) -> None:
    await connection.send(json.dumps({"type": "connection_init"}))
    assert json.loads(await connection.recv())["type"] == "connection_ack"
    payload = {"query": query, "variables": variables}
    await connection.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))


async def _next(connection: ClientConnection) -> Any:
    message = json.loads(await connection.recv())
    assert message["type"] == "next", message
    return message["payload"]["data"]


def test_a_registered_query_is_answered_again_when_its_answer_changes() -> None:
    async def show(stage: NodeStage, application_id: str) -> None:
        uri = f"ws://127.0.0.1:{stage.port}/ws"
        protocols = [Subprotocol("graphql-transport-ws")]
        async with connect(uri, subprotocols=protocols, proxy=None) as connection:
            variables = {"chain": str(stage.chain_id), "application": application_id}
            await _subscribed(connection, SUBSCRIBE, **variables)
            assert await _next(connection) == {"queryResult": {"data": {"value": 5}}}
            # A block that does not change the answer says nothing.
            to = {"chain_id": str(stage.chain_id), "owner": "0x" + "11" * 32}
            await stage.ask(
                'mutation ($c: ChainId!, $to: Account!) { transfer(chainId: $c, owner: "0x00", '
                'recipient: $to, amount: "1") }',
                c=str(stage.chain_id),
                to=to,
            )
            await _add(stage, application_id, 2)
            assert await _next(connection) == {"queryResult": {"data": {"value": 7}}}

    on_counter(show, subscriptions=(WATCHED,), subscription_ttls={"Number": 0.01})
