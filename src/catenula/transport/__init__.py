"""Ways to reach a validator: the interface, its in-process form, the wire, and its messages.

This layer decides nothing about the protocol. What needs the gRPC library is loaded on first use.
"""

import importlib
from typing import Any

_ON_FIRST_USE = {
    "GrpcOptions": "catenula.transport.grpc_client",
    "GrpcProvider": "catenula.transport.grpc_client",
    "NodeService": "catenula.transport.public_service",
    "serve_public": "catenula.transport.public_port",
}


def __getattr__(name: str) -> Any:
    module = _ON_FIRST_USE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(module), name)
