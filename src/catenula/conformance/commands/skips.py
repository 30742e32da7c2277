"""Which commands are not played, or not compared in full, and why."""

from enum import Enum

from catenula.conformance.commands.recording import RecordedCommand

_OWN_WORDS = frozenset({"--help", "--version", "helper", "completion"})
"""What these print is a program's own text; only their exit status is compared."""

STOPPED_BY_SCRIPT = "was stopped by the recording script"


class Comparison(Enum):
    """How much of what a command does is compared."""

    ALL = "exit status and output"
    STATUS = "exit status"


def reason_not_to_play(command: RecordedCommand) -> str | None:
    """Why a command is not played, or None when it is."""
    return STOPPED_BY_SCRIPT if command.exit is None else None


def comparison_of(command: RecordedCommand) -> Comparison:
    """How much is compared of a command that is played."""
    is_own = _OWN_WORDS.intersection(command.arguments)
    return Comparison.STATUS if is_own else Comparison.ALL
