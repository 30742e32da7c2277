"""`grpc.health.v1` on the public port (spec 06 §3.5): whoever asks is told that it serves."""

import asyncio
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Any

from catenula.transport.calls import PUBLIC_SERVICE, CallStatus, StatusCode
from catenula.transport.endpoints import Endpoint
from catenula.transport.messages.table import file_descriptor, message_classes

HEALTH_SERVICE = "grpc.health.v1.Health"

_TABLE = {
    "HealthCheckRequest": "1 service string",
    "HealthCheckResponse": "1 status ServingStatus",
}
_STATUSES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_SERVING = _STATUSES.index("SERVING")


def health_file_descriptor() -> Any:
    """The descriptor of the service and its messages."""
    file = file_descriptor(
        "grpc/health/v1/health.proto",
        HEALTH_SERVICE.rpartition(".")[0],
        _TABLE,
        enums={"ServingStatus": _STATUSES},
    )
    service = file.service.add(name="Health")
    for name, is_stream in (("Check", False), ("Watch", True)):
        method = service.method.add(name=name, server_streaming=is_stream)
        method.input_type = f".{file.package}.HealthCheckRequest"
        method.output_type = f".{file.package}.HealthCheckResponse"
    return file


@lru_cache(maxsize=1)
def _classes() -> dict[str, Any]:
    return message_classes(health_file_descriptor(), _TABLE)


def _check(request: bytes) -> bytes:
    from google.protobuf.message import DecodeError

    message = _classes()["HealthCheckRequest"]()
    try:
        message.ParseFromString(request)
    except DecodeError as error:
        text = "failed to decode Protobuf message: HealthCheckRequest"
        raise CallStatus(StatusCode.INTERNAL, text) from error
    if message.service not in ("", PUBLIC_SERVICE):
        raise CallStatus(StatusCode.NOT_FOUND, "service not registered")
    serving: bytes = _classes()["HealthCheckResponse"](status=_SERVING).SerializeToString()
    return serving


async def _answer(request: bytes) -> bytes:
    return _check(request)


async def _watch(request: bytes) -> AsyncIterator[bytes]:
    """The status now; it does not change until the server is gone."""
    yield _check(request)
    await asyncio.Event().wait()


def health_endpoints() -> dict[str, Endpoint]:
    """Both methods of the service, by path."""
    return {
        f"/{HEALTH_SERVICE}/Check": Endpoint(unary=_answer),
        f"/{HEALTH_SERVICE}/Watch": Endpoint(stream=_watch),
    }
