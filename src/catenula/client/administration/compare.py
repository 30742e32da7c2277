"""One validator's view of a chain beside the others' (beyond the reference).

Whatever an answer contains can differ for a moment while a block is on its way; what stays
different says which validator is behind, or lies.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId
from catenula.base.timestamps import format_timestamp
from catenula.client.client import Client
from catenula.client.remote_node import UNKNOWN_KEY, RemoteNode
from catenula.client.synchronize import fetch_chain_info
from catenula.protocol import (
    ChainInfo,
    ChainInfoQuery,
    LiteVote,
    LockingFast,
    NodeErrorReceived,
    describe_node_error,
)
from catenula.worker.version import VERSION_INFO

LOCAL = "this wallet"
COMPARED = (
    "next height",
    "block hash",
    "state hash",
    "epoch",
    "timestamp",
    "balance",
    "inbox",
    "round",
    "leader",
    "pending vote",
    "locked on",
)
"""Rows in which validators should agree, in the order they are shown."""

SHOWN = (*COMPARED, "version", "latency")
"""All rows; the last two are for information."""


class View(Struct, frozen=True):
    """What one node says; ``error`` when it could not be asked or answered wrongly."""

    name: str
    public_key: str | None
    rows: dict[str, str]
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The view as JSON data."""
        rows = {name.replace(" ", "_"): value for name, value in self.rows.items()}
        return {"name": self.name, "public_key": self.public_key, **rows, "error": self.error}


class Comparison(Struct, frozen=True):
    """All views of a chain; the local one first."""

    chain_id: ChainId
    views: tuple[View, ...]

    def usual(self, row: str) -> str | None:
        """What most validators say; the local node decides a tie."""
        counts: Counter[str] = Counter()
        for position, view in enumerate(self.views):
            if row in view.rows:
                counts[view.rows[row]] += 1 if position == 0 else 2
        return counts.most_common(1)[0][0] if counts else None

    def is_different(self, view: View, row: str) -> bool:
        """Whether a view stands alone, or with few, in a row that is compared."""
        return row in COMPARED and row in view.rows and view.rows[row] != self.usual(row)

    def differences(self) -> list[tuple[str, str]]:
        """Names of nodes and rows that differ, and of nodes without an answer (row ``error``)."""
        found = [
            (view.name, row)
            for view in self.views
            for row in COMPARED
            if self.is_different(view, row)
        ]
        return found + [(view.name, "error") for view in self.views if view.error is not None]

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON data."""
        return {
            "chain_id": str(self.chain_id),
            "views": [view.to_json() for view in self.views],
            "differences": [
                {"name": name, "field": row.replace(" ", "_")} for name, row in self.differences()
            ],
        }


async def compare_views(
    client: Client, chain_id: ChainId, remotes: Sequence[RemoteNode]
) -> Comparison:
    """Ask all these validators, and the local node, about a chain at the same time."""
    await fetch_chain_info(client.context, chain_id)
    views = await asyncio.gather(*(_ask(remote, chain_id) for remote in remotes))
    return Comparison(chain_id, (await _local_view(client, chain_id), *views))


def _question(chain_id: ChainId) -> ChainInfoQuery:
    return ChainInfoQuery(
        chain_id, request_manager_values=True, request_pending_message_bundles=True
    )


async def _local_view(client: Client, chain_id: ChainId) -> View:
    response = await client.context.local.driver.handle_chain_info_query(_question(chain_id))
    rows = {**_rows(response.info), "version": str(VERSION_INFO.crate_version)}
    # The client's own node never votes.
    rows.pop("pending vote")
    return View(LOCAL, None, rows)


async def _ask(remote: RemoteNode, chain_id: ChainId) -> View:
    key = None if remote.public_key == UNKNOWN_KEY else str(remote.public_key)
    started = time.perf_counter()
    try:
        info = await remote.chain_info(_question(chain_id))
        latency = (time.perf_counter() - started) * 1000
        version = await remote.node.get_version_info()
    except NodeErrorReceived as received:
        return View(remote.address, key, {}, describe_node_error(received.error))
    except (ProtocolError, LocalError) as error:
        return View(remote.address, key, {}, str(error))
    rows = {**_rows(info), "version": str(version.crate_version), "latency": f"{latency:.1f} ms"}
    return View(remote.address, key, rows)


def _rows(info: ChainInfo) -> dict[str, str]:
    manager = info.manager
    return {
        "next height": str(info.next_block_height),
        "block hash": str(info.block_hash or "-"),
        "state hash": str(info.state_hash or "-"),
        "epoch": str(info.epoch),
        "timestamp": format_timestamp(info.timestamp),
        "balance": str(info.chain_balance),
        "inbox": f"{len(info.requested_pending_message_bundles)} bundles",
        "round": str(manager.current_round),
        "leader": str(manager.leader or "-"),
        "pending vote": _vote(manager.pending),
        "locked on": _lock(info),
    }


def _vote(vote: LiteVote | None) -> str:
    if vote is None:
        return "-"
    return f"{vote.value.kind.name.lower()} {vote.value.value_hash} in {vote.round}"


def _lock(info: ChainInfo) -> str:
    locking = info.manager.requested_locking
    if locking is None:
        return "-"
    if isinstance(locking, LockingFast):
        return f"fast block {locking.proposal.content.hash}"
    return f"{locking.certificate.hash} in {locking.certificate.round}"
