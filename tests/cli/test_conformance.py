"""``catenula conformance``: what it prints and how it exits."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from catenula.cli.main import main

HEIGHT = {"name": "height", "type": "BlockHeight", "json": 1, "bcs": "01" + "00" * 7}
WRONG = {**HEIGHT, "name": "wrong", "bcs": "02" + "00" * 7}


@pytest.fixture
def recording(tmp_path: Path) -> Any:
    """Writes a recording of some entries and gives its path."""

    def write(*entries: dict[str, Any]) -> str:
        path = tmp_path / "recorded.json"
        path.write_text(json.dumps({"format": 1, "entries": entries}), encoding="utf-8")
        return str(path)

    return write


def run(*arguments: str) -> Result:
    """The result of the command with these arguments."""
    return CliRunner().invoke(main, ["conformance", "types", *arguments])


def test_success_ends_with_the_counts(recording: Any) -> None:
    result = run(recording(HEIGHT))
    assert (result.exit_code, result.output) == (0, "1 passed, 0 failed, 0 skipped\n")


def test_failure_names_the_differences_and_exits_with_one(recording: Any) -> None:
    result = run(recording(HEIGHT, WRONG))
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0] == "FAILED recorded.json: wrong"
    assert lines[1].startswith("    bcs: ")
    assert lines[-1] == "1 passed, 1 failed, 0 skipped"


def test_json_report(recording: Any) -> None:
    result = run("--json", recording(HEIGHT, WRONG))
    report = json.loads(result.output)
    assert result.exit_code == 1
    assert (report["passed"], report["failed"], report["skipped"]) == (1, 1, 0)
    assert report["failures"][0]["place"] == "recorded.json: wrong"


def test_nothing_to_compare_is_a_failure(tmp_path: Path) -> None:
    assert run(str(tmp_path)).exit_code == 1


@pytest.mark.parametrize("arguments", [(), ("does-not-exist",)])
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_damaged_recording_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "damaged.json"
    path.write_text("{", encoding="utf-8")
    result = run(str(path))
    assert result.exit_code == 1
    assert "cannot be read" in result.output
