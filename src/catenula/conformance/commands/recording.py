"""Recorded commands of one run: ``cli.json``, and from ``rpc.json`` what happened between them.

The format is that of ``vectors/network/README.md``. Commands that were started together, and
validators that were stopped or started between two commands, are known from the marks among the
recorded calls.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct

from catenula.base.errors import LocalError
from catenula.conformance.recordings import find_recording, read_recording

COMMANDS, CALLS = "cli", "rpc"

_CLI_MARK = re.compile(r"cli (\d+)(?::.*)?", re.DOTALL)
_VALIDATOR_MARK = re.compile(r"validator (\d+) (stopped|restarted)")


_FROM = "--from"
_LOST_HEIGHT = "A different block was already committed at this height"
"""What the reference says when a block lost against another one of its height."""


class RecordedCommand(Struct, frozen=True):
    """One command: its arguments without the options that name files, and what came of it.

    ``wallet`` is the name of the folder with the wallet, None for commands without one. ``exit`` is
    None for commands that the recording script stopped. ``lost_height`` says that it failed because
    another block took the height of its own. ``seconds`` is how long it took.
    """

    number: int
    wallet: str | None
    arguments: tuple[str, ...]
    exit: int | None
    output: str
    input: str
    label: str
    lost_height: bool = False
    seconds: float = 0.0

    @property
    def sender(self) -> str | None:
        """The chain that is told to make a block by ``--from``."""
        pairs = dict(pairwise(("", *self.arguments)))
        return pairs.get(_FROM)

    def __str__(self) -> str:
        label = f" ({self.label})" if self.label else ""
        return f"command {self.number}: {' '.join(self.arguments)}{label}"


class Together(NamedTuple):
    """Commands that ran at the same time; usually only one."""

    commands: tuple[RecordedCommand, ...]


class Switch(NamedTuple):
    """A validator was started or stopped."""

    validator: int
    is_running: bool


Step = Together | Switch


class RecordedSession(Struct, frozen=True):
    """All commands of one run, and the shape of its network.

    ``committee`` is the first one: addresses in the order in which the validators are numbered;
    ``validator_keys`` are the public keys and account keys of all validators, also of later ones.
    """

    name: str
    folder: Path
    steps: tuple[Step, ...]
    committee: tuple[str, ...]
    validator_keys: tuple[tuple[str, str], ...]
    shards: int
    genesis: dict[str, Any]

    @property
    def commands(self) -> Iterator[RecordedCommand]:
        """All commands, in recorded order."""
        for step in self.steps:
            if isinstance(step, Together):
                yield from step.commands


def find_sessions(paths: Iterable[Path]) -> list[Path]:
    """The folders of the runs that are meant by paths to them or to folders of them.

    Raises `LocalError` for a path without recorded commands.
    """
    found: list[Path] = []
    for path in paths:
        folders = list(_sessions_at(path))
        if not folders:
            raise LocalError(f"there are no recorded commands at {path}", retryable=False)
        found.extend(folders)
    return found


def _sessions_at(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        return
    if find_recording(path, COMMANDS) is not None:
        yield path
        return
    for child in sorted(path.iterdir()):
        yield from _sessions_at(child)


def read_session(folder: Path) -> RecordedSession:
    """Read the commands of a run; `LocalError` for files that are missing or cannot be read."""
    try:
        run = _read(folder, "run")
        committee = _read(folder, "committee")["validators"]
        commands = [_read_command(entry) for entry in _read(folder, COMMANDS)]
        return RecordedSession(
            name=folder.resolve().name,
            folder=folder,
            steps=tuple(_steps(commands, _read(folder, CALLS)["calls"], len(committee))),
            committee=tuple(_address(member) for member in committee),
            validator_keys=tuple((public, account) for public, account in run["validator_keys"]),
            shards=run["shards"],
            genesis=_read(folder, "genesis"),
        )
    except (KeyError, TypeError) as error:
        raise LocalError(f"{folder} does not hold recorded commands", retryable=False) from error


def _read(folder: Path, name: str) -> Any:
    path = find_recording(folder, name)
    if path is None:
        raise LocalError(f"no {name}.json lies in {folder}", retryable=False)
    return read_recording(path)


def _address(member: dict[str, Any]) -> str:
    network = member["network"]
    return f"{network['host']}:{network['port']}"


def _read_command(entry: dict[str, Any]) -> RecordedCommand:
    return RecordedCommand(
        number=entry["i"],
        wallet=entry["wallet"],
        arguments=tuple(entry["args"]),
        exit=entry["exit"] if isinstance(entry["exit"], int) else None,
        output=entry["stdout"],
        input=entry.get("stdin") or "",
        label=entry.get("label") or "",
        lost_height=_LOST_HEIGHT in (entry.get("stderr") or ""),
        seconds=entry.get("seconds") or 0.0,
    )


def _steps(
    commands: list[RecordedCommand], calls: list[dict[str, Any]], members: int
) -> Iterator[Step]:
    """The commands in groups, and the validators that were started and stopped between them."""
    switches = _switches(calls, members)
    groups = _groups(commands, {int(number) for number in _marked(calls)})
    for group in groups:
        yield from switches.get(group.commands[0].number, ())
        yield group


def _marked(calls: list[dict[str, Any]]) -> Iterator[str]:
    for call in calls:
        match = _CLI_MARK.fullmatch(call.get("mark", ""))
        if match:
            yield match[1]


def _groups(commands: list[RecordedCommand], marked: set[int]) -> list[Together]:
    """A command without a mark of its own started together with the one before it."""
    groups: list[Together] = []
    for command in commands:
        if groups and command.number not in marked:
            groups[-1] = Together((*groups[-1].commands, command))
        else:
            groups.append(Together((command,)))
    return groups


def _switches(calls: list[dict[str, Any]], members: int) -> dict[int, list[Switch]]:
    """By the number of the command before which they happened.

    One that is not a member from the start is started for the first command that reaches it.
    """
    switches: dict[int, list[Switch]] = {}
    waiting: list[Switch] = []
    current = 0
    started: set[int] = set()
    for call in calls:
        mark = call.get("mark")
        if mark is None:
            newcomer = call["v"]
            if newcomer >= members and call["code"] == "OK" and newcomer not in started:
                started.add(newcomer)
                switches.setdefault(current, []).append(Switch(newcomer, is_running=True))
        elif match := _VALIDATOR_MARK.fullmatch(mark):
            waiting.append(Switch(int(match[1]), is_running=match[2] == "restarted"))
        elif match := _CLI_MARK.fullmatch(mark):
            current = int(match[1])
            switches.setdefault(current, []).extend(waiting)
            waiting = []
    return switches
