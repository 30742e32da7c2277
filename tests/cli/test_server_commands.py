"""``catenula server``: keys and configuration, stores, and a validator in the foreground."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from catenula.base.crypto import AccountPublicKey, Secp256k1PublicKey
from catenula.cli.main import main
from catenula.client.files.genesis_json import read_committee, write_genesis
from catenula.testing.tiny_network import TinyNetwork
from catenula.validator.addresses import HostPort
from catenula.validator.configuration import load_configuration, save_configuration
from tests.conftest import REPOSITORY
from tests.validator.test_configuration import configuration, options


def server(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["server", *map(str, arguments)])


def write_options(folder: Path, name: str) -> Path:
    path = folder / f"{name}.options.toml"
    text = options().replace('"server.json"', f'"{folder / name}"')
    path.write_text(text)
    return path


def test_generate_writes_both_forms_and_the_committee(tmp_path: Path) -> None:
    files = [write_options(tmp_path, name) for name in ("one.json", "two.toml")]
    committee = tmp_path / "committee.json"
    result = server("generate", "--validators", *files, "--committee", committee)
    assert result.exit_code == 0, result.output
    printed = [line.split(",") for line in result.stdout.splitlines()]
    members = read_committee(committee)
    for (public_key, account_key), name, member in zip(
        printed, ("one.json", "two.toml"), members, strict=True
    ):
        config = load_configuration(tmp_path / name)
        assert config.public_key == str(Secp256k1PublicKey.parse(public_key))
        assert config.account_key == AccountPublicKey.parse(account_key) == member.account_key
        assert member.address == "grpc:validator.example:443"
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        assert config.workers == 2


def test_a_seed_makes_the_same_keys_again(tmp_path: Path) -> None:
    path = write_options(tmp_path, "one.json")
    outputs = [
        server("generate", "--validators", path, "--testing-prng-seed", seed).stdout
        for seed in (1, 1, 2)
    ]
    assert outputs[0] == outputs[1] != outputs[2]


def test_a_store_is_initialised_once_and_inspected(tmp_path: Path) -> None:
    genesis = tmp_path / "genesis.json"
    network = TinyNetwork().genesis
    write_genesis(genesis, network)
    storage = f"sqlite:{tmp_path / 'store'}"
    for _ in range(2):
        assert server("initialize", "--storage", storage, "--genesis", genesis).exit_code == 0
    config = tmp_path / "validator.toml"
    save_configuration(configuration(), config)
    result = server("inspect", config, "--storage", storage, "--json")
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)
    assert data["network"] == network.network_name
    assert data["public_key"] == load_configuration(config).public_key
    assert "secret" not in result.stdout
    shown = server("inspect", "--storage", storage).stdout.split()
    assert shown[shown.index("network:") + 1] == network.network_name


@pytest.mark.parametrize(
    ("storage", "options_", "complaint"),
    [
        ("rocksdb:x", ["--processes"], "leave out --processes"),
        ("scylladb:", [], "a ScyllaDB cluster"),
    ],
)
def test_run_refuses_a_storage_that_does_not_do(
    storage: str, options_: list[str], complaint: str, tmp_path: Path
) -> None:
    config = tmp_path / "validator.toml"
    save_configuration(configuration(), config)
    result = server("run", config, "--storage", storage, *options_)
    assert result.exit_code == 1
    assert complaint in result.stderr


@pytest.mark.process
@pytest.mark.parametrize("processes", [(), ("--processes",)])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_serves_until_a_signal(
    processes: tuple[str, ...], number: signal.Signals, tmp_path: Path
) -> None:
    genesis = tmp_path / "genesis.json"
    write_genesis(genesis, TinyNetwork().genesis)
    config = tmp_path / "validator.toml"
    save_configuration(configuration(listen=HostPort("127.0.0.1", 0)), config)
    command = [sys.executable, "-m", "catenula", "server", "run", str(config)]
    command += ["--storage", f"sqlite:{tmp_path / 'store'}", "--genesis", str(genesis)]
    command += ["--log-form", "json", *processes]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path
    )
    assert process.stderr is not None
    events = []
    for line in process.stderr:
        events.append(json.loads(line))
        if events[-1]["event"] == "serving" and "port" in events[-1]:
            break
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    secret = load_configuration(config).secret.to_json()
    assert secret not in errors
    assert secret not in json.dumps(events)
