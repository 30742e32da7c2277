"""Making a genesis: with a seed and a time, exactly the one that the reference made."""

import gzip
import json
from typing import Any

import pytest

from catenula.base.codec import codec_of
from catenula.base.errors import LocalError
from catenula.base.integers import Timestamp, tokens
from catenula.client.administration.policy import edit_policy
from catenula.network.genesis import (
    GenesisPlan,
    default_network_name,
    make_genesis,
    make_root_keys,
)
from catenula.protocol import NO_FEES, TESTNET, GenesisConfig, ResourceControlPolicy
from catenula.testing.keys import predictable_bytes
from tests.vectors import COMMITTED

_RUNS = [
    ("a-nofees", 38, edit_policy(NO_FEES, {}, allow_list=["localhost"])),
    ("b-testnet", 138, TESTNET),
]


def _recorded(run: str) -> Any:
    path = COMMITTED / "network" / run / "genesis.json.gz"
    return json.loads(gzip.decompress(path.read_bytes()))


@pytest.mark.parametrize(("run", "seed", "policy"), _RUNS)
def test_a_seed_gives_the_genesis_of_the_reference(
    run: str, seed: int, policy: ResourceControlPolicy
) -> None:
    recorded = _recorded(run)
    codec = codec_of(GenesisConfig)
    validators = codec.from_json(recorded).committee.validators
    plan = GenesisPlan(
        other_chains=4,
        balance=tokens(1_000_000),
        policy=policy,
        timestamp=Timestamp(recorded["timestamp"]),
        name=f"golden-{run}",
    )
    keys = make_root_keys(5, predictable_bytes("unused"), seed)
    made = make_genesis(dict(reversed(validators.items())), plan, keys.keys)
    assert codec.to_json(made) == recorded


def test_keys_without_a_seed_come_from_the_source() -> None:
    keys = make_root_keys(3, predictable_bytes("root"))
    assert len({key.owner() for key in keys.keys}) == 3
    assert keys.next_seed is None


def test_impossible_networks_are_refused() -> None:
    with pytest.raises(LocalError, match="root chains"):
        make_root_keys(0, predictable_bytes("root"))
    plan = GenesisPlan(0, tokens(1), NO_FEES, Timestamp(0), "empty")
    with pytest.raises(LocalError, match="at least one validator"):
        make_genesis({}, plan, make_root_keys(1, predictable_bytes("root")).keys)


def test_the_default_name_tells_when_the_network_was_made() -> None:
    assert default_network_name(Timestamp(1_767_225_600_000_000)) == "linera-2026-01-01T00:00:00"
