"""The interface of a node service: the recorded introspection, and our own descriptions."""

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from catenula.services.http.graphql.endpoint import GraphqlEndpoint, Operation
from catenula.services.node.schema import node_schema
from tests.services.introspection import INTROSPECTION, without_descriptions


def _recorded(folder: Path, name: str) -> Any:
    path = folder / "network" / "a-nofees" / f"{name}.json.gz"
    if not path.is_file():
        pytest.skip(f"*** NOT TESTED: {path} is not here")
    return json.loads(gzip.decompress(path.read_bytes()))


def _introspected(*, read_only: bool) -> Any:
    endpoint = GraphqlEndpoint(node_schema(read_only=read_only), None)
    return asyncio.run(endpoint.execute(Operation(INTROSPECTION)))


@pytest.mark.parametrize(
    ("name", "read_only"),
    [("node_service_introspection", False), ("node_service_readonly_introspection", True)],
)
def test_introspection_equals_the_recorded_one(
    name: str, read_only: bool, shared_vectors: Path
) -> None:
    recorded = _recorded(shared_vectors, name)
    found = without_descriptions(_introspected(read_only=read_only))
    assert found["data"]["__schema"] == recorded["data"]["__schema"]


def test_every_type_and_field_is_described() -> None:
    schema = _introspected(read_only=False)["data"]["__schema"]
    for kind in schema["types"]:
        if kind["name"].startswith("__"):
            continue
        assert kind["description"], kind["name"]
        for field in [*(kind["fields"] or ()), *(kind["inputFields"] or ())]:
            assert field["description"], (kind["name"], field["name"])
