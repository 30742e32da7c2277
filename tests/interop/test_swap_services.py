"""The swap through node services: the reference's on our network, ours on its and on ours."""

import json
import time
from functools import partial
from pathlib import Path

import pytest

from tests.interop import session
from tests.interop.applications import files_of
from tests.interop.commands import Wallet
from tests.interop.networks import RunningNetwork
from tests.interop.node_services import Refused, ask_application, serving, until
from tests.interop.session import Claimed
from tests.interop.test_official_cli import network_of, program_of

TRANSFER = """mutation ($owner: AccountOwner!, $amount: Amount!, $to: Account!) {
  transfer(owner: $owner, amount: $amount, to: $to) }"""

pytestmark = [pytest.mark.interop, pytest.mark.timeout(600)]


def _join(client: str, folder: Path, network: RunningNetwork) -> tuple[Wallet, Claimed]:
    engine = "sqlite" if client == "ours" else "rocksdb"
    wallet = Wallet(program_of(client), folder, [], storage=f"{engine}:{folder / 'client.db'}")
    return wallet, session.join(wallet, network.faucet)


def _create(wallet: Wallet, name: str, parameters: object, argument: object = None) -> str:
    return wallet.line(
        *("publish-and-create", *files_of(name), "--json-parameters", json.dumps(parameters)),
        *("--json-argument", json.dumps(argument)),
    )


def _token(wallet: Wallet, mine: Claimed, ticker: str, amount: int) -> str:
    supply = {"accounts": {mine.owner: f"{amount}."}}
    return _create(wallet, "token", {"ticker": ticker}, supply)


def _side(mine: Claimed, token: str, amount: int) -> dict[str, object]:
    home = {"chain_id": mine.chain, "owner": mine.owner}
    return {"home": home, "token": token, "amount": f"{amount}."}


def _microseconds_from_now(seconds: int) -> int:
    return (int(time.time()) + seconds) * 1_000_000


def _balance(service: str, chain: str, token: str, owner: str) -> str:
    answer = ask_application(service, chain, token, f'{{ balance(owner: "{owner}") }}')
    balance: str = answer["balance"]
    return balance


@pytest.mark.parametrize(
    ("client", "validators"), [("ours", "ours"), ("official", "ours"), ("ours", "official")]
)
def test_two_owners_swap_two_tokens_through_their_services(
    client: str, validators: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with network_of(validators, tmp_path / "network", monkeypatch) as network:
        alice, hers = _join(client, tmp_path / "alice", network)
        bob, his = _join(client, tmp_path / "bob", network)
        oak, elm = _token(alice, hers, "OAK", 100), _token(bob, his, "ELM", 10)
        sides = {"first": _side(hers, oak, 60), "second": _side(his, elm, 4)}
        swap = _create(alice, "swap", {**sides, "deadline": _microseconds_from_now(3600)})
        (table,) = alice.lines(
            *("open-multi-owner-chain", "--from", hers.chain, "--multi-leader-rounds", "10"),
            *("--owners", json.dumps({hers.owner: 100, his.owner: 100})),
            *("--execute-operations", json.dumps([swap, oak, elm])),
            *("--close-chain", json.dumps([swap])),
        )
        for wallet, mine in ((alice, hers), (bob, his)):
            wallet.run("assign", "--owner", mine.owner, "--chain-id", table)
        account = {"chain_id": table, "owner": f"0x{swap}"}
        with serving(alice) as alices, serving(bob) as bobs:
            for service, mine, token, brought in (
                (alices, hers, oak, "60."),
                (bobs, his, elm, "4."),
            ):
                ask_application(
                    *(service, mine.chain, token, TRANSFER),
                    owner=mine.owner,
                    amount=brought,
                    to=account,
                )
                until(partial(_balance, bobs, table, token, account["owner"]), brought)
            ask_application(bobs, table, swap, "mutation { exchange }")
            until(lambda: _balance(alices, hers.chain, elm, hers.owner), "4.")
            until(lambda: _balance(bobs, his.chain, oak, his.owner), "60.")
            assert _balance(alices, hers.chain, oak, hers.owner) == "40."
            assert _balance(bobs, his.chain, elm, his.owner) == "6."
            with pytest.raises(Refused, match=r"(?i)closed"):
                ask_application(bobs, table, swap, "mutation { refund }")
