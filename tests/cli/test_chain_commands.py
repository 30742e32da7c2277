"""Commands on chains, on a network in this process."""

from tests.cli.support import LocalNetwork


def test_transfer_prints_nothing_and_moves_the_wallet_on(network: LocalNetwork) -> None:
    root = network.root_wallet()
    admin, first, _ = network.chains
    assert root("transfer", "--from", admin, "--to", first, "2.5") == ""
    (entry,) = root.json("wallet", "show", admin)
    assert entry["next_block_height"] == 1
    assert entry["block_hash"] is not None


def test_dry_run_signs_nothing(network: LocalNetwork) -> None:
    root = network.root_wallet()
    admin, first, _ = network.chains
    told = root.json("transfer", "--from", admin, "--to", first, "1", "--dry-run")
    assert told["dry_run"]
    assert told["operations"] == ["Transfer"]
    assert root.json("wallet", "show", admin)[0]["next_block_height"] == 0
