"""When a recorded validator served a call, as exactly as its replies tell.

A call was served between its start and its end. Where a reply shows a new time-out of the round, the
validator's own clock is known to the microsecond: the time-out less the length of the round.
"""

from catenula.base.identifiers import ChainId
from catenula.base.integers import MICROSECONDS_PER_SECOND, Timestamp
from catenula.chain.ownership_rules import round_duration
from catenula.conformance.traffic.recording import RecordedCall, RecordedTraffic
from catenula.protocol import ChainInfo

_SLACK_US = 20_000
"""How far the validator's clock and that of the recorder may be apart."""


class ServingTimes:
    """The times at which one validator served its calls, asked for in their order."""

    def __init__(self, traffic: RecordedTraffic) -> None:
        self._traffic = traffic
        self._timeouts: dict[ChainId, Timestamp | None] = {}

    def of(self, call: RecordedCall, info: ChainInfo | None) -> Timestamp:
        """When ``call`` was served, whose recorded answer is ``info`` if it is about a chain."""
        start = self._traffic.at(call.time)
        if info is None:
            return start
        timeout = info.manager.round_timeout
        if self._timeouts.get(info.chain_id) == timeout:
            return start
        self._timeouts[info.chain_id] = timeout
        duration = round_duration(info.manager.ownership, info.manager.current_round)
        if timeout is None or duration is None or timeout < duration:
            return start
        exact = timeout - duration
        end = start + round((call.duration or 0) * MICROSECONDS_PER_SECOND)
        return Timestamp(exact) if start - _SLACK_US <= exact <= end + _SLACK_US else start
