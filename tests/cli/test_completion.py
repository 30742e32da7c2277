"""Shell completion: what scripts ask and are told, and real shells that use them."""

import os
import pty
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from catenula.cli.main import main
from tests.conftest import REPOSITORY

SHELLS = ("bash", "elvish", "fish", "powershell", "zsh")
TYPED = ["catenula", "wallet", "s"]
WANTED = {"show", "set-default"}
MORE = ["catenula", "completion", "po"]


def script_of(shell: str) -> str:
    """What ``catenula completion SHELL`` prints."""
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is on the path and has ``catenula`` of this checkout."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "catenula"
    python = shlex.quote(sys.executable)
    script.write_text(f'#!/bin/sh\nexec {python} -m catenula "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "src"))
    return folder


def needed(shell: str) -> str:
    """The path of a shell; skips the test where it is not installed."""
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    return found


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_of_the_reference_has_a_script(shell: str) -> None:
    script = script_of(shell)
    assert "_CATENULA_COMPLETE" in script
    assert "catenula" in script


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        ("bash", {"COMP_WORDS": "catenula wallet s", "COMP_CWORD": "2"}),
        ("elvish", {"COMP_WORDS": "catenula\nwallet\ns"}),
        ("fish", {"COMP_WORDS": "catenula wallet s", "COMP_CWORD": "s"}),
        ("powershell", {"COMP_WORDS": "catenula wallet s", "COMP_CWORD": "2"}),
        ("zsh", {"COMP_WORDS": "catenula wallet s", "COMP_CWORD": "2"}),
    ],
)
def test_scripts_are_told_the_names_that_fit(shell: str, words: dict[str, str]) -> None:
    environment = {"_CATENULA_COMPLETE": f"{shell}_complete", **words}
    told = CliRunner().invoke(main, prog_name="catenula", env=environment).stdout
    separators = str.maketrans({",": "\n", "\t": "\n"})
    lines = set(told.translate(separators).splitlines())
    assert lines >= WANTED
    assert not lines & {"init", "forget-keys"}


def test_words_for_elvish_are_not_split_or_quoted() -> None:
    environment = {
        "_CATENULA_COMPLETE": "elvish_complete",
        "COMP_WORDS": 'catenula\n--wallet\n/tmp/it\'s a "wallet"\nwallet\nsh',
    }
    told = CliRunner().invoke(main, prog_name="catenula", env=environment).stdout
    assert told == "plain\tshow\tList the chains of the wallet.\n"


def test_bash_completes(program: Path) -> None:
    ask = 'COMP_WORDS=({}) COMP_CWORD=2; _catenula_completion catenula; echo "${{COMPREPLY[@]}}"'
    script = f"{script_of('bash')}\n{ask.format(' '.join(TYPED))}"
    done = subprocess.run(
        [needed("bash"), "-c", script], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) >= WANTED


def test_fish_completes(program: Path) -> None:
    script = f"{script_of('fish')}\ncomplete -C {shlex.quote(' '.join(TYPED))}"
    done = subprocess.run(
        [needed("fish"), "-c", script], capture_output=True, text=True, check=True
    )
    assert {line.partition("\t")[0] for line in done.stdout.splitlines()} >= WANTED


def test_zsh_accepts_its_script(program: Path, tmp_path: Path) -> None:
    script = tmp_path / "completion.zsh"
    script.write_text(f"autoload -U compinit; compinit -u -d {tmp_path / 'dump'}\n")
    with script.open("a") as file:
        file.write(f"{script_of('zsh')}\necho registered as $_comps[catenula]\n")
    shell = [needed("zsh"), "-f", str(script)]
    done = subprocess.run(shell, capture_output=True, text=True, check=True)
    assert done.stdout == "registered as _catenula_completion\n"


_ELVISH_ASKS = """
for typed [[{typed}] [{more}]] {{
    $edit:completion:arg-completer[catenula] $@typed | each {{|candidate|
        if (eq (kind-of $candidate) map) {{ echo $candidate[stem] }} else {{ echo $candidate }}
    }} >> {found}
}}
echo done >> {found}
"""


def test_elvish_completes(program: Path, tmp_path: Path) -> None:
    """Elvish has its completers only where it is interactive: on a terminal."""
    shell, found, script = needed("elvish"), tmp_path / "found", tmp_path / "rc.elv"
    asks = _ELVISH_ASKS.format(typed=" ".join(TYPED), more=" ".join(MORE), found=found)
    script.write_text(script_of("elvish") + asks)
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [shell, "-rc", str(script)], stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    shown = b""
    try:
        while not (found.exists() and "done" in found.read_text().split()):
            shown += os.read(screen, 4096)
    except OSError as error:
        raise AssertionError(shown.decode()) from error
    finally:
        process.kill()
        process.wait()
        os.close(screen)
    assert set(found.read_text().split()) == {*WANTED, "powershell", "done"}
