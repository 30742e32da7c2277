"""The public port of a validator: everything clients need, behind one address (spec 06 §3.2)."""

from catenula.transport.endpoints import CallObserver, method_endpoints
from catenula.transport.grpc_server import GrpcServer
from catenula.transport.public_service import PublicService


class PublicServer:
    """A running public port."""

    def __init__(self, server: GrpcServer, port: int) -> None:
        self._server = server
        self.port = port

    async def close(self, grace_seconds: float = 0.0) -> None:
        """Take no more calls; those that run may end within the grace period."""
        await self._server.close(grace_seconds)


async def serve_public(
    service: PublicService, *, host: str, port: int, observer: CallObserver | None = None
) -> PublicServer:
    """Serve a validator's methods at ``host:port``; port 0 takes a free one.

    Raises `LocalError` when the address cannot be listened at.
    """
    server = GrpcServer(method_endpoints(service, observer))
    return PublicServer(server, await server.start(f"{host}:{port}"))
