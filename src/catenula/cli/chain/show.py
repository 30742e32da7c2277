"""``catenula chain`` and other commands that look at what is known here."""

from collections.abc import Callable
from typing import Any

import click

from catenula.base.codec import codec_of, write_json
from catenula.base.identifiers import ChainId
from catenula.base.integers import U32, U32_MAX, BlockHeight
from catenula.cli.command import Invocation, command
from catenula.cli.debug_text import debug_fields, debug_list, debug_text, named_block
from catenula.cli.errors import Absent
from catenula.cli.parameters import CHAIN_ID, HEIGHT, Parsed
from catenula.cli.session import Session
from catenula.protocol import Block, ChainDescription, EventId, NetworkDescription, StreamId

_CHAIN = click.argument("chain_id", type=CHAIN_ID, required=False)


@command()
@click.argument("height", type=HEIGHT)
@_CHAIN
def show_block(invocation: Invocation, height: BlockHeight, chain_id: ChainId | None) -> None:
    """Show the block of a chain at HEIGHT, if it is known here."""

    async def body(session: Session) -> None:
        chain = session.chain_id(chain_id)
        certificate = session.client.context.local.certificate_at(chain, height)
        if certificate is None:
            raise Absent(
                f"Block {height} of chain {chain} is not known here; fetch it with "
                f"`catenula sync {chain}`, or choose a lower height."
            )
        block = certificate.block
        data = {"hash": str(block.hash), "block": codec_of(Block).to_json(block)}
        session.output.result(data, f"Some({named_block(block, indent=1)})")

    invocation.run(body)


@command()
@_CHAIN
def show_chain_description(invocation: Invocation, chain_id: ChainId | None) -> None:
    """Show where a chain comes from and how it started."""

    async def body(session: Session) -> None:
        chain = await session.chain(chain_id)
        await chain.info()
        description = chain.state().execution.system.description.get()
        session.output.result(
            codec_of(ChainDescription).to_json(description),
            debug_text(codec_of(ChainDescription).node, description),
        )

    invocation.run(body)


@command()
def show_network_description(invocation: Invocation) -> None:
    """Show what identifies the network."""

    async def body(session: Session) -> None:
        description = session.client.context.local.shared.network_description()
        data = None
        if description is not None:
            data = codec_of(NetworkDescription).to_json(description)
        session.output.result(data, write_json(data, indent=2))

    invocation.run(body)


def _index(text: str) -> U32:
    from catenula.base.integers import parse_unsigned

    return U32(parse_unsigned(text, U32_MAX))


def _loader(read: Callable[[str], Any]) -> Callable[[], Callable[[str], Any]]:
    return lambda: read


@command()
@_CHAIN
@click.option(
    "--stream-id",
    type=Parsed("event stream", _loader(StreamId.parse)),
    required=True,
    help="The stream: System:HEX or User:APPLICATION:HEX.",
)
@click.option(
    "--start-index",
    type=Parsed("number", _loader(_index)),
    default="0",
    show_default=True,
    help="The first event to show.",
)
def list_events_from_index(
    invocation: Invocation, chain_id: ChainId | None, stream_id: StreamId, start_index: U32
) -> None:
    """Show the events of a stream that are known here."""

    async def body(session: Session) -> None:
        chain = session.chain_id(chain_id)
        shared = session.client.context.local.shared
        events = []
        index = start_index
        while (value := shared.event(EventId(chain, stream_id, index))) is not None:
            events.append((index, value))
            index = U32(index + 1)
        shown = [
            debug_fields("IndexAndEvent", index=str(index), event=debug_list(value))
            for index, value in events
        ]
        data = [{"index": index, "event": value.hex()} for index, value in events]
        session.output.result(data, debug_list(shown))

    invocation.run(body)
