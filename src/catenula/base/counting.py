"""Counters and histograms that cost next to nothing, for whoever asks later (spec 06 §9).

Counting is one addition in a dict or a list; nothing is formatted and no lock is taken. Two threads
that count the same thing at the same moment could lose one of the two: fine for a metric, so no
rule of the protocol may depend on what is counted here. ``told`` gives plain JSON data, which is
how processes tell each other (see `catenula.validator.metrics`).
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

Told = dict[str, Any]
"""What was counted, by name: a number, or what `Counter.told` and `Histogram.told` give."""


class Counter:
    """Numbers that only grow, one per combination of the values of its labels."""

    __slots__ = ("labels", "values")

    def __init__(self, *labels: str) -> None:
        self.labels = labels
        self.values: defaultdict[tuple[str, ...], int] = defaultdict(int)

    def add(self, *values: str, count: int = 1) -> None:
        """Count one more, or ``count`` more, under these values of the labels."""
        self.values[values] += count

    def told(self) -> Told:
        """The labels, and a row of values and number each."""
        rows = [[list(values), number] for values, number in tuple(self.values.items())]
        return {"labels": list(self.labels), "counted": rows}


class Histogram:
    """How often a measured value fell between which bounds, and the sum of all values."""

    __slots__ = ("bounds", "labels", "rows")

    def __init__(self, bounds: Sequence[float], *labels: str) -> None:
        self.bounds, self.labels = tuple(bounds), labels
        self.rows: dict[tuple[str, ...], list[float]] = {}

    def observe(self, value: float, *values: str) -> None:
        """Note one measurement under these values of the labels."""
        try:
            row = self.rows[values]
        except KeyError:
            row = self.rows[values] = [0] * (len(self.bounds) + 2)
        row[bisect_left(self.bounds, value)] += 1
        row[-1] += value

    def observe_all(self, values: Sequence[float]) -> None:
        """As `observe` without labels; for 256 at once each takes about a sixth of the time."""
        row = self.rows.setdefault((), [0] * (len(self.bounds) + 2))
        ordered = sorted(values)
        counted = 0
        for place, bound in enumerate(self.bounds):
            up_to = bisect_right(ordered, bound)
            row[place] += up_to - counted
            counted = up_to
        row[-2] += len(ordered) - counted
        row[-1] += sum(ordered)

    def total(self) -> float:
        """The sum of everything measured."""
        return sum(row[-1] for row in tuple(self.rows.values()))

    def told(self) -> Told:
        """The labels, the bounds, and a row of values, numbers between bounds and sum each."""
        rows = [[list(values), row[:-1], row[-1]] for values, row in tuple(self.rows.items())]
        return {"labels": list(self.labels), "bounds": list(self.bounds), "measured": rows}


def counted(label: str, numbers: Mapping[str, int]) -> Told:
    """What `Counter.told` would give for numbers by the value of one label."""
    return {"labels": [label], "counted": [[[value], number] for value, number in numbers.items()]}


def plain(number: int) -> Told:
    """What `Counter.told` would give for a counter without labels."""
    return {"labels": [], "counted": [[[], number]]}


def spread(first: float, last: float) -> tuple[float, ...]:
    """Bounds from ``first`` to at least ``last``, two to a factor of ten (1, 3, 10, 30 …)."""
    bounds = [first]
    while bounds[-1] < last:
        is_whole = len(bounds) % 2 == 0
        bounds.append(round(first * 10 ** (len(bounds) // 2) * (1 if is_whole else 3), 9))
    return tuple(bounds)
