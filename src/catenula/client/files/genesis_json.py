"""``genesis.json`` and ``committee.json`` in the reference's forms (spec 07 §14.4)."""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard, cast

import msgspec

from catenula.base.codec import codec_of, parse_json, write_json
from catenula.base.codec.schema import Node, RecordNode
from catenula.base.crypto import AccountPublicKey, Secp256k1PublicKey
from catenula.base.errors import DecodeError, LocalError, ProtocolError
from catenula.client.files.atomic import PUBLIC_MODE, read_file, write_atomically
from catenula.protocol import ChainDescription, ChainOwnership, GenesisConfig, InitialChainConfig

_ADVICE = "make one with `catenula create-genesis-config`, or fetch it from a faucet"

_SCHEMES = {"ClearText": "grpc", "Tls": "grpcs"}


def read_genesis(path: Path) -> tuple[GenesisConfig, bytes]:
    """The genesis of a file and its text; `LocalError` when it is not one."""
    text = read_file(path, "genesis file", _ADVICE)
    return parse_genesis(text, str(path)), text


def parse_genesis(text: bytes, origin: str) -> GenesisConfig:
    """The genesis in a JSON text; `LocalError` that names where it came from."""
    try:
        genesis: GenesisConfig = codec_of(GenesisConfig).from_json_text(text)
        genesis.admin_chain_id  # noqa: B018  # Refuses a genesis without chains.
    except ProtocolError as error:
        raise LocalError(
            f"{origin} is not the genesis configuration of a network", retryable=False
        ) from error
    return genesis


def read_chains(text: bytes) -> tuple[ChainDescription, ...]:
    """The chains in the JSON text of a genesis; `DecodeError` when it is not one.

    For whoever wants nothing else of a genesis with a thousand chains: nothing but their
    descriptions is read, and a part that is the same text in many of them only once.
    """
    try:
        chains = msgspec.json.decode(text, type=_chains_in_parts()).chains
    except msgspec.DecodeError:
        # Written down in another way, or not at all: the codec knows.
        genesis: GenesisConfig = codec_of(GenesisConfig).from_json_text(text)
        return genesis.chains
    parts, node = _Parts(), _node_of(ChainDescription)
    return tuple(parts.record(node, chain) for chain in chains)


@cache
def _chains_in_parts() -> Any:
    """A genesis as its chains alone, whose records hold their fields as text."""
    chain: Any = _in_parts(_node_of(ChainDescription))
    return msgspec.defstruct("GenesisInParts", [("chains", list[chain])])


def _in_parts(node: RecordNode) -> type[msgspec.Struct]:
    fields = [
        (name, _in_parts(field) if _is_opened(field) else msgspec.Raw)
        for name, field in node.fields
    ]
    return msgspec.defstruct(f"{node.name}InParts", fields)


def _is_opened(node: object) -> TypeGuard[RecordNode]:
    return isinstance(node, RecordNode) and node.cls in (InitialChainConfig, ChainOwnership)


def _node_of(cls: type[ChainDescription]) -> RecordNode:
    return cast(RecordNode, codec_of(cls).node)


class _Parts:
    """Reads records from their parts; remembers what each text of a field has meant."""

    def __init__(self) -> None:
        self._known: dict[tuple[Node, bytes], Any] = {}

    def record(self, node: RecordNode, parts: Any) -> Any:
        values = []
        for name, field in node.fields:
            part = getattr(parts, name)
            if _is_opened(field):
                values.append(self.record(field, part))
                continue
            key = field, bytes(part)
            value = self._known.get(key, self)
            if value is self:
                value = self._known[key] = field.from_json(parse_json(key[1]))
            values.append(value)
        return node.cls(*values)


def genesis_text(genesis: GenesisConfig) -> bytes:
    """The file's text."""
    return write_json(codec_of(GenesisConfig).to_json(genesis), indent=2).encode()


def write_genesis(path: Path, genesis: GenesisConfig) -> None:
    """Write the file; `LocalError` when the disk refuses."""
    write_atomically(path, genesis_text(genesis), mode=PUBLIC_MODE)


class CommitteeMember(NamedTuple):
    """One validator of a committee file; the address is in the committee's form."""

    public_key: Secp256k1PublicKey
    account_key: AccountPublicKey
    address: str

    def to_json(self) -> dict[str, object]:
        """The member as the file has it."""
        scheme, host, port = self.address.split(":")
        tls = next(name for name, known in _SCHEMES.items() if known == scheme)
        return {
            "public_key": str(self.public_key),
            "account_key": codec_of(AccountPublicKey).to_json(self.account_key),
            "network": {"protocol": {"Grpc": tls}, "host": host, "port": int(port)},
        }


class _Network(msgspec.Struct, frozen=True):
    protocol: dict[str, str]
    host: str
    port: int


class _Member(msgspec.Struct, frozen=True):
    public_key: str
    account_key: msgspec.Raw
    network: _Network


class _Committee(msgspec.Struct, frozen=True):
    validators: list[_Member]


def read_committee(path: Path) -> list[CommitteeMember]:
    """The members of a committee file; `LocalError` when it is not one."""
    text = read_file(path, "committee file", "make one with `catenula server generate`")
    try:
        members = msgspec.json.decode(text, type=_Committee).validators
        return [_member(member) for member in members]
    except (msgspec.DecodeError, ProtocolError) as error:
        raise LocalError(f"{path} is not a committee file", retryable=False) from error


def _member(member: _Member) -> CommitteeMember:
    network = member.network
    scheme = _SCHEMES.get(network.protocol.get("Grpc", ""))
    if scheme is None:
        raise DecodeError("UnsupportedProtocol", protocol=str(network.protocol), expected="Grpc")
    return CommitteeMember(
        Secp256k1PublicKey.parse(member.public_key),
        codec_of(AccountPublicKey).from_json_text(bytes(member.account_key)),
        f"{scheme}:{network.host}:{network.port}",
    )


def committee_text(members: list[CommitteeMember]) -> bytes:
    """The text of a committee file."""
    data = {"validators": [member.to_json() for member in members]}
    return write_json(data, indent=2).encode()
