"""``catenula --version``: our version, then the protocol's, in the lines that the reference has."""

from catenula.worker.version import VERSION_INFO

PROTOCOL_VERSION = "v0.15.21"
_SOURCE = "https://github.com/linera-io/linera-protocol/tree/"


def version_lines(own_version: str) -> list[str]:
    """The lines; scripts read the protocol's version and the hashes of its interfaces."""
    return [
        f"catenula {own_version}",
        f"Linera protocol: {PROTOCOL_VERSION}",
        f"RPC API hash: {VERSION_INFO.rpc_hash}",
        f"GraphQL API hash: {VERSION_INFO.graphql_hash}",
        f"WIT API hash: {VERSION_INFO.wit_hash}",
        f"Source code: {_SOURCE}{PROTOCOL_VERSION}",
        "",
    ]
