"""``catenula sync``, ``process-inbox``, ``retry-pending-block``, ``watch``: following a chain."""

from contextlib import suppress

import click

from catenula.base.codec import codec_of
from catenula.base.identifiers import ChainId
from catenula.base.integers import BlockHeight, Timestamp
from catenula.cli.chain.blocks import block_data, finish_pending, show_pending, take_in_messages
from catenula.cli.command import DRY_RUN, Invocation, command
from catenula.cli.parameters import CHAIN_ID, HEIGHT, TIMESTAMP
from catenula.cli.session import Session
from catenula.client.errors import Explanation, NoOwnerConfigured
from catenula.client.partial_sync import Until, synchronize_partly
from catenula.client.watching import watch_chain
from catenula.protocol import Notification

_CHAIN = click.argument("chain_id", type=CHAIN_ID, required=False)


@command()
@_CHAIN
@click.option("--next-height", type=HEIGHT, help="Stop when this is the next block's height.")
@click.option("--until-block-time", type=TIMESTAMP, help="Stop before blocks of this time.")
def sync(
    invocation: Invocation,
    chain_id: ChainId | None,
    next_height: BlockHeight | None,
    until_block_time: Timestamp | None,
) -> None:
    """Fetch a chain's blocks, messages and rounds from the validators."""

    async def body(session: Session) -> None:
        chain = await session.chain(chain_id)
        with session.progress("synchronizing"):
            if next_height is None and until_block_time is None:
                await chain.synchronize()
            else:
                await synchronize_partly(
                    chain.context, chain.chain_id, Until(next_height, until_block_time)
                )
        height = chain.state().next_block_height
        session.output.result({"chain_id": str(chain.chain_id), "next_block_height": height})

    invocation.run(body)


@command()
@_CHAIN
@DRY_RUN
def process_inbox(invocation: Invocation, chain_id: ChainId | None, dry_run: bool) -> None:
    """Take in waiting messages, block by block, until none are left."""

    async def body(session: Session) -> None:
        chain = await session.chain(chain_id)
        if chain.owner is None:
            raise NoOwnerConfigured(
                Explanation(
                    "The wallet has no owner for the chain, so messages cannot be taken in",
                    chain.chain_id,
                    next_step="give the chain an owner with `catenula assign`",
                )
            )
        with session.progress("synchronizing"):
            await chain.synchronize()
        made = await take_in_messages(session, chain, dry_run=dry_run)
        if made is not None:
            session.output.result([block_data(certificate) for certificate in made])

    invocation.run(body)


@command()
@_CHAIN
@DRY_RUN
def retry_pending_block(invocation: Invocation, chain_id: ChainId | None, dry_run: bool) -> None:
    """Finish a block that an earlier command left unfinished."""

    async def body(session: Session) -> None:
        chain = await session.chain(chain_id)
        if dry_run:
            await show_pending(session, chain)
            return
        made = await finish_pending(session, chain)
        if made is None:
            session.output.result(None)
        else:
            session.output.result(block_data(made), str(made.block.hash))

    invocation.run(body)


@command()
@_CHAIN
@click.option("--raw", is_flag=True, help="Show what every validator says, as it says it.")
def watch(invocation: Invocation, chain_id: ChainId | None, raw: bool) -> None:
    """Print notifications about a chain as they come, one JSON object a line, until Ctrl-C."""

    async def body(session: Session) -> None:
        chain = await session.chain(chain_id)
        await chain.info()
        session.output.note("watching; end with Ctrl-C")
        async for notification in watch_chain(chain.context, chain.chain_id, raw=raw):
            data = codec_of(Notification).to_json(notification)
            session.output.line(data)

    with suppress(KeyboardInterrupt):
        invocation.run(body)
