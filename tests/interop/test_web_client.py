"""The published browser client (an npm package nobody here wrote) against our network.

Runs the check of ``../shared/interop/web_client`` with the system's Chromium. Where that folder,
npm or Chromium cannot be had, the test is skipped, loudly; `test_browser.py` is the smaller check
that every clone can run.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.interop.applications import create_counter
from tests.interop.chromium import chromium_or_skip
from tests.interop.commands import Wallet
from tests.interop.networks import OURS, running
from tests.ports import free_port, free_port_range

REPOSITORY = Path(__file__).resolve().parents[2]
CHECK = REPOSITORY.parent / "shared" / "interop" / "web_client"
INSTALLED = REPOSITORY / ".interop" / "web_client"
FAUCET_TOKENS = 100
CHECK_TIMEOUT_SECONDS = 900

pytestmark = [pytest.mark.interop, pytest.mark.timeout(CHECK_TIMEOUT_SECONDS + 60)]


def _client_folder() -> Path:
    """The check with its npm packages, copied out of ``../shared`` once."""
    npm = shutil.which("npm")
    if not CHECK.is_dir() or npm is None:
        missing = str(CHECK) if npm is not None else "npm"
        pytest.skip(f"*** NOT TESTED: the web client check needs {missing}")
    if not (INSTALLED / "node_modules").is_dir():
        shutil.rmtree(INSTALLED, ignore_errors=True)
        shutil.copytree(CHECK, INSTALLED)
        INSTALLED.chmod(0o755)
        _run_npm(npm)
    return INSTALLED


def _run_npm(npm: str) -> None:
    done = subprocess.run(  # npm, found on the path, with fixed arguments.
        [npm, "ci", "--no-audit", "--no-fund"],
        cwd=INSTALLED,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode != 0:
        shutil.rmtree(INSTALLED / "node_modules", ignore_errors=True)
        pytest.skip(f"*** NOT TESTED: npm could not install the web client\n{done.stderr[-600:]}")


def _application_options(exports: Mapping[str, str]) -> Iterator[str]:
    """A counter that the administrator creates: the scenario `app` asks it and counts on."""
    admin = Wallet.of_exports(OURS, exports, [])
    counter = create_counter(admin, limit=1_000, start=5)
    yield from ("--app", counter, "--app-query", "query { value }")
    yield from ("--app-mutation", "mutation { add(amount: 3) }")


@pytest.mark.parametrize(
    "options",
    [(), ("--processes", "--workers", "2"), ("--policy-config", "testnet")],
    ids=["one-process", "processes", "testnet-fees"],
)
def test_every_scenario_of_the_web_client_passes(
    options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, client = chromium_or_skip(), _client_folder()
    port = free_port()
    monkeypatch.setenv("TEST_OFFSET_PORT", str(free_port_range()))
    network_command = (
        *(*OURS, "net", "up", "--validators", "4", *options),
        *("--with-faucet", "--faucet-port", str(port), "--faucet-amount", str(FAUCET_TOKENS)),
    )
    with running(network_command, faucet_port=port, folder=tmp_path) as network:
        done = subprocess.run(  # The check under test, with fixed arguments.
            [
                *(sys.executable, "check.py", "--faucet", network.faucet, "--browser", browser),
                *_application_options(network.exports),
            ],
            cwd=client,
            env={**os.environ, "PYTHONWARNINGS": "default"},
            capture_output=True,
            text=True,
            timeout=CHECK_TIMEOUT_SECONDS,
            check=False,
        )
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    assert "FAILED" not in done.stdout
