"""Recorded commands come out as recorded, and whatever does not fit is found and named."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from catenula.base.errors import LocalError
from catenula.cli.invocation import invoke
from catenula.cli.main import main
from catenula.conformance.commands.encoded import EncodedTimes, bytes_in_one_line
from catenula.conformance.commands.exceptions import check_length, exceptions_of
from catenula.conformance.commands.files import InputFiles
from catenula.conformance.commands.names import Names
from catenula.conformance.commands.player import Outcome, SessionPlayer
from catenula.conformance.commands.recording import (
    RecordedCommand,
    RecordedSession,
    Switch,
    Together,
    find_sessions,
    read_session,
)
from catenula.conformance.commands.skips import (
    STOPPED_BY_SCRIPT,
    Comparison,
    comparison_of,
    reason_not_to_play,
)
from catenula.conformance.parallel import run_parts
from catenula.conformance.report import Report
from tests.conftest import RECORDED

NETWORK = RECORDED / "network"
ONE, TWO, THREE, FOUR = (digit * 64 for digit in "1234")


def command(*arguments: str, exit: int | None = 0, output: str = "") -> RecordedCommand:
    """A recorded command."""
    return RecordedCommand(1, "w0", arguments, exit, output, "", "")


def play_session(
    session: RecordedSession, folder: Path, run: Callable[[Sequence[str], str], Outcome] = invoke
) -> Report:
    """Play a session in a folder."""
    player = SessionPlayer(session, folder, run)
    player.play()
    return player.report


@pytest.fixture(scope="module")
def short_session() -> RecordedSession:
    """Sixty commands with one wallet."""
    return read_session(NETWORK / "f-lossy")


# Names


def test_names_that_stand_in_the_same_place_are_a_pair_from_then_on() -> None:
    names = Names()
    assert names.compare("output", f"{THREE}\n0x{FOUR}\n", f"{ONE}\n0x{TWO}\n") == []
    assert names.translate(f"transfer {ONE} Address32({TWO})") == (
        f"transfer {THREE} Address32({FOUR})"
    )
    assert names.compare("output", THREE, ONE) == []
    assert [str(item) for item in names.compare("output", FOUR, ONE)] == [
        f"output: found {FOUR}, expected {THREE}"
    ]


def test_two_recorded_names_are_not_one_of_ours() -> None:
    names = Names()
    assert names.compare("output", THREE, ONE) == []
    assert len(names.compare("output", THREE, TWO)) == 1


def test_times_are_names_in_both_notations() -> None:
    names = Names()
    ours, recorded = "Timestamp: 2027-01-01 00:00:00.5", "Timestamp: 2026-11-21 08:23:38.398"
    assert names.compare("output", ours, recorded) == []
    assert names.compare("output", "1798761600500000", "1795249418398000") == []
    assert len(names.compare("output", "1798761600500001", "1795249418398000")) == 1


@pytest.mark.parametrize("found", ["9.", "", "10.\nmore"])
def test_whatever_is_no_name_must_be_the_same(found: str) -> None:
    assert Names().compare("output", found, "10.") != []
    assert Names().compare("output", "10.", "10.") == []


def test_lines_may_be_in_the_order_of_our_ids() -> None:
    names = Names()
    names.learn(ONE, FOUR)
    recorded, ours = f"a {ONE}\nb {TWO}\n", f"b {THREE}\na {FOUR}\n"
    assert names.compare("output", ours, recorded) == []
    assert names.translate(TWO) == THREE


def test_a_failed_comparison_teaches_nothing() -> None:
    names = Names()
    assert names.compare("output", f"{THREE} 1", f"{ONE} 2") != []
    assert ONE not in names


def test_names_of_the_same_shape_are_learnt_from_values() -> None:
    names = Names()
    names.learn_values({"a": [ONE, {"b": f"0x{TWO}"}]}, {"a": [THREE, {"b": f"0x{FOUR}"}]})
    assert names.translate(f"{ONE} {TWO}") == f"{THREE} {FOUR}"


# What is played


def test_commands_that_the_script_stopped_are_not_played() -> None:
    assert reason_not_to_play(command("watch", exit=None)) == STOPPED_BY_SCRIPT
    assert reason_not_to_play(command("transfer", exit=1)) is None


def test_only_the_status_of_a_programs_own_words_is_compared() -> None:
    assert comparison_of(command("--help")) is Comparison.STATUS
    assert comparison_of(command("wallet", "show")) is Comparison.ALL


# Encoded data


def test_names_in_encoded_data_are_ours() -> None:
    names = Names()
    names.learn(ONE, TWO)
    assert names.translate(f"01{ONE}02{THREE}") == f"01{TWO}02{THREE}"
    assert names.translate_json({"steps": [7, *bytes.fromhex(ONE)]}) == {
        "steps": [7, *bytes.fromhex(TWO)]
    }


def test_times_in_encoded_data_are_moved_and_nothing_else() -> None:
    recorded, ours = 1_700_000_000_000_000, 1_800_000_000_000_000
    times = EncodedTimes(recorded, ours)
    operation = "0900" + (recorded + 5).to_bytes(8, "little").hex() + "ff" * 9
    assert times.shift(operation) == "0900" + (ours + 5).to_bytes(8, "little").hex() + "ff" * 9
    assert times.shift("00" * 12) == "00" * 12


def test_lists_of_bytes_are_compared_with_their_names_translated() -> None:
    names = Names()
    names.learn(ONE, TWO)
    shown, ours = (
        "event: [\n" + "".join(f"    {byte},\n" for byte in bytes.fromhex(name)) + "  ]"
        for name in (ONE, TWO)
    )
    translated = bytes_in_one_line(shown, names.translate_bytes)
    assert translated == bytes_in_one_line(ours)
    assert translated != bytes_in_one_line(shown)


# Recordings


def test_session_tells_what_happened_between_commands(tmp_path: Path) -> None:
    calls: list[dict[str, Any]] = [
        {"n": 0, "mark": "cli 1"},
        {"n": 1, "mark": "validator 1 stopped"},
        {"n": 2, "mark": "cli 2: [w0] sync"},
        {"n": 3, "v": 2, "code": "UNAVAILABLE"},
        {"n": 4, "mark": "cli 4: [w0] sync"},
        {"n": 5, "v": 2, "code": "OK"},
    ]
    write_session(tmp_path, commands=5, calls=calls)
    steps = read_session(tmp_path).steps
    numbers = [
        tuple(item.number for item in step.commands) if isinstance(step, Together) else step
        for step in steps
    ]
    assert numbers == [(0,), (1,), Switch(1, False), (2, 3), Switch(2, True), (4,)]


def write_session(folder: Path, *, commands: int, calls: list[dict[str, Any]]) -> None:
    """A session of a network of two validators."""
    network = {"protocol": {"Grpc": "ClearText"}, "host": "localhost", "port": 1}
    entry = {"wallet": "w0", "args": ["sync"], "exit": 0, "stdout": ""}
    contents = {
        "cli": [{"i": number, **entry} for number in range(commands)],
        "rpc": {"calls": calls, "payloads": {}},
        "run": {"validator_keys": [["a", "b"]] * 3, "shards": 1},
        "committee": {"validators": [{"network": network}] * 2},
        "genesis": {},
    }
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def test_paths_without_commands_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="no recorded commands"):
        find_sessions([tmp_path])
    (tmp_path / "cli.json").write_text("[]")
    with pytest.raises(LocalError, match=r"no run\.json"):
        read_session(tmp_path)


# Input files


def test_files_of_commands_are_made_from_what_is_known(tmp_path: Path) -> None:
    names = Names()
    files = InputFiles(NETWORK / "a-nofees", tmp_path, names)
    key, account = "02" + ONE, "00" + TWO
    files.know_account_key(key, account)
    change = f"  * {key}\n    New Address:     grpc:localhost:1\n    New Account Key: {account}\n"
    change += "    New Votes:       120\n"
    files.prepare(command("validator", "update", "u.json", output=change))
    assert json.loads((tmp_path / "u.json").read_text()) == {
        key: {"accountKey": {"Ed25519": TWO}, "address": "grpc:localhost:1", "votes": 120}
    }
    queried = f"Public key: {key}\nAddress: grpc:localhost:1\n"
    files.prepare(command("validator", "batch-query", "q.json", output=queried))
    (entry,) = json.loads((tmp_path / "q.json").read_text())["validators"]
    assert entry["accountKey"] == {"Ed25519": TWO}
    files.prepare(command("publish-data-blob", "big.bin", exit=1))
    assert len((tmp_path / "big.bin").read_bytes()) > 2_000
    files.prepare(command("publish-data-blob", "missing.bin", exit=1))
    assert not (tmp_path / "missing.bin").exists()


# Playing


def test_commands_come_out_as_recorded(
    short_session: RecordedSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    report = play_session(short_session, tmp_path)
    assert report.failures == []
    assert (report.passed, report.skipped) == (60, 0)


def test_another_status_or_output_is_found(
    short_session: RecordedSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def spoil(arguments: Sequence[str], given: str) -> Outcome:
        outcome = invoke(arguments, given)
        if "local-balance" in arguments:
            return outcome._replace(output="1.\n")
        return outcome._replace(exit=3, errors="why\n") if "keygen" in arguments else outcome

    begin = replace(short_session, steps=short_session.steps[:9])
    extra = Together((command("keygen"),))
    report = play_session(replace(begin, steps=(*begin.steps, extra)), tmp_path, spoil)
    balance, keygen = report.failures
    assert balance.place.endswith("local-balance")
    assert balance.differences == ("output line 1: found '1.', expected '1000000.'",)
    assert keygen.differences[0] == "exit: found 3 (why | ), expected 0"
    assert keygen.differences[1].startswith("output line 1: found '0x")


def test_too_long_a_list_is_refused() -> None:
    check_length("a run", 4, 400)
    with pytest.raises(LocalError, match="a run"):
        check_length("a run", 5, 400)
    assert exceptions_of("another") == {}
    assert exceptions_of("c-historical")[321].exit == 0


def fail(text: str) -> Report:
    """A part that cannot be compared."""
    raise LocalError(text, retryable=False)


@pytest.mark.parametrize("processes", [1, 2])
def test_failures_of_parts_cross_processes(processes: int) -> None:
    with pytest.raises(LocalError, match="no such thing"):
        run_parts(fail, [("no such thing",), ("another",)], processes=processes)


def test_command_prints_the_counts() -> None:
    arguments = ["conformance", "commands", str(NETWORK / "f-lossy"), "--processes", "1"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert result.output.endswith("60 passed, 0 failed, 0 skipped\n")
