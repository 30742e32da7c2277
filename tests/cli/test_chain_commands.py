"""Commands on chains, on a network in this process."""

import json

import pytest

from tests.cli.support import CommandLine, LocalNetwork

UNKNOWN = "ab" * 32


@pytest.fixture
def root(network: LocalNetwork) -> CommandLine:
    """A wallet with the root chains."""
    return network.root_wallet()


def test_transfer_prints_nothing_and_moves_the_wallet_on(
    network: LocalNetwork, root: CommandLine
) -> None:
    admin, first, _ = network.chains
    assert root("transfer", "--from", admin, "--to", first, "2.5") == ""
    (entry,) = root.json("wallet", "show", admin)
    assert entry["next_block_height"] == 1
    assert entry["block_hash"] is not None


def test_dry_run_signs_nothing(network: LocalNetwork, root: CommandLine) -> None:
    admin, first, _ = network.chains
    told = root.json("transfer", "--from", admin, "--to", first, "1", "--dry-run")
    assert told["dry_run"]
    assert told["operations"] == ["Transfer"]
    assert root.json("wallet", "show", admin)[0]["next_block_height"] == 0


def test_balances_with_and_without_waiting_messages(
    network: LocalNetwork, root: CommandLine
) -> None:
    admin, first, _ = network.chains
    root("transfer", "--from", admin, "--to", first, "2.5")
    assert root("local-balance", first) == "1000000000.\n"
    assert root("query-balance", first) == "1000000002.5\n"
    assert root("process-inbox", first) == ""
    assert root("local-balance", first) == "1000000002.5\n"
    assert root("sync-balance", first) == "1000000002.5\n"
    assert root("local-balance") == "999999997.5\n"


def test_balance_of_an_owner(network: LocalNetwork, root: CommandLine) -> None:
    admin, _, _ = network.chains
    owner = root("keygen").strip()
    root("transfer", "--from", admin, "--to", f"{owner}@{admin}", "3")
    assert root("query-balance", f"{owner}@{admin}") == "3.\n"


def test_opened_chain_is_ours_and_can_be_used(network: LocalNetwork, root: CommandLine) -> None:
    admin, first, _ = network.chains
    chain, owner = root("open-chain", "--from", admin, "--initial-balance", "5").split()
    (entry,) = root.json("wallet", "show", chain)
    assert entry["owner"] == owner
    assert root("query-balance", chain) == "5.\n"
    assert root("transfer", "--from", chain, "--to", first, "1") == ""
    assert root("local-balance", chain) == "4.\n"


def test_a_second_wallet_takes_a_chain_over(network: LocalNetwork, root: CommandLine) -> None:
    _, first, _ = network.chains
    other = network.wallet("other")
    owner = other("keygen").strip()
    answer = root("open-chain", "--owner", owner, "--initial-balance", "7.5")
    assert answer.split()[1] == owner
    chain = answer.split()[0]
    assert other("assign", "--owner", owner, "--chain-id", chain) == ""
    assert other("wallet", "show", "--short") == f"{chain}\n"
    assert other("query-balance") == "7.5\n"
    root("transfer", "--from", first, "--to", chain, "1")
    assert other("sync") == ""
    assert other("query-balance") == "8.5\n"
    assert other("process-inbox") == ""
    assert other("transfer", "--from", chain, "--to", first, "2") == ""
    assert other("local-balance") == "6.5\n"
    assert other.json("wallet", "show")[0]["tags"] == ["DEFAULT"]


def test_shared_chain_and_change_of_ownership(network: LocalNetwork, root: CommandLine) -> None:
    _, first, _ = network.chains
    mine, theirs = root("keygen").strip(), network.wallet("other")("keygen").strip()
    chain = root(
        "open-multi-owner-chain",
        "--from",
        first,
        "--owners",
        json.dumps({mine: 100, theirs: 50}),
        "--multi-leader-rounds",
        "2",
        "--initial-balance",
        "20",
        "--base-timeout-ms",
        "2000",
    ).strip()
    shown = json.loads(root("show-ownership", "--chain-id", chain))
    assert shown["owners"] == {mine: 100, theirs: 50}
    assert shown["multi_leader_rounds"] == 2
    assert shown["timeout_config"]["base_timeout"] == 2_000_000
    root("assign", "--owner", mine, "--chain-id", chain)
    root("change-ownership", "--chain-id", chain, "--owners", json.dumps({mine: 1}))
    shown = json.loads(root("show-ownership", "--chain-id", chain))
    assert shown["owners"] == {mine: 1}
    assert shown["multi_leader_rounds"] == 2


def test_chain_is_not_left_without_owners(network: LocalNetwork, root: CommandLine) -> None:
    empty = ("change-ownership", "--owners", "{}", "--super-owners", "[]")
    result = root.run(*empty)
    assert result.exit_code == 1
    assert "without owners" in result.stderr


def test_null_is_no_limit_of_rounds(network: LocalNetwork, root: CommandLine) -> None:
    owner = root("keygen").strip()
    rounds = ("--multi-leader-rounds", "null")
    chain = root("open-multi-owner-chain", "--owners", json.dumps({owner: 1}), *rounds).strip()
    shown = json.loads(root("show-ownership", "--chain-id", chain))
    assert shown["multi_leader_rounds"] == 2**32 - 1


def test_fast_blocks_of_a_super_owner(network: LocalNetwork, root: CommandLine) -> None:
    _, first, _ = network.chains
    opened = root("open-chain", "--super-owner", "--initial-balance", "5")
    chain = opened.split()[0]
    made = root.json("--allow-fast-blocks", "transfer", "--from", chain, "--to", first, "1")
    assert made["round"] == "fast round"


def test_permissions(network: LocalNetwork, root: CommandLine) -> None:
    chain = root("open-chain").split()[0]
    application = json.dumps(["cd" * 32])
    only = ("--execute-operations", application)
    assert root("change-application-permissions", "--chain-id", chain, *only) == ""
    assert root.run("transfer", "--from", chain, "--to", chain, "1").exit_code == 1


def test_closed_chain_stays_closed(network: LocalNetwork, root: CommandLine) -> None:
    admin, _, _ = network.chains
    chain = root("open-chain", "--initial-balance", "2").split()[0]
    assert root("close-chain", chain) == ""
    assert root("close-chain", chain) == ""
    result = root.run("transfer", "--from", chain, "--to", admin, "1")
    assert result.exit_code == 1
    assert result.stdout == ""


def test_data_blobs(network: LocalNetwork, root: CommandLine) -> None:
    _, first, _ = network.chains
    (root.folder / "blob.bin").write_bytes(b"some bytes")
    hash_ = root("publish-data-blob", str(root.folder / "blob.bin")).strip()
    assert root("read-data-blob", hash_, first) == ""
    assert root.run("read-data-blob", "0" * 64).exit_code == 1
    assert root.run("publish-data-blob", "missing.bin").exit_code == 1


def test_following_and_partial_synchronization(network: LocalNetwork, root: CommandLine) -> None:
    admin, first, _ = network.chains
    for _ in range(3):
        root("transfer", "--from", admin, "--to", first, "1")
    other = network.wallet("other")
    assert other("wallet", "follow-chain", admin) == ""
    assert other.json("sync", admin, "--next-height", "2")["next_block_height"] == 2
    assert other.json("sync", admin, "--until-block-time", "2001-01-01T00:00:00") == {
        "chain_id": admin,
        "next_block_height": 2,
    }
    assert other("wallet", "follow-chain", admin, "--sync") == ""
    (entry,) = other.json("wallet", "show", admin)
    assert (entry["owner"], entry["next_block_height"]) == (None, 3)
    assert other.run("transfer", "--from", admin, "--to", first, "1").exit_code == 1


def test_nothing_is_pending(network: LocalNetwork, root: CommandLine) -> None:
    assert root("retry-pending-block") == ""
    assert root("retry-pending-block", "--dry-run") == "nothing\n"


def test_preferred_owner_is_neither_checked_nor_kept(
    network: LocalNetwork, root: CommandLine
) -> None:
    before = root("wallet", "show")
    assert root("set-preferred-owner", "--owner", f"0x{UNKNOWN}") == ""
    assert root("wallet", "show") == before


def test_blocks_and_descriptions_are_shown(network: LocalNetwork, root: CommandLine) -> None:
    admin, first, _ = network.chains
    root("transfer", "--from", admin, "--to", first, "1")
    assert root("chain", "show-block", "0").startswith("Some(\n    ConfirmedBlock(\n")
    assert root("chain", "show-chain-description", first).startswith("ChainDescription {\n")
    assert root("list-events-from-index", "--stream-id", "System:00") == "[]\n"
    described = json.loads(root("show-network-description"))
    assert described["admin_chain_id"] == admin


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (("transfer", "--from", UNKNOWN, "--to", "{admin}", "1"), 1),
        (("transfer", "--from", "{admin}", "--to", "{admin}", "0"), 1),
        (("transfer", "--from", "{admin}", "--to", "{admin}", "99999999999"), 1),
        (("transfer", "--from", "{admin}", "--to", "{admin}", "-1"), 2),
        (("transfer", "--from", "{admin}", "--to", "{admin}", "1.0000000000000000001"), 2),
        (("transfer", "--from", "{admin}", "--to", "{admin}", "abc"), 2),
        (("transfer", "--from", "zz", "--to", "{admin}", "1"), 2),
        (("transfer", "--from", "xyz@{admin}", "--to", "{admin}", "1"), 2),
        (("transfer",), 2),
        (("query-balance", UNKNOWN), 1),
        (("local-balance", UNKNOWN), 1),
        (("sync", UNKNOWN), 1),
        (("process-inbox", UNKNOWN), 1),
        (("close-chain", UNKNOWN), 1),
        (("show-ownership", "--chain-id", UNKNOWN), 1),
        (("open-chain", "--owner", "nonsense"), 2),
        (("open-multi-owner-chain", "--owners", "[1,2]"), 2),
        (("change-application-permissions", "--execute-operations", "{{}}"), 2),
        (("wallet", "set-default", UNKNOWN), 101),
        (("wallet", "forget-chain", UNKNOWN), 0),
        (("chain", "show-block", "9999"), 101),
        (("assign", "--owner", f"0x{UNKNOWN}", "--chain-id", "{admin}"), 1),
        (("read-data-blob", "zz"), 2),
        (("list-events-from-index", "--stream-id", "junk"), 2),
        (("nonsense",), 2),
        (("--no-such-flag", "wallet", "show"), 2),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else str(value),
)
def test_exit_status_is_that_of_the_reference(
    network: LocalNetwork, root: CommandLine, arguments: tuple[str, ...], exit_code: int
) -> None:
    filled = [argument.format(admin=network.chains[0]) for argument in arguments]
    result = root.run(*filled)
    assert (result.exit_code, result.stdout) == (exit_code, "")


def test_global_options_may_follow_the_command(network: LocalNetwork, root: CommandLine) -> None:
    admin, first, _ = network.chains
    root("transfer", "--from", admin, "--to", first, "1")
    root("process-inbox", first, "--blanket-message-policy", "ignore")
    assert root("local-balance", first) == "1000000000.\n"
    root("process-inbox", first, "--restrict-chain-ids-to", "")
    assert root("local-balance", first) == "1000000000.\n"
    root("process-inbox", first)
    assert root("local-balance", first) == "1000000001.\n"


def test_own_blocks_of_a_revoked_epoch_are_still_taken_over(
    network: LocalNetwork, root: CommandLine
) -> None:
    """Another program of the same user made them before the epoch was revoked."""
    _, first, second = network.chains
    copy = network.root_wallet("copy")
    root("transfer", "--from", second, "--to", first, "1")
    root("resource-control-policy", "--operation", "0.001")
    root("process-inbox", first)
    root("revoke-epochs", "0")
    assert copy("process-inbox", second) == ""
    (entry,) = copy.json("wallet", "show", second)
    assert entry["epoch"] == 1
    assert entry["next_block_height"] > 1


def test_mistyped_commands_and_chains_get_suggestions(
    network: LocalNetwork, root: CommandLine
) -> None:
    assert "Did you mean 'transfer'?" in root.run("tranfser").stderr
    assert "Did you mean 'show'?" in root.run("wallet", "shw").stderr
    admin = network.chains[0]
    mistyped = ("0" if admin[0] != "0" else "1") + admin[1:]
    for arguments in (
        ("wallet", "show", mistyped),
        ("query-balance", mistyped),
        ("transfer", "--from", mistyped, "--to", admin, "1"),
    ):
        assert admin in root.run(*arguments).stderr
