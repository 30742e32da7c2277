"""Native gRPC: the endpoints of the public port behind a server of the gRPC library.

Requests and answers are handed on as bytes. Compressed requests are refused, as the protocol uses
no compression and a small request must not become a large one.
"""

from collections.abc import AsyncIterator
from typing import Any

from catenula.base.limits import (
    MAX_MESSAGE_BYTES,
    MAX_PUBLIC_HEADER_BYTES,
    REFUSED_MESSAGE_BYTES,
)
from catenula.transport.calls import CallStatus
from catenula.transport.endpoints import Endpoint, Endpoints
from catenula.transport.public_service import close

_IDENTITY_ONLY = 1

SERVER_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", REFUSED_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", MAX_PUBLIC_HEADER_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_PUBLIC_HEADER_BYTES),
    # Official clients ping every 30 s, also while idle; that is no misbehaviour (spec 06 §3.1).
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_ONLY),
    ("grpc.so_reuseport", 0),
)


class GrpcServer:
    """Serves endpoints at an address of the gRPC library, such as ``unix:PATH``."""

    def __init__(self, endpoints: Endpoints) -> None:
        from grpc import aio

        self._server = aio.server(options=SERVER_OPTIONS)
        self._server.add_generic_rpc_handlers((_make_handler(endpoints),))

    async def start(self, address: str) -> int:
        """Listen; the number of the port, if the address is one with ports."""
        port: int = self._server.add_insecure_port(address)
        await self._server.start()
        return port

    async def close(self, grace_seconds: float) -> None:
        """Take no more calls, and end those that run after the grace period."""
        await self._server.stop(grace_seconds)


def _make_handler(endpoints: Endpoints) -> Any:
    """The generic handler of the library for these paths."""
    import grpc

    handlers = {path: _method_handler(path, endpoint) for path, endpoint in endpoints.items()}

    class Handler(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            return handlers.get(handler_call_details.method)

    return Handler()


def _method_handler(path: str, endpoint: Endpoint) -> Any:
    import grpc

    codes = {code.value[0]: code for code in grpc.StatusCode}

    async def refuse(context: Any, status: CallStatus) -> None:
        await context.abort(codes[status.code], status.details)

    if endpoint.unary is not None:
        return grpc.unary_unary_rpc_method_handler(_answer_unary(path, endpoint.unary, refuse))
    return grpc.stream_stream_rpc_method_handler(_answer_stream(path, endpoint.stream, refuse))


def _answer_unary(path: str, call: Any, refuse: Any) -> Any:
    async def answer(request: bytes, context: Any) -> bytes | None:
        try:
            response: bytes = await call(request)
        except CallStatus as status:
            await refuse(context, status)
            return None
        return response

    return answer


def _answer_stream(path: str, call: Any, refuse: Any) -> Any:
    async def answer(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        answers = call(requests)
        try:
            async for response in answers:
                yield response
        except CallStatus as status:
            await refuse(context, status)
        finally:
            await close(answers)

    return answer
