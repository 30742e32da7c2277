"""One HTTP request, without a library that would cost a command its start-up time.

``http`` and ``https`` (certificates are verified), a bound on time and on the size of the answer.
Redirections are not followed: whoever is told of one can use the new address.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from catenula.base.errors import LocalError

_PORTS = {"http": 80, "https": 443}
_CHUNK_BYTES = 64 << 10


@dataclass(slots=True)
class HttpAnswer:
    """Status, headers (names in lower case) and body."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


class HttpFailed(LocalError):
    """The request could not be made, or got no answer; its text is the cause."""

    def __init__(self, text: str) -> None:
        super().__init__(text, retryable=True)


async def http_post(url: str, body: bytes, *, seconds: float, max_bytes: int) -> HttpAnswer:
    """POST a JSON body; `HttpFailed`. A URL that is none is a `HttpFailed` too."""
    address = _split(url)
    try:
        async with asyncio.timeout(seconds):
            return await _exchange(address, body, max_bytes)
    except TimeoutError as error:
        raise HttpFailed(f"no answer within {seconds:g} s") from error
    except OSError as error:
        raise HttpFailed(error.strerror or str(error) or type(error).__name__) from error


def _split(url: str) -> SplitResult:
    try:
        address = urlsplit(url)
        is_complete = address.scheme in _PORTS and bool(address.hostname) and address.port != 0
    except ValueError as error:
        raise HttpFailed(f"the address is not a URL: {error}") from error
    if not is_complete:
        raise HttpFailed("the address is not a URL that begins with http:// or https://")
    return address


async def _exchange(address: SplitResult, body: bytes, max_bytes: int) -> HttpAnswer:
    port = address.port or _PORTS[address.scheme]
    reader, writer = await asyncio.open_connection(
        address.hostname, port, ssl=address.scheme == "https" or None
    )
    try:
        writer.write(_head(address, len(body)) + body)
        await writer.drain()
        return await _read_answer(reader, max_bytes)
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await writer.wait_closed()


def _head(address: SplitResult, length: int) -> bytes:
    path = address.path or "/"
    target = f"{path}?{address.query}" if address.query else path
    host = address.netloc.rpartition("@")[2]
    lines = (
        f"POST {target} HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        "Accept: application/graphql-response+json, application/json",
        "User-Agent: catenula",
        f"Content-Length: {length}",
        "Connection: close",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii", "replace")


class _Collector:
    """What the parser reports."""

    def __init__(self) -> None:
        self.answer = HttpAnswer()
        self.is_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        self.answer.body += part

    def on_message_complete(self) -> None:
        self.is_complete = True


async def _read_answer(reader: asyncio.StreamReader, max_bytes: int) -> HttpAnswer:
    import httptools

    collector = _Collector()
    parser = httptools.HttpResponseParser(collector)
    received = 0
    while not collector.is_complete:
        data = await reader.read(_CHUNK_BYTES)
        received += len(data)
        if received > max_bytes:
            raise HttpFailed(f"the answer is larger than {max_bytes} bytes")
        try:
            parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise HttpFailed(f"the answer is not HTTP: {error}") from error
        if not data:
            break
    answer = collector.answer
    answer.status = parser.get_status_code()
    needs_end = "content-length" in answer.headers or "transfer-encoding" in answer.headers
    if not answer.status or (needs_end and not collector.is_complete):
        raise HttpFailed("the connection ended in the middle of the answer")
    return answer
