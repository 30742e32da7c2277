"""Every recorded entry of every file holds, one test per file so that they run side by side."""

from pathlib import Path

import pytest

from catenula.conformance.recordings import recording_name
from catenula.conformance.types import run_types
from tests.conftest import RECORDED

FILES = sorted((RECORDED / "types").iterdir())


@pytest.mark.parametrize("path", FILES, ids=recording_name)
def test_recorded_entries_hold(path: Path) -> None:
    report = run_types([path])
    assert list(report.lines())[:-1] == []
    assert report.is_success
