"""The faucet that recorded commands use: ours, as a process beside the validators.

It gives from the last of the chains with which the network starts, with a copy of the wallet that
was made with the network, as the recording script's did.
"""

import http.client
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from catenula.base.closing import Closing
from catenula.base.errors import LocalError
from catenula.conformance.commands.network import HOST, free_ports

AMOUNT = "10"
"""What the faucet of the recordings gave."""
FAUCET_OPTION = "--faucet"

_READY_SECONDS = 30.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.05
_OK = 200


def is_faucet_url(argument: str) -> bool:
    """Whether an argument is the address of a faucet."""
    return argument.startswith(f"http://{HOST}:")


class PlayedFaucet(Closing):
    """A running faucet; leaving the context ends it."""

    def __init__(self, folder: Path, *, chain_id: str) -> None:
        (self.port,) = free_ports(1)
        self._folder, self._chain_id = folder, chain_id
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def copy_wallet(source: Path, folder: Path) -> None:
        """Give the faucet the wallet as it is before its chains are used."""
        folder.mkdir(exist_ok=True)
        for name in ("wallet.json", "keystore.json"):
            shutil.copy(source / name, folder / name)

    def __enter__(self) -> Self:
        arguments = [
            *("--wallet", str(self._folder / "wallet.json")),
            *("--keystore", str(self._folder / "keystore.json")),
            *("--storage", f"sqlite:{self._folder / 'client'}"),
            *("faucet", self._chain_id, "--amount", AMOUNT, "--port", str(self.port)),
            *("--host", HOST, "--storage-path", str(self._folder / "faucet.sqlite")),
        ]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "catenula", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._wait(self._process)
        except BaseException:
            self.close()
            raise
        return self

    def _wait(self, process: "subprocess.Popen[bytes]") -> None:
        """Return when the faucet answers; `LocalError` when it ends or never does."""
        deadline = time.monotonic() + _READY_SECONDS
        while not self._is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise LocalError("the faucet for the recorded commands failed", retryable=False)
            time.sleep(_POLL_SECONDS)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=_READY_SECONDS)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == _OK
        except OSError:
            return False
        finally:
            connection.close()

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
