"""Recorded networks replay to the same bytes, and whatever does not fit is found and named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from catenula.base.errors import LocalError
from catenula.cli.main import main
from catenula.conformance.history import RecordedRun, find_runs, read_run
from catenula.conformance.recordings import read_recording
from catenula.conformance.replay import Replayer, replay, run_replay
from catenula.conformance.report import Report
from catenula.execution import system_operations
from catenula.protocol import Transfer
from tests.conftest import RECORDED

NETWORK = RECORDED / "network"
BLOCKS = {
    "a-nofees": 311,
    "b-testnet": 240,
    "c-historical": 227,
    "d-zerohash": 172,
    "e-modes": 116,
    "f-lossy": 29,
}


@pytest.fixture
def short_run() -> RecordedRun:
    """A run of 29 blocks, none of which runs an application."""
    return read_run(find_runs([NETWORK / "f-lossy"])[0])


def change_block(run: RecordedRun, number: int, **changes: Any) -> RecordedRun:
    """The run with one recorded block changed."""
    blocks = list(run.blocks)
    blocks[number] = replace(blocks[number], **changes)
    return replace(run, blocks=tuple(blocks))


def flip_last_digit(text: str) -> str:
    """The text with another last digit."""
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def fields_of(report: Report) -> list[str]:
    """The fields named by the first failure."""
    return [difference.partition(":")[0] for difference in report.failures[0].differences]


@pytest.mark.parametrize("run", BLOCKS)
def test_every_block_of_a_run_comes_out_as_certified(run: str) -> None:
    report = run_replay([NETWORK / run])
    assert report.failures == []
    assert report.failed == 0
    assert (report.passed, report.skipped) == (BLOCKS[run], 0)


def test_final_states_of_executed_chains_are_compared(short_run: RecordedRun) -> None:
    replayer = Replayer(short_run)
    for recorded in short_run.blocks:
        replayer.replay_block(recorded)
    replayer.compare_final_states()
    assert replayer.chains_compared == len(short_run.final_states) == 5


def test_selection_holds_every_run_and_all_reachable_blocks() -> None:
    assert [path.parent.name for path in find_runs([NETWORK])] == list(BLOCKS)
    assert sum(BLOCKS.values()) == 1_095


def test_block_with_a_wrong_signature_fails(short_run: RecordedRun) -> None:
    lite = flip_last_digit(short_run.blocks[0].lite_certificate_hex)
    report = replay(change_block(short_run, 0, lite_certificate_hex=lite))
    assert report.failed >= 1
    assert "refused" in report.failures[0].differences[0]


def test_blocks_after_a_failed_one_do_not_pass(short_run: RecordedRun) -> None:
    first = short_run.blocks[0]
    report = replay(change_block(short_run, 0, block_hex=flip_last_digit(first.block_hex)))
    of_chain = sum(block.chain_id == first.chain_id for block in short_run.blocks)
    assert report.failed >= of_chain
    assert report.failed + report.passed >= len(short_run.blocks)


def test_wrong_recorded_state_hash_fails(short_run: RecordedRun) -> None:
    described = {**short_run.blocks[0].described, "state_hash": "00" * 32}
    report = replay(change_block(short_run, 0, described=described))
    assert fields_of(report) == ["recorded state_hash"]


def test_missing_block_fails_the_next_one_of_its_chain(short_run: RecordedRun) -> None:
    follower = next(block for block in short_run.blocks if block.height == 1)
    missing = (follower.chain_id, 0)
    blocks = [block for block in short_run.blocks if (block.chain_id, block.height) != missing]
    report = replay(replace(short_run, blocks=tuple(blocks)))
    assert f"block {follower.number} " in report.failures[0].place


def test_beginning_of_a_history_replays_too(short_run: RecordedRun) -> None:
    for length in range(len(short_run.blocks)):
        report = replay(replace(short_run, blocks=short_run.blocks[:length]))
        assert (report.passed, report.failed) == (length, 0)


def test_other_outcome_is_named_field_by_field(
    short_run: RecordedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers: dict[type, Callable[..., None]] = system_operations._HANDLERS
    monkeypatch.setitem(handlers, Transfer, lambda executor, operation: None)
    report = replay(short_run)
    assert fields_of(report)[-1] == "block hash"
    assert "state_hash" in fields_of(report)
    assert any(field.startswith("messages[0]") for field in fields_of(report))


def test_other_final_state_fails(short_run: RecordedRun) -> None:
    chain_id = short_run.genesis.admin_chain_id
    entry = short_run.final_states[chain_id]
    final_info = {**entry["final_info"], "chain_balance": 1}
    states = {**short_run.final_states, chain_id: {**entry, "final_info": final_info}}
    report = replay(replace(short_run, final_states=states))
    assert report.failed == 1
    assert fields_of(report) == ["final_info.chain_balance"]


def test_command_names_the_difference_and_fails(tmp_path: Path) -> None:
    shutil.copy(NETWORK / "f-lossy" / "genesis.json.gz", tmp_path)
    history = read_recording(NETWORK / "f-lossy" / "history.json.gz")
    history["certificates"][-1]["timestamp"] += 1
    (tmp_path / "history.json").write_text(json.dumps(history))
    result = CliRunner().invoke(main, ["conformance", "replay", str(tmp_path)])
    assert result.exit_code == 1
    assert "recorded timestamp: found" in result.output
    assert result.output.endswith("28 passed, 1 failed, 0 skipped\n")


def test_command_tells_machines_too() -> None:
    path = str(NETWORK / "f-lossy")
    result = CliRunner().invoke(main, ["conformance", "replay", "--json", path])
    assert result.exit_code == 0
    assert json.loads(result.output)["passed"] == 29


def test_history_without_genesis_is_refused_by_name(tmp_path: Path) -> None:
    shutil.copy(NETWORK / "f-lossy" / "history.json.gz", tmp_path)
    with pytest.raises(LocalError, match="no genesis file"):
        read_run(tmp_path / "history.json.gz")


def test_path_without_history_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="no recorded history"):
        find_runs([tmp_path])


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08", b"not json", b"[1]", b"{}"])
def test_damaged_history_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    shutil.copy(NETWORK / "f-lossy" / "genesis.json.gz", tmp_path)
    history = tmp_path / "history.json"
    history.write_bytes(content)
    with pytest.raises(LocalError, match=r"history\.json"):
        read_run(history)
