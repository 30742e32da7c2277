"""``catenula tour``: the main job, told step by step; exit status 1 when a claim does not hold.

Results go to stdout. On a terminal the story is told on stderr while it happens, and stdout gets
the summary; otherwise the story is the result, in plain lines, or one JSON object with ``--json``.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from catenula.base.errors import LocalError

if TYPE_CHECKING:
    from catenula.network.tour import Claim, Narrator, Report, Step

_INDENT = " " * 9


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object (docs/guide.md).")
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Leave the network's folder here; it must be new or empty.",
)
@click.option(
    "--engine",
    type=click.Choice(["sqlite", "rocksdb"]),
    default="sqlite",
    show_default=True,
    help="How validators and wallets store their data.",
)
def tour(as_json: bool, keep: Path | None, engine: str) -> None:
    """Start a network of four validators and show what it can do, every claim checked."""
    from catenula.network.tour import run_tour
    from catenula.transport import event_loop

    narrator = _narrator(as_json=as_json)
    folder = _prepare(keep)
    try:
        report = event_loop.run(run_tour(folder, narrator, engine=engine))
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=2, ensure_ascii=False))
    else:
        for line in _summary(report, keep):
            click.echo(line)
    if not report.ok:
        raise click.exceptions.Exit(1)


def _prepare(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="catenula-tour-"))
    keep.mkdir(parents=True, exist_ok=True)
    if any(keep.iterdir()):
        raise LocalError(f"{keep} is not empty: give --keep a new folder", retryable=False)
    return keep


def _narrator(*, as_json: bool) -> "Narrator":
    if sys.stderr.isatty():
        return TerminalNarrator()
    return SilentNarrator() if as_json else PlainNarrator()


def _summary(report: "Report", keep: Path | None) -> list[str]:
    held, checked = report.count_claims()
    lines = [
        f"{held} of {checked} claims hold, {len(report.steps)} steps in {report.seconds:.1f} s"
    ]
    for step in report.steps:
        wrong = [f"{claim.text}: {claim.detail}" for claim in step.claims if not claim.ok]
        if step.error is not None:
            wrong.append(f"could not be finished: {step.error}")
        lines += [f"FAILED {step.name}: {reason}" for reason in wrong]
    if report.skipped:
        lines.append(f"not played: {', '.join(report.skipped)}")
    if keep is not None:
        lines.append(f"the network is in {keep}")
    return lines


def _detail(claim: "Claim") -> str:
    """The first line of the detail after the claim, the others below it."""
    first, *others = claim.detail.splitlines() or [""]
    return "\n".join([f"{claim.text}: {first}", *(f"{_INDENT}    {line}" for line in others)])


class SilentNarrator:
    """Says nothing."""

    def begin(self, step: "Step") -> None:
        """See `Narrator`."""

    def claim(self, claim: "Claim") -> None:
        """See `Narrator`."""

    def end(self, step: "Step") -> None:
        """See `Narrator`."""


class PlainNarrator:
    """Plain lines on stdout."""

    def begin(self, step: "Step") -> None:
        """See `Narrator`."""
        click.echo(step.title)

    def claim(self, claim: "Claim") -> None:
        """See `Narrator`."""
        click.echo(f"  {'ok' if claim.ok else 'FAILED':<7}{_detail(claim)}")

    def end(self, step: "Step") -> None:
        """See `Narrator`."""
        if step.error is not None:
            click.echo(f"  FAILED {step.error}")
        click.echo(f"  {step.seconds:.3f} s")


class TerminalNarrator:
    """Colours on a terminal, with a sign of life while a step runs; writes to stderr."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._status = self._console.status("")

    def begin(self, step: "Step") -> None:
        """See `Narrator`."""
        from rich.markup import escape

        self._console.print(f"[bold]{escape(step.title)}[/]")
        self._status.update("[dim]working…[/]")
        self._status.start()

    def claim(self, claim: "Claim") -> None:
        """See `Narrator`."""
        from rich.markup import escape

        text, found = escape(claim.text), escape(_detail(claim)[len(claim.text) :])
        sign = "[green]✓[/]" if claim.ok else "[bold red]✗[/]"
        self._console.print(f"  {sign} {text}[dim]{found}[/]")

    def end(self, step: "Step") -> None:
        """See `Narrator`."""
        from rich.markup import escape

        self._status.stop()
        if step.error is not None:
            self._console.print(f"  [bold red]✗ {escape(step.error)}[/]")
        self._console.print(f"  [cyan]{step.seconds:.3f} s[/]\n")
