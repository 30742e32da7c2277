"""The examples run against a network of other processes, as people run them."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import catenula
from catenula.base.errors import LocalError
from catenula.network.example_applications import NAMES, example_module
from tests.conftest import REPOSITORY
from tests.ports import free_port
from tests.process.net import NetUp, environment

pytestmark = pytest.mark.process
EXAMPLES = REPOSITORY / "examples"
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def faucet_url() -> Iterator[str]:
    port = free_port()
    with NetUp("--with-faucet", "--faucet-port", str(port)):
        yield f"http://localhost:{port}"


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts examples in a folder of the test; none outlives it."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str, *arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, EXAMPLES / name, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment(),
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def finish(process: "subprocess.Popen[str]") -> list[str]:
    output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    return output.splitlines()


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_the_bot_pays_half_back(start: Start, faucet_url: str) -> None:
    bot = start("payment_bot.py", faucet_url, "1")
    chain_id = first_line(bot).split()[-1]
    with catenula.connect_sync(faucet_url) as network:
        alice = network.wallet("alice")
        before = alice.chain.balance()
        alice.chain.transfer(chain_id, 3)
        alice.chain.receive()
        assert str(before - alice.chain.balance()) == "1.5"
        assert finish(bot) == [f"sent 1.5 tokens back to {alice.chain.id}"]


def test_a_chain_is_followed_while_it_grows_and_listed_afterwards(
    start: Start, faucet_url: str
) -> None:
    with catenula.connect_sync(faucet_url) as network:
        alice = network.wallet("alice")
        alice.chain.transfer(alice.chain, 1)
        follower = start("follow_chain.py", str(alice.chain.id), faucet_url, "2")
        assert first_line(follower) == "1 blocks so far\n"
        hashes = [alice.chain.transfer(alice.chain, 1).block_hash for _ in range(2)]
        said = finish(follower)
        assert said == [f"block {number}: {name}" for number, name in enumerate(hashes, 1)]
        for _ in range(2):
            # The second run finds what the first one kept.
            listing = start("list_blocks.py", str(alice.chain.id), faucet_url, "kept")
            assert len(finish(listing)) == 3


def test_many_chains_pay_at_the_same_time(start: Start, faucet_url: str) -> None:
    said = finish(start("many_chains.py", faucet_url, "4"))
    assert said[0].startswith("20 blocks in ")
    assert said[1] == "the till got 2 tokens"


def test_every_example_is_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    for path in EXAMPLES.glob("*.py"):
        assert f"[{path.name}]({path.name})" in listed


def test_every_application_is_listed() -> None:
    listed = (EXAMPLES / "applications" / "README.md").read_text()
    for name in NAMES:
        assert f"[{name}]({name})" in listed


def test_an_application_that_is_no_example_is_told_from_those_that_are() -> None:
    with pytest.raises(LocalError, match="no example application 'conter', but there are counter"):
        example_module("conter")
