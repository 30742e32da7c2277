"""A validator without a key that knows a recorded network, behind a public port."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from catenula.base.identifiers import ChainId
from catenula.conformance.history import find_runs, read_run
from catenula.conformance.recordings import find_recording, read_recording
from catenula.conformance.replay import Replayer
from catenula.storage.engine import Store
from catenula.transport.calls import METHODS
from catenula.transport.messages import from_proto_bytes
from catenula.transport.public_port import PublicServer, serve_public
from catenula.transport.public_service import NodeService
from catenula.validator.clock import SystemClock
from catenula.validator.committer import committer_for
from catenula.validator.driver import NodeDriver
from catenula.worker import Worker
from tests.vectors import COMMITTED, FULL

RUNS = ("a-nofees", "b-testnet")


def conversation(run: str, name: str) -> list[dict[str, Any]]:
    """The calls of a recorded file; empty when it is not here."""
    for root in (FULL, COMMITTED):
        path = find_recording(root / "network" / run, name)
        if path is not None:
            found: list[dict[str, Any]] = read_recording(path)
            return found
    return []


@lru_cache(maxsize=1)
def _replayed(run: str) -> tuple[Store, Worker]:
    replayer = Replayer(read_run(find_runs([_network_folder() / run])[0]))
    asked = _heights_asked_about(run)
    for block in replayer._run.blocks:
        if block.height == asked.get(block.chain_id):
            # From here on its blocks are only preprocessed: the chain stays where it was asked.
            replayer._failed.add(block.chain_id)
        replayer.replay_block(block)
    return replayer._store, replayer._worker


def _heights_asked_about(run: str) -> dict[ChainId, int]:
    """Where chains stood when the recorder offered them certificates that are no good."""
    found: dict[ChainId, int] = {}
    for entry in conversation(run, "direct_grpc"):
        if entry["method"] == "HandleConfirmedCertificate" and entry.get("node_error"):
            request = from_proto_bytes(
                METHODS[entry["method"]].request, bytes.fromhex(entry["req"])
            )
            block = request.certificate.block
            found[block.chain_id] = min(block.height, found.get(block.chain_id, block.height))
    return found


def _network_folder() -> Path:
    return COMMITTED / "network"


async def recorded_driver(run: str) -> tuple[NodeDriver, Callable[[], Coroutine[Any, Any, None]]]:
    """A node that stands where the recorded one stood at the end, and what stops it."""
    store, worker = _replayed(run)
    committer = committer_for(store)
    driver = NodeDriver(worker, committer=committer, clock=SystemClock())

    async def close() -> None:
        await driver.stop()
        await committer.close()

    return driver, close


@asynccontextmanager
async def recorded_port(run: str) -> AsyncIterator[PublicServer]:
    """The port of such a node."""
    driver, close = await recorded_driver(run)
    server = await serve_public(NodeService(driver), host="127.0.0.1", port=0)
    try:
        yield server
    finally:
        await server.close()
        await close()
