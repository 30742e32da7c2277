"""Configuration files: our form, the reference's forms, and what is refused."""

import json
import secrets
import stat
from pathlib import Path

import pytest

from catenula.base.crypto import AccountSecretKey, SignatureScheme, ValidatorSecretKey
from catenula.base.errors import DecodeError, LocalError
from catenula.transport.addresses import NetworkAddress
from catenula.validator.addresses import HostPort
from catenula.validator.configuration import (
    LogOptions,
    ServerConfig,
    check_configuration,
    load_configuration,
    own_form,
    save_configuration,
)
from catenula.validator.files import write_private_file
from catenula.validator.reference_files import read_validator_options, server_json

OPTIONS = """
server_config_path = "server.json"
host = "validator.example"
port = 443
external_protocol = {{ Grpc = "{external}" }}
internal_protocol = {{ Grpc = "ClearText" }}
metrics_host = "ignored"
[[proxies]]
host = "proxy"
public_port = 8443
private_port = 20100
metrics_port = 21100
[[shards]]
host = "shard-1"
port = 19100
metrics_port = 21101
[[shards]]
host = "shard-2"
port = 19100
"""


def options(external: str = "ClearText") -> str:
    return OPTIONS.format(external=external)


def configuration(**changes: object) -> ServerConfig:
    account = AccountSecretKey.generate(SignatureScheme.ED25519, secrets.token_bytes)
    values: dict[str, object] = {
        "secret": ValidatorSecretKey.generate(secrets.token_bytes),
        "account_key": account.public_key(),
        "address": NetworkAddress("localhost", 13001, False),
        "listen": HostPort("127.0.0.1", 13001),
    }
    return ServerConfig(**{**values, **changes})  # type: ignore[arg-type]  # Named fields.


def same(left: ServerConfig, right: ServerConfig) -> bool:
    """Equality that looks into the secret."""
    return own_form(left) == own_form(right) and left.secret.to_json() == right.secret.to_json()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "workers": 2,
            "worker_addresses": (HostPort("127.0.0.1", 1), HostPort("127.0.0.1", 2)),
            "metrics": HostPort("127.0.0.1", 21100),
            "logs": LogOptions("json", "debug"),
        },
    ],
)
def test_our_form_says_everything(changes: dict[str, object], tmp_path: Path) -> None:
    config = configuration(**changes)
    path = tmp_path / "validator.toml"
    save_configuration(config, path)
    assert same(load_configuration(path), config)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_certificates_are_found_beside_the_file(tmp_path: Path) -> None:
    config = configuration(certificate=Path("a.pem"), private_key=Path("/k/b.pem"))
    save_configuration(config, tmp_path / "validator.toml")
    found = load_configuration(tmp_path / "validator.toml")
    assert found.certificate == tmp_path / "a.pem"
    assert found.private_key == Path("/k/b.pem")


def test_the_reference_configuration_is_read(tmp_path: Path) -> None:
    config = configuration()
    parsed = read_validator_options(options("Tls"))
    path = tmp_path / "server.json"
    write_private_file(path, server_json(parsed, config.secret, config.account_key))
    found = load_configuration(path)
    assert found.secret.to_json() == config.secret.to_json()
    assert str(found.address) == "grpcs:validator.example:443"
    assert found.listen == HostPort("0.0.0.0", 8443)
    assert found.metrics == HostPort("0.0.0.0", 21100)
    assert found.workers == 2


def test_the_written_server_file_has_the_shape_of_the_reference() -> None:
    config = configuration()
    text = server_json(read_validator_options(options()), config.secret, config.account_key)
    data = json.loads(text)
    assert list(data) == ["validator", "validator_secret", "internal_network"]
    assert data["validator"]["network"] == {
        "protocol": {"Grpc": "ClearText"},
        "host": "validator.example",
        "port": 443,
    }
    assert list(data["validator"]["account_key"]) == ["Ed25519"]
    assert data["validator_secret"] == config.secret.to_json()
    internal = data["internal_network"]
    assert internal["shards"][0] == {"host": "shard-1", "port": 19100, "metrics_port": 21101}
    assert internal["proxies"][0]["private_port"] == 20100


@pytest.mark.parametrize("field", ["external_protocol", "internal_protocol"])
@pytest.mark.parametrize("transport", ["Tcp", "Udp"])
def test_simple_transports_are_refused_by_name(field: str, transport: str) -> None:
    lines = [line for line in options().splitlines() if not line.startswith(field)]
    lines.insert(1, f'{field} = {{ Simple = "{transport}" }}')
    with pytest.raises(DecodeError, match=f"Simple {transport}"):
        read_validator_options("\n".join(lines))


def test_encryption_inside_a_validator_is_refused() -> None:
    text = options().replace(
        'internal_protocol = { Grpc = "ClearText"', 'internal_protocol = { Grpc = "Tls"'
    )
    with pytest.raises(DecodeError, match="between the processes"):
        read_validator_options(text)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("format = 1", "format = 9", "UnknownFormat"),
        ("[workers]", "[workers]\nnumber = 2", "workers.number"),
        ("count = 1", "count = 0", "between 1 and"),
        ('form = "human"', 'form = "xml"', "logs.form"),
        ('address = "grpc:', 'address = "tcp:', "public.address"),
        ("count = 1", 'count = 1\naddresses = ["h:1", "h:2"]', "2 worker addresses for 1"),
        ("# certificate", "certificate", "belong together"),
        ("format = 1", "format = ", "not a validator's configuration"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(
    old: str, new: str, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "validator.toml"
    path.write_text(own_form(configuration()).replace(old, new, 1))
    with pytest.raises(LocalError, match=complaint):
        load_configuration(path)


def test_no_error_shows_the_secret(tmp_path: Path) -> None:
    config = configuration()
    secret = config.secret.to_json()
    text = own_form(config)
    path = tmp_path / "validator.toml"
    damaged = [
        text.replace(secret, secret + "ff"),
        text.replace(f'secret_key = "{secret}"', f"secret_key = {secret}"),
        text.replace(f'"{secret}"', f'["{secret}"]'),
        text.replace("secret_key", "secret_kye"),
        text.replace(f'public_key = "{config.public_key}"', f'public_key = "02{secret}"'),
    ]
    for content in damaged:
        path.write_text(content)
        with pytest.raises(LocalError) as caught:
            load_configuration(path)
        error: BaseException | None = caught.value
        while error is not None:
            assert secret[:48] not in str(error)
            error = error.__cause__
    assert secret not in repr(config)


def test_a_configuration_that_cannot_work_is_refused() -> None:
    with pytest.raises(LocalError, match="between 1 and 64"):
        check_configuration(configuration(workers=65))


def test_a_private_file_replaces_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    write_private_file(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
