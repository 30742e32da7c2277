"""Counts of recorded data that this implementation reproduces, as of ``catenula conformance``.

The data is looked for from the current folder: the full recordings beside the repository, else the
selection inside it. Elsewhere there is nothing to count.
"""

from collections.abc import Iterator
from pathlib import Path

from catenula.base.errors import LocalError
from catenula.conformance.benchmarks.figures import (
    Experiment,
    Figure,
    Sample,
    at_least,
    at_most,
)
from catenula.conformance.replay import run_replay
from catenula.conformance.types import run_types

_PLACES = (Path("../shared/vectors"), Path("tests/conformance/data"))
_BLOCKS_WITHIN_REACH = 1_095


def _recordings() -> Path | None:
    return next((place for place in _PLACES if place.is_dir()), None)


def _missing() -> str | None:
    return None if _recordings() else f"no recorded data in {' or '.join(map(str, _PLACES))}"


def _counts(_: Path, runs: int) -> Iterator[Sample]:
    recordings = _recordings()
    if recordings is None:
        raise LocalError(f"{_missing()}", retryable=False)
    for _run in range(runs):
        types = run_types([recordings / "types"])
        replayed = run_replay([recordings / "network"])
        yield {
            "types_passed": types.passed,
            "types_failed": types.failed,
            "replay_passed": replayed.passed,
            "replay_failed": replayed.failed,
        }


COUNTS = Experiment(
    (
        Figure("types_passed", "entries"),
        Figure("types_failed", "entries", at_most(0)),
        Figure("replay_passed", "blocks", at_least(_BLOCKS_WITHIN_REACH)),
        Figure("replay_failed", "blocks", at_most(0)),
    ),
    _counts,
    missing=_missing,
)
