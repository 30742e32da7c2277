"""Validators added, changed, removed; prices; epochs; and wallets that lag behind all of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from catenula.cli.global_options import GlobalOptions
from catenula.cli.main import main
from tests.cli.admin.support import AdministeredNetwork, address_of


def _listed(network: AdministeredNetwork) -> Any:
    return network.admin.json("validator", "list", "--chain-id", network.chains[0])


def test_a_fifth_validator_is_added_changed_and_removed(
    administered: AdministeredNetwork, tmp_path: Path
) -> None:
    network = administered
    network.add_spare("--votes", "1")
    network.admin("validator", "sync", address_of(4), "--check-online")
    listed = _listed(network)
    assert {item["public_key"]: item["votes"] for item in listed["validators"]}[
        network.spare_key
    ] == 1
    assert all(not item["errors"] for item in listed["validators"])
    hashes = {item["public_key"]: item["chain"]["block_hash"] for item in listed["validators"]}
    assert hashes[network.spare_key] == listed["local"]["chain"]["block_hash"]

    others = [item for item in listed["validators"] if item["public_key"] != network.spare_key]
    first = others[0]
    changes = {
        network.spare_key: None,
        first["public_key"]: {
            "accountKey": {"Ed25519": network.spare_account[2:]},
            "address": first["address"],
            "votes": 120,
        },
    }
    file = tmp_path / "u.json"
    file.write_text(json.dumps(changes))
    recap = network.admin("validator", "update", str(file), "--dry-run")
    assert recap.startswith("\n╔" + "═" * 78 + "╗\n║" + " " * 24 + "VALIDATOR BATCH UPDATE RECAP")
    assert "  • 1 validator(s) to modify\n  • 1 validator(s) to remove\n" in recap
    assert recap.endswith("DRY RUN MODE: No changes will be applied\n" + "═" * 77 + "\n\n")
    assert _listed(network)["local"]["chain"]["epoch"] == 1

    network.admin("validator", "update", str(file), "-y")
    votes = {item["public_key"]: item["votes"] for item in _listed(network)["validators"]}
    assert votes[first["public_key"]] == 120
    assert network.spare_key not in votes


def test_an_update_asks_first(administered: AdministeredNetwork, tmp_path: Path) -> None:
    network = administered
    file = tmp_path / "u.json"
    file.write_text(json.dumps({_listed(network)["validators"][0]["public_key"]: None}))
    result = CliRunner().invoke(
        main,
        [*network.admin.files(), "validator", "update", str(file)],
        obj=GlobalOptions(provider=network.provider),
        input="no\n",
    )
    assert result.exit_code == 0
    assert result.stdout.endswith(
        "Do you want to proceed? Type 'YES' (uppercase) to confirm: \n\n"
        "Operation cancelled. (Expected 'YES', got 'no')\n"
    )
    assert _listed(network)["local"]["chain"]["epoch"] == 0


def test_removing_a_stranger_changes_nothing(administered: AdministeredNetwork) -> None:
    network = administered
    result = network.admin.run("validator", "remove", "--public-key", network.spare_key)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "is not in the committee" in result.stderr


def test_a_silent_validator_is_not_added(administered: AdministeredNetwork) -> None:
    network = administered
    network.run(network.spare.stop())
    line = network.admin
    result = line.run(
        "validator", "add", "--public-key", network.spare_key,
        "--account-key", network.spare_account, "--address", address_of(4),
    )  # fmt: skip
    assert result.exit_code == 1
    assert "does not answer" in result.stderr
    network.add_spare("--skip-online-check")
    assert _listed_epoch(network) == 1


def _listed_epoch(network: AdministeredNetwork) -> int:
    result = network.admin.run("validator", "list", "--json", "--chain-id", network.chains[0])
    return int(json.loads(result.stdout)["local"]["chain"]["epoch"])


def test_only_the_administrator_changes_the_committee(administered: AdministeredNetwork) -> None:
    network = administered
    stranger = network.wallet("stranger")
    key = _listed(network)["validators"][0]["public_key"]
    result = stranger.run("validator", "remove", "--public-key", key)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no owner for this chain" in result.stderr


def test_a_dry_run_estimates_and_changes_nothing(administered: AdministeredNetwork) -> None:
    network = administered
    told = network.admin.json("resource-control-policy", "--operation", "0.5", "--dry-run")
    assert told["operations"] == ["PublishCommitteeBlob"]
    assert _listed_epoch(network) == 0


def test_prices_epochs_and_a_wallet_that_lags_behind(administered: AdministeredNetwork) -> None:
    network = administered
    admin, user, _ = network.chains
    # The user's wallet knows epoch 0 only.
    other = network.root_wallet("other")
    other("transfer", "--from", user, "--to", admin, "1")
    line = network.admin
    assert line("resource-control-policy", "--operation", "0.001", "--maximum-blob-size=2000") == ""
    assert line("resource-control-policy", "--operation", "0") == ""
    assert line("resource-control-policy", "--http-request-allow-list", "a.org,b.org") == ""
    shown = line.run("resource-control-policy")
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert "a.org, b.org" in shown.stderr
    policy = line.json("resource-control-policy")["policy"]
    assert policy["maximum_blob_size"] == 2000
    assert policy["http_request_allow_list"] == ["a.org", "b.org"]

    assert line("revoke-epochs", "1") == ""
    too_far = line.run("revoke-epochs", "9")
    assert (too_far.exit_code, too_far.stdout) == (1, "")
    assert "Cannot revoke the current epoch 3" in too_far.stderr
    assert line("revoke-epochs", "2") == ""
    # Three epochs later, all earlier committees revoked, the old wallet learns of them (asking for
    # the policy synchronizes the admin chain), and its next block goes through all epochs.
    other("resource-control-policy")
    other("transfer", "--from", user, "--to", admin, "1")
    assert other.json("wallet", "show", user)[0]["epoch"] == 3


@pytest.mark.parametrize("arguments", [["revoke-epochs", "x"], ["validator", "remove"]])
def test_wrong_usage_exits_with_2(administered: AdministeredNetwork, arguments: list[str]) -> None:
    assert administered.admin.run(*arguments).exit_code == 2


def test_a_file_of_another_form_is_refused_with_the_right_one(
    administered: AdministeredNetwork, tmp_path: Path
) -> None:
    file = tmp_path / "u.json"
    file.write_text('{"validators": []}')
    result = administered.admin.run("validator", "update", str(file))
    assert result.exit_code == 1
    assert "accountKey" in result.stderr
