"""The frame of the benchmarks: summaries, bars, the file and the table. Nothing is timed here."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from catenula.base.errors import LocalError
from catenula.conformance.benchmarks.figures import (
    Bar,
    Experiment,
    Figure,
    Sample,
    Summary,
    at_least,
    at_most,
    summarize,
)
from catenula.conformance.benchmarks.local import DURABLE_BATCH
from catenula.conformance.benchmarks.machine import describe_machine
from catenula.conformance.benchmarks.report import table, write_json
from catenula.conformance.benchmarks.runner import EXPERIMENTS, choose, run

FAST = Figure("fast_ms", "ms", at_most(2))
SLOW = Figure("slow_ms", "ms", Bar("≤ 2 × fast_ms", True, lambda medians: _double(medians)))


def _double(medians: Sample) -> float | None:
    return 2 * medians["fast_ms"] if "fast_ms" in medians else None


def _counted(folder: Path, runs: int) -> Iterator[Sample]:
    assert list(folder.iterdir()) == []
    for number in range(runs):
        yield {"fast_ms": number, "slow_ms": 10 * number}


COUNTED = Experiment((FAST, SLOW), _counted)


def test_summary_is_median_low_and_high() -> None:
    assert summarize([5, 1, 2, 9, 3], "ms") == Summary(3, 1, 9, "ms")


def test_too_few_runs_are_refused() -> None:
    with pytest.raises(LocalError, match="too few"):
        summarize([1, 2, 3, 4], "ms")


def test_experiments_run_in_a_fresh_folder_that_goes_away(tmp_path: Path) -> None:
    told: list[str] = []
    summaries = run([COUNTED, COUNTED], tmp_path, told.append)
    assert summaries["slow_ms"] == Summary(20, 0, 40, "ms")
    assert len(told) == 4
    assert list(tmp_path.iterdir()) == []


def test_bars_hold_from_above_from_below_and_by_other_figures() -> None:
    assert at_most(2).is_met(2, {}) is True
    assert at_least(2).is_met(1, {}) is False
    assert SLOW.bar is not None
    assert SLOW.bar.is_met(3, {"fast_ms": 1}) is False
    assert SLOW.bar.is_met(3, {}) is None


def test_table_says_which_bars_are_missed(tmp_path: Path) -> None:
    summaries = run([COUNTED], tmp_path, lambda line: None)
    lines = list(table({"fast_ms": FAST, "slow_ms": SLOW}, summaries))
    assert lines[1].endswith("kept")
    assert lines[2].endswith("MISSED")


def test_file_has_the_promised_form(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_json(path, describe_machine(tmp_path), {"fast_ms": Summary(2, 1, 3, "ms")})
    written = json.loads(path.read_text())
    assert written["figures"] == {"fast_ms": {"median": 2, "low": 1, "high": 3, "unit": "ms"}}
    assert written["machine"]["cores"] >= 1


def test_experiments_are_chosen_by_figure() -> None:
    assert choose(["slow_ms"], [COUNTED, DURABLE_BATCH]) == [COUNTED]
    assert choose([], [COUNTED, DURABLE_BATCH]) == [COUNTED, DURABLE_BATCH]
    with pytest.raises(LocalError, match="there are: fast_ms, slow_ms"):
        choose(["quick_ms"], [COUNTED])


def test_figure_names_are_unique() -> None:
    names = [figure.name for experiment in EXPERIMENTS for figure in experiment.figures]
    assert len(set(names)) == len(names)
