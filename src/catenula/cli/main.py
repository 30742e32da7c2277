"""The ``catenula`` command: global options, the table of commands, and where errors become exits.

A command is a row of `catenula.cli.table`; its module is imported only when that command runs, so
that ``catenula --help`` starts in a blink. This module must import nothing of the project but the
error roots.
"""

import os
from typing import Any

import click

from catenula import __version__
from catenula.base.collector import relax_collector
from catenula.cli.command import AS_JSON
from catenula.cli.errors import ERROR_ROOTS, Failure, failure_of
from catenula.cli.global_options import GlobalOptions, click_options
from catenula.cli.lazy import LazyGroup
from catenula.cli.table import COMMANDS


class MainGroup(LazyGroup):
    """The outermost group: the three error roots leave it as messages with exit codes."""

    def main(self, *arguments: Any, **attributes: Any) -> Any:
        """Run a command, or tell a shell what could come next."""
        if "_CATENULA_COMPLETE" in os.environ:
            from catenula.cli.shells import register

            register()
        return super().main(*arguments, **attributes)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command."""
        ctx.obj = ctx.obj or GlobalOptions()
        relax_collector()
        try:
            return super().invoke(ctx)
        except ERROR_ROOTS as error:
            failure = failure_of(error)
            failure.as_json = bool(ctx.meta.get(AS_JSON))
            raise failure from error
        except Failure as failure:
            failure.as_json = bool(ctx.meta.get(AS_JSON))
            raise


def _show_version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if not value or context.resilient_parsing:
        return
    from catenula.cli.version import version_lines

    for line in version_lines(__version__):
        click.echo(line)
    context.exit()


main = MainGroup(
    COMMANDS,
    name="catenula",
    help="Microchains of the Linera protocol: networks, wallets and tools, in Python.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[
        click.Option(
            ["-V", "--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_version,
            help="Show the version and exit.",
        ),
        *click_options(after_command=False),
    ],
)
