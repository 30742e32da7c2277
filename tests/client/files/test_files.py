"""Wallet, key store, genesis and committee files, judged by those that the reference wrote."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from catenula.client.files.genesis_json import (
    committee_text,
    genesis_text,
    read_committee,
    read_genesis,
)
from catenula.client.files.keystore_json import KeyStoreFile
from catenula.client.files.wallet_json import ChainEntry, WalletContent
from tests.conftest import SHARED_VECTORS

RUNS = sorted((SHARED_VECTORS / "network").glob("*/wallets.json.gz"))
pytestmark = pytest.mark.skipif(not RUNS, reason="the recordings (../shared/vectors) are not here")


def recorded_files(run: Path, name: str) -> Iterator[tuple[str, str]]:
    """All files of a name that a run recorded, with their moment."""
    for moment, files in json.loads(gzip.decompress(run.read_bytes())).items():
        for path, text in files.items():
            if path.endswith(name):
                yield f"{moment} {path}", text


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.parent.name)
def test_wallet_read_and_written_is_the_same_text(run: Path) -> None:
    for name, text in recorded_files(run, "/wallet.json"):
        assert WalletContent.parse(text.encode()).text().decode() == text, name


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.parent.name)
def test_entries_and_rows_are_the_same(run: Path) -> None:
    for _, text in recorded_files(run, "/wallet.json"):
        for entry in WalletContent.parse(text.encode()).chains.values():
            assert ChainEntry.of(entry.row()) == entry


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.parent.name)
def test_key_store_read_and_written_is_the_same_text(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "keystore.json"
    for name, text in recorded_files(run, "/keystore.json"):
        path.write_text(text)
        keys = KeyStoreFile.read(path)
        for owner in keys.owners():
            assert keys.key(owner).owner() == owner
            keys.add(keys.key(owner))
        assert path.read_text() == text, name


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.parent.name)
def test_genesis_and_committee_read_and_written_are_the_same_text(run: Path) -> None:
    genesis, text = read_genesis(run.parent / "genesis.json")
    assert genesis_text(genesis).decode() == text.decode().rstrip("\n")
    committee = run.parent / "committee.json"
    assert committee_text(read_committee(committee)).decode() == committee.read_text().rstrip("\n")
