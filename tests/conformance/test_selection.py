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


def refusals(value: Any) -> Iterator[str]:
    """Every text that says why something was refused, however deep; names of one word are none."""
    if isinstance(value, list):
        for item in value:
            yield from refusals(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            is_reason = name == "message" or name.split("_")[-1] == "error"
            if is_reason and isinstance(item, str) and " " in item:
                yield item.partition(":")[0]
            elif name not in ("json", "value", "state", "content"):
                yield from refusals(item)


@pytest.mark.parametrize("path", TYPES, ids=recording_name)
def test_refusals_carry_no_prose(path: Path) -> None:
    entries = read_recording(path)["entries"]
    assert entries
    assert set(refusals(entries)) <= {"refused"}


def test_plain_recordings_are_preferred_to_compressed_ones(tmp_path: Path) -> None:
    for name in ("a.json", "a.json.gz"):
        (tmp_path / name).touch()
    assert find_recording(tmp_path, "a") == tmp_path / "a.json"
    assert find_recording(tmp_path, "b") is None


def test_unreadable_recording_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"missing\.json"):
        read_recording(tmp_path / "missing.json")
