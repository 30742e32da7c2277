"""Groups whose commands are imported when they run, not when they are listed.

A command is a row of a table; a row of rows is a nested group. Listing, suggesting and completing
names read the table only, so that ``catenula --help`` starts in a blink.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

SUGGESTIONS = 3
"""Names that are suggested for a mistyped one."""


class LazyCommand(NamedTuple):
    """Where a command lives, as ``module:attribute``, and the line that the help shows for it."""

    target: str
    summary: str
    hidden: bool = False

    def load(self, name: str) -> click.Command:
        """Import the command's module and return the command."""
        module_name, _, attribute = self.target.partition(":")
        command: click.Command = getattr(import_module(module_name), attribute)
        command.name = name
        return command


class LazyTable(NamedTuple):
    """A nested group: its commands and the line that the help shows for it."""

    rows: "Mapping[str, LazyCommand | LazyTable]"
    summary: str
    hidden: bool = False

    def load(self, name: str) -> click.Command:
        """The group, without importing any of its commands."""
        return LazyGroup(self.rows, name=name, help=self.summary)


Rows = Mapping[str, LazyCommand | LazyTable]


class LazyGroup(click.Group):
    """A group over a table of rows."""

    def __init__(self, rows: Rows, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.rows = rows

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, in the order of the table."""
        return [name for name, row in self.rows.items() if not row.hidden]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of that name, or return None when there is none."""
        row = self.rows.get(cmd_name)
        return None if row is None else row.load(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; a name that does not exist gets suggestions."""
        if args and args[0] not in self.rows and not args[0].startswith("-"):
            ctx.fail(f"There is no command {args[0]!r}.{suggestion(args[0], self.rows)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, self.rows[name].summary) for name in self.list_commands(ctx)]
            )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands first: they are what is looked for."""
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names from the table, importing none of the commands."""
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        items = [CompletionItem(name, help=self.rows[name].summary) for name in names]
        return items + click.Command.shell_complete(self, ctx, incomplete)


def suggestion(mistyped: str, names: Mapping[str, Any]) -> str:
    """A sentence that names what may have been meant instead, or nothing."""
    others = [name for name in names if name != mistyped]
    close = get_close_matches(mistyped, others, SUGGESTIONS, cutoff=0.55)
    return f" Did you mean {' or '.join(repr(name) for name in close)}?" if close else ""
