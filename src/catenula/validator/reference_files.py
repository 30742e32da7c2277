"""The reference's files: validator options (TOML) and ``server.json`` (spec 06 §8.2, §8.3).

Unknown entries are ignored, as the reference does. The simple TCP and UDP transports are refused by
name: public networks do not use them.
"""

import tomllib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from catenula.base.codec import codec_of, parse_json, write_json
from catenula.base.codec.schema import JsonObject
from catenula.base.crypto import AccountPublicKey, Secp256k1PublicKey, ValidatorSecretKey
from catenula.base.errors import DecodeError
from catenula.transport.addresses import NetworkAddress
from catenula.validator.addresses import HostPort, parse_port
from catenula.validator.configuration import EVERYWHERE, ServerConfig

_ACCOUNT_KEY = codec_of(AccountPublicKey)
_PUBLIC_KEY = codec_of(Secp256k1PublicKey)


class ProxyOptions(NamedTuple):
    """A front door: its published host, and its ports on this machine."""

    host: str
    public_port: int
    private_port: int
    metrics_port: int


class ShardOptions(NamedTuple):
    """A worker: its host and ports."""

    host: str
    port: int
    metrics_port: int | None


class ValidatorOptions(NamedTuple):
    """What `generate` is told about one validator (spec 06 §8.2)."""

    server_config_path: str
    address: NetworkAddress
    proxies: tuple[ProxyOptions, ...]
    shards: tuple[ShardOptions, ...]
    block_exporters: tuple[HostPort, ...]


class _Member(NamedTuple):
    """A validator as the others know it; in the committee's form."""

    public_key: Secp256k1PublicKey
    account_key: AccountPublicKey
    address: NetworkAddress


# Reading plain values


def _field(data: Any, name: str) -> Any:
    if not isinstance(data, Mapping):
        raise DecodeError("InvalidValue", expected=f"an object with the field {name}")
    if name not in data:
        raise DecodeError("MissingField", field=name)
    return data[name]


def _text(data: Any, name: str) -> str:
    value = _field(data, name)
    if not isinstance(value, str):
        raise DecodeError("InvalidValue", field=name, expected="a text")
    return value


def _list(data: Any, name: str, read: Callable[[Any], Any]) -> tuple[Any, ...]:
    values = data.get(name, ())
    if not isinstance(values, list | tuple):
        raise DecodeError("InvalidValue", field=name, expected="a list")
    return tuple(read(value) for value in values)


def _is_encrypted(protocol: Any) -> bool:
    """Whether TLS is spoken; the simple transports and anything else are refused."""
    if isinstance(protocol, Mapping) and "Simple" in protocol:
        raise DecodeError(
            "UnsupportedProtocol",
            protocol=f"Simple {protocol['Simple']}",
            expected='{ Grpc = "ClearText" } or { Grpc = "Tls" }; the simple transports are not '
            "used by public networks",
        )
    kind = protocol.get("Grpc") if isinstance(protocol, Mapping) else None
    if kind not in ("ClearText", "Tls"):
        raise DecodeError(
            "InvalidProtocol", found=str(protocol), expected='Grpc with "ClearText" or "Tls"'
        )
    return bool(kind == "Tls")


def _check_internal(protocol: Any) -> None:
    if _is_encrypted(protocol):
        raise DecodeError(
            "UnsupportedProtocol",
            protocol="Tls between the processes of one validator",
            expected='internal_protocol = { Grpc = "ClearText" }',
        )


def _protocol(*, is_encrypted: bool) -> dict[str, str]:
    return {"Grpc": "Tls" if is_encrypted else "ClearText"}


def _read_proxy(data: Any) -> ProxyOptions:
    ports = (_field(data, f"{name}_port") for name in ("public", "private", "metrics"))
    return ProxyOptions(_text(data, "host"), *map(parse_port, ports))


def _read_shard(data: Any) -> ShardOptions:
    metrics = data.get("metrics_port") if isinstance(data, Mapping) else None
    return ShardOptions(
        _text(data, "host"),
        parse_port(_field(data, "port")),
        None if metrics is None else parse_port(metrics),
    )


def _read_host_port(data: Any) -> HostPort:
    return HostPort(_text(data, "host"), parse_port(_field(data, "port")))


def _shards(data: Any) -> tuple[ShardOptions, ...]:
    shards = _list(data, "shards", _read_shard)
    if not shards:
        raise DecodeError("MissingField", field="shards", expected="at least one")
    return shards


def _proxies(data: Any) -> tuple[ProxyOptions, ...]:
    proxies = _list(data, "proxies", _read_proxy)
    if not proxies:
        raise DecodeError("MissingField", field="proxies", expected="at least one")
    return proxies


def read_validator_options(text: str) -> ValidatorOptions:
    """Read a validator options file; raises `DecodeError`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DecodeError("InvalidToml", reason=str(error)) from error
    is_encrypted = _is_encrypted(_field(data, "external_protocol"))
    _check_internal(_field(data, "internal_protocol"))
    return ValidatorOptions(
        _text(data, "server_config_path"),
        NetworkAddress(_text(data, "host"), parse_port(_field(data, "port")), is_encrypted),
        _proxies(data),
        _shards(data),
        _list(data, "block_exporters", _read_host_port),
    )


# server.json


def _member_json(member: _Member) -> dict[str, Any]:
    return {
        "public_key": _PUBLIC_KEY.to_json(member.public_key),
        "account_key": _ACCOUNT_KEY.to_json(member.account_key),
        "network": {
            "protocol": _protocol(is_encrypted=member.address.is_encrypted),
            "host": member.address.host,
            "port": member.address.port,
        },
    }


def _read_member(data: Any) -> _Member:
    network = _field(data, "network")
    address = NetworkAddress(
        _text(network, "host"),
        parse_port(_field(network, "port")),
        _is_encrypted(_field(network, "protocol")),
    )
    return _Member(
        _PUBLIC_KEY.from_json(_field(data, "public_key")),
        _ACCOUNT_KEY.from_json(_field(data, "account_key")),
        address,
    )


def _objects(text: str) -> Any:
    """Parsed JSON with objects as mappings."""
    return _as_mappings(parse_json(text))


def _as_mappings(data: Any) -> Any:
    if isinstance(data, JsonObject):
        return {name: _as_mappings(value) for name, value in data}
    if isinstance(data, list):
        return [_as_mappings(value) for value in data]
    return data


def server_json(
    options: ValidatorOptions, secret: ValidatorSecretKey, account_key: AccountPublicKey
) -> str:
    """The text of ``server.json`` (spec 06 §8.3)."""
    public_key = secret.public_key()
    internal = {
        "public_key": _PUBLIC_KEY.to_json(public_key),
        "protocol": _protocol(is_encrypted=False),
        "shards": [shard._asdict() for shard in options.shards],
        "block_exporters": [exporter._asdict() for exporter in options.block_exporters],
        "proxies": [proxy._asdict() for proxy in options.proxies],
    }
    data = {
        "validator": _member_json(_Member(public_key, account_key, options.address)),
        "validator_secret": secret.to_json(),
        "internal_network": internal,
    }
    return write_json(data, indent=2)


def read_server_json(text: str) -> ServerConfig:
    """Read ``server.json``; raises `DecodeError`, whose fields never hold the secret.

    The first front door's ports are served. Its shards say how many workers there are; where they
    listen does not matter here, because our processes talk over sockets of their own.
    """
    data = _objects(text)
    member = _read_member(_field(data, "validator"))
    secret = ValidatorSecretKey.from_json(_field(data, "validator_secret"))
    if secret.public_key() != member.public_key:
        raise DecodeError(
            "InconsistentKeys", public_key=member.public_key, belongs_to="another secret"
        )
    internal = _field(data, "internal_network")
    _check_internal(_field(internal, "protocol"))
    proxy = _proxies(internal)[0]
    metrics = HostPort(EVERYWHERE, proxy.metrics_port) if proxy.metrics_port else None
    return ServerConfig(
        secret,
        member.account_key,
        member.address,
        HostPort(EVERYWHERE, proxy.public_port),
        workers=len(_shards(internal)),
        metrics=metrics,
    )
