"""``catenula storage``: databases made, listed, removed."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from catenula.cli.main import main
from catenula.storage.engine import Claim, open_store
from tests.cli.support import LocalNetwork


def _run(storage: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, [f"--storage={storage}", "storage", *arguments])


@pytest.mark.parametrize("kind", ["sqlite", "rocksdb"])
def test_a_database_is_made_listed_and_removed(
    network: LocalNetwork, tmp_path: Path, kind: str
) -> None:
    storage = f"{kind}:{tmp_path / 'data' / 'store'}"
    assert _run(storage, "check-existence").exit_code == 1
    assert _run(storage, "list-chain-ids").exit_code == 1
    for _ in range(2):
        made = _run(storage, "initialize", "--genesis", str(network.genesis_path))
        assert (made.exit_code, made.stdout) == (0, "")
    assert _run(storage, "check-existence").exit_code == 0
    assert _run(storage, "list-chain-ids").stdout.splitlines() == sorted(network.chains)
    blobs = _run(storage, "list-blob-ids").stdout.splitlines()
    assert sorted(blob.partition(":")[2] for blob in blobs if "ChainDescription" in blob) == sorted(
        network.chains
    )
    assert len([blob for blob in blobs if blob.startswith("Committee:")]) == 1
    assert _run(storage, "list-namespaces").stdout == "table_linera\n"
    assert _run(storage, "delete-namespace").exit_code == 0
    assert _run(storage, "check-existence").exit_code == 1
    assert _run(storage, "list-namespaces").stdout == ""


def test_namespaces_of_one_place(network: LocalNetwork, tmp_path: Path) -> None:
    base = f"rocksdb:{tmp_path / 'store'}"
    genesis = str(network.genesis_path)
    for storage in (base, f"{base}:runtime:table_a", f"{base}:runtime:table_b"):
        assert _run(storage, "initialize", "--genesis", genesis).exit_code == 0
    assert _run(base, "list-namespaces").stdout.split() == ["table_a", "table_b", "table_linera"]
    assert _run(f"{base}:runtime:table_a", "delete-namespace").exit_code == 0
    assert _run(base, "list-namespaces").stdout.split() == ["table_b", "table_linera"]
    result = _run(base, "delete-all", "--json")
    assert json.loads(result.stdout) == {"deleted": ["table_b", "table_linera"]}
    assert _run(base, "list-namespaces").stdout == ""


def test_a_database_in_use_is_not_removed(network: LocalNetwork, tmp_path: Path) -> None:
    storage = f"sqlite:{tmp_path / 'store'}"
    _run(storage, "initialize", "--genesis", str(network.genesis_path))
    with open_store(storage) as store:
        store.claim(Claim.EXCLUSIVE)
        result = _run(storage, "delete-all")
        assert result.exit_code == 1
        assert "in use" in result.stderr
    assert _run(storage, "check-existence").exit_code == 0


@pytest.mark.parametrize("storage", ["memory:", "scylladb:", "service:tcp:localhost:1:x"])
def test_places_that_cannot_be_maintained_are_refused(storage: str) -> None:
    assert _run(storage, "check-existence").exit_code == 1
