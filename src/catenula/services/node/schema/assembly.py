"""All parts of the interface, put together."""

from graphql import GraphQLSchema
from msgspec.structs import replace

from catenula.services.http.graphql.api import build_api
from catenula.services.node.schema.blocks import BLOCKS
from catenula.services.node.schema.chain_view import CHAIN_VIEW
from catenula.services.node.schema.declaring import resolvers_of, schema_text
from catenula.services.node.schema.mutations import INTEGER_RANGES, MUTATIONS
from catenula.services.node.schema.operations import OPERATIONS
from catenula.services.node.schema.queries import QUERIES
from catenula.services.node.schema.scalars import SCALAR_PARSERS, SCALARS
from catenula.services.node.schema.subscriptions import SUBSCRIBERS, SUBSCRIPTIONS

_QUERY_RANGES = {
    "blocks.limit": 2**32 - 1,
    "eventsFromIndex.startIndex": 2**32 - 1,
    **dict.fromkeys(("keys.count", "entries.count", "elements.count"), 2**64 - 1),
    **dict.fromkeys(("entries.start", "entries.end"), 2**64 - 1),
}


def node_schema(*, read_only: bool) -> GraphQLSchema:
    """The interface; its context is a `NodeService`. Without mutations when ``read_only``."""
    declared = (*SCALARS, *QUERIES, *CHAIN_VIEW, *BLOCKS, *OPERATIONS, *SUBSCRIPTIONS)
    if not read_only:
        declared = (*declared, *MUTATIONS)
    scalars = replace(SCALAR_PARSERS, largest={**_QUERY_RANGES, **INTEGER_RANGES})
    return build_api(
        schema_text(declared, mutations=not read_only),
        resolvers_of(declared),
        scalars=scalars,
        subscribers=SUBSCRIBERS,
    )
