"""Received logs: what other chains sent must be the same, its order may differ.

A validator logs messages in the order in which they happened to arrive, so two validators' logs of
one chain are permutations of each other, and a part of one is not a part of the other. All that was
recorded of a log is therefore collected by position: every position must have one entry only, every
entry one position, and every recorded entry must be in our log.
"""

from collections.abc import Callable, Iterator

from catenula.base.identifiers import ChainId
from catenula.conformance.differences import Difference
from catenula.protocol import ChainAndHeight, ChainInfo

FullLog = Callable[[ChainId], tuple[ChainAndHeight, ...]]
"""Our whole received log of a chain."""


class ReceivedLogs:
    """What is known of the received logs of one recorded validator."""

    def __init__(self, full_log: FullLog) -> None:
        self._full_log = full_log
        self._known: dict[ChainId, dict[int, ChainAndHeight]] = {}

    def compare(
        self, start: int | None, found: ChainInfo, recorded: ChainInfo
    ) -> Iterator[Difference]:
        """Compare the logs in two answers to a query for the entries from ``start`` on."""
        entries = recorded.requested_received_log
        field = "requested_received_log"
        if len(found.requested_received_log) != len(entries):
            yield Difference(
                field, f"{len(found.requested_received_log)} entries", f"{len(entries)} entries"
            )
        if start is None or found.requested_received_log == entries:
            return
        ours = set(self._full_log(recorded.chain_id))
        known = self._known.setdefault(recorded.chain_id, {})
        for position, entry in enumerate(entries, start):
            if entry not in ours:
                yield Difference(f"{field}[{position}]", "nothing of the kind", str(entry))
            if known.setdefault(position, entry) != entry:
                yield Difference(f"{field}[{position}]", str(known[position]), str(entry))
        if len(set(known.values())) != len(known):
            yield Difference(field, "entries that occur twice", "different entries")
