"""The state that the recorded node service stood in, made again from the recorded history."""

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId
from catenula.client.client import Client, ClientSetup
from catenula.conformance.history import RecordedBlock, RecordedRun, read_run
from catenula.services.node import NodeServiceOptions, start_node_service
from catenula.services.node.server import NodeServiceServer
from catenula.services.node.service import NodeService
from catenula.storage.location import open_location, parse_location
from catenula.transport.validator_node import ValidatorNode

FIRST_BLOCK_OF_SERVICE = "cdeaa97bcbfc3d0a5c49c2c58a48024fd45204798c46e7b8134c9267a30a4424"
"""The first block that the recorded service made."""


@cache
def conversations(folder: Path) -> Any:
    """What was recorded: HTTP requests and WebSocket conversations."""
    path = folder / "network" / "a-nofees" / "node_service.json.gz"
    if not path.is_file():
        pytest.skip(f"*** NOT TESTED: {path} is not here")
    return json.loads(gzip.decompress(path.read_bytes()))


@cache
def _run(folder: Path) -> RecordedRun:
    return read_run(folder / "network" / "a-nofees" / "history.json.gz")


class Nobody:
    """No validator can be reached."""

    def connect(self, validator: Secp256k1PublicKey, address: str) -> ValidatorNode:
        """See `NodeProvider`."""
        raise LocalError(f"{address} is not there", retryable=True)


@dataclass(frozen=True, slots=True)
class ListedChains:
    """The chains that the recorded service listed."""

    listed: list[ChainId]
    default: ChainId

    def chain_ids(self) -> list[ChainId]:
        """All of them."""
        return self.listed

    def default_chain(self) -> ChainId | None:
        """The one that is meant when none is named."""
        return self.default


def _listed(folder: Path) -> ListedChains:
    entry = next(each for each in conversations(folder)["http"] if each["name"] == "chains")
    chains = json.loads(entry["response_body"])["data"]["chains"]
    return ListedChains(
        [ChainId.parse(text) for text in chains["list"]], ChainId.parse(chains["default"])
    )


async def _load(client: Client, run: RecordedRun, end: RecordedBlock) -> None:
    """Take the blocks that were made before ``end``."""
    local = client.context.local
    await local.store_blobs([blob.content() for blob in run.blobs_of("genesis")])
    until = end.block().header.timestamp
    for recorded in run.blocks:
        if recorded.block().header.timestamp < until:
            blobs = [blob.content() for blob in run.blobs_of(recorded.origin)]
            await local.store_blobs(blobs)
            await local.confirm(recorded.certificate())
    await local.driver.settled()


@asynccontextmanager
async def recorded_stage(
    folder: Path, before: str = FIRST_BLOCK_OF_SERVICE, **options: Any
) -> AsyncIterator[NodeServiceServer]:
    """A service over the chains as they stood before a block was made."""
    chains, run = _listed(folder), _run(folder)
    end = next(block for block in run.blocks if str(block.hash) == before)
    store = open_location(parse_location("memory:"))
    client = Client(ClientSetup(store=store, genesis=run.genesis, provider=Nobody()))
    for chain_id in chains.chain_ids():
        client.context.local.worker.track_chain(chain_id)
    try:
        await _load(client, run, end)
        chosen = NodeServiceOptions(**{"port": 0, "pause": True, **options})
        server = await start_node_service(NodeService(client, chains, options=chosen))
        server.service.public_url = "http://localhost:8080"
        try:
            yield server
        finally:
            await server.close()
    finally:
        await client.close()
