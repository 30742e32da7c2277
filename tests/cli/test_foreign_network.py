"""A wallet whose network is gone: other validators answer at the same addresses."""

import secrets
from collections.abc import Iterator
from itertools import cycle

import pytest

from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.errors import LocalError
from catenula.network.configuration import NetworkShape
from catenula.network.embedded import EmbeddedNetwork, make_network
from catenula.transport.validator_node import ValidatorNode
from tests.cli.support import CommandLine, LocalNetwork


class Elsewhere:
    """Connects to validators of another network, whatever key is expected."""

    def __init__(self, network: EmbeddedNetwork) -> None:
        self._nodes = cycle(network.nodes().values())

    def connect(self, validator: Secp256k1PublicKey, address: str) -> ValidatorNode:
        return next(self._nodes)


class Nowhere:
    """Connects to nobody."""

    def connect(self, validator: Secp256k1PublicKey, address: str) -> ValidatorNode:
        raise LocalError("nobody listens", retryable=True)


@pytest.fixture
def other(network: LocalNetwork) -> Iterator[EmbeddedNetwork]:
    running = make_network(NetworkShape(root_chains=3), random_bytes=secrets.token_bytes)
    yield running
    network.run(running.stop_all())


@pytest.fixture
def lost(network: LocalNetwork, other: EmbeddedNetwork) -> CommandLine:
    """A wallet that worked, and now reaches the other network."""
    line = network.root_wallet()
    line("sync")
    line.provider = Elsewhere(other)
    return line


@pytest.mark.parametrize("name", ["sync", "transfer", "follow-chain"])
def test_the_cause_is_told_with_both_networks(
    network: LocalNetwork, other: EmbeddedNetwork, lost: CommandLine, name: str
) -> None:
    admin, first, _ = network.chains
    arguments = {
        "sync": (first,),
        "transfer": ("--from", first, "--to", admin, "1"),
        "follow-chain": ("11" * 32,),
    }
    result = lost.run(*(("wallet",) if name == "follow-chain" else ()), name, *arguments[name])
    assert result.exit_code == 1
    assert "The wallet belongs to another network" in result.stderr
    for genesis in (network.embedded.genesis, other.genesis):
        assert f"(genesis {str(genesis.hash)[:10]}…)" in result.stderr
    assert "wallet init --faucet" in result.stderr


def test_validators_that_do_not_answer_are_not_taken_for_another_network(
    network: LocalNetwork, lost: CommandLine
) -> None:
    lost.provider = Nowhere()
    result = lost.run("sync", network.chains[1])
    assert result.exit_code == 1
    assert "no connection can be made" in result.stderr
    assert "another network" not in result.stderr


def test_a_failure_on_the_wallet_s_network_stays_what_it_is(network: LocalNetwork) -> None:
    result = network.root_wallet().run("sync", "11" * 32)
    assert result.exit_code == 1
    assert "another network" not in result.stderr
