"""One recorded session played against a network of our own, command by command.

Wallets are folders beside each other. Commands run in this process, one after the other; those that
were recorded together run together, in processes of their own. Those that raced for the next block
of one chain run in the order in which they were done, as later commands show who was first.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from catenula.base.codec import codec_of
from catenula.base.errors import LocalError
from catenula.conformance.commands.encoded import EncodedTimes, bytes_in_one_line
from catenula.conformance.commands.exceptions import check_length, exceptions_of
from catenula.conformance.commands.faucet import FAUCET_OPTION, PlayedFaucet, is_faucet_url
from catenula.conformance.commands.files import InputFiles
from catenula.conformance.commands.names import Names
from catenula.conformance.commands.network import (
    HOST,
    Member,
    PlayedNetwork,
    committee_file,
    new_members,
)
from catenula.conformance.commands.recording import (
    RecordedCommand,
    RecordedSession,
    Switch,
    Together,
)
from catenula.conformance.commands.skips import Comparison, comparison_of, reason_not_to_play
from catenula.conformance.commands.web import AskedServer
from catenula.conformance.differences import Difference
from catenula.conformance.report import Report
from catenula.protocol import GenesisConfig

_GENESIS, _COMMITTEE = "genesis.json", "committee.json"
_MAKER, _FAUCET = "w0", "wf"
"""The wallet that is made with the network, and the faucet's."""
_ERROR_TEXT = re.compile(r"^(Error getting [a-z ]+:).*$", re.MULTILINE)
_SHOWN_LINES = 4
_JSON_OPTIONS = frozenset(("--json-parameters", "--json-argument"))
_OPERATION_OPTION = "--operation"
_PUBLISHING = frozenset(("publish-and-create", "publish-module", "publish-module-with-formats"))
_UNCHECKED = ("--unchecked",)
"""The reference publishes modules that cannot run, and the blocks with them are recorded."""
_TOGETHER_SECONDS = 120.0


class Outcome(NamedTuple):
    """What came of a command."""

    exit: int
    output: str
    errors: str


Invoke = Callable[[Sequence[str], str], Outcome]
"""Runs a command in this process: its arguments, and what it reads from its input."""


def _outcome_of(process: "subprocess.Popen[str]") -> Outcome:
    output, errors = process.communicate(timeout=_TOGETHER_SECONDS)
    return Outcome(process.returncode, output, errors)


class SessionPlayer:
    """Plays one session in a folder; ``report`` counts its commands."""

    def __init__(self, session: RecordedSession, folder: Path, invoke: Invoke) -> None:
        self.report = Report()
        self._session, self._folder, self._invoke = session, folder, invoke
        self._names = Names()
        self._files = InputFiles(session.folder, folder, self._names)
        self._members = new_members(len(session.validator_keys))
        self._listed = exceptions_of(session.name)
        self._faucet: PlayedFaucet | None = None
        self._faucet_users = [
            command.number
            for command in session.commands
            if FAUCET_OPTION in command.arguments and not command.label
        ]
        self._last_chain = ""
        self._asked = AskedServer()
        self._times = EncodedTimes(0, 0)

    def play(self) -> None:
        """Play everything; the current folder must be the session's."""
        check_length(self._session.name, len(self._listed), sum(1 for _ in self._session.commands))
        self._prepare()
        first, *others = self._session.steps
        if not isinstance(first, Together):
            raise LocalError("a session begins with the making of its genesis", retryable=False)
        self._play_together(first.commands)
        self._learn_genesis()
        PlayedFaucet.copy_wallet(self._folder / _MAKER, self._folder / _FAUCET)
        with ExitStack() as stack:
            stack.enter_context(self._asked)
            network = self._start_network(stack)
            for step in others:
                if isinstance(step, Switch):
                    network.switch(step.validator, is_running=step.is_running)
                else:
                    self._switch_faucet(step.commands[0], stack)
                    self._play_together(step.commands)

    def _start_network(self, stack: ExitStack) -> PlayedNetwork:
        network = stack.enter_context(
            PlayedNetwork(
                self._members, workers=self._session.shards, genesis=self._folder / _GENESIS
            )
        )
        for index in range(len(self._session.committee)):
            network.switch(index, is_running=True)
        return network

    def _switch_faucet(self, command: RecordedCommand, stack: ExitStack) -> None:
        """The faucet runs from the first command that uses it to the last."""
        users = self._faucet_users
        if command.number not in range(min(users, default=0), max(users, default=-1) + 1):
            if self._faucet is not None:
                self._faucet.close()
        elif self._faucet is None:
            self._start_faucet(command, stack)

    def _start_faucet(self, command: RecordedCommand, stack: ExitStack) -> None:
        chain_id = self._names.translate(self._last_chain)
        self._faucet = PlayedFaucet(self._folder / _FAUCET, chain_id=chain_id)
        (recorded,) = {argument for argument in command.arguments if is_faucet_url(argument)}
        self._names.learn(recorded.removeprefix("http://"), f"{HOST}:{self._faucet.port}")
        stack.enter_context(self._faucet)

    def _prepare(self) -> None:
        """The committee's file, and whose names are whose."""
        genuine = self._members[: len(self._session.committee)]
        content = json.dumps(committee_file(genuine))
        (self._folder / _COMMITTEE).write_text(content, encoding="utf-8")
        recorded = zip(self._session.validator_keys, self._addresses(), strict=True)
        for member, ((public_key, account_key), address) in zip(
            self._members, recorded, strict=True
        ):
            self._learn_member(member, public_key, account_key)
            self._names.learn(address, member.address)

    def _learn_member(self, member: Member, public_key: str, account_key: str) -> None:
        self._names.learn(public_key, member.public_key)
        self._names.learn(account_key, member.account_key)
        self._names.learn(account_key[2:], member.account_key[2:])
        self._files.know_account_key(member.public_key, member.account_key)

    def _addresses(self) -> list[str]:
        """Recorded addresses; those of later validators follow on the last one's port."""
        known = list(self._session.committee)
        host, _, port = known[-1].rpartition(":")
        missing = len(self._session.validator_keys) - len(known)
        return [*known, *(f"{host}:{int(port) + 1 + number}" for number in range(missing))]

    def _learn_genesis(self) -> None:
        """The names of the chains with which the network starts, and what derives from them."""
        codec = codec_of(GenesisConfig)
        ours_json = json.loads((self._folder / _GENESIS).read_text(encoding="utf-8"))
        recorded = codec.from_json(self._session.genesis)
        ours = codec.from_json(ours_json)
        pairs = [
            (recorded.hash, ours.hash),
            (recorded.committee_blob.id.hash, ours.committee_blob.id.hash),
            *(
                (first.chain_id, second.chain_id)
                for first, second in zip(recorded.chains, ours.chains, strict=False)
            ),
        ]
        for first, second in pairs:
            self._names.learn(str(first), str(second))
        self._last_chain = str(recorded.chains[-1].chain_id)
        self._names.learn_values(self._session.genesis["chains"], ours_json["chains"])
        self._times = EncodedTimes(recorded.timestamp, ours.timestamp)

    # Commands

    def _play_together(self, commands: tuple[RecordedCommand, ...]) -> None:
        played = []
        for command in commands:
            reason = reason_not_to_play(command)
            if reason is None:
                self._files.prepare(command)
                played.append(command)
            else:
                self.report.skip(reason)
        if len(played) == 1:
            outcomes = [self._invoke(self._arguments(played[0]), played[0].input)]
        else:
            outcomes = self._run_together(played)
        for command, outcome in zip(played, outcomes, strict=True):
            self._compare(command, outcome)

    def _arguments(self, command: RecordedCommand) -> list[str]:
        before = ("", *command.arguments)
        translated = map(self._argument, before, command.arguments)
        more = _UNCHECKED if _PUBLISHING.intersection(command.arguments) else ()
        return [*self._place_options(command), *translated, *more]

    def _argument(self, option: str, argument: str) -> str:
        """An argument in our names; ``option`` is the one before it."""
        if option in _JSON_OPTIONS:
            return json.dumps(self._names.translate_json(json.loads(argument)))
        if option == _OPERATION_OPTION:
            return self._asked.redirect(self._times.shift(self._names.translate(argument)))
        return self._names.translate(self._files.place(argument))

    def _place_options(self, command: RecordedCommand) -> list[str]:
        if command.wallet is None:
            return []
        wallet = self._folder / command.wallet
        wallet.mkdir(exist_ok=True)
        return [
            *("--wallet", str(wallet / "wallet.json")),
            *("--keystore", str(wallet / "keystore.json")),
            *("--storage", f"sqlite:{wallet / 'client'}"),
        ]

    def _run_together(self, commands: Sequence[RecordedCommand]) -> list[Outcome]:
        senders = [command.sender for command in commands if command.sender is not None]
        if len(set(senders)) == len(senders):
            return [_outcome_of(process) for process in [self._start(each) for each in commands]]
        by_end = sorted(commands, key=lambda command: command.seconds)
        outcomes = {command.number: _outcome_of(self._start(command)) for command in by_end}
        return [outcomes[command.number] for command in commands]

    def _start(self, command: RecordedCommand) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "catenula", *self._arguments(command)],
            cwd=self._folder,
            env=dict(os.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _compare(self, command: RecordedCommand, outcome: Outcome) -> None:
        comparison = comparison_of(command)
        listed = self._listed.get(command.number)
        expected = command.exit if listed is None else listed.exit
        found = []
        # Where the reference gives up because another block took the height, ours makes its block
        # at the next one, or has seen that the other block was its own.
        is_made_later = command.lost_height and outcome.exit == 0
        if outcome.exit != expected and not is_made_later:
            said = " | ".join(outcome.errors.split("\n")[:_SHOWN_LINES]) or "nothing on stderr"
            found.append(Difference("exit", f"{outcome.exit} ({said})", str(expected)))
        has_output = listed is None or listed.has_recorded_output
        if comparison is Comparison.ALL and has_output:
            ours = _without_error_texts(bytes_in_one_line(outcome.output))
            recorded = bytes_in_one_line(command.output, self._names.translate_bytes)
            recorded = _without_error_texts(recorded)
            found += self._names.compare("output", ours, recorded)
        self.report.add(f"{self._session.name} {command}", [str(item) for item in found])


def _without_error_texts(output: str) -> str:
    """Reports of validators say in their own words why one could not be asked."""
    return _ERROR_TEXT.sub(r"\1", output)
