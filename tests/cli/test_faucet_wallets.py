"""Wallets that begin at a faucet: its answers come from a small server in this process."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from catenula.base.codec import codec_of
from catenula.protocol import GenesisConfig
from tests.cli.support import LocalNetwork


class Faucet:
    """Answers what it was told to answer, by the words of the question."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        faucet = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # The library's name.
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                field = next(name for name in faucet.answers if name in body)
                content = json.dumps({"data": {field: faucet.answers[field]}}).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def faucet(network: LocalNetwork) -> Iterator[Faucet]:
    """A faucet of the network that knows its genesis and an old version."""
    running = Faucet()
    genesis = codec_of(GenesisConfig).to_json(network.embedded.genesis)
    running.answers["genesisConfig"] = genesis
    running.answers["version"] = {
        "crate_version": "0.14.1",
        "git_commit": "",
        "git_dirty": False,
        "rpc_hash": "",
        "graphql_hash": "",
        "wit_hash": "",
    }
    yield running
    running.close()


def test_wallet_and_genesis_from_a_faucet(network: LocalNetwork, faucet: Faucet) -> None:
    line = network.bare_wallet("new")
    result = line.run("wallet", "init", "--faucet", faucet.url)
    assert (result.exit_code, result.stdout) == (0, ""), result.stderr
    assert "0.14.1" in result.stderr
    line("wallet", "export-genesis", str(line.folder / "a.json"))
    line("wallet", "export-genesis", str(line.folder / "b.json"), "--faucet", faucet.url)
    followed = [(row["chain_id"], row["owner"]) for row in line.json("wallet", "show")]
    assert followed == [(network.chains[0], None)]
    expected = network.genesis_path.read_bytes()
    assert (line.folder / "a.json").read_bytes() == expected
    assert (line.folder / "b.json").read_bytes() == expected


def test_faucet_that_gives_a_foreign_chain_is_not_believed(
    network: LocalNetwork, faucet: Faucet
) -> None:
    line = network.wallet("new")
    genesis = network.embedded.genesis
    faucet.answers["claim"] = codec_of(GenesisConfig).to_json(genesis)["chains"][1]
    result = line.run("wallet", "request-chain", "--faucet", faucet.url)
    assert (result.exit_code, result.stdout) == (1, "")
    assert line("wallet", "show", "--short") == ""


def test_no_chain_is_claimed_from_a_faucet_of_another_network(
    network: LocalNetwork, faucet: Faucet
) -> None:
    line = network.wallet("new")
    theirs = network.embedded.genesis.replace(network_name="another")
    faucet.answers["genesisConfig"] = codec_of(GenesisConfig).to_json(theirs)
    before = (line.folder / "keystore.json").read_bytes()
    result = line.run("wallet", "request-chain", "--faucet", faucet.url)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"another network than the one at {faucet.url}" in result.stderr
    for genesis in (theirs, network.embedded.genesis):
        assert f"{genesis.network_name} (genesis {str(genesis.hash)[:10]}…)" in result.stderr
    assert "wallet init --faucet" in result.stderr
    assert line("wallet", "show", "--short") == ""
    assert (line.folder / "keystore.json").read_bytes() == before


def test_unreachable_faucet_is_a_failure(network: LocalNetwork) -> None:
    line = network.bare_wallet("new")
    arguments = ("wallet", "init", "--faucet", "http://127.0.0.1:1")
    result = line.run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert not (line.folder / "wallet.json").exists()
