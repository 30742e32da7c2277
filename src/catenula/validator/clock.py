"""Time as the asynchronous layers see it; tests and simulations bring their own."""

import asyncio
import time
from typing import Protocol

from catenula.base.integers import MICROSECONDS_PER_SECOND, Timestamp

_TIMER_TICK_SECONDS = 0.001


class Clock(Protocol):
    """A wall clock in microseconds since the Unix epoch."""

    def now(self) -> Timestamp:
        """The current time."""
        ...

    async def sleep_until(self, timestamp: Timestamp) -> None:
        """Return once `now` is at least ``timestamp``."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> Timestamp:
        """The current time."""
        return Timestamp(time.time_ns() // 1000)

    async def sleep_until(self, timestamp: Timestamp) -> None:
        """Sleep on the event loop; the timers of the loop never fire early by more than a tick."""
        left = timestamp - self.now()
        await asyncio.sleep(max(left, 0) / MICROSECONDS_PER_SECOND + _TIMER_TICK_SECONDS)
