"""``catenula transfer`` and the balances."""

from typing import Any

import click

from catenula.base.identifiers import AccountOwner
from catenula.base.integers import Amount, format_amount
from catenula.cli.chain.blocks import block_data, make_block
from catenula.cli.command import DRY_RUN, Invocation, command
from catenula.cli.parameters import ACCOUNT, AMOUNT
from catenula.cli.session import Session
from catenula.protocol import Account, Transfer


@command()
@click.option("--from", "sender", type=ACCOUNT, required=True, help="The account that pays.")
@click.option("--to", "recipient", type=ACCOUNT, required=True, help="The account that gets it.")
@click.argument("amount", type=AMOUNT)
@DRY_RUN
def transfer(
    invocation: Invocation, sender: Account, recipient: Account, amount: Amount, dry_run: bool
) -> None:
    """Send AMOUNT native tokens.

    An account is a chain id, or OWNER@CHAIN_ID for an owner's account on a chain.
    """

    async def body(session: Session) -> None:
        chain = await session.chain(sender.chain_id)
        operation = Transfer(sender.owner, recipient, amount)
        made = await make_block(session, chain, (operation,), dry_run=dry_run)
        if made is not None:
            session.output.result(block_data(made))

    invocation.run(body)


_ACCOUNT = click.argument("account", type=ACCOUNT, required=False)


@command()
@_ACCOUNT
def local_balance(invocation: Invocation, account: Account | None) -> None:
    """Show what an account holds after the last block that is known here."""

    async def body(session: Session) -> None:
        named = _named(session, account)
        chain = await session.local_chain(named.chain_id)
        _show(session, named, await chain.local_balance(named.owner))

    invocation.run(body)


@command()
@_ACCOUNT
def query_balance(invocation: Invocation, account: Account | None) -> None:
    """Show what an account would hold once the waiting messages are taken in."""

    async def body(session: Session) -> None:
        named = _named(session, account)
        chain = await session.local_chain(named.chain_id)
        await session.client.context.local.driver.settled()
        _show(session, named, await chain.query_balance(named.owner))

    invocation.run(body)


@command()
@_ACCOUNT
def sync_balance(invocation: Invocation, account: Account | None) -> None:
    """As `sync` and then `query-balance`."""

    async def body(session: Session) -> None:
        session.output.warn("this command is deprecated; use sync, then query-balance")
        named = _named(session, account)
        chain = await session.chain(named.chain_id)
        with session.progress("synchronizing"):
            await chain.synchronize()
        _show(session, named, await chain.query_balance(named.owner))

    invocation.run(body)


def _named(session: Session, account: Account | None) -> Account:
    return account or Account(session.chain_id(None), AccountOwner.CHAIN)


def _show(session: Session, account: Account, balance: Amount) -> None:
    text = format_amount(balance)
    data: dict[str, Any] = {
        "chain_id": str(account.chain_id),
        "owner": str(account.owner),
        "balance": text,
    }
    session.output.result(data, text)
