"""Which validators to ask first: moving averages of how fast and how reliably they answered.

Only the order of downloads depends on it; nothing is believed because of it.
"""

from msgspec import Struct

from catenula.base.integers import MICROSECONDS_PER_SECOND
from catenula.client.options import ClientOptions
from catenula.client.remote_node import RemoteNode
from catenula.validator.clock import Clock

_LIFETIME_US = 60 * MICROSECONDS_PER_SECOND
"""A validator about which nothing new was learned for so long starts afresh."""

_STEPS = 20
"""Validators within one step of each other count as equal, so that load spreads among them."""

_PATIENCE = 4
"""An answer is late when it takes so many times what answers take on average."""


class _Score(Struct):
    latency_us: float
    success: float
    updated_at: int


class Scores:
    """The averages of all validators of a client; ``alpha`` is the weight of the newest answer."""

    def __init__(self, options: ClientOptions, clock: Clock) -> None:
        self._options, self._clock = options, clock
        self._scores: dict[RemoteNode, _Score] = {}

    def record(self, remote: RemoteNode, took_us: int, *, succeeded: bool) -> None:
        """Take note of an answer, or of one that failed or was given up."""
        alpha, now = self._options.alpha, self._clock.now()
        known = self._current(remote)
        if known is None:
            known = self._scores[remote] = _Score(float(took_us), 1.0, now)
        known.latency_us += alpha * (took_us - known.latency_us)
        known.success += alpha * (succeeded - known.success)
        known.updated_at = now

    def _current(self, remote: RemoteNode) -> _Score | None:
        found = self._scores.get(remote)
        if found is not None and self._clock.now() - found.updated_at > _LIFETIME_US:
            del self._scores[remote]
            return None
        return found

    def rank(self, remote: RemoteNode) -> int:
        """Lower is better; validators nothing is known of are among the best."""
        known = self._current(remote)
        if known is None:
            return 0
        lateness = min(1.0, known.latency_us / self._options.max_accepted_latency_us)
        return int(_STEPS * (lateness + 1.0 - known.success))

    def late_after_us(self) -> int:
        """When an answer is late, going by the answers so far; at first, by the options."""
        floor = self._options.alternative_peers_retry_delay_us
        latencies = [score.latency_us for score in self._scores.values() if score.success > 0.5]
        return max(floor, int(_PATIENCE * min(latencies, default=0.0)))
