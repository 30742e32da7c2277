"""What a comparison with recorded data found: counts, and the first differences by place.

The report holds a bounded number of differences, whatever the amount of recorded data.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

MAX_FAILURES_SHOWN = 50
MAX_DIFFERENCES_SHOWN = 6


class Failure(NamedTuple):
    """A failed entry: where it is recorded, its first differences, and the total."""

    place: str
    differences: tuple[str, ...]
    total: int


class Report:
    """Counts of passed, failed and skipped entries, with the first failures field by field."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self.skipped = 0
        self.failures: list[Failure] = []
        self.skip_reasons: Counter[str] = Counter()

    def add(self, place: str, differences: Sequence[str]) -> None:
        """Count one entry: passed when there is no difference."""
        if not differences:
            self.passed += 1
            return
        self.failed += 1
        if len(self.failures) < MAX_FAILURES_SHOWN:
            shown = tuple(differences[:MAX_DIFFERENCES_SHOWN])
            self.failures.append(Failure(place, shown, len(differences)))

    def skip(self, reason: str, count: int = 1) -> None:
        """Count entries that were not compared, with the reason."""
        self.skipped += count
        self.skip_reasons[reason] += count

    def merge(self, other: "Report") -> None:
        """Add the counts and failures of another report."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.skip_reasons += other.skip_reasons
        room = MAX_FAILURES_SHOWN - len(self.failures)
        self.failures += other.failures[:room]

    @property
    def is_success(self) -> bool:
        """Whether nothing failed and something was compared."""
        return not self.failed and bool(self.passed)

    def summary(self) -> str:
        """``N passed, N failed, N skipped``."""
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"

    def lines(self) -> Iterator[str]:
        """The report for a person: failures, reasons for skipping, then the summary."""
        for failure in self.failures:
            yield f"FAILED {failure.place}"
            yield from (f"    {difference}" for difference in failure.differences)
            if failure.total > len(failure.differences):
                yield f"    … {failure.total - len(failure.differences)} more"
        if self.failed > len(self.failures):
            yield f"… {self.failed - len(self.failures)} more failed entries"
        for reason, count in self.skip_reasons.items():
            yield f"skipped {count}: {reason}"
        yield self.summary()

    def to_json(self) -> dict[str, Any]:
        """The report as JSON data."""
        return {
            "passed": self.passed,
            "failed": self.failed,
            "skipped": self.skipped,
            "failures": [failure._asdict() for failure in self.failures],
            "skip_reasons": dict(self.skip_reasons),
        }
