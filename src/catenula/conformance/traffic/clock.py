"""The clock of a recording: it stands still while a call is served and jumps to the next one."""

from catenula.base.integers import Timestamp


class RecordedClock:
    """A `Clock` that shows what it is told; it never goes back."""

    def __init__(self, start: Timestamp) -> None:
        self._now = start

    def now(self) -> Timestamp:
        """The time of the recording."""
        return self._now

    def advance_to(self, timestamp: Timestamp) -> None:
        """Go on to ``timestamp``; earlier ones are ignored."""
        self._now = max(self._now, timestamp)

    async def sleep_until(self, timestamp: Timestamp) -> None:
        """Nobody waits in a recording: the time that was slept has passed."""
        self.advance_to(timestamp)
