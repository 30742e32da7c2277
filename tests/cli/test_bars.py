"""The bar on the terminal, and that there is none elsewhere."""

import io
import sys

import pytest

from catenula.cli.output import Output


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        return True


def terminal_of(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal as stderr; pytest puts its own stream there between the phases of a test."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return screen


def test_a_bar_shows_how_much_of_all_pieces_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    with Output().progress("synchronizing") as progress:
        progress.told("one", 2, 5)
        progress.told("two", 3, 5)
        progress.told("one", 1, 5)
    shown = terminal.getvalue()
    assert "synchronizing" in shown
    assert "5/10" in shown


def test_a_bar_has_no_end_before_anybody_tells_one(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    with Output().progress("asking") as progress:
        progress.update("asking the faucet")
    assert "asking the faucet" in terminal.getvalue()
    assert "0/?" in terminal.getvalue()


def test_nothing_is_drawn_where_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    with Output().progress("synchronizing") as progress:
        progress.told("one", 2, 5)
    assert pipe.getvalue() == ""
    assert not progress.is_listening
