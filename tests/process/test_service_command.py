"""``catenula service`` over the wallet of a local network, beside other commands on it."""

import json
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port
from tests.process.net import PROGRAM, NetUp, environment

pytestmark = pytest.mark.process

_TOKEN = "a token of this test"


def _ask(url: str, query: str, token: str | None = _TOKEN) -> Any:
    headers = {"content-type": "application/json"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(url, data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)["data"]


def test_a_service_makes_blocks_and_keeps_the_wallet_file(tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(_TOKEN + "\n")
    with NetUp("--validators", "1") as net:
        admin, first, second = net.chains()
        port, metrics_port = free_port(), free_port()
        service = subprocess.Popen(
            [*PROGRAM, "service", "--port", str(port), "--metrics-port", str(metrics_port),
             "--token-file", str(token_file), "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**net.variables()),
        )  # fmt: skip
        assert service.stderr is not None
        for line in service.stderr:
            if "Press ^C" in line:
                break
        try:
            url = f"http://127.0.0.1:{port}"
            assert _ask(url, "{ chains { list default } }")["chains"]["default"] == admin
            with pytest.raises(urllib.error.HTTPError, match="401"):
                _ask(url, "{ version }", token=None)
            made = _ask(
                url,
                f'mutation {{ transfer(chainId: "{first}", owner: "0x00", amount: "3", '
                f'recipient: {{chain_id: "{second}", owner: "0x00"}}) }}',
            )
            assert len(made["transfer"]) == 64
            owner = "0x" + "56" * 32
            mutation = f'mutation {{ openChain(chainId: "{first}", owner: "{owner}") }}'
            assert len(_ask(url, mutation)["openChain"]) == 64
            # Another process uses the same wallet meanwhile.
            net.run("transfer", "--from", second, "--to", admin, "1")
            metrics = urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics")
            assert b'node_service_requests_total{kind="graphql",status="401"} 1.0' in metrics.read()
        finally:
            service.send_signal(signal.SIGINT)
            printed, said = service.communicate(timeout=60)
        assert service.returncode == 0, said
        assert json.loads(printed)["chains"] == 3
        shown = json.loads(net.run("wallet", "show", first, "--json"))
        assert shown[0]["next_block_height"] == 2
