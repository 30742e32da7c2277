"""A command-line program under test: runs it on a wallet of its own and keeps a transcript."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

COMMAND_TIMEOUT_SECONDS = 90


class Ran(NamedTuple):
    """One command and what came of it."""

    arguments: tuple[str, ...]
    exit_status: int
    stdout: str
    stderr: str


class Wallet:
    """One person's wallet files, and the program that works on them."""

    def __init__(
        self, program: Sequence[str], folder: Path, transcript: list[Ran], *, storage: str
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._program, self._folder, self._transcript = tuple(program), folder, transcript
        self._environment = {
            **os.environ,
            "LINERA_WALLET": str(folder / "wallet.json"),
            "LINERA_KEYSTORE": str(folder / "keystore.json"),
            "LINERA_STORAGE": storage,
            "RUST_LOG": "warn",
            "NO_COLOR": "1",
        }

    @classmethod
    def of_exports(
        cls, program: Sequence[str], exports: Mapping[str, str], transcript: list[Ran]
    ) -> "Wallet":
        """The wallet that ``net up`` made and exported."""
        wallet = cls.__new__(cls)
        wallet._program, wallet._transcript = tuple(program), transcript
        wallet._folder = Path(exports["LINERA_WALLET"]).parent
        wallet._environment = {**os.environ, **exports, "RUST_LOG": "warn", "NO_COLOR": "1"}
        return wallet

    def run(self, *arguments: str, exit_status: int = 0, stdin: str | None = None) -> str:
        """Run a command; its stdout. Fails the test when it ends with another status."""
        done = subprocess.run(  # The programs under test, named by the test itself.
            [*self._program, *arguments],
            cwd=self._folder,
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_SECONDS,
            check=False,
        )
        ran = Ran(arguments, done.returncode, done.stdout, done.stderr)
        self._transcript.append(ran)
        if done.returncode != exit_status:
            raise AssertionError(
                f"{' '.join(arguments)}\nended with {done.returncode}, expected {exit_status}\n"
                f"stdout:\n{done.stdout}\nstderr:\n{done.stderr}"
            )
        return done.stdout

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a command that runs until it is stopped."""
        return subprocess.Popen(  # The programs under test, named by the test itself.
            [*self._program, *arguments],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def lines(self, *arguments: str) -> list[str]:
        """As `run`; the lines of stdout."""
        return self.run(*arguments).splitlines()

    def line(self, *arguments: str) -> str:
        """As `run`; the only line of stdout."""
        (line,) = self.lines(*arguments)
        return line

    def write(self, name: str, content: bytes) -> str:
        """A file in the wallet's folder, for commands that read one; its name."""
        (self._folder / name).write_bytes(content)
        return name
