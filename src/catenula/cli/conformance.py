"""``catenula conformance``: comparing this implementation with recorded data of the reference.

All commands end with ``N passed, N failed, N skipped`` and exit with 1 when anything failed.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from catenula.conformance.report import Report

_PATHS = click.argument(
    "paths",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
)
_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")

_PROCESSES = click.option(
    "--processes", type=click.IntRange(min=1), help="How many to use; as many as processors."
)


@click.group()
def conformance() -> None:
    """Compare this implementation with recorded data of the reference."""


@conformance.command("types")
@_PATHS
@_AS_JSON
def types_command(paths: tuple[Path, ...], as_json: bool) -> None:
    """Compare types, hashes, signatures, messages, views and state machines.

    PATHS are recorded files, or directories of them, plain or compressed with gzip.
    """
    from catenula.conformance.types import run_types

    _finish(run_types(paths), as_json=as_json)


@conformance.command("replay")
@_PATHS
@_AS_JSON
def replay_command(paths: tuple[Path, ...], as_json: bool) -> None:
    """Execute recorded histories and compare every block with the certified one.

    PATHS are recordings of networks, or directories of them.
    """
    from catenula.conformance.replay import run_replay

    _finish(run_replay(paths), as_json=as_json)


@conformance.command("traffic")
@_PATHS
@_AS_JSON
@_PROCESSES
def traffic_command(paths: tuple[Path, ...], as_json: bool, processes: int | None) -> None:
    """Play recorded requests through our validators and compare every reply.

    PATHS are recordings of networks, or directories of them.
    """
    from catenula.conformance.traffic import run_traffic

    _finish(run_traffic(paths, processes=processes), as_json=as_json)


@conformance.command("commands")
@_PATHS
@_AS_JSON
@_PROCESSES
def commands_command(paths: tuple[Path, ...], as_json: bool, processes: int | None) -> None:
    """Play recorded commands against a network of ours; compare exit status and output.

    PATHS are recordings of networks, or directories of them.
    """
    from catenula.cli.invocation import invoke
    from catenula.conformance.commands import run_commands

    _finish(run_commands(paths, invoke, processes=processes), as_json=as_json)


def _finish(report: "Report", *, as_json: bool) -> None:
    """Print the report; exit with 1 unless everything compared was the same."""
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=2, ensure_ascii=False))
    else:
        for line in report.lines():
            click.echo(line)
    if not report.is_success:
        raise click.exceptions.Exit(1)
