"""Every wire type of the protocol has a name here, and the shape that the registry declares."""

from pathlib import Path
from typing import Any

import pytest

from catenula.base.codec import schema
from catenula.protocol.registry import codec_by_name, registered_names
from tests.conftest import REPOSITORY
from tests.protocol.wire_types import Registry, read_registry

FILE = REPOSITORY.parent / "shared" / "reference" / "wire-types-0.15.21.yaml"
OUTSIDE_OF_REGISTRY = (
    *("ApplicationDescription", "Bytecode", "CompressedBytecode", "CryptoHashVec", "DataBlobHash"),
    *("GenesisConfig", "Notification", "Reason", "TestString", "U128", "VoteValue"),
    *("Vote<ValidatedBlock>", "Vote<ConfirmedBlock>", "Vote<Timeout>"),
)
"""Types of spec 01 appendix A and of the recordings that the registry does not list."""


@pytest.fixture(scope="module")
def registry() -> Registry:
    """The registry of wire types; skipped where it is absent."""
    if not FILE.is_file():
        pytest.skip("the registry of wire types (../shared/reference) is not here")
    return Registry(read_registry(Path(FILE).read_text(encoding="utf-8")))


def test_every_type_of_the_registry_has_its_declared_shape(registry: Registry) -> None:
    assert len(registry.registry) > 80
    assert [text for name in registry.registry for text in registry.compare(name)] == []


def test_comparison_sees_differences(registry: Registry) -> None:
    changed: dict[str, Any] = {
        **registry.registry,
        "Account": {"STRUCT": [{"owner": {"TYPENAME": "AccountOwner"}}]},
        "BlobType": {"ENUM": {"0": {"Data": "UNIT"}, "1": {"Other": "UNIT"}}},
        "CryptoHash": {"NEWTYPESTRUCT": {"TUPLEARRAY": {"CONTENT": "U8", "SIZE": "31"}}},
        "Timeout": {"STRUCT": [{"chain_id": "STR"}, {"height": "U64"}, {"epoch": "U64"}]},
        "AdminOperation": {"ENUM": {"0": {"PublishCommitteeBlob": "UNIT"}}},
    }
    broken = Registry(changed)
    for name in ("Account", "BlobType", "CryptoHash", "Timeout", "AdminOperation"):
        assert broken.compare(name), name


@pytest.mark.parametrize("name", [*registered_names(), *OUTSIDE_OF_REGISTRY])
def test_name_gives_one_codec(name: str) -> None:
    assert codec_by_name(name).node is codec_by_name(name).node
    assert name in registered_names()


def test_generic_names_nest() -> None:
    node = codec_by_name("Map<StreamId, (BlockHeight, Vec<CryptoHash>)>").node
    assert isinstance(node, schema.MapNode)
    assert node.name == "Map<StreamId, (BlockHeight, Vec<CryptoHash>)>"
