"""The scripted session: what two people and an administrator do on a network, command by command.

Whoever wrote the command line and whoever wrote the validators, every command must end the same way
and print the same results. The script talks about results a person can check (balances, owners,
heights), so that it needs no recorded answers.
"""

import json
import re
from dataclasses import dataclass
from decimal import Decimal

from tests.interop.commands import Wallet

CLAIMED_TOKENS = Decimal(100)
CHAIN_ID = re.compile(r"[0-9a-f]{64}")
OWNER = re.compile(r"0x[0-9a-f]{64}|0x[0-9a-f]{40}")
SPARE_PUBLIC_KEY = "03a75c9e46dfe5c417213dc00db1ec78bcbf3d1cf14a5aa3ec66d0098a1451b1b0"
SPARE_ACCOUNT_KEY = "001fd6a710dee17d4f3760c9bb60c4eb92c5f4789450632388da1d2c1fc64254e8"


@dataclass(frozen=True)
class Claimed:
    """A chain that a wallet got, and its owner."""

    chain: str
    owner: str


def amount(text: str) -> Decimal:
    """An amount as the commands print it."""
    return Decimal(text.strip())


def join(wallet: Wallet, faucet: str) -> Claimed:
    """Make a wallet through the faucet and get a chain."""
    wallet.run("wallet", "init", "--faucet", faucet)
    return claim(wallet, faucet, "--set-default")


def claim(wallet: Wallet, faucet: str, *options: str) -> Claimed:
    """Get a chain from the faucet."""
    chain, owner = wallet.lines("wallet", "request-chain", "--faucet", faucet, *options)
    assert CHAIN_ID.fullmatch(chain), chain
    assert OWNER.fullmatch(owner), owner
    return Claimed(chain, owner)


def look_around(wallet: Wallet, mine: Claimed) -> None:
    """Commands that only read."""
    assert mine.chain in wallet.lines("wallet", "show", "--short", "--owned")
    shown = wallet.run("wallet", "show")
    assert re.search(rf"^Chain ID: +{mine.chain}$", shown, re.MULTILINE)
    assert re.search(rf"^Default owner: +{mine.owner}$", shown, re.MULTILINE)
    assert "DEFAULT" in wallet.run("wallet", "show", mine.chain)
    wallet.run("sync", mine.chain)
    assert amount(wallet.run("query-balance")) == CLAIMED_TOKENS
    assert amount(wallet.run("local-balance", mine.chain)) == CLAIMED_TOKENS
    assert amount(wallet.run("sync-balance")) == CLAIMED_TOKENS
    ownership = json.loads(wallet.run("show-ownership", "--chain-id", mine.chain))
    assert ownership["owners"] == {mine.owner: 100}
    description = json.loads(wallet.run("show-network-description"))
    assert CHAIN_ID.fullmatch(description["admin_chain_id"])
    wallet.run("chain", "show-chain-description", mine.chain)
    wallet.run("wallet", "export-genesis", "exported.json")


def pay(alice: Wallet, bob: Wallet, hers: Claimed, his: Claimed) -> None:
    """Transfers between two wallets, to accounts and back, and an overdraft."""
    alice.run("transfer", "--from", hers.chain, "--to", his.chain, "10.5")
    bob.run("sync")
    bob.run("process-inbox", his.chain)
    assert amount(bob.run("query-balance", his.chain)) == CLAIMED_TOKENS + Decimal("10.5")
    bob.run("transfer", "--from", his.chain, "--to", f"{hers.owner}@{hers.chain}", "4")
    alice.run("sync", hers.chain)
    alice.run("process-inbox")
    account = f"{hers.owner}@{hers.chain}"
    assert amount(alice.run("query-balance", account)) == 4
    alice.run("transfer", "--from", account, "--to", hers.chain, "1.25")
    assert amount(alice.run("local-balance", account)) == Decimal("2.75")
    assert amount(alice.run("local-balance", hers.chain)) == CLAIMED_TOKENS - Decimal("9.25")
    alice.run("transfer", "--from", hers.chain, "--to", his.chain, "1000000000", exit_status=1)
    alice.run("transfer", "--to", his.chain, "1", exit_status=2)
    block = alice.run("chain", "show-block", "0", hers.chain)
    assert hers.chain in block


def open_and_close(alice: Wallet, bob: Wallet, hers: Claimed) -> None:
    """A chain for somebody else's key, handed over, used, closed; messages to it bounce."""
    key = bob.line("keygen")
    opened = alice.lines(
        "open-chain", "--from", hers.chain, "--owner", key, "--initial-balance", "7"
    )
    child = opened[0]
    bob.run("assign", "--owner", key, "--chain-id", child)
    assert amount(bob.run("query-balance", child)) == 7
    bob.run("transfer", "--from", child, "--to", hers.chain, "2")
    bob.run("close-chain", child)
    bob.run("close-chain", child)
    bob.run("transfer", "--from", child, "--to", hers.chain, "1", exit_status=1)
    before = amount(alice.run("sync-balance", hers.chain))
    alice.run("transfer", "--from", hers.chain, "--to", child, "3")
    bob.run("sync", child)
    bob.run("process-inbox", child)
    alice.run("sync", hers.chain)
    alice.run("process-inbox", hers.chain)
    assert amount(alice.run("query-balance", hers.chain)) == before


def share(alice: Wallet, bob: Wallet, hers: Claimed, his: Claimed) -> None:
    """A chain of two owners: both use it, and its ownership changes."""
    owners = json.dumps({hers.owner: 100, his.owner: 100})
    (chain,) = alice.lines(
        "open-multi-owner-chain",
        *("--from", hers.chain, "--owners", owners),
        *("--multi-leader-rounds", "4", "--initial-balance", "6"),
    )
    for wallet, member in ((alice, hers), (bob, his)):
        wallet.run("assign", "--owner", member.owner, "--chain-id", chain)
    alice.run("transfer", "--from", chain, "--to", his.chain, "1")
    bob.run("transfer", "--from", chain, "--to", his.chain, "2")
    alice.run("sync", chain)
    assert amount(alice.run("query-balance", chain)) == 3
    alice.run("retry-pending-block", chain)
    alice.run("change-ownership", "--chain-id", chain, "--owners", json.dumps({his.owner: 1}))
    bob.run("sync", chain)
    shown = json.loads(bob.run("show-ownership", "--chain-id", chain))
    assert list(shown["owners"]) == [his.owner]
    alice.run("transfer", "--from", chain, "--to", his.chain, "1", exit_status=1)
    bob.run("transfer", "--from", chain, "--to", hers.chain, "1")
    bob.run("change-application-permissions", "--chain-id", chain, "--execute-operations", "null")


def publish(alice: Wallet, bob: Wallet, hers: Claimed, his: Claimed) -> None:
    """A data blob, published on one chain and read on another."""
    name = alice.write("data.bin", b"facts about microchains" * 20)
    blob = alice.line("publish-data-blob", name, hers.chain)
    assert CHAIN_ID.fullmatch(blob)
    bob.run("read-data-blob", blob, his.chain)
    bob.run("read-data-blob", "zz", exit_status=2)
    bob.run("publish-data-blob", "absent.bin", exit_status=1)


def keep_a_wallet(bob: Wallet, faucet: str, hers: Claimed, his: Claimed) -> None:
    """Commands on the wallet itself."""
    second = claim(bob, faucet)
    bob.run("wallet", "set-default", second.chain)
    assert "DEFAULT" in bob.run("wallet", "show", second.chain)
    bob.run("wallet", "set-default", his.chain)
    bob.run("wallet", "follow-chain", hers.chain, "--sync")
    assert hers.chain in bob.lines("wallet", "show", "--short")
    assert hers.chain not in bob.lines("wallet", "show", "--short", "--owned")
    bob.run("transfer", "--from", hers.chain, "--to", his.chain, "1", exit_status=1)
    bob.run("wallet", "forget-chain", hers.chain)
    assert hers.chain not in bob.lines("wallet", "show", "--short")
    bob.run("wallet", "forget-keys", second.chain)
    assert "No owner key" in bob.run("wallet", "show", second.chain)
    bob.run("nonsense", exit_status=2)


def administer(admin: Wallet, validators: list[str]) -> None:
    """Validators, committees, epochs and prices, as the administrator of the network."""
    listed = admin.run("validator", "list")
    for address in validators:
        assert address in listed
    admin.run("validator", "query", validators[0])
    before = json.loads(admin.run("show-network-description"))
    admin.run("resource-control-policy", "--operation", "0.0001")
    admin.run(
        *("validator", "add", "--public-key", SPARE_PUBLIC_KEY),
        *("--account-key", SPARE_ACCOUNT_KEY, "--address", "grpc:localhost:1"),
        *("--votes", "1", "--skip-online-check"),
    )
    admin.run("sync")
    admin.run("validator", "remove", "--public-key", SPARE_PUBLIC_KEY)
    admin.run("revoke-epochs", "1")
    admin.run("revoke-epochs", "99", exit_status=1)
    admin.run("resource-control-policy", "--operation", "0")
    admin.run("process-inbox")
    assert json.loads(admin.run("show-network-description")) == before


def go_on_in_later_epochs(alice: Wallet, bob: Wallet, hers: Claimed, his: Claimed) -> None:
    """Chains that lag several epochs behind catch up by themselves.

    The first block of a chain whose epoch is revoked only brings it forward: messages it sent would
    wait for a later block, because recipients no longer know its committee.
    """
    alice.run("process-inbox", hers.chain)
    held = amount(bob.run("sync-balance", his.chain))
    alice.run("transfer", "--from", hers.chain, "--to", his.chain, "5")
    bob.run("sync", his.chain)
    bob.run("process-inbox", his.chain)
    assert amount(bob.run("query-balance", his.chain)) == held + 5
