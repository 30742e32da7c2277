"""``create-genesis-config``: the reference's files from the reference's arguments."""

import gzip
import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from catenula.cli.main import main
from tests.cli.support import CommandLine
from tests.vectors import COMMITTED


def _recorded(run: str) -> Any:
    path = COMMITTED / "network" / run / "genesis.json.gz"
    return json.loads(gzip.decompress(path.read_bytes()))


def _committee_file(folder: Path, genesis: Any) -> Path:
    members = []
    for key, state in genesis["committee"]["validators"].items():
        scheme, host, port = state["network_address"].split(":")
        network = {"protocol": {"Grpc": "ClearText"}, "host": host, "port": int(port)}
        assert scheme == "grpc"
        account = state["account_public_key"]
        members.append({"public_key": key, "account_key": account, "network": network})
    path = folder / "committee.json"
    path.write_text(json.dumps({"validators": members}))
    return path


def test_the_recorded_arguments_make_the_recorded_genesis_but_for_its_time(tmp_path: Path) -> None:
    recorded = _recorded("b-testnet")
    line = CommandLine(tmp_path / "admin")
    genesis = tmp_path / "genesis.json"
    assert (
        line(
            "create-genesis-config", "4",
            "--committee", str(_committee_file(tmp_path, recorded)),
            "--genesis", str(genesis),
            "--initial-funding", "1000000",
            "--testing-prng-seed", "138",
            "--network-name", "golden-b-testnet",
            "--policy-config", "testnet",
            "--start-timestamp", "2026-11-21T08:00:00",
        )
        == ""
    )  # fmt: skip
    made = json.loads(genesis.read_text())
    assert made["committee"] == recorded["committee"]
    assert [chain["config"] for chain in made["chains"]] == [
        chain["config"] for chain in recorded["chains"]
    ]
    assert made["timestamp"] == 1_795_248_000_000_000
    wallet = line.json("wallet", "show")
    assert wallet[0]["tags"] == ["DEFAULT", "ADMIN"]
    assert len(wallet) == 5
    keystore = json.loads((tmp_path / "admin" / "keystore.json").read_text())
    assert len(keystore["keys"]) == 5
    assert (tmp_path / "admin" / "keystore.json").stat().st_mode & 0o777 == 0o600


def test_prices_and_limits_replace_those_of_the_policy(tmp_path: Path) -> None:
    line = CommandLine(tmp_path / "admin")
    genesis = tmp_path / "genesis.json"
    committee = _committee_file(tmp_path, _recorded("a-nofees"))
    result = line.json(
        "create-genesis-config", "0", "--committee", str(committee), "--genesis", str(genesis),
        "--operation-price", "0.5", "--maximum-block-size", "1234",
        "--http-request-allow-list", "b,a", "--free-application-ids", "11" * 32,
    )  # fmt: skip
    policy = json.loads(genesis.read_text())["committee"]["policy"]
    assert (policy["operation"], policy["maximum_block_size"]) == ("0.5", 1234)
    assert policy["http_request_allow_list"] == [
        f"FLAG_FREE_APPLICATION_ID_{'11' * 32}.linera.network",
        "a",
        "b",
    ]
    assert len(result["chains"]) == 1


def test_an_existing_wallet_is_not_replaced(tmp_path: Path) -> None:
    line = CommandLine(tmp_path / "admin")
    committee = _committee_file(tmp_path, _recorded("a-nofees"))
    arguments = ["create-genesis-config", "1", "--committee", str(committee)]
    line(*arguments, "--genesis", str(tmp_path / "one.json"))
    again = line.run(*arguments, "--genesis", str(tmp_path / "two.json"))
    assert again.exit_code == 1
    assert "exists already" in again.stderr
    assert not (tmp_path / "two.json").exists()


def test_wrong_amounts_are_wrong_usage() -> None:
    result = CliRunner().invoke(
        main,
        ["create-genesis-config", "1", "--committee", "c", "--genesis", "g", "--operation-price=x"],
    )
    assert result.exit_code == 2
