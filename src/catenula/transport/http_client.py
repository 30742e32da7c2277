"""One HTTP/1.1 request in the running event loop, without a library that costs start-up time.

``http`` and ``https`` (certificates are verified). The whole exchange is bounded in time by the
caller and in size by ``max_bytes``: headers and body of the answer together, names and values
counted. Nothing is decoded: a compressed body stays compressed. Redirections are followed only when
asked for. Every request has a connection of its own.
"""

import asyncio
import base64
import contextlib
from collections.abc import Sequence
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from msgspec import Struct, field
from msgspec.structs import replace

from catenula.base.errors import LocalError

Headers = Sequence[tuple[str, bytes]]

_PORTS = {"http": 80, "https": 443}
_CHUNK_BYTES = 64 << 10
_MAX_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEEPS_METHOD = frozenset({307, 308})
_ABOUT_BODY = frozenset({"content-type", "content-length", "content-encoding", "transfer-encoding"})
_FOR_ONE_HOST = frozenset({"authorization", "cookie", "cookie2", "proxy-authorization"})
_NEEDS_LENGTH = frozenset({"POST", "PUT", "PATCH"})
_URL_CHARACTERS = "!#$%&'()*+,/:;=?@[]~"


class HttpFailed(LocalError):
    """The request could not be made, or got no answer; its text is the cause."""

    def __init__(self, text: str) -> None:
        super().__init__(text, retryable=True)


class HttpTooLarge(HttpFailed):
    """The answer is larger than allowed; ``size`` is what was declared, or has arrived."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"the answer is larger than {limit} bytes")
        self.size, self.limit = size, limit


class HttpCall(Struct, frozen=True):
    """A request: its method in upper case, headers as they are to be sent."""

    method: str
    url: str
    headers: tuple[tuple[str, bytes], ...] = ()
    body: bytes = b""


class HttpReply(Struct):
    """Status, headers (names in lower case, in the order of their first use) and body."""

    status: int = 0
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)

    def header(self, name: str) -> str | None:
        """The first header of a name."""
        for known, value in self.headers:
            if known == name:
                return value.decode("latin-1")
        return None


async def exchange(
    call: HttpCall, *, seconds: float, max_bytes: int, follows: bool = False
) -> HttpReply:
    """Make a request; `HttpFailed`, also for a URL that is none. ``follows``: redirections too."""
    try:
        async with asyncio.timeout(seconds):
            return await _follow(call, max_bytes, _MAX_REDIRECTS if follows else 0)
    except TimeoutError as error:
        raise HttpFailed(f"no answer within {seconds:g} s") from error
    except OSError as error:
        raise HttpFailed(error.strerror or str(error) or type(error).__name__) from error


async def _follow(call: HttpCall, max_bytes: int, redirects: int) -> HttpReply:
    for _ in range(redirects):
        reply = await _exchange(call, max_bytes)
        target = reply.header("location")
        if reply.status not in _REDIRECTS or target is None:
            return reply
        call = _redirected(call, reply.status, _joined(call.url, target))
    reply = await _exchange(call, max_bytes)
    if redirects and reply.status in _REDIRECTS and reply.header("location") is not None:
        raise HttpFailed(f"more than {redirects} redirections")
    return reply


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError as error:
        raise HttpFailed(f"the redirection is not to a URL: {error}") from error


def _redirected(call: HttpCall, status: int, url: str) -> HttpCall:
    """The request to make instead: secrets stay with the host they are for."""
    before, after = _split(call.url), _split(url)
    dropped: set[str] = {"referer", "host"}
    method, body = call.method, call.body
    if status not in _KEEPS_METHOD and method not in ("GET", "HEAD"):
        method, body = "GET", b""
        dropped |= _ABOUT_BODY
    if (before.hostname, _port(before)) != (after.hostname, _port(after)):
        dropped |= _FOR_ONE_HOST
    headers = [(name, value) for name, value in call.headers if name.lower() not in dropped]
    if before.scheme == "http" or after.scheme == "https":
        referer = before._replace(fragment="", netloc=_host_of(before)).geturl()
        headers.append(("referer", referer.encode("ascii", "replace")))
    return replace(call, method=method, url=url, headers=tuple(headers), body=body)


def _split(url: str) -> SplitResult:
    try:
        address = urlsplit(url)
        is_complete = address.scheme in _PORTS and bool(address.hostname) and address.port != 0
    except ValueError as error:
        raise HttpFailed(f"the address is not a URL: {error}") from error
    if not is_complete:
        raise HttpFailed("the address is not a URL that begins with http:// or https://")
    return address


def _port(address: SplitResult) -> int:
    return address.port or _PORTS[address.scheme]


def _host_of(address: SplitResult) -> str:
    return address.netloc.rpartition("@")[2]


async def _exchange(call: HttpCall, max_bytes: int) -> HttpReply:
    address = _split(call.url)
    try:
        head = _head(address, call)
        reader, writer = await asyncio.open_connection(
            address.hostname, _port(address), ssl=address.scheme == "https" or None
        )
    except UnicodeError as error:
        raise HttpFailed("the host's name is not valid") from error
    try:
        writer.write(head + call.body)
        await writer.drain()
        return await _read(reader, call.method == "HEAD", max_bytes)
    finally:
        # Closing would wait for a peer that does not read, or does not end TLS, beyond all limits.
        writer.transport.abort()
        with contextlib.suppress(OSError, TimeoutError):
            await writer.wait_closed()


def _head(address: SplitResult, call: HttpCall) -> bytes:
    path = address.path or "/"
    target = quote(f"{path}?{address.query}" if address.query else path, safe=_URL_CHARACTERS)
    given = {name.lower() for name, _ in call.headers}
    lines = [f"{call.method} {target} HTTP/1.1".encode("ascii", "replace")]
    if "host" not in given:
        lines.append(b"host: " + _host_header(address))
    lines += [name.encode("ascii", "replace") + b": " + value for name, value in call.headers]
    if "accept" not in given:
        lines.append(b"accept: */*")
    if "authorization" not in given and address.username is not None:
        lines.append(b"authorization: " + _basic(address))
    if "content-length" not in given and (call.body or call.method in _NEEDS_LENGTH):
        lines.append(f"content-length: {len(call.body)}".encode())
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _host_header(address: SplitResult) -> bytes:
    """The host in the form that names have on the network, and the port."""
    whole = _host_of(address)
    name, _, port = whole.rpartition(":")
    if not name or not port.isdigit():
        return whole.encode("idna")
    return name.encode("idna") + f":{port}".encode()


def _basic(address: SplitResult) -> bytes:
    name, password = unquote(address.username or ""), unquote(address.password or "")
    return b"Basic " + base64.b64encode(f"{name}:{password}".encode())


class _Collector:
    """What the parser reports; an interim answer (1xx) is forgotten."""

    def __init__(self, max_bytes: int, *, has_no_body: bool) -> None:
        self.reply = HttpReply()
        self.is_complete = False
        self.too_large: HttpTooLarge | None = None
        self._max_bytes, self._has_no_body = max_bytes, has_no_body
        self._size = 0
        self.parser: object = None

    def on_message_begin(self) -> None:
        if not self.is_complete:
            self.reply, self._size = HttpReply(), 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self._grow(len(name) + len(value))
        self.reply.headers.append((name.decode("latin-1").lower(), value))

    def on_headers_complete(self) -> None:
        self.reply.status = self.parser.get_status_code()  # type: ignore[attr-defined]  # Untyped.
        if self.reply.status < 200:
            return
        if self._has_no_body:
            self.is_complete = True
            return
        declared = self.reply.header("content-length")
        if declared is not None and declared.isdigit() and int(declared) > self._max_bytes:
            self.too_large = self.too_large or HttpTooLarge(int(declared), self._max_bytes)

    def on_body(self, part: bytes) -> None:
        self._grow(len(part))
        if self.too_large is None:
            self.reply.body += part

    def on_message_complete(self) -> None:
        if self.reply.status >= 200:
            self.is_complete = True

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._max_bytes:
            self.too_large = self.too_large or HttpTooLarge(self._size, self._max_bytes)


async def _read(reader: asyncio.StreamReader, has_no_body: bool, max_bytes: int) -> HttpReply:
    import httptools

    collector = _Collector(max_bytes, has_no_body=has_no_body)
    parser = collector.parser = httptools.HttpResponseParser(collector)
    while not collector.is_complete:
        data = await reader.read(_CHUNK_BYTES)
        if not data:
            break
        try:
            parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not collector.is_complete:
                raise HttpFailed(f"the answer is not HTTP: {error}") from error
        if collector.too_large is not None:
            raise collector.too_large
    reply = collector.reply
    is_bounded = reply.header("content-length") or reply.header("transfer-encoding")
    if reply.status < 200 or (is_bounded and not collector.is_complete):
        raise HttpFailed("the connection ended in the middle of the answer")
    reply.headers = _grouped(reply.headers)
    return reply


def _grouped(headers: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Headers of one name stand together, where the first of them stood."""
    by_name: dict[str, list[bytes]] = {}
    for name, value in headers:
        by_name.setdefault(name, []).append(value)
    return [(name, value) for name, values in by_name.items() for value in values]
