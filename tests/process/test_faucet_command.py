"""``catenula faucet`` on the administrator's wallet, beside other commands on the same wallet."""

from pathlib import Path

import pytest

from tests.ports import free_port
from tests.process.net import NetUp, ask, serving

pytestmark = pytest.mark.process


def test_a_faucet_gives_chains_and_shares_its_wallet(tmp_path: Path) -> None:
    with NetUp("--validators", "1") as net:
        admin, first, second = net.chains()
        port = free_port()
        place = ("--host", "127.0.0.1", "--port", str(port))
        storage = ("--storage-path", str(tmp_path / "claims.sqlite"))
        with serving(net, "faucet", second, "--amount", "5", *place, *storage) as told:
            url = f"http://127.0.0.1:{port}"
            owner = "0x" + "56" * 32
            claimed = ask(url, f'mutation {{ claim(owner: "{owner}") }}')["claim"]
            assert claimed["config"]["balance"] == "5."
            assert claimed["origin"]["Child"]["parent"] == second
            # Another process uses the same wallet meanwhile.
            net.run("transfer", "--from", admin, "--to", first, "1")
            # A new wallet begins at this faucet.
            mine = tmp_path / "mine"
            mine.mkdir()
            files = (f"--wallet={mine}/w.json", f"--keystore={mine}/k.json")
            store = f"--storage=sqlite:{mine}/c.sqlite"
            net.run(*files, store, "wallet", "init", "--faucet", url)
            chain = net.run(*files, store, "wallet", "request-chain", "--faucet", url).split()[0]
            assert net.run(*files, store, "local-balance", chain) == "5.\n"
        assert told["chain_id"] == second
