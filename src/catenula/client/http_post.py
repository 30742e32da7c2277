"""A JSON request to a service, without a library that would cost a command its start-up time.

Redirections are not followed: whoever is told of one can use the new address.
"""

from msgspec import Struct, field

from catenula.transport.http_client import HttpCall, HttpFailed, exchange

__all__ = ["HttpAnswer", "HttpFailed", "http_post"]

_HEADERS = (
    ("content-type", b"application/json"),
    ("accept", b"application/graphql-response+json, application/json"),
    ("user-agent", b"catenula"),
    ("connection", b"close"),
)


class HttpAnswer(Struct):
    """Status, headers (names in lower case) and body."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


async def http_post(url: str, body: bytes, *, seconds: float, max_bytes: int) -> HttpAnswer:
    """POST a JSON body; `HttpFailed`. A URL that is none is a `HttpFailed` too."""
    call = HttpCall("POST", url, _HEADERS, body)
    reply = await exchange(call, seconds=seconds, max_bytes=max_bytes)
    headers = {name: value.decode("latin-1") for name, value in reply.headers}
    return HttpAnswer(reply.status, headers, bytes(reply.body))
