"""Where words go: results to stdout, everything else to stderr.

Plain results are what the reference prints, byte for byte; with ``--json`` a command prints one
JSON value instead (or one per line where it prints as it goes). Notes, progress and colours are for
people: they go to stderr, and only to a terminal. Warnings always go to stderr.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from catenula.cli.timings import Timings
from catenula.client.watcher import Watcher

if TYPE_CHECKING:
    from catenula.client.context import ClientContext

_APPLICATION_LOG_LEVELS = ("error", "warn", "info", "debug", "trace")


@dataclass(slots=True)
class Output:
    """The voices of one command."""

    as_json: bool = False
    timings: Timings | None = None

    @property
    def for_people(self) -> bool:
        """Whether results go to a terminal in a form that may be prettier than the plain one."""
        return not self.as_json and sys.stdout.isatty()

    @property
    def has_audience(self) -> bool:
        """Whether a person watches stderr."""
        return sys.stderr.isatty()

    def result(self, data: Any, text: str | None = None) -> None:
        """The result of the command: ``data`` with ``--json``, else ``text`` if there is any."""
        if self.as_json:
            click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        elif text is not None:
            click.echo(text)

    def item(self, data: Any, text: str) -> None:
        """One of many results that are printed as they come: a line of JSON, or of text."""
        click.echo(json.dumps(data, ensure_ascii=False) if self.as_json else text)

    def line(self, data: Any) -> None:
        """One of many results that are JSON in any case: a compact line, at once."""
        click.echo(json.dumps(data, ensure_ascii=False, separators=(",", ":")))

    def warn(self, text: str) -> None:
        """Something that did not stop the command but should be known."""
        click.echo(click.style("warning: ", fg="yellow") + text, err=True)

    def note(self, text: str) -> None:
        """Something that a person at the terminal may like to know."""
        if self.has_audience:
            click.echo(click.style(text, dim=True), err=True)

    @contextmanager
    def progress(self, text: str, context: "ClientContext | None" = None) -> Iterator["Progress"]:
        """A bar on the terminal while something takes long; it fills once somebody says how much.

        The flows of the client of ``context`` tell it meanwhile.
        """
        measured = nullcontext() if self.timings is None else self.timings.measure(text)
        with measured, self._bar(text, context) as bar:
            yield bar

    @contextmanager
    def _bar(self, text: str, context: "ClientContext | None") -> Iterator["Progress"]:
        if not self.has_audience:
            yield Progress()
            return
        from catenula.cli.bars import show_bar

        with show_bar(text) as bar:
            if context is None:
                yield bar
                return
            before, context.watcher = context.watcher, bar
            try:
                yield bar
            finally:
                context.watcher = before


class Progress(Watcher):
    """Where a long task tells how far it is; says nothing without a terminal."""

    def update(self, text: str) -> None:
        """Replace the words that are shown."""


def counted(number: int, word: str) -> str:
    """A number of things whose plural is regular: ``1 chain``, ``2 chains``."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def show_application_log(message: str, level: int) -> None:
    """A line that an application logged on this client's node, on standard error.

    A block may be executed several times, and then logs as often.
    """
    click.echo(f"{_APPLICATION_LOG_LEVELS[level]} application: {message}", err=True)
