"""Which commands are not played, or not compared, and why.

Applications cannot run yet, so commands that need one are not played. A command that names what
only such a command could have made is not played either, nor one that failed on a chain which such
a command had changed. A command that reports the state of a chain is played, but what it prints is
not compared once the recorded chain has blocks that ours has not.
"""

import re
from collections.abc import Iterable
from enum import Enum

from catenula.conformance.commands.names import Names, names_in
from catenula.conformance.commands.recording import RecordedCommand

_APPLICATIONS = frozenset(
    {
        *("publish-module", "publish-module-with-formats", "create-application", "project"),
        *("publish-and-create", "describe-application", "execute-operation", "service"),
    }
)
_OWN_WORDS = frozenset({"--help", "--version", "helper", "completion"})
"""What these print is a program's own text; only their exit status is compared."""

_REPORTS = frozenset(
    {"local-balance", "query-balance", "sync-balance", "show", "show-block", "list", "query"}
    | {"query-block", "list-events-from-index", "batch-query"}
)
_CHAIN_ID = re.compile(r"[0-9a-f]{64}")

NEEDS_APPLICATION = "needs an application, which cannot run yet"
NEEDS_SKIPPED = "needs what a skipped command made"
REPORTS_SKIPPED = "reports a chain on which skipped commands made blocks: played, not compared"
STOPPED_BY_SCRIPT = "was stopped by the recording script"


class Comparison(Enum):
    """How much of what a command does is compared."""

    ALL = "exit status and output"
    STATUS = "exit status"
    NOTHING = "nothing"


class Skips:
    """Decides command by command; told of each as it is reached."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._unmade: set[str] = set()
        self._touched: set[str] = set()
        self._altered: set[str] = set()

    def reason_not_to_play(self, command: RecordedCommand) -> str | None:
        """Why a command is not played, or None when it is."""
        reason = self._reason(command)
        if reason is not None:
            self._note_skipped(command)
        return reason

    def _reason(self, command: RecordedCommand) -> str | None:
        if command.exit is None:
            return STOPPED_BY_SCRIPT
        if _APPLICATIONS.intersection(command.arguments):
            return NEEDS_APPLICATION
        if self._unmade.intersection(_names_of(command.arguments)):
            self._altered |= _chains_of(command.arguments)
            return NEEDS_SKIPPED
        if command.exit and self._altered.intersection(_chains_of(command.arguments)):
            return NEEDS_SKIPPED
        return None

    def _note_skipped(self, command: RecordedCommand) -> None:
        """What it printed was made by it alone; the chains it names may have got blocks."""
        made = {name for name in _names_of((command.output,)) if name not in self._names}
        self._unmade |= made
        self._touched |= _chains_of(command.arguments)

    def comparison(self, command: RecordedCommand) -> Comparison:
        """How much is compared of a command that is played.

        Without a chain among its arguments it reports on those that it names.
        """
        if _OWN_WORDS.intersection(command.arguments):
            return Comparison.STATUS
        if not _REPORTS.intersection(command.arguments):
            return Comparison.ALL
        named = _chains_of(command.arguments)
        reported = named or _names_of((command.output,))
        return Comparison.NOTHING if reported & self._touched else Comparison.ALL


def _names_of(texts: Iterable[str]) -> set[str]:
    return {name.key for text in texts for name in names_in(text)}


def _chains_of(texts: Iterable[str]) -> set[str]:
    return {name for name in _names_of(texts) if _CHAIN_ID.fullmatch(name)}
