"""A node service over an embedded network: questions, commands, errors."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from catenula.base.identifiers import AccountOwner
from catenula.protocol import Account
from tests.services.node_stage import NodeStage, node_stage
from tests.services.stage import owner, request

TRANSFER = """mutation ($chain: ChainId!, $to: Account!, $amount: Amount!) {
  transfer(chainId: $chain, owner: "0x00", recipient: $to, amount: $amount)
}"""
BALANCE = """query ($chain: ChainId!, $owner: AccountOwner!) { chain(chainId: $chain) {
  tipState { nextBlockHeight } executionState { system { balance balances {
  count keys entry(key: $owner) { key value } entries { key value } } } } } }"""


def on_stage(show: Callable[[NodeStage], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def main() -> None:
        async with node_stage(**options) as stage:
            await show(stage)

    asyncio.run(main())


def test_the_service_answers_at_once() -> None:
    async def show(stage: NodeStage) -> None:
        answer = await request(stage.port, "GET", "/ready")
        assert (answer.status, answer.body) == (200, b"ready!")
        data = await stage.ask("{ chains { list default } version }")
        assert data["chains"]["default"] == str(stage.chain_id)
        assert data["version"]["crate_version"] == "0.15.21"

    on_stage(show)


def test_a_transfer_becomes_a_block_that_can_be_read() -> None:
    async def show(stage: NodeStage) -> None:
        chain, friend = str(stage.chain_id), owner(7)
        to = Account(stage.chain_id, friend).to_json()
        made = await stage.ask(TRANSFER, chain=chain, to=to, amount="2.5")
        data = await stage.ask(BALANCE, chain=chain, owner=str(friend))
        system = data["chain"]["executionState"]["system"]
        assert system["balance"] == "997.5"
        pair = {"key": str(friend), "value": "2.5"}
        assert system["balances"] == {
            "count": 1,
            "keys": [str(friend)],
            "entry": pair,
            "entries": [pair],
        }
        query = """query ($chain: ChainId!) { block(chainId: $chain) { hash status block {
          header { height transactionsHash } body { transactionMetadata { transactionType
          operation { operationType systemOperation { systemOperationType
          transfer { owner recipient amount } claim { amount } } } } } } } }"""
        block = (await stage.ask(query, chain=chain))["block"]
        assert (block["hash"], block["status"]) == (made["transfer"], "confirmed")
        operation = block["block"]["body"]["transactionMetadata"][0]["operation"]
        assert operation["systemOperation"]["transfer"] == {
            "owner": str(AccountOwner.CHAIN),
            "recipient": to,
            "amount": "2.5",
        }
        assert operation["systemOperation"]["claim"] is None

    on_stage(show)


def test_a_command_that_fails_says_why_and_makes_no_block() -> None:
    async def show(stage: NodeStage) -> None:
        chain = str(stage.chain_id)
        to = Account.chain(stage.chain_id).to_json()
        text = await stage.fail(TRANSFER, chain=chain, to=to, amount="1000000")
        assert "balance" in text.lower()
        data = await stage.ask(BALANCE, chain=chain, owner="0x00")
        assert data["chain"]["tipState"]["nextBlockHeight"] == 0

    on_stage(show)


def test_a_read_only_service_has_no_mutations() -> None:
    async def show(stage: NodeStage) -> None:
        text = await stage.fail(f'mutation {{ sync(chainId: "{stage.chain_id}") }}')
        assert text == "Schema is not configured for mutations."
        assert await stage.ask("{ chains { default } }")

    on_stage(show, read_only=True)
