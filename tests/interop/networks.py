"""Networks to test against: ours and, where its programs are installed, the reference's.

A network runs in a process group of its own and is stopped as a person would stop it.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

READY_SECONDS = 120
STOP_SECONDS = 30
OFFICIAL_ENVIRONMENT = "CATENULA_OFFICIAL_BIN"
"""Names the folder of the reference's programs when they are not on the path."""

EXPORTS = 3
"""A network prints where wallet, key store and storage of its administrator are."""

OURS = (sys.executable, "-m", "catenula")
_EXPORT = re.compile(r'^export (LINERA_\w+)="?([^"\n]*)"?$', re.MULTILINE)


@dataclass
class RunningNetwork:
    """A network that answers."""

    faucet: str
    exports: dict[str, str] = field(default_factory=dict)
    addresses: list[str] = field(default_factory=list)


CLIENT_PROGRAMS = ("linera",)
NETWORK_PROGRAMS = ("linera", "linera-proxy", "linera-server", "linera-storage-server")


def official_program(names: Sequence[str] = CLIENT_PROGRAMS) -> str | None:
    """The reference's command line, if all these programs of it are installed."""
    folder = os.environ.get(OFFICIAL_ENVIRONMENT)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}" if folder else None
    found = [shutil.which(name, path=path) for name in names]
    return found[0] if all(found) else None


class _Starting:
    """Collects what a starting network prints until it is ready or ends."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        self._ready = threading.Event()
        self.is_ready = self._said_ready = False
        self._threads = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in ((process.stdout, self.stdout), (process.stderr, self.stderr))
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Read what is left after the process has ended, and close its pipes."""
        for thread in self._threads:
            thread.join(STOP_SECONDS)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _read(self, stream: Iterator[str], lines: list[str]) -> None:
        for line in stream:
            lines.append(line)
            self._said_ready |= "READY!" in line
            if self._said_ready and len(self.exports()) == EXPORTS:
                self.is_ready = True
                self._ready.set()
        self._ready.set()

    def exports(self) -> dict[str, str]:
        """The environment that the network printed for its administrator."""
        return dict(_EXPORT.findall("".join(self.stdout)))

    def wait(self) -> None:
        """Return when the network says that it is ready; AssertionError when it does not."""
        self._ready.wait(READY_SECONDS)
        if not self.is_ready:
            tail = "".join(self.stderr[-40:])
            raise AssertionError(f"the network did not become ready\n{tail}")


@contextmanager
def running(command: Sequence[str], *, faucet_port: int, folder: Path) -> Iterator[RunningNetwork]:
    """A network started with this command; stopped at the end."""
    program = Path(command[0])
    environment = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    process = subprocess.Popen(  # The programs under test, named by the test itself.
        list(command),
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    starting = _Starting(process)
    try:
        starting.wait()
        yield RunningNetwork(f"http://localhost:{faucet_port}", starting.exports())
    finally:
        _stop(process)
        starting.close()


def _stop(process: subprocess.Popen[str]) -> None:
    """As Ctrl-C does; what does not end by itself is killed."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
