"""What is known of the order in which recorded validators did things, where the record misleads.

Calls are recorded when their replies arrive, and what a validator sends between its own chains is
not recorded at all. Calls that were under way at the same time may therefore have been served in
the other order, and a validator that loses messages on purpose delivers them late or never. Each
such case stands in ``listed.json`` by call number with its reason; the calls are then played in
their true order and compared like all others. A run may list at most one call in a hundred.
"""

import json
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId
from catenula.conformance.traffic.recording import Event, RecordedCall

_FILE = "listed.json"
LISTED_PER_CALLS = 100
"""At most one call in so many may be listed."""


class Move(NamedTuple):
    """The call was served before another one that was recorded before it."""

    call: str
    before: str


class LateMessage(NamedTuple):
    """What the call sent from one chain to another arrived only before the call ``until``.

    It never arrived, as far as the record goes, when that is None.
    """

    call: str
    sender: ChainId
    recipient: ChainId
    until: str | None


class Exceptions(NamedTuple):
    """The listed calls of one run."""

    moves: tuple[Move, ...]
    late: tuple[LateMessage, ...]

    def check(self, run_name: str, events: Iterable[Event]) -> None:
        """Refuse a list that is too long for its run; `LocalError`."""
        calls = sum(1 for event in events if isinstance(event, RecordedCall))
        listed = len(self.moves) + len(self.late)
        if listed * LISTED_PER_CALLS > calls:
            raise LocalError(
                f"{listed} of the {calls} calls of {run_name} are listed as exceptions in {_FILE}, "
                f"more than one in {LISTED_PER_CALLS}",
                retryable=False,
            )

    def in_order(self, events: Sequence[Event]) -> list[Event]:
        """The events as they were served; a listed call that is not among them changes nothing."""
        ordered = list(events)
        for move in self.moves:
            _move(ordered, move)
        return ordered


def _move(events: list[Event], move: Move) -> None:
    moved, before = _find(events, move.call), _find(events, move.before)
    if moved is not None and before is not None and before < moved:
        events.insert(before, events.pop(moved))


def _find(events: Sequence[Event], place: str) -> int | None:
    places = (
        index
        for index, event in enumerate(events)
        if isinstance(event, RecordedCall) and event.place == place
    )
    return next(places, None)


def exceptions_of(run_name: str) -> Exceptions:
    """What is listed for a run, by its name; nothing for unknown runs."""
    listed: dict[str, Any] = json.loads(
        files("catenula.conformance.traffic").joinpath(_FILE).read_text("utf-8")
    )
    return read_exceptions(listed.get(run_name, {}))


def read_exceptions(entries: dict[str, Any]) -> Exceptions:
    """The exceptions in the JSON form of the file; every entry has a ``reason`` beside the rest."""
    return Exceptions(
        moves=tuple(Move(entry["call"], entry["before"]) for entry in entries.get("moved", ())),
        late=tuple(
            LateMessage(
                call=entry["call"],
                sender=ChainId.parse(entry["sender"]),
                recipient=ChainId.parse(entry["recipient"]),
                until=entry["until"],
            )
            for entry in entries.get("late", ())
        ),
    )
