"""`ManualClock`: time that moves only when a test moves it."""

import asyncio

from catenula.base.integers import Timestamp

START = Timestamp(1_700_000_000_000_000)
"""When tests begin, in microseconds since the Unix epoch."""


class ManualClock:
    """A `catenula.validator.clock.Clock` for tests; sleepers wake when time has come."""

    def __init__(self, start: Timestamp = START) -> None:
        self._now = start
        self._sleepers: list[tuple[Timestamp, asyncio.Future[None]]] = []

    def now(self) -> Timestamp:
        """The time it was last set to."""
        return self._now

    def advance(self, microseconds: int) -> None:
        """Move forward and wake whoever has slept enough."""
        self._now = Timestamp(self._now + microseconds)
        for until, sleeper in self._sleepers:
            if until <= self._now and not sleeper.done():
                sleeper.set_result(None)
        self._sleepers = [item for item in self._sleepers if not item[1].done()]

    @property
    def sleepers(self) -> int:
        """How many callers wait for their time."""
        return len(self._sleepers)

    async def sleep_until(self, timestamp: Timestamp) -> None:
        """Return once the clock has been moved to ``timestamp``."""
        if timestamp > self._now:
            sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._sleepers.append((timestamp, sleeper))
            await sleeper
