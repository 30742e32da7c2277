"""``catenula service`` over the wallet of a local network, beside other commands on it."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.process.net import NetUp, ask, serving

pytestmark = pytest.mark.process

_TOKEN = "a token of this test"


def test_a_service_makes_blocks_and_keeps_the_wallet_file(tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(_TOKEN + "\n")
    with NetUp("--validators", "1") as net:
        admin, first, second = net.chains()
        port, metrics_port = free_port(), free_port()
        ports = ("--port", str(port), "--metrics-port", str(metrics_port))
        with serving(net, "service", *ports, "--token-file", str(token_file)) as told:
            url = f"http://127.0.0.1:{port}"
            listed = ask(url, "{ chains { list default } }", token=_TOKEN)
            assert listed["chains"]["default"] == admin
            with pytest.raises(urllib.error.HTTPError, match="401"):
                ask(url, "{ version }")
            made = ask(
                url,
                f'mutation {{ transfer(chainId: "{first}", owner: "0x00", amount: "3", '
                f'recipient: {{chain_id: "{second}", owner: "0x00"}}) }}',
                token=_TOKEN,
            )
            assert len(made["transfer"]) == 64
            owner = "0x" + "56" * 32
            mutation = f'mutation {{ openChain(chainId: "{first}", owner: "{owner}") }}'
            assert len(ask(url, mutation, token=_TOKEN)["openChain"]) == 64
            # Another process uses the same wallet meanwhile.
            net.run("transfer", "--from", second, "--to", admin, "1")
            metrics = urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics")
            assert b'node_service_requests_total{kind="graphql",status="401"} 1.0' in metrics.read()
        assert told["chains"] == 3
        shown = json.loads(net.run("wallet", "show", first, "--json"))
        assert shown[0]["next_block_height"] == 2
