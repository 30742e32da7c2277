"""``--json``: every command has one documented shape, and prints it."""

import json
from pathlib import Path

import pytest

from catenula.cli.json_shapes import BLOCK, SHAPES, document, mismatches
from catenula.cli.lazy import LazyCommand, Rows
from catenula.cli.table import COMMANDS
from tests.cli.support import LocalNetwork

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "cli-json.md"


def commands_with_json(rows: Rows, before: tuple[str, ...] = ()) -> set[str]:
    """Full names of all commands that take ``--json``; groups that are no tables are left out."""
    found = set()
    for name, row in rows.items():
        if not isinstance(row, LazyCommand):
            found |= commands_with_json(row.rows, (*before, name))
        elif any("--json" in parameter.opts for parameter in row.load(name).params):
            found.add(" ".join((*before, name)))
    return found


def test_every_command_has_a_shape() -> None:
    assert commands_with_json(COMMANDS) == set(SHAPES), "add the command to cli/json_shapes.py"


def test_document_is_up_to_date() -> None:
    assert DOCUMENT.read_text() == document(), "run: catenula help-json > docs/cli-json.md"


@pytest.mark.parametrize(
    "data",
    [
        {"chain_id": "ab", "height": 1, "hash": "cd"},
        {"chain_id": "ab", "height": "1", "hash": "cd", "round": "fast"},
        {"chain_id": "ab", "height": 1, "hash": None, "round": "fast"},
        {"chain_id": "ab", "height": True, "hash": "cd", "round": "fast"},
        {"chain_id": "ab", "height": 1, "hash": "cd", "round": "fast", "more": 1},
        [],
    ],
)
def test_other_data_does_not_have_the_shape(data: object) -> None:
    assert list(mismatches(BLOCK, data)) != []


def test_results_of_commands_have_their_shapes(network: LocalNetwork) -> None:
    root = network.root_wallet()
    admin, first, _ = network.chains
    (root.folder / "blob.bin").write_bytes(b"bytes")
    chain = root.json("open-chain", "--initial-balance", "5")["chain_id"]
    owner = root.json("keygen")["owner"]
    owners = ("--owners", json.dumps({owner: 1}))
    shared = root.json("open-multi-owner-chain", *owners)["chain_id"]
    hash_ = root.json("publish-data-blob", str(root.folder / "blob.bin"))["blob_hash"]
    for arguments in (
        ("transfer", "--from", admin, "--to", first, "1"),
        ("transfer", "--from", admin, "--to", first, "1", "--dry-run"),
        ("open-chain", "--dry-run"),
        ("open-multi-owner-chain", *owners, "--dry-run"),
        ("show-ownership",),
        ("change-ownership", "--chain-id", chain, "--multi-leader-rounds", "3"),
        ("set-preferred-owner", "--owner", owner),
        ("change-application-permissions", "--chain-id", chain, "--dry-run"),
        ("close-chain", chain, "--dry-run"),
        ("close-chain", chain),
        ("close-chain", chain),
        ("show-network-description",),
        ("local-balance",),
        ("query-balance", f"{owner}@{first}"),
        ("sync-balance",),
        ("sync",),
        ("process-inbox", first, "--dry-run"),
        ("process-inbox", first),
        ("process-inbox", first, "--dry-run"),
        ("retry-pending-block",),
        ("retry-pending-block", "--dry-run"),
        ("assign", "--owner", owner, "--chain-id", shared),
        ("read-data-blob", hash_, first),
        ("publish-data-blob", str(root.folder / "blob.bin"), "--dry-run"),
        ("list-events-from-index", "--stream-id", "System:00"),
        ("wallet", "show"),
        ("wallet", "set-default", first),
        ("wallet", "export-genesis", str(root.folder / "genesis.json")),
        ("wallet", "follow-chain", chain),
        ("wallet", "forget-keys", chain),
        ("wallet", "forget-chain", chain),
        ("chain", "show-block", "0", admin),
        ("chain", "show-chain-description"),
    ):
        root.json(*arguments)
