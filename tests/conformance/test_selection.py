"""The recordings in this repository stay small, whole and free of foreign prose."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catenula.base.errors import LocalError
from catenula.conformance.recordings import find_recording, read_recording, recording_name
from tests.conftest import RECORDED

MAXIMUM_BYTES = 5_000_000
TYPES = sorted((RECORDED / "types").iterdir())


def test_selection_is_small() -> None:
    assert sum(path.stat().st_size for path in RECORDED.rglob("*.gz")) < MAXIMUM_BYTES


def test_every_types_file_is_there() -> None:
    assert len(TYPES) == 21


def refusals(entry: Any) -> Iterator[str]:
    """The error texts of an entry that was not accepted."""
    if entry.get("accepted") is False and "error" in entry:
        yield entry["error"].partition(":")[0]


@pytest.mark.parametrize("path", TYPES, ids=recording_name)
def test_refusals_carry_no_prose(path: Path) -> None:
    entries = read_recording(path)["entries"]
    assert entries
    assert {text for entry in entries for text in refusals(entry)} <= {"refused"}


def test_plain_recordings_are_preferred_to_compressed_ones(tmp_path: Path) -> None:
    for name in ("a.json", "a.json.gz"):
        (tmp_path / name).touch()
    assert find_recording(tmp_path, "a") == tmp_path / "a.json"
    assert find_recording(tmp_path, "b") is None


def test_unreadable_recording_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"missing\.json"):
        read_recording(tmp_path / "missing.json")
