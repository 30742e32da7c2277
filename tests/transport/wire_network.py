"""A local network whose wallets reach its validators through real ports."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, cast

from catenula.base.crypto import Secp256k1PublicKey
from catenula.network import Network, NetworkShape
from catenula.network.embedded import make_network
from catenula.network.embedded_validator import EmbeddedValidator
from catenula.transport.grpc_client import GrpcNode, GrpcOptions, GrpcProvider
from catenula.transport.public_port import PublicServer, serve_public
from catenula.transport.public_service import NodeService

HASTY = GrpcOptions(retry_delay_seconds=0.01, max_backoff_seconds=0.05, max_retries=3)


class PortProvider:
    """Connects to the validators' ports, whatever addresses the committee names."""

    def __init__(self) -> None:
        self.grpc = GrpcProvider(HASTY)
        self.ports: dict[Secp256k1PublicKey, int] = {}

    def connect(self, public_key: Secp256k1PublicKey, address: str) -> GrpcNode:
        return self.grpc.connect_to(f"grpc:127.0.0.1:{self.ports[public_key]}")


class WireNetwork(NamedTuple):
    """A network, its ports in the order of the validators, and connections to them."""

    network: Network
    servers: list[PublicServer]
    provider: PortProvider

    def node(self, index: int = 0) -> GrpcNode:
        """A validator as its clients see it."""
        return self.provider.grpc.connect_to(f"grpc:127.0.0.1:{self.servers[index].port}")


async def serve_validator(validator: EmbeddedValidator) -> PublicServer:
    """A public port in front of a running validator."""
    service = NodeService(cast(Any, validator.driver))
    return await serve_public(service, host="127.0.0.1", port=0)


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until the condition holds; the test's own time limit ends a vain wait."""
    while not condition():  # noqa: ASYNC110  # Any condition; nothing signals it.
        await asyncio.sleep(0)


@asynccontextmanager
async def wire_network(validators: int = 4) -> AsyncIterator[WireNetwork]:
    """Start validators with ports; everything is closed at the end."""
    shape = NetworkShape(validators=validators)
    embedded = make_network(shape, random_bytes=secrets.token_bytes)
    network, provider = Network(embedded), PortProvider()
    network._provider = cast(Any, provider)
    servers = [await serve_validator(validator) for validator in embedded.validators]
    for validator, server in zip(embedded.validators, servers, strict=True):
        provider.ports[validator.keys.consensus.public_key()] = server.port
    try:
        yield WireNetwork(network, servers, provider)
    finally:
        await network.close()
        await provider.grpc.close()
        for server in servers:
            await server.close()
