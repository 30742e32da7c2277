"""Notifications of a node service over both WebSocket protocols, and who may listen."""

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.services.node_stage import NodeStage, node_stage
from tests.services.stage import graphql, request
from tests.services.test_node_service import TRANSFER

NOTIFICATIONS = "subscription ($chain: ChainId!) { notifications(chainId: $chain) }"
TOKEN = "only for friends"


@pytest.mark.parametrize(
    ("protocol", "start", "value"),
    [("graphql-transport-ws", "subscribe", "next"), ("graphql-ws", "start", "data")],
)
def test_a_block_is_announced(protocol: str, start: str, value: str) -> None:
    async def main() -> None:
        async with node_stage() as stage:
            uri = f"ws://127.0.0.1:{stage.port}/ws"
            protocols = [Subprotocol(protocol)]
            async with connect(uri, subprotocols=protocols, proxy=None) as connection:
                await connection.send(json.dumps({"type": "connection_init"}))
                assert json.loads(await connection.recv()) == {"type": "connection_ack"}
                chain = str(stage.chain_id)
                payload = {"query": NOTIFICATIONS, "variables": {"chain": chain}}
                await connection.send(json.dumps({"type": start, "id": "1", "payload": payload}))
                made = await _transfer(stage)
                while True:
                    message = json.loads(await connection.recv())
                    assert (message["type"], message["id"]) == (value, "1")
                    told = message["payload"]["data"]["notifications"]
                    assert told["chain_id"] == chain
                    if "NewBlock" in told["reason"]:
                        break
                assert told["reason"]["NewBlock"] == {
                    "height": 0,
                    "hash": made,
                    "event_streams": [],
                }

    asyncio.run(main())


async def _transfer(stage: NodeStage) -> Any:
    chain = str(stage.chain_id)
    to = {"chain_id": chain, "owner": "0x" + "22" * 32}
    return (await stage.ask(TRANSFER, chain=chain, to=to, amount="1"))["transfer"]


# Tokens


def test_requests_without_the_token_get_401() -> None:
    async def main() -> None:
        async with node_stage(token=TOKEN) as stage:
            body = b'{"query": "{ version }"}'
            application = f"/chains/{stage.chain_id}/applications/{'ab' * 32}"
            for path in ("/", application):
                for given in ({}, {"Authorization": "Bearer other"}, {"Authorization": TOKEN}):
                    answer = await request(stage.port, "POST", path, body=body, headers=given)
                    assert answer.status == 401
                    assert answer.headers["www-authenticate"] == "Bearer"
            right = {"Authorization": f"Bearer {TOKEN}"}
            answer = await request(stage.port, "POST", "/", body=body, headers=right)
            assert answer.json()["data"]["version"]
            assert (await request(stage.port, "GET", "/ready")).body == b"ready!"

    asyncio.run(main())


@pytest.mark.parametrize("is_right", [True, False])
def test_a_socket_bears_its_token_in_the_first_message(is_right: bool) -> None:
    async def main() -> None:
        async with node_stage(token=TOKEN) as stage:
            uri = f"ws://127.0.0.1:{stage.port}/ws"
            protocols = [Subprotocol("graphql-transport-ws")]
            token = TOKEN if is_right else "other"
            payload = {"Authorization": f"Bearer {token}"}
            async with connect(uri, subprotocols=protocols, proxy=None) as connection:
                await connection.send(json.dumps({"type": "connection_init", "payload": payload}))
                if is_right:
                    assert json.loads(await connection.recv()) == {"type": "connection_ack"}
                    return
                with pytest.raises(ConnectionClosed) as closed:
                    await connection.recv()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 4401

    asyncio.run(main())


def test_a_query_at_the_page_s_address_is_answered_in_one_go() -> None:
    async def main() -> None:
        async with node_stage() as stage:
            answers = await asyncio.gather(
                *(graphql(stage.port, "{ chains { default } }") for _ in range(20))
            )
            assert {each["data"]["chains"]["default"] for each in answers} == {str(stage.chain_id)}

    asyncio.run(main())
