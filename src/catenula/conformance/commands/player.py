"""One recorded session played against a network of our own, command by command.

Wallets are folders beside each other. Commands run in this process, one after the other; those that
were recorded together run together, in processes of their own.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from catenula.base.codec import codec_of
from catenula.conformance.commands.files import InputFiles
from catenula.conformance.commands.names import Names
from catenula.conformance.commands.network import (
    Member,
    PlayedNetwork,
    committee_file,
    new_members,
)
from catenula.conformance.commands.recording import RecordedCommand, RecordedSession, Switch
from catenula.conformance.commands.skips import REPORTS_SKIPPED, Comparison, Skips
from catenula.conformance.differences import Difference
from catenula.conformance.report import Report
from catenula.protocol import GenesisConfig

_GENESIS, _COMMITTEE = "genesis.json", "committee.json"
_ERROR_TEXT = re.compile(r"^(Error getting [a-z ]+:).*$", re.MULTILINE)
_TOGETHER_SECONDS = 120.0


class Outcome(NamedTuple):
    """What came of a command."""

    exit: int
    output: str
    errors: str


Invoke = Callable[[Sequence[str], str], Outcome]
"""Runs a command in this process: its arguments, and what it reads from its input."""


class SessionPlayer:
    """Plays one session in a folder; ``report`` counts its commands."""

    def __init__(self, session: RecordedSession, folder: Path, invoke: Invoke) -> None:
        self.report = Report()
        self._session, self._folder, self._invoke = session, folder, invoke
        self._names = Names()
        self._skips = Skips(self._names)
        self._files = InputFiles(session.folder, folder, self._names)
        self._members = new_members(len(session.validator_keys))

    def play(self) -> None:
        """Play everything; the current folder must be the session's."""
        self._prepare()
        steps = iter(self._session.steps)
        first = next(steps)
        if not isinstance(first, Switch):
            self._play_together(first.commands)
        self._learn_genesis()
        genesis = self._folder / _GENESIS
        with PlayedNetwork(
            self._members, workers=self._session.shards, genesis=genesis
        ) as network:
            for index in range(len(self._session.committee)):
                network.switch(index, is_running=True)
            for step in steps:
                if isinstance(step, Switch):
                    network.switch(step.validator, is_running=step.is_running)
                else:
                    self._play_together(step.commands)

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
            *((first.chain_id, second.chain_id) for first, second in zip(
                recorded.chains, ours.chains, strict=False)),
        ]
        for first, second in pairs:
            self._names.learn(str(first), str(second))
        self._names.learn_values(self._session.genesis["chains"], ours_json["chains"])

    # Commands

    def _play_together(self, commands: tuple[RecordedCommand, ...]) -> None:
        played = []
        for command in commands:
            reason = self._skips.reason_not_to_play(command)
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
        return [*self._place_options(command), *map(self._names.translate, command.arguments)]

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
        started = [
            subprocess.Popen(
                [sys.executable, "-m", "catenula", *self._arguments(command)],
                cwd=self._folder,
                env=dict(os.environ),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for command in commands
        ]
        outcomes = []
        for process in started:
            output, errors = process.communicate(timeout=_TOGETHER_SECONDS)
            outcomes.append(Outcome(process.returncode, output, errors))
        return outcomes

    def _compare(self, command: RecordedCommand, outcome: Outcome) -> None:
        comparison = self._skips.comparison(command, None)
        if comparison is Comparison.NOTHING:
            self.report.skip(REPORTS_SKIPPED)
            return
        found = []
        if outcome.exit != command.exit:
            last = outcome.errors.strip().splitlines()[-1:] or ["nothing on stderr"]
            found.append(Difference("exit", f"{outcome.exit} ({last[0]})", str(command.exit)))
        if comparison is Comparison.ALL:
            ours, recorded = map(_without_error_texts, (outcome.output, command.output))
            found += self._names.compare("output", ours, recorded)
        self.report.add(f"{self._session.name} {command}", [str(item) for item in found])


def _without_error_texts(output: str) -> str:
    """Reports of validators say in their own words why one could not be asked."""
    return _ERROR_TEXT.sub(r"\1", output)
