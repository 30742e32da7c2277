"""Commands on the wallet."""

import json

import click
import pytest

from tests.cli.support import LocalNetwork


def test_listing_starts_with_the_default_chain(network: LocalNetwork) -> None:
    root = network.root_wallet()
    admin, first, second = network.chains
    assert root("wallet", "show", "--short").splitlines() == [admin, first, second]
    lines = root("wallet", "show").splitlines()
    assert lines[:3] == [
        "-" * 23,
        f"Chain ID:             {admin}",
        "Tags:                 DEFAULT, ADMIN",
    ]
    assert lines[-1] == "-" * 24, "the reference's last line is longer"


def test_unknown_chain_exits_as_the_reference_panics(network: LocalNetwork) -> None:
    result = network.root_wallet().run("wallet", "show", "ab" * 32)
    assert result.exit_code == 101
    assert result.stdout == ""


def test_a_wallet_is_not_overwritten(network: LocalNetwork) -> None:
    line = network.wallet("one")
    result = line.run("wallet", "init", "--genesis", str(network.genesis_path))
    assert result.exit_code == 1
    assert "exists already" in result.stderr


def test_exported_genesis_is_the_one_of_the_network(network: LocalNetwork) -> None:
    line = network.wallet("one")
    exported = line.folder / "exported.json"
    assert line("wallet", "export-genesis", str(exported)) == ""
    assert exported.read_bytes() == network.genesis_path.read_bytes()


def test_files_with_secrets_are_for_the_owner_only(network: LocalNetwork) -> None:
    folder = network.root_wallet().folder
    for name in ("wallet.json", "keystore.json"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600


def test_errors_are_json_for_programs(network: LocalNetwork) -> None:
    result = network.root_wallet().run("wallet", "show", "ab" * 32, "--json")
    assert result.exit_code == 101
    assert "has no chain" in json.loads(result.stderr)["error"]["what"]


def test_keys_of_another_key_store_are_taken_in(network: LocalNetwork) -> None:
    line, other = network.wallet("one"), network.wallet("two")
    owner = other("keygen").strip()
    keys = other.folder / "keystore.json"
    for _ in range(2):
        assert line.json("import-keys", str(keys)) == {"owners": [owner]}
    stored = json.loads((line.folder / "keystore.json").read_text())["keys"]
    assert stored == json.loads(keys.read_text())["keys"]


def test_a_key_under_a_wrong_owner_is_not_taken_in(network: LocalNetwork) -> None:
    line, other = network.wallet("one"), network.wallet("two")
    other("keygen")
    keys = other.folder / "keystore.json"
    content = json.loads(keys.read_text())
    content["keys"][0][0] = "0x" + "11" * 32
    keys.write_text(json.dumps(content))
    result = line.run("import-keys", str(keys))
    assert result.exit_code == 1
    assert "nothing was taken in" in " ".join(result.stderr.split())
    assert json.loads((line.folder / "keystore.json").read_text())["keys"] == []


def test_a_short_listing_is_printed_at_once(
    network: LocalNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, printed = network.root_wallet(), list[str]()
    monkeypatch.setattr(click, "echo", printed.append)
    line("wallet", "show", "--short")
    assert printed == ["\n".join(network.chains)]
