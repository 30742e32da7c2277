"""Recorded commands whose outcome is not ours, and why.

They stand in ``listed.json`` by number with a reason and with what comes out here instead: they are
played, and must come out as listed. A run may list at most one command in a hundred.
"""

import json
from importlib.resources import files
from typing import Any, NamedTuple

from catenula.base.errors import LocalError

_FILE = "listed.json"
LISTED_PER_COMMANDS = 100
"""At most one command in so many may be listed."""


class Listed(NamedTuple):
    """A listed command: our exit status, and whether its output is still the recorded one."""

    exit: int
    has_recorded_output: bool


def exceptions_of(run_name: str) -> dict[int, Listed]:
    """What is listed for a run, by the numbers of its commands; nothing for unknown runs."""
    content: dict[str, Any] = json.loads(
        files("catenula.conformance.commands").joinpath(_FILE).read_text("utf-8")
    )
    return {
        entry["command"]: Listed(entry["exit"], entry.get("output", "recorded") == "recorded")
        for entry in content.get(run_name, ())
    }


def check_length(run_name: str, listed: int, commands: int) -> None:
    """Refuse a list that is too long for its run; `LocalError`."""
    if listed * LISTED_PER_COMMANDS > commands:
        raise LocalError(
            f"{listed} of the {commands} commands of {run_name} are listed as exceptions in "
            f"{_FILE}, more than one in {LISTED_PER_COMMANDS}",
            retryable=False,
        )
