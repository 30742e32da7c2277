"""``catenula validator compare``: one validator's view of a chain beside the others'."""

import sys

import click

from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.identifiers import ChainId
from catenula.cli.admin.nodes import PUBLIC_KEY, connect
from catenula.cli.command import Invocation, command
from catenula.cli.errors import Failure
from catenula.cli.parameters import CHAIN_ID
from catenula.cli.session import Session
from catenula.client.administration.compare import SHOWN, Comparison, View, compare_views
from catenula.client.administration.push import remote_node
from catenula.client.remote_node import RemoteNode

_SHORTENED = frozenset(("block hash", "state hash", "leader"))
_KEPT_DIGITS = 10


@command()
@click.argument("addresses", metavar="[ADDRESS]...", nargs=-1)
@click.option("--chain-id", type=CHAIN_ID, help="The chain (default: the wallet's).")
@click.option(
    "--public-key",
    "public_keys",
    type=PUBLIC_KEY,
    multiple=True,
    help="The key of the validator at the ADDRESS in the same place; may be repeated.",
)
def compare(
    invocation: Invocation,
    addresses: tuple[str, ...],
    chain_id: ChainId | None,
    public_keys: tuple[Secp256k1PublicKey, ...],
) -> None:
    """Show what the validators say about a chain side by side.

    Asks the validators at the addresses, or all of the committee. Exits with 1 when they disagree
    with each other or with this wallet, or when one does not answer.
    """

    async def body(session: Session) -> None:
        chain = await session.chain(chain_id)
        remotes = [
            _remote(session, address, public_keys[index] if index < len(public_keys) else None)
            for index, address in enumerate(addresses)
        ]
        with session.progress("asking the validators"):
            found = await compare_views(
                session.client, chain.chain_id, remotes or session.client.context.nodes()
            )
        _show(session, found)
        if differences := found.differences():
            names = sorted({name for name, _ in differences})
            raise Failure(f"Not the same everywhere: see {', '.join(names)}")

    invocation.run(body)


def _remote(session: Session, address: str, public_key: Secp256k1PublicKey | None) -> RemoteNode:
    """The validator; its answers are checked if its key is given or known from the committee."""
    return remote_node(session.client, connect(session, address, public_key), public_key)


def _show(session: Session, found: Comparison) -> None:
    output = session.output
    if output.as_json:
        output.result(found.to_json())
    elif output.for_people:
        _print_table(found)
    else:
        for line in plain_lines(found):
            click.echo(line)


def plain_lines(found: Comparison) -> list[str]:
    """One paragraph per node; an asterisk marks what differs."""
    lines = [f"Chain {found.chain_id}"]
    for view in found.views:
        lines += ["", view.name]
        if view.error is not None:
            lines.append(f"* error: {view.error}")
        for row in SHOWN:
            if row in view.rows:
                mark = "*" if found.is_different(view, row) else " "
                lines.append(f"{mark} {row}: {view.rows[row]}")
    return lines


def _print_table(found: Comparison) -> None:
    """The same for a person at a terminal: one column per node."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"chain {found.chain_id}", header_style="bold", title_justify="left")
    table.add_column("")
    for view in found.views:
        table.add_column(view.name, overflow="fold")
    for row in SHOWN:
        table.add_row(row, *(_cell(found, view, row) for view in found.views))
    if any(view.error for view in found.views):
        table.add_row("error", *(f"[red]{view.error or ''}[/]" for view in found.views))
    Console(file=sys.stdout, highlight=False).print(table)


def _cell(found: Comparison, view: View, row: str) -> str:
    from rich.markup import escape

    text = view.rows.get(row, "")
    if row in _SHORTENED and len(text) > _KEPT_DIGITS:
        text = f"{text[:_KEPT_DIGITS]}…"
    return f"[bold red]{escape(text)}[/]" if found.is_different(view, row) else escape(text)
