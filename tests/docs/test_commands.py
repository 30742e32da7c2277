"""The commands that documents show do what the documents say, in the order they are read in.

A line that starts with a dollar sign is a command, indented lines go on with it, and the others are
what it prints; `…` stands for what differs from run to run. Each story is one shell on a wallet of
its own, with the network that the documents ask for; only the ports are other ones.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.ports import free_port
from tests.process.net import NetUp, environment

pytestmark = pytest.mark.process

STORIES = (
    ("docs/applications.md", "docs/node-service.md", "examples/applications/README.md"),
    ("docs/faucet.md",),
    ("examples/README.md",),
    ("README.md#A network in a blink",),
)
OF_THE_ADMINISTRATOR = ("docs/faucet.md",)
"""The story that begins with the exports of `net up`; the others begin without a wallet."""

FAUCET_PORT = "8080"
PORT = re.compile(r"(?<=localhost:)\d+|(?<=--port )\d+")
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
MARK = "-- the end of a command --"
PATIENCE_SECONDS = 90


@dataclass(slots=True)
class Command:
    """A command as it is shown, and what the document says it prints."""

    text: str
    printed: list[str] = field(default_factory=list)

    def is_as_shown(self, output: str) -> bool:
        """Whether this is what it prints."""
        pattern = ".*".join(re.escape(part) for part in "\n".join(self.printed).split("…"))
        return re.fullmatch(pattern, output.strip(), re.DOTALL) is not None


def commands_of(document: str) -> list[Command]:
    """The commands in the console blocks of a document, or of the section that is named too."""
    path, _, heading = document.partition("#")
    text = (REPOSITORY / path).read_text()
    if heading:
        text = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    commands: list[Command] = []
    for block in BLOCK.findall(text):
        for line in block.splitlines():
            if line.startswith("$ "):
                commands.append(Command(line.removeprefix("$ ")))
            elif line.startswith("    ") and not commands[-1].printed:
                commands[-1].text += f"\n{line}"
            else:
                commands[-1].printed.append(line)
    return commands


@pytest.fixture(scope="module")
def network() -> Iterator[tuple[NetUp, int]]:
    faucet_port = free_port()
    with NetUp("--with-faucet", "--faucet-port", str(faucet_port)) as started:
        yield started, faucet_port


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a clone looks like to the documents: the examples, and the commands on the path."""
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    (tmp_path / "bin").mkdir()
    for name, program in (
        ("catenula", f"{sys.executable} -m catenula"),
        ("python", sys.executable),
    ):
        file = tmp_path / "bin" / name
        file.write_text(f'#!/bin/sh\nexec {program} "$@"\n')
        file.chmod(0o755)
    return tmp_path


def on_other_ports(text: str, ports: dict[str, str]) -> str:
    """The text with each of its ports replaced, always by the same one."""
    return PORT.sub(lambda found: ports.setdefault(found[0], str(free_port())), text)


def script_of(story: tuple[str, ...]) -> str:
    """One shell script; what is left running ends with the document that started it."""
    lines = ["stop() { kill $(jobs -p) || :; wait; } 2>&-", "trap stop EXIT", "set -euo pipefail"]
    for document in story:
        lines.append('cd "$HOME"')
        for command in commands_of(document):
            lines += [command.text, f"echo; echo '{MARK}'"]
        lines.append("stop")
    return "\n".join(lines)


@pytest.mark.parametrize("story", STORIES, ids="+".join)
def test_commands_do_what_the_document_says(
    story: tuple[str, ...], network: tuple[NetUp, int], folder: Path
) -> None:
    if shutil.which("bash") is None or shutil.which("curl") is None:
        pytest.skip("*** NOT TESTED: no bash or no curl is installed")
    started, faucet_port = network
    wallet = started.variables() if story == OF_THE_ADMINISTRATOR else {}
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    # Modules that were compiled before need not be compiled again.
    compiled = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    done = subprocess.run(
        ["bash", "-c", on_other_ports(script_of(story), {FAUCET_PORT: str(faucet_port)})],
        env=environment(**wallet, HOME=str(folder), PATH=path, XDG_CACHE_HOME=compiled),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    outputs = done.stdout.split(MARK)[:-1]
    commands = [command for document in story for command in commands_of(document)]
    for command, output in zip(commands, outputs, strict=False):
        assert command.is_as_shown(output), f"{command.text}\nprinted{output}\n{done.stderr}"
    assert (done.returncode, len(outputs)) == (0, len(commands)), done.stderr


@pytest.mark.parametrize("story", STORIES, ids="+".join)
def test_every_document_of_a_story_shows_commands(story: tuple[str, ...]) -> None:
    assert all(commands_of(document) for document in story)
