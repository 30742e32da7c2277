"""The real cargo on the examples: the tests of their rules are compiled and run on this machine."""

import re
import shutil
from pathlib import Path

import pytest

from catenula.network.example_applications import NAMES
from tests.conftest import REPOSITORY
from tests.interop.test_project import TIMEOUT_SECONDS, run

APPLICATIONS = REPOSITORY / "examples" / "applications"
PASSED = re.compile(r"^test result: ok\. [1-9]\d* passed; 0 failed", re.MULTILINE)

pytestmark = [pytest.mark.interop, pytest.mark.timeout(2 * TIMEOUT_SECONDS)]


def test_the_rules_of_every_example_pass_their_tests(tmp_path: Path) -> None:
    if shutil.which("cargo") is None:
        pytest.skip("there is no cargo here")
    folder = tmp_path / "applications"
    shutil.copytree(
        APPLICATIONS, folder, ignore=shutil.ignore_patterns("target", "Cargo.lock", "*.wasm")
    )
    resolved = run(folder, "cargo", "generate-lockfile", checked=False)
    if resolved.returncode:
        pytest.skip(f"cargo cannot reach the registry of packages: {resolved.stderr.strip()}")
    tested = run(folder, "cargo", "test", "--lib")
    assert len(PASSED.findall(tested.stdout)) == len(NAMES)
