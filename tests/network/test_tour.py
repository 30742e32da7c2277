"""The tour: every claim holds, and a false one is told."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from catenula.base.errors import LocalError
from catenula.cli.main import main
from catenula.network.tour import tour
from catenula.network.tour.stage import Stage
from catenula.network.tour.tour import Part


async def lie(stage: Stage) -> None:
    stage.equal("two and two", 4, 5)


async def break_down(stage: Stage) -> None:
    raise LocalError("the disk is full", retryable=False)


async def say_something_true(stage: Stage) -> None:
    stage.equal("two and two", 4, 4)


TRUE = Part("true", "Something true", say_something_true)
LIE = Part("lie", "A lie", lie)
BREAKDOWN = Part("breakdown", "A breakdown", break_down)


def test_every_claim_holds() -> None:
    result = CliRunner().invoke(main, ["tour", "--json"], catch_exceptions=False)
    report = json.loads(result.stdout)
    wrong = [claim for step in report["steps"] for claim in step["claims"] if not claim["ok"]] + [
        step["error"] for step in report["steps"] if "error" in step
    ]
    assert wrong == []
    assert result.exit_code == 0
    assert report["ok"] is True
    assert report["skipped"] == []
    assert report["claims"]["held"] == report["claims"]["checked"] > 50
    assert [step["name"] for step in report["steps"]] == [part.name for part in tour.PARTS]
    assert all(step["claims"] and step["seconds"] > 0 for step in report["steps"])


def test_false_claim_is_told_and_later_steps_are_played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tour, "PARTS", (LIE, TRUE))
    result = CliRunner().invoke(main, ["tour"])
    assert result.exit_code == 1
    assert "FAILED two and two: found 4, expected 5" in result.stdout
    assert "1 of 2 claims hold, 2 steps" in result.stdout
    assert "FAILED lie: two and two" in result.stdout


def test_step_that_cannot_be_finished_ends_the_tour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tour, "PARTS", (BREAKDOWN, TRUE))
    result = CliRunner().invoke(main, ["tour", "--json"])
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["ok"] is False
    assert report["steps"][0]["error"] == "LocalError: the disk is full"
    assert report["skipped"] == ["true"]


def test_folder_can_be_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tour, "PARTS", tour.PARTS[:3])
    folder = tmp_path / "network"
    result = CliRunner().invoke(main, ["tour", "--keep", str(folder), "--engine", "rocksdb"])
    assert result.exit_code == 0, result.stdout
    assert (folder / "network.json").exists()
    assert f"the network is in {folder}" in result.stdout
    again = CliRunner().invoke(main, ["tour", "--keep", str(folder)])
    assert again.exit_code == 1
    assert "is not empty" in again.output
