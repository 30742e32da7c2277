"""Who may have what and when: daily periods and the rate limit (spec 08 §3.2). Pure arithmetic."""

from msgspec import Struct

from catenula.base.integers import MICROSECONDS_PER_SECOND, Amount, Timestamp

DAY_US = 24 * 3600 * MICROSECONDS_PER_SECOND


def period_of(initial_claim: Timestamp, moment: Timestamp) -> int:
    """The 24-hour window, counted from the initial claim, that a moment lies in; at least 0."""
    return max(0, moment - initial_claim) // DAY_US


def next_daily_claim(initial_claim: Timestamp, last_period: int) -> Timestamp:
    """When the window after the last one used begins; the initial claim used window 0."""
    return Timestamp(initial_claim + (last_period + 1) * DAY_US)


class RateLimit(Struct, frozen=True):
    """The balance at the start is unlocked evenly between start and end."""

    start_balance: Amount
    start: Timestamp
    end: Timestamp

    def allows(self, remaining_balance: int, now: Timestamp) -> bool:
        """Whether this much may be left already at this time."""
        if now >= self.end or self.end <= self.start:
            return remaining_balance >= 0
        full, remaining = self.end - self.start, self.end - max(now, self.start)
        return self.start_balance * remaining <= remaining_balance * full
