"""The reference's command line on our network, ours on the reference's network, ours on ours.

The same session of some hundred commands each time (`session.py`, `applications.py`). Where the
reference's programs are not installed, only our own pairing runs and the others are skipped,
loudly.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop import applications, session
from tests.interop.commands import Ran, Wallet
from tests.interop.networks import (
    CLIENT_PROGRAMS,
    NETWORK_PROGRAMS,
    OFFICIAL_ENVIRONMENT,
    OURS,
    RunningNetwork,
    official_program,
    running,
)
from tests.ports import free_port, free_port_range

LEAST_COMMANDS = 100
VALIDATORS = 4

pytestmark = [pytest.mark.interop, pytest.mark.timeout(900)]


def program_of(name: str, needed: Sequence[str] = CLIENT_PROGRAMS) -> tuple[str, ...]:
    """The command line of ours or of the reference; skips the test, loudly, where it is absent."""
    if name == "ours":
        return OURS
    found = official_program(needed)
    if found is None:
        pytest.skip(
            "*** NOT TESTED: the reference's programs are not on the path "
            f"(or in ${OFFICIAL_ENVIRONMENT}); see docs/interop.md"
        )
    return (found,)


def _storage(name: str, folder: Path) -> str:
    engine = "sqlite" if name == "ours" else "rocksdb"
    return f"{engine}:{folder / 'client.db'}"


@contextmanager
def network_of(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningNetwork]:
    """A network of ours or of the reference's, with a faucet."""
    folder.mkdir()
    faucet_port, base = free_port(), free_port_range()
    monkeypatch.setenv("TEST_OFFSET_PORT", str(base))
    workers = ("--shards", "2") if name == "official" else ("--processes", "--workers", "2")
    command = (
        *(
            *program_of(name, NETWORK_PROGRAMS),
            "net",
            "up",
            "--validators",
            str(VALIDATORS),
            *workers,
        ),
        *("--with-faucet", "--faucet-port", str(faucet_port)),
        *("--faucet-amount", str(session.CLAIMED_TOKENS), "--path", str(folder)),
    )
    with running(command, faucet_port=faucet_port, folder=folder) as network:
        network.addresses = [f"grpc:localhost:{base + 4001 + i}" for i in range(VALIDATORS)]
        yield network


@pytest.mark.parametrize(
    ("client", "validators"), [("ours", "ours"), ("official", "ours"), ("ours", "official")]
)
def test_every_command_of_the_session_ends_as_it_should(
    client: str, validators: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = program_of(client)
    transcript: list[Ran] = []
    with network_of(validators, tmp_path / "network", monkeypatch) as network:
        people = [
            Wallet(
                program,
                tmp_path / name,
                transcript,
                storage=_storage(client, tmp_path / name),
            )
            for name in ("alice", "bob")
        ]
        alice, bob = people
        hers = session.join(alice, network.faucet)
        his = session.join(bob, network.faucet)
        session.look_around(alice, hers)
        session.pay(alice, bob, hers, his)
        session.open_and_close(alice, bob, hers)
        session.share(alice, bob, hers, his)
        session.publish(alice, bob, hers, his)
        applications.count(alice, bob, hers, his)
        applications.read_posts(alice, bob, hers, his)
        session.keep_a_wallet(bob, network.faucet, hers, his)
        session.administer(
            _admin(client, validators, network, tmp_path, transcript), network.addresses
        )
        session.go_on_in_later_epochs(alice, bob, hers, his)
    assert len(transcript) >= LEAST_COMMANDS


def _admin(
    client: str, validators: str, network: RunningNetwork, folder: Path, transcript: list[Ran]
) -> Wallet:
    """The administrator's wallet, exported by ``net up``, in the hands of the client under test.

    A client of the other make gets copies of the wallet and the key store, and a store of its own:
    those two files are what both makes exchange.
    """
    if client == validators:
        return Wallet.of_exports(program_of(client), network.exports, transcript)
    home = folder / "admin"
    admin = Wallet(program_of(client), home, transcript, storage=_storage(client, home))
    for name in ("wallet", "keystore"):
        source = Path(network.exports[f"LINERA_{name.upper()}"])
        (home / f"{name}.json").write_bytes(source.read_bytes())
    admin.run("wallet", "export-genesis", "genesis.json")
    storage = _storage(client, home)
    admin.run("storage", "initialize", "--storage", storage, "--genesis", "genesis.json")
    return admin
