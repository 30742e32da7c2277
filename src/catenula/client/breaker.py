"""When a validator whose notification stream broke is tried again (spec 06 §2.6, 07 §12.2).

A few tries with growing pauses, then the circuit is open and only a probe at long, doubling
intervals goes out. There is always a pause, however a stream ends: never a hot loop.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from catenula.base.integers import Timestamp
from catenula.client.options import ClientOptions
from catenula.validator.clock import Clock

_JITTER = 0.2
_MAX_DOUBLINGS = 32


class CircuitBreaker:
    """The state of one validator, shared by all streams to it.

    While it fails, its streams take turns: one tries, the others wait for what comes of it.
    """

    def __init__(self, options: ClientOptions, clock: Clock, random: Random) -> None:
        self._options, self._clock, self._random = options, clock, random
        self._turn = asyncio.Lock()
        self._retry_at = self._recovered_at = Timestamp(0)
        self.is_failing = False
        self.failures = 0
        """Failures in a row; a stream must last for a while to end the row."""

    @property
    def is_open(self) -> bool:
        """Whether the validator is only probed now and then."""
        return self.is_failing and self.failures > self._options.max_retries

    def failed(self, seen_failures: int) -> None:
        """A stream could not be opened, or broke.

        ``seen_failures`` is what `failures` was when it was opened: streams that break together
        count once.
        """
        if seen_failures != self.failures:
            return
        now = self._clock.now()
        if not self.is_failing and now - self._recovered_at > self._options.max_backoff_us:
            self.failures = 0
        self.is_failing = True
        self.failures += 1
        self._retry_at = Timestamp(now + self._pause_us())

    def recovered(self) -> None:
        """A stream is open."""
        if self.is_failing or not self._recovered_at:
            self.is_failing = False
            self._recovered_at = self._clock.now()

    def _pause_us(self) -> int:
        options, attempt = self._options, self.failures - 1
        if self.is_open:
            attempt -= options.max_retries
            first = options.notification_circuit_breaker_initial_probe_interval_us
            most = options.notification_circuit_breaker_max_probe_interval_us
        else:
            first, most = options.retry_delay_us, options.max_backoff_us
        pause = min(most, first << min(attempt, _MAX_DOUBLINGS))
        return max(1, int(pause * self._random.uniform(1 - _JITTER, 1 + _JITTER)))

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[int]:
        """To be held while a stream is opened; waits while the validator fails.

        Gives the number of failures so far, for `failed`.
        """
        if not self.is_failing:
            yield self.failures
            return
        async with self._turn:
            if self.is_failing:
                await self._clock.sleep_until(self._retry_at)
            yield self.failures
