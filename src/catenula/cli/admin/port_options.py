"""Where a service listens, as the commands that run one share it."""

from typing import Any

import click

from catenula.cli.command import Options, combined
from catenula.cli.parameters import PORT


def port_options(*, host: str) -> Options[Any]:
    """Add ``--port``, ``--host`` (by default ``host``) and ``--metrics-port``.

    The function gets ``port`` and ``host``, and ``metrics_port``, which may be None.
    """
    return combined(
        click.option(
            "--port", type=PORT, default=8080, show_default=True, help="Where it listens."
        ),
        click.option(
            "--host",
            default=host,
            show_default=True,
            help="The address of this machine it listens at.",
        ),
        click.option("--metrics-port", type=PORT, help="Where its metrics are (default: nowhere)."),
    )
