"""Several commands at once on one wallet, as a script with ``&`` or a careless person runs them.

Payments, inboxes, listings and new keys in processes of their own: every one succeeds, nothing is
lost or done twice, and the files stay whole (K7, K9; issue "On the wire", part 4).
"""

import json
import os
import subprocess
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.process.net import PROGRAM, NetUp, environment

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

ROUNDS = 3
PAYERS = 3
GIVEN = 100


class Wallet:
    """The files of a wallet, and commands on them."""

    def __init__(self, folder: Path, faucet: str) -> None:
        self._environment = environment(
            LINERA_WALLET=str(folder / "wallet.json"),
            LINERA_KEYSTORE=str(folder / "keystore.json"),
            LINERA_STORAGE=f"sqlite:{folder / 'client.sqlite'}",
        )
        self.folder = folder
        self.run("wallet", "init", "--faucet", faucet)
        self.chains = [
            self.run("wallet", "request-chain", "--faucet", faucet).split()[0] for _ in range(2)
        ]

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """A command in the background."""
        return subprocess.Popen(
            [*PROGRAM, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment,
        )

    def run(self, *arguments: str) -> str:
        """What a command prints that must succeed."""
        return finished(self.start(*arguments))

    def content(self) -> dict[str, dict[str, dict[str, object]]]:
        """The wallet file, whenever it is looked at."""
        found: dict[str, dict[str, dict[str, object]]] = json.loads(
            (self.folder / "wallet.json").read_text()
        )
        return found

    def balance(self, chain: str) -> Decimal:
        """What a chain holds, after all messages to it."""
        self.run("sync", chain)
        self.run("process-inbox", chain)
        return Decimal(self.run("query-balance", chain))


def finished(process: "subprocess.Popen[str]") -> str:
    """What a command printed; it must have succeeded."""
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, f"{process.args!r}: {stderr}"
    return stdout


def one_round(wallet: Wallet) -> tuple[list[str], list[dict[str, object]]]:
    """Everything at once: new owners, and the blocks that were paid with."""
    first, second = wallet.chains
    payers = [
        wallet.start("transfer", "1", "--from", source, "--to", target, "--json")
        for source, target in [(first, second)] * PAYERS + [(second, first)]
    ]
    others = [
        wallet.start("process-inbox", first),
        wallet.start("process-inbox", second),
        wallet.start("wallet", "show", "--json"),
    ]
    makers = [wallet.start("keygen") for _ in range(2)]
    while any(process.poll() is None for process in (*payers, *others, *makers)):
        assert set(wallet.content()["chains"]) >= set(wallet.chains)
        waiting = next((item for item in (*payers, *others, *makers) if item.poll() is None), None)
        if waiting is not None:
            _wait_a_little(waiting)
    for process in others:
        finished(process)
    made = [json.loads(finished(process)) for process in payers]
    return [finished(process).strip() for process in makers], made


def _wait_a_little(process: "subprocess.Popen[str]") -> None:
    try:
        process.wait(0.05)
    except subprocess.TimeoutExpired:
        return


def test_commands_at_once_on_one_wallet_lose_and_repeat_nothing(tmp_path: Path) -> None:
    port = free_port()
    faucet = ("--with-faucet", "--faucet-port", str(port), "--faucet-amount", str(GIVEN))
    with NetUp(*faucet):
        wallet = Wallet(tmp_path, f"http://127.0.0.1:{port}")
        owners: list[str] = []
        blocks: list[dict[str, object]] = []
        for _ in range(ROUNDS):
            new, made = one_round(wallet)
            owners += new
            blocks += made
        places = Counter((block["chain_id"], block["height"]) for block in blocks)
        assert len(places) == len(blocks) == ROUNDS * (PAYERS + 1), "each payment is a block"
        paid = ROUNDS * (PAYERS - 1)
        assert [wallet.balance(chain) for chain in wallet.chains] == [GIVEN - paid, GIVEN + paid]
        keys = json.loads((tmp_path / "keystore.json").read_text())["keys"]
        assert {owner for owner, _ in keys} >= set(owners)
        assert len(set(owners)) == 2 * ROUNDS
        check_files(wallet)


def check_files(wallet: Wallet) -> None:
    """The wallet file tells where the chains are, and nothing is left lying about."""
    for chain in wallet.chains:
        entry = wallet.content()["chains"][chain]
        told = json.loads(wallet.run("sync", chain, "--json"))
        assert entry["next_block_height"] == told["next_block_height"]
        assert entry.get("pending_proposal") is None
    names = {name for name in os.listdir(wallet.folder) if "tmp" in name or ".new" in name}
    assert not names
