"""When a recorded validator served a call, as exactly as its replies tell.

A call was served between its start and its end. Where a reply shows a new time-out of the round,
the validator's own clock is known to the microsecond: the time-out less the length of the round.
"""

from typing import Any

from catenula.base.identifiers import ChainId
from catenula.base.integers import Timestamp
from catenula.chain.ownership_rules import round_duration
from catenula.conformance.traffic.recording import RecordedCall, RecordedTraffic
from catenula.protocol import ChainInfo, ChainInfoQuery

_SLACK_US = 20_000
"""How far the validator's clock and that of the recorder may be apart."""


class ServingTimes:
    """The times at which one validator served its calls, asked for in their order."""

    def __init__(self, traffic: RecordedTraffic) -> None:
        self._traffic = traffic
        self._timeouts: dict[ChainId, Timestamp | None] = {}

    def of(self, call: RecordedCall, request: Any, info: ChainInfo | None) -> Timestamp:
        """When ``call`` was served, whose recorded answer is ``info`` if it is about a chain."""
        start = self._traffic.at(call.time)
        if info is None:
            return start
        end = self._traffic.at(call.time + (call.duration or 0))
        is_known = self._timeouts.get(info.chain_id) == info.manager.round_timeout
        self._timeouts[info.chain_id] = info.manager.round_timeout
        if not is_known:
            shown = _shown_time(info)
            if shown is not None and start - _SLACK_US <= shown <= end + _SLACK_US:
                return shown
        if isinstance(request, ChainInfoQuery) and request.request_leader_timeout is not None:
            # The vote was given, so the round had timed out when the call was served.
            return end
        return start


def _shown_time(info: ChainInfo) -> Timestamp | None:
    """The validator's clock when the current round began, if the round ends."""
    manager = info.manager
    duration = round_duration(manager.ownership, manager.current_round)
    if manager.round_timeout is None or duration is None or manager.round_timeout < duration:
        return None
    return Timestamp(manager.round_timeout - duration)
