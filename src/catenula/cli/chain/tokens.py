"""``catenula transfer`` and the balances."""

import click

from catenula.base.integers import Amount
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
