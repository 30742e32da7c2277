"""What one validator says about itself and a chain, checked against what this client knows.

The lines are those of the reference's ``validator`` commands (spec 08 §1.5), so that scripts can
read them. A validator that fails a check is reported, never hidden.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from msgspec import Struct

from catenula.base.codec import codec_of
from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.timestamps import format_timestamp
from catenula.client.client import Client
from catenula.client.foreign import own_network
from catenula.client.synchronize import fetch_chain_info
from catenula.protocol import (
    ChainInfo,
    ChainInfoQuery,
    LockingBlock,
    LockingFast,
    NetworkDescription,
    NodeErrorReceived,
    VersionInfo,
    describe_node_error,
)
from catenula.transport.validator_node import ValidatorNode
from catenula.worker.version import VERSION_INFO, is_compatible

SOURCE_REPOSITORY = "https://github.com/linera-io/linera-protocol"
"""Where the commit that a version names is found: versions name commits of the reference."""

_VERSIONS = codec_of(VersionInfo)

_T = TypeVar("_T")


class Refused(ProtocolError):
    """A validator did not pass a check, or could not be asked; the text is for a person."""

    def __init__(self, text: str) -> None:
        super().__init__("ValidatorCheckFailed", text=text)
        self.text = text

    def message(self) -> str:
        """The text as it is."""
        return self.text


class ValidatorReport(Struct, frozen=True):
    """The answers of one node; an error stands where an answer was refused."""

    version: VersionInfo | Refused
    genesis_hash: CryptoHash | Refused
    chain: ChainInfo | Refused
    public_key: Secp256k1PublicKey | None = None
    address: str | None = None
    weight: int | None = None

    def errors(self) -> list[Refused]:
        """What was wrong, in the order of the questions."""
        answers = (self.version, self.genesis_hash, self.chain)
        return [answer for answer in answers if isinstance(answer, Refused)]

    def lines(self, reference: "ValidatorReport | None" = None) -> list[str]:
        """The report, ended by an empty line; without what is equal to ``reference``."""
        head = (("Public key", self.public_key), ("Address", self.address), ("Weight", self.weight))
        lines = [f"{label}: {value}" for label, value in head if value is not None]
        lines += _section(self.version, reference and reference.version, _version_rows, "version")
        lines += _section(
            self.genesis_hash, reference and reference.genesis_hash, _genesis_rows, "genesis"
        )
        lines += _section(self.chain, reference and reference.chain, _chain_rows, "chain")
        if isinstance(self.chain, ChainInfo):
            lines += _consensus_lines(self.chain)
        return [*lines, ""]

    def to_json(self) -> dict[str, Any]:
        """The report as JSON data."""
        return {
            "public_key": None if self.public_key is None else str(self.public_key),
            "address": self.address,
            "votes": self.weight,
            "version": None
            if isinstance(self.version, Refused)
            else _VERSIONS.to_json(self.version),
            "genesis_config_hash": _text_or_none(self.genesis_hash),
            "chain": chain_summary(self.chain) if isinstance(self.chain, ChainInfo) else None,
            "errors": [error.text for error in self.errors()],
        }


def chain_summary(info: ChainInfo) -> dict[str, Any]:
    """The part of a chain info that reports show, as JSON data."""
    manager = info.manager
    return {
        "chain_id": str(info.chain_id),
        "block_hash": None if info.block_hash is None else str(info.block_hash),
        "next_block_height": int(info.next_block_height),
        "timestamp": int(info.timestamp),
        "epoch": int(info.epoch),
        "round": str(manager.current_round),
        "leader": None if manager.leader is None else str(manager.leader),
    }


# The rows of a report: label and text, compared by text

_Rows = list[tuple[str, str]]
_FAILURES = {
    "version": "Error getting version info",
    "genesis": "Error getting genesis config",
    "chain": "Error getting chain info",
}


def _section(
    answer: _T | Refused, reference: object, rows: Callable[[_T], _Rows], kind: str
) -> list[str]:
    if isinstance(answer, Refused):
        return [f"{_FAILURES[kind]}: {answer.text}"]
    known: _Rows = []
    if reference is not None and not isinstance(reference, Refused):
        known = rows(reference)  # type: ignore[arg-type]  # Both reports have the same fields.
    return [f"{label}: {text}" for label, text in rows(answer) if (label, text) not in known]


def _version_rows(version: VersionInfo) -> _Rows:
    dirty = " (dirty)" if version.git_dirty else ""
    return [
        ("Linera protocol", f"v{version.crate_version}"),
        ("RPC API hash", version.rpc_hash),
        ("GraphQL API hash", version.graphql_hash),
        ("WIT API hash", f"v{version.wit_hash}"),
        ("Source code", f"{SOURCE_REPOSITORY}/tree/{version.git_commit}{dirty}"),
    ]


def _genesis_rows(genesis_hash: CryptoHash) -> _Rows:
    return [("Genesis config hash", str(genesis_hash))]


def _chain_rows(info: ChainInfo) -> _Rows:
    return [
        ("Block hash", str(info.block_hash)),
        ("Next height", str(info.next_block_height)),
        ("Timestamp", format_timestamp(info.timestamp)),
        ("Epoch", str(info.epoch)),
        ("Round", str(info.manager.current_round)),
    ]


def _consensus_lines(info: ChainInfo) -> list[str]:
    """Leader and lock, which are shown whatever the reference says."""
    manager = info.manager
    lines = [] if manager.leader is None else [f"Leader: {manager.leader}"]
    if manager.requested_locking is not None:
        lines.append(describe_lock(manager.requested_locking))
    return lines


def describe_lock(locking: LockingBlock) -> str:
    """One line about the block that a chain is locked on."""
    if isinstance(locking, LockingFast):
        return (
            f"Locking fast block from {format_timestamp(locking.proposal.content.block.timestamp)}"
        )
    certificate = locking.certificate
    moment = format_timestamp(certificate.block.header.timestamp)
    return f"Locking block {certificate.hash} in {certificate.round} from {moment}"


def _text_or_none(answer: CryptoHash | Refused) -> str | None:
    return None if isinstance(answer, Refused) else str(answer)


# Asking


async def query_validator(
    client: Client,
    node: ValidatorNode,
    chain_id: ChainId,
    *,
    public_key: Secp256k1PublicKey | None = None,
    weight: int | None = None,
) -> ValidatorReport:
    """Ask a validator for its version, its network and a chain; nothing raises but cancelling.

    The signature of the chain info is checked when ``public_key`` is given.
    """
    return ValidatorReport(
        version=await _answer(check_version(node)),
        genesis_hash=await _answer(check_network(client, node)),
        chain=await _answer(_chain_info(node, chain_id, public_key)),
        public_key=public_key,
        address=node.address,
        weight=weight,
    )


async def query_local_node(client: Client, chain_id: ChainId) -> ValidatorReport:
    """What this client itself knows, for comparison; fetches the description of a new chain."""
    await fetch_chain_info(client.context, chain_id)
    query = ChainInfoQuery(chain_id, request_manager_values=True)
    response = await client.context.local.driver.handle_chain_info_query(query)
    genesis_hash = own_network(client.context).genesis_config_hash
    return ValidatorReport(VERSION_INFO, genesis_hash, response.info)


async def check_version(node: ValidatorNode) -> VersionInfo:
    """The validator's version; `Refused` when this client cannot be sure to understand it."""
    version = await node.get_version_info()
    if not is_compatible(version):
        raise Refused(
            f"{node.address} speaks version {version.crate_version} of the protocol, "
            f"this client {VERSION_INFO.crate_version}"
        )
    return version


async def check_network(client: Client, node: ValidatorNode) -> CryptoHash:
    """The hash of the validator's genesis; `Refused` when it belongs to another network."""
    theirs: NetworkDescription = await node.get_network_description()
    ours = own_network(client.context)
    if theirs != ours:
        raise Refused(
            f"{node.address} belongs to network {theirs.name!r} "
            f"(genesis {theirs.genesis_config_hash}), this wallet to {ours.name!r} "
            f"(genesis {ours.genesis_config_hash})"
        )
    return theirs.genesis_config_hash


async def check_online(client: Client, nodes: Iterable[ValidatorNode]) -> None:
    """Raise `Refused` unless all validators answer, speak our protocol and are of our network."""
    for node in nodes:
        try:
            await check_version(node)
            await check_network(client, node)
        except (NodeErrorReceived, LocalError) as error:
            raise Refused(f"{node.address} does not answer: {_text_of(error)}") from error


async def _chain_info(
    node: ValidatorNode, chain_id: ChainId, public_key: Secp256k1PublicKey | None
) -> ChainInfo:
    query = ChainInfoQuery(chain_id, request_manager_values=True)
    response = await node.handle_chain_info_query(query)
    if public_key is not None:
        try:
            response.check(public_key)
        except ProtocolError as error:
            raise Refused(f"Signature for public key {public_key} is invalid.") from error
    return response.info


async def _answer(question: Any) -> Any:
    try:
        return await question
    except Refused as refused:
        return refused
    except (ProtocolError, LocalError) as error:
        return Refused(_text_of(error))


def _text_of(error: ProtocolError | LocalError) -> str:
    if isinstance(error, NodeErrorReceived):
        return describe_node_error(error.error)
    return str(error)
