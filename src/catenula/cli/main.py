"""The ``catenula`` command: a table of commands and the boundary where errors become exit codes.

A command is a row of ``COMMANDS``; its module is imported only when that command runs, so that
``catenula --help`` starts in a blink. This module must import nothing of the project but the
error roots.
"""

from importlib import import_module
from typing import Any, NamedTuple

import click

from catenula import __version__
from catenula.base.errors import InvariantViolation, LocalError, ProtocolError

EXIT_FAILURE = 1
"""A rule was broken, a check failed or this machine failed; click itself uses 2 for wrong usage."""

EXIT_BUG = 70
"""An invariant of this program is violated (EX_SOFTWARE)."""


class LazyCommand(NamedTuple):
    """Where a command lives, as ``module:attribute``, and the line that the help shows for it."""

    target: str
    summary: str

    def load(self) -> click.Command:
        """Import the command's module and return the command."""
        module_name, _, attribute = self.target.partition(":")
        command: click.Command = getattr(import_module(module_name), attribute)
        return command


COMMANDS = {
    "tour": LazyCommand(
        "catenula.cli.tour:tour",
        "Start a network of four validators and show what it can do.",
    ),
    "conformance": LazyCommand(
        "catenula.cli.conformance:conformance",
        "Compare this implementation with recorded data of the reference.",
    ),
    "bench": LazyCommand(
        "catenula.cli.bench:bench",
        "Measure this machine and print the figures of docs/performance.md.",
    ),
}


class Failure(click.ClickException):
    """An error of the layers below, as one message for a person; ends with `EXIT_FAILURE`."""

    exit_code = EXIT_FAILURE


class Bug(Failure):
    """A violated invariant, as one message for a person; ends with `EXIT_BUG`."""

    exit_code = EXIT_BUG


class LazyGroup(click.Group):
    """A group whose commands are imported when they run, not when they are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of that name, or return None when there is none."""
        entry = COMMANDS.get(cmd_name)
        return None if entry is None else entry.load()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command; the three error roots leave as messages with exit codes."""
        try:
            return super().invoke(ctx)
        except ProtocolError as error:
            raise Failure(explain(error)) from error
        except LocalError as error:
            hint = " Trying again may help." if error.retryable else ""
            raise Failure(f"{explain(error)}{hint}") from error
        except InvariantViolation as error:
            hint = "This is a bug of Catenula; nothing was signed. Please report it."
            raise Bug(f"{explain(error)}\n{hint}") from error


def explain(error: BaseException) -> str:
    """The error and, line by line, the chain of errors that caused it."""
    lines = [str(error)]
    cause = error.__cause__
    while cause is not None:
        lines.append(f"  because: {cause}")
        cause = cause.__cause__
    return "\n".join(lines)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", message="catenula %(version)s")
def main() -> None:
    """Microchains of the Linera protocol: networks, wallets and tools, in Python."""
