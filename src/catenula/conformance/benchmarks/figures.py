"""What a figure, a bar and an experiment are, and the summary of several runs.

Names carry their unit. A bar compares the median; it may depend on other medians of the same
machine, and then it is not judged when those were not measured.
"""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from catenula.base.errors import LocalError

MINIMUM_RUNS = 5
"""Fewer runs say nothing about the spread."""

Medians = Mapping[str, float]
Sample = Mapping[str, float]
"""One run: a value for each figure of the experiment."""


class Bar(NamedTuple):
    """A limit that holds the median from above or from below.

    ``limit`` is a number, or is derived from other medians (None where they are missing).
    """

    text: str
    is_upper: bool
    limit: Callable[[Medians], float | None]

    def is_met(self, median: float, medians: Medians) -> bool | None:
        """Whether the median keeps the bar; None if it cannot be judged."""
        limit = self.limit(medians)
        if limit is None:
            return None
        return median <= limit if self.is_upper else median >= limit


def at_most(limit: float) -> Bar:
    """A bar that the median must not exceed."""
    return Bar(f"≤ {limit:g}", True, lambda _: limit)


def at_least(limit: float) -> Bar:
    """A bar that the median must reach."""
    return Bar(f"≥ {limit:,.4g}", False, lambda _: limit)


class Figure(Struct, frozen=True):
    """One number about this machine; without a bar it is only reported."""

    name: str
    unit: str
    bar: Bar | None = None


def _nothing() -> str | None:
    return None


class Experiment(Struct, frozen=True):
    """A set-up that measures figures together.

    ``measure(folder, runs)`` yields one sample per run; ``folder`` is an empty folder on the disk
    to be measured. ``missing`` says what it needs and cannot find here, None if it can run.
    """

    figures: tuple[Figure, ...]
    measure: Callable[[Path, int], Iterator[Sample]]
    runs: int = MINIMUM_RUNS
    missing: Callable[[], str | None] = _nothing


class Summary(NamedTuple):
    """All runs of one figure."""

    median: float
    low: float
    high: float
    unit: str


def summarize(values: Sequence[float], unit: str) -> Summary:
    """Median, lowest and highest of at least `MINIMUM_RUNS` values; `LocalError` for fewer."""
    if len(values) < MINIMUM_RUNS:
        raise LocalError(
            f"{len(values)} runs are too few: a figure needs {MINIMUM_RUNS}", retryable=False
        )
    return Summary(statistics.median(values), min(values), max(values), unit)
