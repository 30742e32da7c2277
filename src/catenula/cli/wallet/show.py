"""``catenula wallet show``: the chains of the wallet, from its file alone."""

import sys
from typing import Any

import click

from catenula.base.errors import DecodeError
from catenula.base.identifiers import ChainId
from catenula.base.timestamps import format_timestamp
from catenula.cli.command import Invocation, command
from catenula.cli.errors import Absent
from catenula.cli.lazy import suggestion
from catenula.cli.parameters import CHAIN_ID
from catenula.cli.settings import places_of
from catenula.client.files.genesis_json import read_chains
from catenula.client.files.wallet_json import ChainEntry, WalletContent, WalletFile
from catenula.protocol import Child, Root

_LINE = "-" * 23
_LAST_LINE = "-" * 24


@command()
@click.argument("chain_id", type=CHAIN_ID, required=False)
@click.option("--short", is_flag=True, help="Print the chain ids only.")
@click.option("--owned", is_flag=True, help="Only chains that have an owner here.")
def show(invocation: Invocation, chain_id: ChainId | None, short: bool, owned: bool) -> None:
    """List the chains of the wallet: the default first, then the admin chain, then the others."""
    content = WalletFile.read(places_of(invocation.options).wallet).content
    listing = Listing(content)
    names = [_existing(content, chain_id)] if chain_id else listing.names(owned=owned)
    output = invocation.output
    if output.as_json:
        output.result([listing.data(name) for name in names])
    elif output.for_people and chain_id is None and not short:
        _print_table(listing, names)
    elif names:
        click.echo("\n".join(names if short else listing.lines(names)))


def _existing(content: WalletContent, chain_id: ChainId) -> str:
    name = str(chain_id)
    if name not in content.chains:
        raise Absent(f"The wallet has no chain {name}.{suggestion(name, content.chains)}")
    return name


class Listing:
    """The chains of a wallet with what the genesis says about them."""

    def __init__(self, content: WalletContent) -> None:
        self._content = content
        try:
            chains = read_chains(bytes(content.genesis_config))
        except DecodeError:
            chains = ()
        self._origins = {str(chain.chain_id): chain.origin for chain in chains}
        self._admin = str(chains[0].chain_id) if chains else None

    def names(self, *, owned: bool = False) -> list[str]:
        """All chains in the order of the listing."""
        chosen = [name for name, entry in self._content.chains.items() if entry.owner or not owned]
        return sorted(chosen, key=self._order)

    def _order(self, name: str) -> tuple[bool, bool, bool, int, str]:
        origin = self._origins.get(name)
        index = origin.index if isinstance(origin, Root) else 0
        is_default, is_admin = name == self._content.default, name == self._admin
        return (not is_default, not is_admin, not isinstance(origin, Root), index, name)

    def tags(self, name: str) -> list[str]:
        """What is special about a chain."""
        tags = {"DEFAULT": self._content.default, "ADMIN": self._admin}
        return [tag for tag, chain in tags.items() if chain == name]

    def parent(self, name: str) -> str | None:
        """The parent, if the genesis knows it."""
        origin = self._origins.get(name)
        return str(origin.parent) if isinstance(origin, Child) else None

    def data(self, name: str) -> dict[str, Any]:
        """A chain as JSON data."""
        entry = self._content.chains[name]
        return {
            "chain_id": name,
            "tags": self.tags(name),
            "parent": self.parent(name),
            "owner": entry.owner,
            "timestamp": entry.timestamp,
            "next_block_height": entry.next_block_height,
            "block_hash": entry.block_hash,
            "epoch": int(entry.epoch),
            "has_pending_proposal": entry.has_pending,
        }

    def lines(self, names: list[str]) -> list[str]:
        """The paragraphs of chains, between lines of dashes."""
        lines = []
        for name in names:
            lines += [_LINE, *self._paragraph(name, self._content.chains[name])]
        return [*lines, _LAST_LINE]

    def _paragraph(self, name: str, entry: ChainEntry) -> list[str]:
        lines = [f"Chain ID:             {name}"]
        if tags := self.tags(name):
            lines.append(f"Tags:                 {', '.join(tags)}")
        lines += [
            f"Parent chain:         {self.parent(name) or '-'}",
            f"Default owner:        {entry.owner or 'No owner key'}",
            f"Timestamp:            {format_timestamp(entry.timestamp)}",
            f"Blocks:               {entry.next_block_height}",
        ]
        if entry.block_hash is not None:
            lines.append(f"Latest block hash:    {entry.block_hash}")
        if entry.has_pending:
            lines.append("Pending proposal:     present")
        return lines


def _print_table(listing: Listing, names: list[str]) -> None:
    """The same for a person at a terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for heading in ("chain", "", "owner", "blocks", "last block"):
        table.add_column(heading, overflow="fold")
    for name in names:
        data = listing.data(name)
        table.add_row(
            name,
            f"[yellow]{' '.join(data['tags']).lower()}[/]",
            data["owner"] or "[dim]followed only[/]",
            str(data["next_block_height"]),
            format_timestamp(data["timestamp"]).partition(".")[0],
        )
    Console(file=sys.stdout, highlight=False).print(table)
