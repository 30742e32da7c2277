"""``catenula net up``: started, used by other processes, stopped, started again."""

import json
import os
import shutil
import signal
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port, free_port_range
from tests.process.net import PROGRAM, NetUp, environment

pytestmark = pytest.mark.process

_MODES = [(), ("--processes", "--workers", "2")]


def _ask_faucet(port: int, query: str) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/",
        data=json.dumps({"query": query}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)["data"]


@pytest.mark.parametrize("mode", _MODES, ids=["one process", "many processes"])
def test_a_temporary_network_serves_and_is_removed(mode: tuple[str, ...]) -> None:
    port = free_port()
    with NetUp("--with-faucet", "--faucet-port", str(port), *mode) as net:
        folder = net.wallet().parent
        workers = "2 workers" if mode else "1 worker"
        assert f"4 validators with {workers} each in" in net.told[0]
        assert sorted(net.variables()) == ["LINERA_KEYSTORE", "LINERA_STORAGE", "LINERA_WALLET"]
        assert (folder / "keystore_0.json").stat().st_mode & 0o777 == 0o600
        admin, first, *_ = net.chains()
        net.run("transfer", "--from", admin, "--to", first, "2.5")
        listed = net.run("validator", "list")
        assert listed.count("Public key:") == 4
        assert f"Address: grpc:localhost:{net.base + 4_001}\n" in listed
        owner = "0x" + "12" * 32
        claimed = _ask_faucet(port, f'mutation {{ claim(owner: "{owner}") }}')["claim"]
        assert claimed["config"]["balance"] == "1000."
        said = net.stop()
    assert "done" in said
    assert not folder.exists()


def test_a_wallet_of_a_network_that_is_gone_is_told_so(tmp_path: Path) -> None:
    port = free_port()
    faucet = f"http://localhost:{port}"
    arguments = ("--with-faucet", "--faucet-port", str(port))
    files = (f"--wallet={tmp_path / 'wallet.json'}", f"--keystore={tmp_path / 'keystore.json'}")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [*PROGRAM, *files, *words]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment(), check=False
        )

    with NetUp(*arguments) as net:
        assert run("wallet", "init", "--faucet", faucet).returncode == 0
        assert run("wallet", "request-chain", "--faucet", faucet).returncode == 0
        net.stop()
    before = (tmp_path / "wallet.json").read_bytes()
    with NetUp(*arguments, base=net.base):
        for words in (("wallet", "request-chain", "--faucet", faucet), ("sync",)):
            done = run(*words)
            assert (done.returncode, done.stdout) == (1, "")
            assert "The wallet belongs to another network" in done.stderr
    assert (tmp_path / "wallet.json").read_bytes() == before


def test_a_network_in_a_folder_is_started_again_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "net"
    port = free_port()
    arguments = ("--path", str(folder), "--with-faucet", "--faucet-port", str(port))
    owner = "0x" + "34" * 32
    claim = f'mutation {{ claim(owner: "{owner}") }}'
    with NetUp(*arguments) as net:
        admin, first, _ = chains = net.chains()
        net.run("transfer", "--from", admin, "--to", first, "1")
        claimed = _ask_faucet(port, claim)
        keys = (folder / "server_0.toml").read_text()
        net.stop(signal.SIGTERM)
    # As processes now, and with more workers: same keys, same chains, same faucet.
    with NetUp(*arguments, "--processes", "--workers", "2", base=net.base) as again:
        assert again.chains() == chains
        assert json.loads(again.run("wallet", "show", admin, "--json"))[0]["next_block_height"] == 1
        assert _ask_faucet(port, claim) == claimed
        again.run("transfer", "--from", admin, "--to", first, "1")
        assert (folder / "server_0.toml").read_text() == keys
        again.stop()
    with NetUp(*arguments, "--policy-config=testnet", base=net.base) as third:
        assert any("--policy-config would only change a new one" in line for line in third.told)
        third.run("transfer", "--from", admin, "--to", first, "1")
        assert "Next height: 3\n" in third.run("validator", "list", "--chain-id", admin)


@pytest.mark.parametrize("mode", _MODES, ids=["one process", "many processes"])
@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate")
def test_validators_speak_tls_with_a_certificate(tmp_path: Path, mode: tuple[str, ...]) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", str(key), "-out", str(certificate), "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    port = str(free_port())
    tls = ("--external-protocol=grpcs", f"--tls-cert={certificate}", f"--tls-key={key}")
    with NetUp(*tls, "--with-faucet", "--faucet-port", port, "--validators", "1", *mode) as net:
        trust = [line.split("export ")[1].split()[0] for line in net.told if "to trust" in line]
        assert trust == [f"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH={certificate}"]
        net.more = dict(item.split("=", 1) for item in trust)
        admin, first, *_ = net.chains()
        net.run("transfer", "--from", admin, "--to", first, "1")
        assert f"Address: grpcs:localhost:{net.base + 4_001}\n" in net.run("validator", "list")
        net.stop()


def test_a_validator_from_elsewhere_joins_and_leaves(tmp_path: Path) -> None:
    with NetUp() as net:
        port = free_port()
        options = tmp_path / "options.toml"
        options.write_text(_OPTIONS.format(path=tmp_path / "fifth.toml", port=port))
        keys = net.run("server", "generate", "--validators", str(options)).strip()
        public_key, account_key = keys.split(",")
        fifth = subprocess.Popen(
            [*PROGRAM, "server", "run", str(tmp_path / "fifth.toml"),
             f"--storage=sqlite:{tmp_path / 'fifth.sqlite'}",
             f"--genesis={net.wallet().parent / 'genesis.json'}"],
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )  # fmt: skip
        assert fifth.stderr is not None
        for line in fifth.stderr:
            if "serving" in line:
                break
        try:
            _join_and_leave(net, public_key, account_key, f"grpc:localhost:{port}")
        finally:
            fifth.terminate()
            fifth.communicate(timeout=60)
        assert fifth.returncode == 0


def _join_and_leave(net: NetUp, public_key: str, account_key: str, address: str) -> None:
    admin, first, *_ = net.chains()
    net.run("transfer", "--from", admin, "--to", first, "1")
    net.run(
        "validator", "add", "--public-key", public_key, "--account-key", account_key,
        "--address", address, "--votes", "100",
    )  # fmt: skip
    net.run("validator", "sync", address, "--check-online")
    net.run("transfer", "--from", first, "--to", admin, "0.5")
    report = net.run("validator", "query", address, "--public-key", public_key)
    assert "Epoch: 1\n" in report
    listed = json.loads(net.run("validator", "list", "--json"))
    assert len(listed["validators"]) == 5
    net.run("revoke-epochs", "0")
    net.run("validator", "remove", "--public-key", public_key)
    assert json.loads(net.run("validator", "list", "--json"))["local"]["chain"]["epoch"] == 2


_OPTIONS = """\
server_config_path = "{path}"
host = "localhost"
port = {port}
external_protocol = {{ Grpc = "ClearText" }}
internal_protocol = {{ Grpc = "ClearText" }}
[[proxies]]
host = "localhost"
public_port = {port}
private_port = 0
metrics_port = 0
[[shards]]
host = "localhost"
port = 0
"""


def test_it_refuses_a_taken_port_by_name(tmp_path: Path) -> None:
    with NetUp("--validators", "1") as net:
        for more in ((), ("--processes",)):
            path = tmp_path / f"net{len(more)}"
            done = subprocess.run(
                [*PROGRAM, "net", "up", "--validators", "1", "--path", str(path), *more],
                capture_output=True,
                text=True,
                env=environment(TEST_OFFSET_PORT=str(net.base)),
                timeout=60,
                check=False,
            )
            assert done.returncode == 1
            assert f"port {net.base + 4_001}" in done.stderr
            assert "TEST_OFFSET_PORT" in done.stderr
            assert done.stdout == ""


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_it_ends_when_its_processes_have_ended() -> None:
    with NetUp("--validators", "1", "--processes") as net:
        folder = net.wallet().parent
        (supervisor,) = _children(net.process.pid)
        os.kill(supervisor, signal.SIGKILL)
        _, said = net.process.communicate(timeout=60)
    assert net.process.returncode == 1
    assert "start the network again" in said
    assert not folder.exists()


def test_it_can_be_interrupted_while_it_starts() -> None:
    process = subprocess.Popen(
        [*PROGRAM, "net", "up", "--processes", "--validators", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(TEST_OFFSET_PORT=str(free_port_range())),
    )
    while not _children(process.pid):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    printed, said = process.communicate(timeout=60)
    assert (process.returncode, printed) == (0, "")
    assert "READY!" not in said


def _refused(*arguments: str) -> str:
    done = subprocess.run(
        [*PROGRAM, "net", "up", *arguments],
        capture_output=True,
        text=True,
        env=environment(TEST_OFFSET_PORT=str(free_port_range())),
        timeout=60,
        check=False,
    )
    assert done.returncode in (1, 2), done.stderr
    assert done.stdout == ""
    return done.stderr


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    assert "--with-block-exporter" in _refused("--with-block-exporter")
    assert "--tls-cert" in _refused("--external-protocol", "grpcs")
    assert "--validators" in _refused("--validators", "101")
    (tmp_path / "something").write_text("else")
    assert "holds no network" in _refused("--path", str(tmp_path))
    assert "--faucet-chain" in _refused(
        "--validators", "1", "--with-faucet", "--faucet-port=0", "--other-initial-chains=0"
    )


def test_one_json_object_instead_of_exports() -> None:
    process = subprocess.Popen(
        [*PROGRAM, "net", "up", "--validators", "1", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(TEST_OFFSET_PORT=str(free_port_range())),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line == "READY!\n":
            break
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    told = json.loads(printed)
    assert len(told["validators"]) == 1
    assert told["admin_chain"] == told["chains"][0]


@pytest.mark.parametrize("name", ["catenula", "linera"])
def test_the_shell_functions_start_a_network_and_use_its_wallet(name: str) -> None:
    spawn = {
        "catenula": "catenula_spawn_and_export",
        "linera": "linera_spawn_and_read_wallet_variables",
    }[name]
    script = f"""
set -eu
source <({" ".join(PROGRAM)} net helper)
{spawn} {" ".join(PROGRAM)} net up --validators 1
{" ".join(PROGRAM)} wallet show --short
test -f "$LINERA_WALLET"
echo "wallet $LINERA_WALLET"
"""
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        env=environment(TEST_OFFSET_PORT=str(free_port_range())),
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "READY!" in done.stdout
    wallet = Path(done.stdout.rsplit("wallet ", 1)[1].strip().splitlines()[0])
    assert not wallet.exists(), "the network goes with the shell"
