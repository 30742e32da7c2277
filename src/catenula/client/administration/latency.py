"""Measuring calls: how long they took, and how many failed in which way."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Awaitable
from typing import Any, TypeVar

from catenula.base.errors import LocalError, ProtocolError

_T = TypeVar("_T")

_DIGITS = 3


class Measurements:
    """The calls of one kind."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self.milliseconds: list[float] = []
        self.errors: Counter[str] = Counter()

    async def measure(self, call: Awaitable[_T]) -> _T | None:
        """The answer of a call; None, and an error counted, when there is none in time."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await call
        except TimeoutError:
            self.errors["timeout"] += 1
            return None
        except (LocalError, ProtocolError) as error:
            retryable = isinstance(error, LocalError) and error.retryable
            self.errors["unavailable" if retryable else "other"] += 1
            return None
        self.milliseconds.append((time.perf_counter() - started) * 1000)
        return answer

    def to_json(self) -> dict[str, Any]:
        """The distribution as JSON data; without calls only the counts."""
        found = sorted(self.milliseconds)
        data: dict[str, Any] = {"count": len(found)}
        if found:
            data |= {
                "min": _rounded(found[0]),
                "max": _rounded(found[-1]),
                "mean": _rounded(statistics.fmean(found)),
                "stddev": _rounded(statistics.pstdev(found)),
                "p50": _rounded(percentile(found, 50)),
                "p95": _rounded(percentile(found, 95)),
                "p99": _rounded(percentile(found, 99)),
            }
        names = ("timeout", "unavailable", "other")
        return {**data, "errors": {name: self.errors[name] for name in names}}


def percentile(ascending: list[float], percent: int) -> float:
    """The smallest value that at least so many percent of the values do not exceed."""
    rank = -(-len(ascending) * percent // 100)
    return ascending[max(rank, 1) - 1]


def _rounded(value: float) -> float:
    return round(value, _DIGITS)
