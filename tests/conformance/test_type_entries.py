"""The comparison itself: nothing recorded is passed over in silence, whatever the entries say."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from catenula.base.errors import LocalError
from catenula.conformance.entries import Entry
from catenula.conformance.recordings import read_recording, recording_name
from catenula.conformance.types import run_entry, run_types
from tests.conftest import RECORDED

FILES = [
    path
    for path in sorted((RECORDED / "types").iterdir())
    if recording_name(path) not in ("execution_state", "historical", "manager", "views")
]
INFORMATION = {"name", "type", "why", "error", "message"}
INFORMATION |= {f"{kind}_error" for kind in ("decode", "verify", "full", "bcs", "invariants")}
INFORMATION |= {"signature_error"}
INPUTS = {"bytes", "compressed", "text", "json_text", "proto", "signature_bcs", "signature_raw"}
INPUTS |= {"public_key", "owners_and_weights", "fallback_owners_and_weights", "validator_key"}
INPUTS |= {"committee", "ownership"}
"""What is read rather than compared; a change may lead to the same verdict."""


def changed(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return value - 1 if value else 1
    if isinstance(value, str):
        last = "0" if value[-1:] != "0" else "1"
        return value[:-1] + last if value[-1:] in tuple("0123456789abcdef") else value + "x"
    if isinstance(value, dict):
        return {**value, "a field that nobody knows": 1}
    return [*value, "an element too many"]


def samples(path: Path) -> dict[tuple[Any, ...], dict[str, Any]]:
    """One entry per shape."""
    entries = read_recording(path)["entries"]
    return {(entry.get("type"), entry.get("accepted"), *sorted(entry)): entry for entry in entries}


@pytest.mark.parametrize("path", FILES, ids=recording_name)
def test_a_change_of_any_compared_field_is_a_difference(path: Path) -> None:
    unnoticed = []
    for entry in samples(path).values():
        for field in entry.keys() - INFORMATION - INPUTS:
            if field == "json" and entry["json"] is not None and "bcs" in entry:
                continue  # JSON readers ignore unknown fields; the binary forms are compared.
            broken = copy.deepcopy(entry)
            broken[field] = changed(entry[field])
            if not run_entry(broken):
                unnoticed.append(f"{entry['name']}: {field}")
    assert unnoticed == []


@pytest.mark.parametrize(
    "path", [path for path in FILES if recording_name(path) != "consensus"], ids=recording_name
)
def test_a_field_that_nobody_knows_is_a_difference(path: Path) -> None:
    for entry in samples(path).values():
        assert any("nothing compares" in text for text in run_entry({**entry, "new_field": 1}))


@pytest.mark.parametrize(
    "entry",
    [
        None,
        [],
        {},
        {"name": "a", "type": "Account"},
        {"name": "a", "type": "Unknown", "json": 1, "bcs": "", "bincode": ""},
        {"name": "a", "type": "Account", "json": 1, "bcs": "00", "bincode": "00"},
        {"name": "a", "type": "Account", "codec": "cbor", "bytes": "00", "accepted": False},
        {"name": "a", "type": ["Account"], "json": 1},
        {"name": "a", "view": 1},
        {"name": "a", "type": "manager_trace"},
        {"name": "a", "message": "rpc.v1.Unknown", "proto": "", "accepted": True, "json": 1},
        {"name": "a", "type": "Amount", "text": "1", "accepted": False},
        {"name": "a", "type": "Amount", "text": "x", "accepted": True, "json": "1."},
        {"name": "a", "type": "Block", "text": "x", "accepted": False},
    ],
)
def test_what_cannot_be_compared_has_failed(entry: Any) -> None:
    assert run_entry(entry)


def test_differences_name_the_field_and_where_long_texts_part() -> None:
    entry = Entry({"bcs": "00" * 100 + "ff"})
    entry.expect("bcs", "00" * 100 + "fe")
    assert entry.finish() == ["bcs: from character 201 of 202 and 202 found 'e', expected 'f'"]


def test_comparison_tells_true_from_one() -> None:
    entry = Entry({"flag": True, "numbers": [1, 2]})
    entry.expect("flag", 1)
    entry.expect("numbers", [1, 3])
    flag, numbers = entry.finish()
    assert flag.startswith("flag:")
    assert numbers.startswith("numbers[1]:")


def test_a_failing_step_is_a_difference_and_the_next_one_runs() -> None:
    entry = Entry({"a": "zz"})
    with entry.step("hex of a"):
        entry.raw("a")
    entry.expect("a", "zz")
    (found,) = entry.finish()
    assert found.startswith("hex of a: ValueError")


def write(path: Path, document: Any) -> Path:
    """A recording with this content."""
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_report_counts_entries_and_shows_the_first_differences(tmp_path: Path) -> None:
    good = {"name": "good", "type": "BlockHeight", "json": 1, "bcs": "01" + "00" * 7}
    bad = {**good, "name": "bad", "json": 2}
    write(tmp_path / "a.json", {"format": 1, "entries": [good, bad, good]})
    (tmp_path / "README.md").write_text("not a recording", encoding="utf-8")
    report = run_types([tmp_path])
    assert (report.passed, report.failed, report.skipped) == (2, 1, 0)
    lines = list(report.lines())
    assert lines[0] == "FAILED a.json: bad"
    assert lines[-1] == "2 passed, 1 failed, 0 skipped"
    assert report.to_json()["failures"][0]["place"] == "a.json: bad"


@pytest.mark.parametrize("document", [[], {"format": 2, "entries": []}, {"format": 1}])
def test_file_of_another_format_has_failed(tmp_path: Path, document: Any) -> None:
    report = run_types([write(tmp_path / "a.json", document)])
    assert (report.passed, report.failed) == (0, 1)


def test_nothing_compared_is_no_success(tmp_path: Path) -> None:
    assert not run_types([tmp_path]).is_success


def test_missing_file_is_a_local_error(tmp_path: Path) -> None:
    with pytest.raises(LocalError):
        run_types([tmp_path / "absent.json"])
