"""``catenula net up`` as a process of its own, and the command line on its wallet."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from catenula.base.closing import Closing
from tests.conftest import REPOSITORY
from tests.ports import free_port_range

PROGRAM = (sys.executable, "-m", "catenula")


def environment(**more: str) -> dict[str, str]:
    """The environment of a process that runs this checkout, without a wallet of the user."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LINERA_")}
    return {**kept, "PYTHONPATH": str(REPOSITORY / "src"), **more}


class NetUp(Closing):
    """A running ``catenula net up``; ready when it is made, stopped when it is left."""

    def __init__(self, *arguments: str, base: int | None = None) -> None:
        self.base = base if base is not None else free_port_range()
        self.process = subprocess.Popen(
            [*PROGRAM, "net", "up", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(TEST_OFFSET_PORT=str(self.base)),
        )
        assert self.process.stderr is not None
        self.told: list[str] = []
        for line in self.process.stderr:
            self.told.append(line)
            if line == "READY!\n":
                break
        else:
            raise AssertionError(f"it ended before it was ready: {''.join(self.told)}")
        assert self.process.stdout is not None
        self.more: dict[str, str] = {}
        self.exports = "".join(self.process.stdout.readline() for _ in range(3))

    def variables(self) -> dict[str, str]:
        """What the exports set."""
        return dict(re.findall(r'^export (LINERA_\w+)="(.*)"$', self.exports, re.MULTILINE))

    def wallet(self) -> Path:
        """The administrator's wallet."""
        return Path(self.variables()["LINERA_WALLET"])

    def run(self, *arguments: str) -> str:
        """What a command on the administrator's wallet prints; it must succeed."""
        done = subprocess.run(
            [*PROGRAM, *arguments],
            capture_output=True,
            text=True,
            env=environment(**self.variables(), **self.more),
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def chains(self) -> list[str]:
        """The wallet's chains, the admin chain first."""
        return self.run("wallet", "show", "--short").split()

    def stop(self, number: signal.Signals = signal.SIGINT) -> str:
        """Ask it to end; what it said on stderr since it was ready."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, said
        return said

    def close(self) -> None:
        """End it, unless it has ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.communicate(timeout=60)


@contextmanager
def serving(net: NetUp, *arguments: str) -> Iterator[dict[str, Any]]:
    """A command on the administrator's wallet that serves until it is left; it must end well.

    What it has told as JSON is in the dictionary when it has ended.
    """
    told: dict[str, Any] = {}
    process = subprocess.Popen(
        [*PROGRAM, *arguments, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**net.variables()),
    )
    assert process.stderr is not None
    said: list[str] = []
    try:
        for line in process.stderr:
            said.append(line)
            if "Press ^C" in line:
                break
        else:
            raise AssertionError(f"it ended before it was ready: {''.join(said)}")
        yield told
    finally:
        process.send_signal(signal.SIGINT)
        printed, rest = process.communicate(timeout=60)
    assert process.returncode == 0, "".join((*said, rest))
    told.update(json.loads(printed))


def ask(url: str, query: str, *, token: str | None = None) -> Any:
    """The data of a GraphQL operation that succeeds; ``token`` goes with it."""
    headers = {"content-type": "application/json"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(url, data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)["data"]
