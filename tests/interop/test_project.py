"""The real cargo on a new project: its tests are compiled and run on this machine."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.interop.test_official_cli import program_of

TIMEOUT_SECONDS = 300

pytestmark = [pytest.mark.interop, pytest.mark.timeout(2 * TIMEOUT_SECONDS)]


def test_the_tests_of_a_new_project_pass(tmp_path: Path) -> None:
    if shutil.which("cargo") is None:
        pytest.skip("there is no cargo here")
    run(tmp_path, *program_of("ours"), "project", "new", "my-sum")
    project = tmp_path / "my-sum"
    resolved = run(project, "cargo", "generate-lockfile", checked=False)
    if resolved.returncode:
        pytest.skip(f"cargo cannot reach the registry of packages: {resolved.stderr.strip()}")
    tested = run(project, *program_of("ours"), "project", "test")
    assert "test result: ok. 2 passed" in tested.stdout
    library = project / "src" / "lib.rs"
    library.write_text(library.read_text().replace("Some(42)", "Some(43)"))
    failed = run(project, *program_of("ours"), "project", "test", checked=False)
    assert failed.returncode == 1
    assert "the tests failed" in failed.stderr


def run(folder: Path, *command: str, checked: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run a program in a folder; unless told otherwise it must succeed."""
    done = subprocess.run(  # The programs under test, named by the test itself.
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert not checked or done.returncode == 0, done.stderr
    return done
