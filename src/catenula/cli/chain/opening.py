"""``catenula open-chain``, ``open-multi-owner-chain``, ``close-chain``."""

from typing import Any

import click

from catenula.base.identifiers import AccountOwner, ChainId
from catenula.base.integers import Amount
from catenula.cli.chain.blocks import block_data, make_block
from catenula.cli.chain.ownership import changed_ownership, ownership_options
from catenula.cli.chain.permissions import permission_options, permissions_of
from catenula.cli.command import DRY_RUN, Invocation, command
from catenula.cli.parameters import AMOUNT, CHAIN_ID, OWNER
from catenula.cli.session import Session
from catenula.protocol import ChainOwnership, CloseChain, OpenChain, OpenChainConfig

_FROM = click.option("--from", "parent", type=CHAIN_ID, help="The parent chain.")
_BALANCE = click.option(
    "--initial-balance",
    type=AMOUNT,
    default="0",
    show_default=True,
    help="Tokens that the parent gives to the new chain.",
)


@command()
@_FROM
@click.option("--owner", type=OWNER, help="The owner; without it a new key is made.")
@_BALANCE
@click.option("--super-owner", is_flag=True, help="Let the owner use the fast round.")
@DRY_RUN
def open_chain(
    invocation: Invocation,
    parent: ChainId | None,
    owner: AccountOwner | None,
    initial_balance: Amount,
    super_owner: bool,
    dry_run: bool,
) -> None:
    """Create a child chain with one owner; print its id and its owner."""

    async def body(session: Session) -> None:
        chain = await session.chain(parent)
        chosen = owner or (AccountOwner.CHAIN if dry_run else session.new_owner())
        single = ChainOwnership.single_super if super_owner else ChainOwnership.single
        operation = OpenChain(OpenChainConfig(single(chosen), initial_balance))
        made = await make_block(session, chain, (operation,), dry_run=dry_run)
        if made is not None:
            created = made.block.created_chains()[-1]
            data = {"chain_id": str(created.chain_id), "owner": str(chosen)}
            text = f"{created.chain_id}\n{chosen}"
            session.output.result({**data, "block": block_data(made)}, text)

    invocation.run(body)


@command()
@_FROM
@_BALANCE
@ownership_options
@permission_options
@DRY_RUN
def open_multi_owner_chain(
    invocation: Invocation,
    parent: ChainId | None,
    initial_balance: Amount,
    dry_run: bool,
    **given: Any,
) -> None:
    """Create a child chain with any ownership; print its id."""

    async def body(session: Session) -> None:
        chain = await session.chain(parent)
        ownership = changed_ownership(ChainOwnership(), given)
        config = OpenChainConfig(ownership, initial_balance, permissions_of(given))
        made = await make_block(session, chain, (OpenChain(config),), dry_run=dry_run)
        if made is not None:
            created = made.block.created_chains()[-1]
            session.insert_new(created, None)
            data = {"chain_id": str(created.chain_id), "block": block_data(made)}
            session.output.result(data, str(created.chain_id))

    invocation.run(body)


@command()
@click.argument("chain_id", type=CHAIN_ID)
@DRY_RUN
def close_chain(invocation: Invocation, chain_id: ChainId, dry_run: bool) -> None:
    """Make a chain refuse all blocks but those that reject messages; this cannot be undone."""

    async def body(session: Session) -> None:
        chain = await session.chain(chain_id)
        await chain.info()
        if chain.state().execution.system.closed.get():
            session.output.note(f"chain {chain_id} is closed already")
            session.output.result(None)
            return
        made = await make_block(session, chain, (CloseChain(),), dry_run=dry_run)
        if made is not None:
            session.output.result(block_data(made))

    invocation.run(body)
