"""``catenula help-json``: the document about ``--json``."""

import click

from catenula.cli.command import Invocation, command
from catenula.cli.json_shapes import document


@command(json_option=False)
def help_json(_: Invocation) -> None:
    """Print what every command prints with --json."""
    click.echo(document(), nl=False)
