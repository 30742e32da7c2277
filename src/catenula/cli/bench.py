"""``catenula bench``: measure this machine; results on stdout, progress on stderr."""

from pathlib import Path

import click

from catenula.conformance.benchmarks.experiments import (
    APPLICATION_EXPERIMENTS,
    EXPERIMENTS,
    WIRE_EXPERIMENTS,
)
from catenula.conformance.benchmarks.machine import describe_machine
from catenula.conformance.benchmarks.report import table, write_json
from catenula.conformance.benchmarks.runner import choose, run


@click.command()
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the figures to this file.",
)
@click.option(
    "--wire",
    is_flag=True,
    help="Measure a client and a network that talk through real ports, instead of everything else.",
)
@click.option("--apps", is_flag=True, help="Measure applications, instead of everything else.")
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Measure this figure (and those of the same set-up) only; may be repeated.",
)
@click.option(
    "--directory",
    default=".",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    help="A folder on the disk to be measured (default: the current one).",
)
def bench(
    json_file: Path | None, wire: bool, apps: bool, only: tuple[str, ...], directory: Path
) -> None:
    """Measure this machine and print the figures of docs/performance.md."""
    machine = describe_machine(directory)
    if wire and apps:
        raise click.UsageError("--wire and --apps are measured one after the other.")
    experiments = APPLICATION_EXPERIMENTS if apps else WIRE_EXPERIMENTS if wire else EXPERIMENTS
    summaries = run(
        choose(only, experiments),
        directory,
        progress=lambda line: click.echo(line, err=True),
    )
    if json_file is not None:
        write_json(json_file, machine, summaries)
    click.echo(", ".join(f"{name} {value}" for name, value in machine.items()))
    figures = {figure.name: figure for each in experiments for figure in each.figures}
    for line in table(figures, summaries):
        click.echo(line)
