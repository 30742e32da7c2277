"""Every mutation of a node service, over an embedded network."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from catenula.base.identifiers import ChainId
from tests.services.node_stage import NodeStage, node_stage, served
from tests.services.stage import owner

HEX = 64


def on_stage(show: Callable[[NodeStage], Awaitable[None]]) -> None:
    async def main() -> None:
        async with node_stage() as stage:
            await show(stage)

    asyncio.run(main())


async def do(stage: NodeStage, name: str, arguments: str = "", chain: Any = None) -> Any:
    """The result of a mutation on the stage's chain, or on another."""
    return (await stage.ask(_document(stage, name, arguments, chain)))[name]


def _document(stage: NodeStage, name: str, arguments: str, chain: Any) -> str:
    chain_id = stage.chain_id if chain is None else chain
    return f'mutation {{ {name}(chainId: "{chain_id}" {arguments}) }}'


def account(chain: Any, name: Any = "0x00") -> str:
    """An account as a literal."""
    return f'{{chain_id: "{chain}", owner: "{name}"}}'


def state(stage: NodeStage, chain: Any = None) -> Any:
    """The local copy of a chain."""
    return stage.server.service.state(stage.chain_id if chain is None else ChainId.parse(chain))


def test_tokens_are_sent_taken_in_and_fetched_back() -> None:
    async def show(stage: NodeStage) -> None:
        mine = f'"{stage.wallet.owner}"'
        child = await do(stage, "openChain", f'owner: {mine} balance: "5"')
        assert str(state(stage, child).chain_id) == child
        await do(
            stage,
            "transfer",
            f'owner: "0x00" recipient: {account(child, stage.wallet.owner)} amount: "2"',
        )
        await do(stage, "sync", chain=child)
        await do(stage, "processInbox", chain=child)
        system = state(stage, child).execution.system
        assert system.balances.get(stage.wallet.owner) == 2 * 10**18
        claimed = await do(
            stage,
            "claim",
            f'owner: {mine} targetId: "{child}" recipient: {account(stage.chain_id)} amount: "1"',
        )
        assert len(claimed) == HEX
        assert await do(stage, "retryPendingBlock") is None
        assert await do(stage, "processInbox") == []
        assert await do(stage, "sync") == state(stage).next_block_height

    on_stage(show)


def test_chains_are_opened_changed_and_closed() -> None:
    async def show(stage: NodeStage) -> None:
        mine, other = str(stage.wallet.owner), str(owner(9))
        permissions = "{executeOperations: null, mandatoryApplications: []}"
        shared = await do(
            stage,
            "openMultiOwnerChain",
            f'applicationPermissions: {permissions} owners: ["{mine}", "{other}"] weights: [1, 2] '
            'multiLeaderRounds: 3 balance: "1" fastRoundMs: 500 fallbackDurationMs: 5000000000',
        )
        ownership = state(stage, shared).execution.system.ownership.get()
        assert [int(weight) for _, weight in sorted(ownership.owners.items())] in ([1, 2], [2, 1])
        assert ownership.timeout_config.fallback_duration == 5_000_000_000_000
        text = await stage.fail(
            _document(stage, "openMultiOwnerChain", f'owners: ["{mine}"] weights: [1, 2]', None)
        )
        assert text == "There are 1 owners but 2 weights."
        child = await do(stage, "openChain", f'owner: "{mine}"')
        await do(
            stage,
            "changeMultipleOwners",
            f'newOwners: ["{mine}"] newWeights: [7] multiLeaderRounds: 2 '
            "openMultiLeaderRounds: true",
            child,
        )
        ownership = state(stage, child).execution.system.ownership.get()
        assert (ownership.multi_leader_rounds, ownership.open_multi_leader_rounds) == (2, True)
        await do(
            stage,
            "changeApplicationPermissions",
            "closeChain: [] mandatoryApplications: [] changeApplicationPermissions: [] "
            "callServiceAsOracle: []",
            child,
        )
        assert len(await do(stage, "closeChain", chain=child)) == HEX
        assert await do(stage, "closeChain", chain=child) is None
        another = await do(stage, "openChain", f'owner: "{mine}"')
        await do(stage, "changeOwner", f'newOwner: "{other}"', another)
        ownership = state(stage, another).execution.system.ownership.get()
        assert ownership.super_owners == (owner(9),)
        assert ownership.multi_leader_rounds == 2

    on_stage(show)


def test_data_is_published_and_shown_to_be_readable() -> None:
    async def show(stage: NodeStage) -> None:
        blob = await do(stage, "publishDataBlob", "bytes: [1, 2, 3, 255]")
        assert blob == "ff533e3dbba1805f7c26ae16f834d0d1e216ee58c804b20c291ec1b342e7478a"
        assert len(await do(stage, "readDataBlob", f'hash: "{blob}"')) == HEX
        unknown = _document(stage, "readDataBlob", f'hash: "{"ab" * 32}"', None)
        assert await stage.fail(unknown)

    on_stage(show)


def test_two_mutations_of_one_document_are_two_blocks_in_order() -> None:
    async def show(stage: NodeStage) -> None:
        chain, to = stage.chain_id, account(stage.chain_id, owner(3))
        part = f'transfer(chainId: "{chain}", owner: "0x00", recipient: {to}, amount: "0.1")'
        made = await stage.ask(f"mutation {{ a: {part} b: {part} }}")
        query = f'{{ blocks(chainId: "{chain}", limit: 2) {{ hash }} }}'
        listed = (await stage.ask(query))["blocks"]
        assert [block["hash"] for block in listed] == [made["b"], made["a"]]

    on_stage(show)


def test_committees_are_a_matter_of_the_admin_chain() -> None:
    async def show(stage: NodeStage) -> None:
        committee = state(stage).current_committee().to_json()
        given = {
            "validators": committee["validators"],
            "totalVotes": committee["total_votes"],
            "quorumThreshold": committee["quorum_threshold"],
            "validityThreshold": committee["validity_threshold"],
            "policy": committee["policy"],
        }
        document = (
            "mutation ($chain: ChainId!, $committee: Committee!) "
            "{ createCommittee(chainId: $chain, committee: $committee) }"
        )
        for text in (
            await stage.fail(document, chain=str(stage.chain_id), committee=given),
            await stage.fail(_document(stage, "removeCommittee", 'epoch: "0"', None)),
        ):
            assert "AdminOperationOnNonAdminChain" in text
        root = await stage.network._root_wallet()
        admin = stage.network.admin_chain_id
        async with served(stage.network, root) as administration:
            made = await administration.ask(document, chain=str(admin), committee=given)
            assert len(made["createCommittee"]) == HEX
            assert state(administration, str(admin)).epoch == 1
            await do(administration, "removeCommittee", 'epoch: "0"', admin)
        assert sorted(state(administration, str(admin)).execution.system.committees.get()) == [1]

    on_stage(show)
