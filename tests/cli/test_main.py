"""The command's front: it lists quickly, knows what it lists, and explains errors."""

import importlib.util
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from catenula.base.errors import InvariantViolation, LocalError, ProtocolError
from catenula.cli import main as front
from catenula.cli.errors import explain
from catenula.cli.lazy import LazyCommand, Rows, suggestion
from catenula.cli.table import COMMANDS
from catenula.client.errors import BlockRefused, Explanation, Reason

HEAVY = ("google.protobuf", "grpc", "msgspec", "rich", "rocksdict", "sqlite3", "wasmtime")


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from catenula.cli.main import main\n"
        "main(['--help'], standalone_mode=False)\n"
        f"sys.exit(','.join(name for name in {HEAVY!r} if name in sys.modules) or None)\n"
    )
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    shown = [name for name, row in COMMANDS.items() if not row.hidden]
    assert all(f"  {name}  " in result.stdout for name in shown)


def rows_of(rows: Rows, before: tuple[str, ...] = ()) -> list[tuple[str, LazyCommand]]:
    """All commands of nested tables with their full names."""
    found = []
    for name, row in rows.items():
        if isinstance(row, LazyCommand):
            found.append((" ".join((*before, name)), row))
        else:
            found += rows_of(row.rows, (*before, name))
    return found


@pytest.mark.parametrize(("name", "row"), rows_of(COMMANDS), ids=lambda value: str(value)[:30])
def test_listed_command_exists(name: str, row: LazyCommand) -> None:
    module_name, _, _ = row.target.partition(":")
    assert importlib.util.find_spec(module_name), f"{module_name} is listed but does not exist"
    assert isinstance(row.load(name.rsplit(maxsplit=1)[-1]), click.Command)


@pytest.mark.parametrize(
    ("error", "exit_code", "expected"),
    [
        (ProtocolError("InsufficientBalance", balance=3), 1, "InsufficientBalance: balance=3"),
        (LocalError("The disk is full.", retryable=False), 1, "The disk is full."),
        (LocalError("No answer.", retryable=True), 1, "Trying again may help."),
        (InvariantViolation("C5", round=1), 70, "This is a bug of Catenula"),
    ],
)
def test_errors_leave_as_message_and_exit_code(
    monkeypatch: pytest.MonkeyPatch, error: Exception, exit_code: int, expected: str
) -> None:
    @click.command()
    def failing() -> None:
        raise error from ValueError("the inner reason")

    monkeypatch.setattr(LazyCommand, "load", lambda *_: failing)
    result = CliRunner().invoke(front.main, ["tour"])
    assert result.exit_code == exit_code
    assert expected in result.output
    assert "because: the inner reason" in result.output


def test_each_cause_is_told_once() -> None:
    rule = ProtocolError("EmptyBlock", height=3)
    wrapped = ProtocolError("ChainError", error=str(rule))
    wrapped.__cause__ = rule
    refused = BlockRefused(Explanation("It failed", reasons=(Reason("EmptyBlock: height=3"),)))
    refused.__cause__ = wrapped
    assert "because" not in explain(refused)
    unexplained = BlockRefused(Explanation("It failed"))
    unexplained.__cause__ = wrapped
    assert explain(unexplained).count("because") == 1


def test_a_failure_of_the_machine_is_told_below_reasons_unless_it_is_said() -> None:
    refused = BlockRefused(Explanation("It failed", reasons=(Reason("no answer"),)))
    refused.__cause__ = LocalError("the name is not known", retryable=True)
    assert "because: the name is not known" in explain(refused)
    unreadable = LocalError("cannot read /tmp/x: no such file", retryable=False)
    unreadable.__cause__ = FileNotFoundError(2, "No such file", "/tmp/x")
    assert "because" not in explain(unreadable)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("query-balance", "zz"), "pairs of hexadecimal digits are expected"),
        (("read-data-blob", "aa"), "it has 1 bytes, not 32"),
        (("transfer", "--to", "11" * 32, "1.x"), "expected is a decimal number of tokens"),
        (("change-ownership", "--owners", "zz"), "Expecting value"),
    ],
)
def test_wrong_values_are_explained_without_codes(arguments: tuple[str, ...], words: str) -> None:
    result = CliRunner().invoke(front.main, arguments)
    said = " ".join(result.output.split())
    assert result.exit_code == 2
    assert words in said
    assert "Invalid" not in said.replace("Invalid value", "")


def test_a_name_is_not_suggested_for_itself() -> None:
    assert suggestion("tour", {"tour": 1}) == ""
    assert suggestion("tour", {"tour": 1, "tours": 2}) == " Did you mean 'tours'?"


def test_unknown_command_is_wrong_usage() -> None:
    result = CliRunner().invoke(front.main, ["turo"])
    assert result.exit_code == 2
    assert "There is no command 'turo'. Did you mean 'tour'?" in result.output
