"""The benchmark of applications: what it measures runs and is plausible."""

from pathlib import Path

import pytest

from catenula.conformance.benchmarks import metering


def test_metered_loops_are_measured_against_the_same_loops_unmetered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(metering, "_ROUNDS", 10_000)
    (sample,) = metering.OVERHEAD.measure(tmp_path, 1)
    assert set(sample) == {figure.name for figure in metering.OVERHEAD.figures}
    assert all(0 < ratio < 100 for ratio in sample.values())
