"""Commands on a real terminal: stderr is a pty, as for a person."""

import os
import pty
import signal
import subprocess

import pytest

from tests.ports import free_port_range
from tests.process.net import PROGRAM, environment

pytestmark = pytest.mark.process


def read_until(screen: int, word: bytes) -> bytes:
    """What appears on the terminal up to a word."""
    shown = b""
    while word not in shown:
        shown += os.read(screen, 4096)
    return shown


def test_a_network_shows_on_a_terminal_how_much_of_it_runs() -> None:
    screen, stderr = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, "net", "up", "--with-faucet"],
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        env=environment(TEST_OFFSET_PORT=str(free_port_range()), TERM="xterm", COLUMNS="100"),
    )
    os.close(stderr)
    try:
        shown = read_until(screen, b"READY!").decode()
        assert "starting the network" in shown
        assert "5/5" in shown
    finally:
        process.send_signal(signal.SIGINT)
        read_until(screen, b"done")
        process.wait(timeout=60)
        os.close(screen)
    assert process.returncode == 0
