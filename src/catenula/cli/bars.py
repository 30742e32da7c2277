"""A bar on the terminal that shows how far a command is.

It writes to stderr only, and is gone when the work is done. Importing this module loads the library
that draws: only where a person watches.
"""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Display

from catenula.cli.output import Progress


class Bar(Progress):
    """All pieces of work of one command as one bar; it moves without end until one is told of."""

    is_listening = True

    def __init__(self, display: Display, task: TaskID) -> None:
        self._display, self._task = display, task
        self._pieces: dict[Hashable, tuple[int, int]] = {}

    def update(self, text: str) -> None:
        """Replace the words that are shown."""
        self._display.update(self._task, description=text)

    def told(self, work: Hashable, done: int, total: int) -> None:
        """See `Watcher`; of several who do the same piece, whoever is further counts."""
        known_done, known_total = self._pieces.get(work, (0, 0))
        self._pieces[work] = max(done, known_done), max(total, known_total)
        pieces = self._pieces.values()
        self._display.update(
            self._task,
            completed=sum(piece[0] for piece in pieces),
            total=sum(piece[1] for piece in pieces),
        )


@contextmanager
def show_bar(text: str) -> Iterator[Bar]:
    """A bar with these words until the end of the block."""
    columns = (
        SpinnerColumn(),
        TextColumn("[dim]{task.description}[/]"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
    )
    console = Console(stderr=True, highlight=False)
    with Display(*columns, console=console, transient=True) as display:
        bar = Bar(display, display.add_task(text, total=None))
        yield bar
        display.refresh()
