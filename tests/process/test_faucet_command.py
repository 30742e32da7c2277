"""``catenula faucet`` on the administrator's wallet, beside other commands on the same wallet."""

import json
import signal
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port
from tests.process.net import PROGRAM, NetUp, environment

pytestmark = pytest.mark.process


def _ask(url: str, query: str) -> Any:
    request = urllib.request.Request(
        url,
        data=json.dumps({"query": query}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)["data"]


def test_a_faucet_gives_chains_and_shares_its_wallet(tmp_path: Path) -> None:
    with NetUp("--validators", "1") as net:
        admin, first, second = net.chains()
        port = free_port()
        faucet = subprocess.Popen(
            [*PROGRAM, "faucet", second, "--amount", "5", "--host", "127.0.0.1",
             "--port", str(port), "--storage-path", str(tmp_path / "claims.sqlite"), "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**net.variables()),
        )  # fmt: skip
        assert faucet.stderr is not None
        for line in faucet.stderr:
            if "Press ^C" in line:
                break
        try:
            url = f"http://127.0.0.1:{port}"
            owner = "0x" + "56" * 32
            claimed = _ask(url, f'mutation {{ claim(owner: "{owner}") }}')["claim"]
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
        finally:
            faucet.send_signal(signal.SIGINT)
            printed, said = faucet.communicate(timeout=60)
        assert faucet.returncode == 0, said
        assert json.loads(printed)["chain_id"] == second
