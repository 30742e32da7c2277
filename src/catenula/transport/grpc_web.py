"""gRPC, gRPC-Web and CORS: one HTTP exchange, one call (spec 06 §3.3, §3.4).

`answer` works over any HTTP version; the connection gives it an `Exchange`. An answer that begins
with an error has no body: its status is in the headers. Compressed messages are refused.
"""

import base64
import binascii
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple, Protocol
from urllib.parse import quote

from catenula.base.limits import MAX_MESSAGE_BYTES
from catenula.transport.calls import CallStatus, StatusCode
from catenula.transport.endpoints import Endpoint, Endpoints, bug
from catenula.transport.public_service import close
from catenula.transport.small_parts import MIN_PART_BYTES, add_small_part

Headers = list[tuple[str, str]]

FRAME_HEADER_BYTES = 5
_DATA, _COMPRESSED, _TRAILERS = 0, 1, 0x80
_BINARY_TYPES = ("application/grpc-web", "application/grpc-web+proto")
_TEXT_TYPES = ("application/grpc-web-text", "application/grpc-web-text+proto")
_NATIVE_TYPES = ("application/grpc", "application/grpc+proto")
_VARY = ("vary", "origin, access-control-request-method, access-control-request-headers")
_ANY_ORIGIN = ("access-control-allow-origin", "*")
PREFLIGHT_SECONDS = 7_200
"""How long browsers may remember a preflight; the longest that any of them accepts."""

_PREFLIGHT: Headers = [
    _VARY,
    ("access-control-allow-methods", "*"),
    ("access-control-allow-headers", "*"),
    _ANY_ORIGIN,
    ("access-control-max-age", str(PREFLIGHT_SECONDS)),
]
_CORS: Headers = [_VARY, _ANY_ORIGIN, ("access-control-expose-headers", "*")]
_UNESCAPED = "!$&'()*+,/:;=@[]^|"


class Exchange(Protocol):
    """One HTTP request and the response to it."""

    @property
    def method(self) -> str:
        """The HTTP method."""
        ...

    @property
    def path(self) -> str:
        """The path, without a query."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, names in lower case."""
        ...

    @property
    def is_http2(self) -> bool:
        """Whether there can be trailers."""
        ...

    async def body(self) -> bytes:
        """The whole request body; `CallStatus` when it is too large or too slow."""
        ...

    def parts(self) -> AsyncIterator[bytes]:
        """The request body as it arrives; `CallStatus` as for `body`."""
        ...

    def taken(self, size: int) -> None:
        """So many bytes of the parts are dealt with; the rest may come at any time."""
        ...

    def stand(self, size: int) -> None:
        """The call keeps so many bytes of its request for long; `CallStatus` if it may not."""
        ...

    async def respond(self, status: int, headers: Headers, *, has_body: bool) -> None:
        """Begin the response; without a body it is complete."""
        ...

    async def write(self, data: bytes) -> None:
        """Send a part of the body now; waits while the client does not read."""
        ...

    async def finish(self, trailers: Headers) -> None:
        """End the body; trailers are for HTTP/2 only."""
        ...


class _Form(NamedTuple):
    """How one exchange carries messages."""

    is_native: bool = False
    is_text_in: bool = False
    is_text_out: bool = False

    @property
    def content_type(self) -> str:
        if self.is_native:
            return "application/grpc"
        return f"application/grpc-web{'-text' if self.is_text_out else ''}+proto"

    @property
    def headers(self) -> Headers:
        kind = ("content-type", self.content_type)
        return [kind] if self.is_native else [kind, *_CORS]

    def encode(self, flag: int, payload: bytes) -> bytes:
        frame = bytes((flag,)) + len(payload).to_bytes(4, "big") + payload
        return base64.b64encode(frame) if self.is_text_out else frame


def _form_of(exchange: Exchange) -> _Form | None:
    """How the request is written, or None when it is no call at all."""
    media = exchange.headers.get("content-type", "")
    if media in _BINARY_TYPES or media in _TEXT_TYPES:
        wants_text = exchange.headers.get("accept", "") in _TEXT_TYPES
        return _Form(is_text_in=media in _TEXT_TYPES, is_text_out=wants_text)
    if exchange.is_http2 and media in _NATIVE_TYPES:
        return _Form(is_native=True)
    return None


async def answer(exchange: Exchange, endpoints: Endpoints) -> None:
    """Answer one request; returns when the response is complete."""
    if exchange.method == "OPTIONS":
        await exchange.respond(200, _PREFLIGHT, has_body=False)
        return
    form = _form_of(exchange)
    if form is None:
        await exchange.respond(415 if exchange.is_http2 else 400, _CORS, has_body=False)
        return
    if exchange.method != "POST":
        await exchange.respond(405, _CORS, has_body=False)
        return
    call = _Call(exchange, form)
    try:
        endpoint = endpoints.get(exchange.path)
        if endpoint is None:
            raise CallStatus(StatusCode.UNIMPLEMENTED, "")
        await call.run(endpoint)
    except CallStatus as status:
        await call.end(status.code, status.details)
    except Exception as error:  # noqa: BLE001  # Nobody is behind this: a caller would wait for ever.
        told = bug(exchange.path, error)
        await call.end(told.code, told.details)
    else:
        await call.end(StatusCode.OK, "")


class _Call:
    """One call: its messages in, its messages and its status out."""

    def __init__(self, exchange: Exchange, form: _Form) -> None:
        self._exchange, self._form = exchange, form
        self._has_begun = False

    async def run(self, endpoint: Endpoint) -> None:
        """Answer with everything but the status."""
        if endpoint.conversation is not None:
            await self._send_all(endpoint.conversation(self._requests()))
            return
        messages = await self._messages()
        if not messages:
            raise CallStatus(StatusCode.INTERNAL, "Missing request message.")
        request = messages[0]
        if endpoint.unary is not None:
            await self._send(await endpoint.unary(request))
        elif endpoint.stream is not None:
            messages.clear()
            self._exchange.stand(len(request))
            await self._send_all(endpoint.stream(request))

    async def _send_all(self, answers: AsyncIterator[bytes]) -> None:
        try:
            async for message in answers:
                await self._send(message)
        finally:
            await close(answers)

    async def _messages(self) -> list[bytes]:
        """All messages of the request."""
        body = await self._exchange.body()
        if self._form.is_text_in:
            body = decode_text(body)
        messages, rest = read_messages(body, self._exchange.headers)
        if rest:
            raise CallStatus(StatusCode.INTERNAL, "Unexpected EOF decoding stream.")
        return messages

    async def _requests(self) -> AsyncIterator[bytes]:
        """The messages of the request; of a native one each when it has arrived."""
        if not self._form.is_native:
            messages = await self._messages()
            self._exchange.stand(sum(map(len, messages)))
            for message in messages:
                yield message
            return
        arriving = _ArrivingMessages(self._exchange.headers)
        async for part in self._exchange.parts():
            before = arriving.size + len(part)
            for message in arriving.add(part):
                yield message
            if arriving.size < before:
                self._exchange.taken(before - arriving.size)
        if arriving.size:
            raise CallStatus(StatusCode.INTERNAL, "Unexpected EOF decoding stream.")

    async def _send(self, message: bytes) -> None:
        await self._begin()
        await self._exchange.write(self._form.encode(_DATA, message))

    async def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            headers = self._form.headers
            await self._exchange.respond(200, headers, has_body=True)

    async def end(self, code: StatusCode, details: str) -> None:
        """End the call with a status: in the headers if nothing was said before, else after it."""
        trailers = [("grpc-status", str(int(code)))]
        if details:
            trailers.append(("grpc-message", quote(details, safe=_UNESCAPED)))
        if not self._has_begun and code is not StatusCode.OK:
            headers = [*self._form.headers, *trailers]
            await self._exchange.respond(200, headers, has_body=False)
            return
        await self._begin()
        if not self._form.is_native:
            text = "".join(f"{name}:{value}\r\n" for name, value in trailers)
            await self._exchange.write(self._form.encode(_TRAILERS, text.encode("ascii")))
            trailers = []
        await self._exchange.finish(trailers)


class _ArrivingMessages:
    """The messages in a body that arrives; ``size`` bytes wait for the rest of theirs."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers
        self._parts: list[bytes | bytearray] = []
        self.size, self._needed = 0, FRAME_HEADER_BYTES

    def add(self, part: bytes) -> list[bytes]:
        """The messages that are complete now; `CallStatus` for frames that are none."""
        if self.size and len(part) < MIN_PART_BYTES:
            add_small_part(self._parts, part)
        else:
            self._parts.append(part)
        self.size += len(part)
        if self.size < self._needed:
            return []
        messages, rest = read_messages(b"".join(self._parts), self._headers)
        self._parts, self.size = [rest] if rest else [], len(rest)
        self._needed = FRAME_HEADER_BYTES
        if self.size >= FRAME_HEADER_BYTES:
            self._needed += int.from_bytes(rest[1:FRAME_HEADER_BYTES], "big")
        return messages


def read_messages(body: bytes, headers: Mapping[str, str]) -> tuple[list[bytes], bytes]:
    """The complete messages in a body of frames, and the rest; `CallStatus` for other frames."""
    found: list[bytes] = []
    position = 0
    while (start := position + FRAME_HEADER_BYTES) <= len(body):
        flag, size = body[position], int.from_bytes(body[position + 1 : start], "big")
        if flag != _TRAILERS:
            _check_frame(flag, size, headers)
        if start + size > len(body):
            break
        position = start + size
        if flag == _DATA:
            found.append(body[start:position])
    return found, body[position:]


def _check_frame(flag: int, size: int, headers: Mapping[str, str]) -> None:
    if flag == _COMPRESSED:
        encoding = headers.get("grpc-encoding", "identity")
        if encoding == "identity":
            raise CallStatus(StatusCode.INTERNAL, "a compressed message without grpc-encoding")
        text = f"Content is compressed with `{encoding[:32]}` which isn't supported"
        raise CallStatus(StatusCode.UNIMPLEMENTED, text)
    if flag != _DATA:
        raise CallStatus(StatusCode.INTERNAL, f"a frame with the unknown flag {flag}")
    if size > MAX_MESSAGE_BYTES:
        raise message_too_large(size)


def message_too_large(size: int) -> CallStatus:
    """A message, or a body that can hold only such a message, is beyond the limit."""
    text = f"a message of {size} bytes is too large: the limit is {MAX_MESSAGE_BYTES} bytes"
    return CallStatus(StatusCode.OUT_OF_RANGE, text)


def decode_text(body: bytes) -> bytes:
    """The bytes of a base64 body, which may consist of several padded parts."""
    try:
        if b"=" not in body[:-2]:
            return base64.b64decode(body, validate=True)
        parts = body.replace(b"=", b"= ").replace(b"= =", b"==").split()
        return b"".join(base64.b64decode(part, validate=True) for part in parts)
    except binascii.Error as error:
        raise CallStatus(StatusCode.INTERNAL, "the body is not base64") from error
