"""What can be asked of a node service (spec 08 §2.2)."""

from typing import Any

from catenula.base.identifiers import ChainId
from catenula.protocol import ApplicationDescription, StreamId
from catenula.services.node.schema.declaring import Field, read, record
from catenula.services.node.service import NodeService


def _chain(_root: Any, service: NodeService, arguments: dict[str, Any]) -> Any:
    return service.state(arguments["chainId"])


async def _applications(_root: Any, service: NodeService, arguments: dict[str, Any]) -> Any:
    chain_id: ChainId = arguments["chainId"]
    found = await service.applications(chain_id)
    return [(chain_id, service.public_url, description) for description in found]


def _chains(_root: Any, service: NodeService, _arguments: dict[str, Any]) -> Any:
    default = service.chains.default_chain()
    return {
        "list": [str(chain_id) for chain_id in service.chains.chain_ids()],
        "default": None if default is None else str(default),
    }


def _block(_root: Any, service: NodeService, arguments: dict[str, Any]) -> Any:
    return service.block(arguments["chainId"], arguments.get("hash"))


def _blocks(_root: Any, service: NodeService, arguments: dict[str, Any]) -> Any:
    limit = arguments.get("limit")
    return service.blocks(
        arguments["chainId"],
        arguments.get("from"),
        limit=DEFAULT_BLOCKS if limit is None else limit,
    )


def _events(_root: Any, service: NodeService, arguments: dict[str, Any]) -> Any:
    asked = arguments["streamId"]
    stream_id = StreamId(asked["applicationId"], asked["streamName"])
    found = service.events(arguments["chainId"], stream_id, arguments["startIndex"])
    return [{"index": each.index, "event": list(each.value)} for each in found]


def _version(_root: Any, service: NodeService, _arguments: dict[str, Any]) -> Any:
    return service.version()


DEFAULT_BLOCKS = 10
"""Blocks that are listed unless the client asks for another number."""

_Overview = tuple[ChainId, str, ApplicationDescription]


def _link(overview: _Overview) -> str:
    chain_id, url, description = overview
    return f"{url}/chains/{chain_id}/applications/{description.application_id}"


QUERIES = (
    record(
        "QueryRoot",
        "What can be asked. Everything is answered from the local copy of the chains.",
        Field("chain(chainId: ChainId!)", "ChainStateExtendedView!", "A chain's state.", _chain),
        Field(
            "applications(chainId: ChainId!)",
            "[ApplicationOverview!]!",
            "The applications that a chain has used.",
            _applications,
        ),
        Field("chains", "Chains!", "The chains of the wallet.", _chains),
        Field(
            "block(hash: CryptoHash, chainId: ChainId!)",
            "ConfirmedBlock",
            "The block with this hash, or the last one of the chain.",
            _block,
        ),
        Field(
            "eventsFromIndex(chainId: ChainId!, streamId: StreamIdInput!, startIndex: Int!)",
            "[IndexAndEvent!]!",
            "The events of a stream from an index on, as far as they are known here.",
            _events,
        ),
        Field(
            "blocks(from: CryptoHash, chainId: ChainId!, limit: Int)",
            "[ConfirmedBlock!]!",
            "Blocks back from this one, or from the last one of the chain.",
            _blocks,
        ),
        Field("version", "VersionInfo!", "The version of this server.", _version),
    ),
    record(
        "Chains",
        "The chains of the wallet.",
        Field("list", "[ChainId!]!", "All of them."),
        Field("default", "ChainId", "The one that is meant when none is named."),
    ),
    record(
        "ApplicationOverview",
        "An application on a chain.",
        Field("id", "ApplicationId!", "Its id.", read(lambda each: str(each[2].application_id))),
        Field(
            "description",
            "ApplicationDescription!",
            "What it is made of.",
            read(lambda each: each[2].to_json()),
        ),
        Field("link", "String!", "Where its queries are answered.", read(_link)),
    ),
    record(
        "IndexAndEvent",
        "An event and its position.",
        Field("index", "Int!", "Its position in the stream."),
        Field("event", "[Int!]!", "Its content."),
    ),
)
"""All types of this part of the interface."""
