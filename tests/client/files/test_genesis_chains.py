"""The chains of a genesis read by themselves are those that the codec reads."""

import json
import secrets
from typing import Any

import pytest

from catenula.base.codec import codec_of
from catenula.base.errors import DecodeError
from catenula.client.files.genesis_json import genesis_text, read_chains
from catenula.network.configuration import NetworkShape
from catenula.network.embedded import make_network
from catenula.protocol import GenesisConfig


@pytest.fixture(scope="module")
def genesis() -> GenesisConfig:
    shape = NetworkShape(validators=1, root_chains=5)
    return make_network(shape, random_bytes=secrets.token_bytes).genesis


def changed(genesis: GenesisConfig, *path: str | int, value: Any) -> bytes:
    """The text of a genesis in which something stands in another way."""
    data = json.loads(genesis_text(genesis))
    place = data["chains"]
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(data).encode()


def test_chains_are_read_as_the_codec_reads_them(genesis: GenesisConfig) -> None:
    assert read_chains(genesis_text(genesis)) == genesis.chains


@pytest.mark.parametrize(
    "path",
    [(2, "origin"), (1, "config", "balance"), (1, "config", "ownership", "multi_leader_rounds")],
    ids=str,
)
@pytest.mark.parametrize("value", [{"Root": 9}, "7.", 3, True, None, [1]], ids=repr)
def test_whatever_stands_in_a_field_is_read_or_refused_alike(
    genesis: GenesisConfig, path: tuple[str | int, ...], value: Any
) -> None:
    text = changed(genesis, *path, value=value)
    try:
        expected = codec_of(GenesisConfig).from_json_text(text).chains
    except DecodeError:
        with pytest.raises(DecodeError):
            read_chains(text)
    else:
        assert read_chains(text) == expected


def test_a_record_may_be_a_list_of_its_fields(genesis: GenesisConfig) -> None:
    first = json.loads(genesis_text(genesis))["chains"][0]
    text = changed(genesis, 0, value=list(first.values()))
    assert read_chains(text) == genesis.chains


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"chains": 3}', b"\xff"])
def test_what_is_no_genesis_is_refused(text: bytes) -> None:
    with pytest.raises(DecodeError):
        read_chains(text)
