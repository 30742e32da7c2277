"""The node service: GraphQL over the chains of a wallet (spec 08 §2).

`service` knows neither HTTP nor GraphQL; `server` imports the HTTP server, `schema` graphql-core.
"""

from typing import TYPE_CHECKING

from catenula.services.node.options import NodeServiceOptions

if TYPE_CHECKING:
    from catenula.services.node.server import NodeServiceServer
    from catenula.services.node.service import NodeService

__all__ = ["NodeServiceOptions", "start_node_service"]


async def start_node_service(service: "NodeService") -> "NodeServiceServer":
    """Open the ports and start; `LocalError` when a port cannot be had."""
    from catenula.services.node.server import NodeServiceServer

    server = NodeServiceServer(service)
    await server.start()
    return server
