"""Whether a port answers: one small HTTP request, without any of the project's own clients.

Ports of validators are asked for their health the way a browser would ask (gRPC-Web over HTTP/1.1,
spec 06 §3.3, §3.5), so that an answer means that people can use the port.
"""

import asyncio
import ssl
from typing import NamedTuple

from catenula.base.errors import LocalError

_HEALTH_PATH = "/grpc.health.v1.Health/Check"
_EMPTY_FRAME = bytes(5)
_SERVING = b"\x00\x00\x00\x00\x02\x08\x01"
_READ_BYTES = 4096
_FIRST_DELAY_SECONDS = 0.01
_LONGEST_DELAY_SECONDS = 0.25
_ANSWER_SECONDS = 4.0


class Place(NamedTuple):
    """A port to be asked, and how a person knows it."""

    name: str
    host: str
    port: int
    is_encrypted: bool = False


async def await_health(place: Place, *, patience_seconds: float) -> None:
    """Return when a validator's port says that it serves; `LocalError` after the patience."""
    head = (
        f"POST {_HEALTH_PATH} HTTP/1.1\r\nhost: {place.host}:{place.port}\r\n"
        "content-type: application/grpc-web+proto\r\nx-grpc-web: 1\r\n"
        f"content-length: {len(_EMPTY_FRAME)}\r\nconnection: close\r\n\r\n"
    )
    await _await_answer(place, head.encode() + _EMPTY_FRAME, _SERVING, patience_seconds)


async def await_page(place: Place, path: str, *, patience_seconds: float) -> None:
    """Return when an HTTP server answers a path with 200; `LocalError` after the patience."""
    head = f"GET {path} HTTP/1.1\r\nhost: {place.host}:{place.port}\r\nconnection: close\r\n\r\n"
    await _await_answer(place, head.encode(), b"HTTP/1.1 200", patience_seconds)


async def _await_answer(
    place: Place, request: bytes, wanted: bytes, patience_seconds: float
) -> None:
    loop = asyncio.get_running_loop()
    end, delay = loop.time() + patience_seconds, _FIRST_DELAY_SECONDS
    while True:
        found = await _ask(place, request)
        if wanted in found:
            return
        if loop.time() + delay > end:
            said = found.split(b"\r\n", 1)[0].decode("latin-1")
            raise LocalError(
                f"{place.name} does not answer at {place.host}:{place.port} within "
                f"{patience_seconds:g} s" + (f": it says {said!r}" if said else ""),
                retryable=True,
            )
        await asyncio.sleep(delay)
        delay = min(2 * delay, _LONGEST_DELAY_SECONDS)


async def _ask(place: Place, request: bytes) -> bytes:
    """The beginning of the answer; empty when there is none."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await _exchange(place, request)
    except (OSError, TimeoutError):
        return b""


async def _exchange(place: Place, request: bytes) -> bytes:
    context = _trusting() if place.is_encrypted else None
    reader, writer = await asyncio.open_connection(place.host, place.port, ssl=context)
    try:
        writer.write(request)
        found = b""
        while len(found) < _READ_BYTES and (more := await reader.read(_READ_BYTES)):
            found += more
        return found
    finally:
        writer.close()


def _trusting() -> ssl.SSLContext:
    """Whether the certificate is trusted is for clients to judge; here the port is the question."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
