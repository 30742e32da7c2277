"""A node service over an embedded network: questions, commands, errors."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from catenula.base.errors import LocalError
from catenula.base.identifiers import AccountOwner, ApplicationId
from catenula.protocol import Account, NewBlock, NewIncomingBundle, Notification
from catenula.services.node import NodeServiceOptions
from catenula.services.node.tasks import TaskSettings
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


@pytest.mark.parametrize("read_only", [True, False])
def test_messages_are_taken_in_unless_the_service_only_reads(read_only: bool) -> None:
    async def show(stage: NodeStage) -> None:
        sender = await stage.network.wallet("sender", tokens="5")
        incoming = reasons(stage, NewIncomingBundle)
        made = reasons(stage, NewBlock)
        await sender.chain.transfer(stage.chain_id, "2")
        await asyncio.wait_for(incoming.get(), 20)
        state = stage.server.service.state(stage.chain_id)
        if read_only:
            await stage.server.service.synchronized()
            assert made.empty()
            assert (state.next_block_height, state.inboxes.waiting()) == (0, 1)
        else:
            await asyncio.wait_for(made.get(), 20)
            assert (state.next_block_height, state.inboxes.waiting()) == (1, 0)

    on_stage(show, read_only=read_only)


def reasons(stage: NodeStage, kind: type[Any]) -> asyncio.Queue[Notification]:
    """What happens of one kind on the service's own chain from now on."""
    heard: asyncio.Queue[Notification] = asyncio.Queue()

    def hear(notification: Notification) -> None:
        if notification.chain_id == stage.chain_id and isinstance(notification.reason, kind):
            heard.put_nowait(notification)

    stage.wallet.client.context.local.driver.notifier.watchers.append(hear)
    return heard


def test_a_service_that_only_reads_has_no_tasks() -> None:
    tasks = TaskSettings(controller=ApplicationId(bytes(32)))
    with pytest.raises(LocalError, match="only reads"):
        NodeServiceOptions(read_only=True, tasks=tasks)
