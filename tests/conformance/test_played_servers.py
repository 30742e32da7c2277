"""What runs beside recorded commands: it answers while it is entered, and its end is told."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from catenula.base.errors import LocalError
from catenula.conformance.commands.network import HOST, PlayedNetwork
from catenula.conformance.commands.web import AskedServer

_RECORDED_PORT = "12345"


def place_in(operation: str) -> str:
    """The host and port in an encoded operation."""
    return bytes.fromhex(operation).decode().rstrip("!")


def test_the_asked_server_answers_until_it_is_left() -> None:
    recorded = f"{HOST}:{_RECORDED_PORT}!".encode().hex()
    with AskedServer() as server:
        url = f"http://{place_in(server.redirect(recorded))}/"
        for sent in (None, b"question"):
            with urllib.request.urlopen(url, data=sent, timeout=20) as answer:
                assert answer.read() == b"answer"
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=20)


def test_the_end_of_the_validators_process_is_told_at_once(tmp_path: Path) -> None:
    with PlayedNetwork((), workers=1, genesis=tmp_path / "genesis.json") as network:
        network._process.kill()
        network._process.join()
        with pytest.raises(LocalError, match="process of the validators has ended"):
            network.switch(0, is_running=True)


def test_a_network_that_is_left_has_no_process(tmp_path: Path) -> None:
    with PlayedNetwork((), workers=1, genesis=tmp_path / "genesis.json") as network:
        process = network._process
        assert process.is_alive()
    assert process.exitcode == 0
