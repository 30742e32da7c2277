"""HTTP/1.1 on a bare socket: what is sent is exactly what a test says, and what comes is judged."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

GRPC_WEB = "application/grpc-web+proto"


class Response(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def messages(self) -> list[bytes]:
        """The data frames of a binary body."""
        return [payload for flag, payload in frames(self.body) if flag == 0]

    @property
    def grpc_status(self) -> str | None:
        """The status of the call, from the headers or from the last frame."""
        if "grpc-status" in self.headers:
            return self.headers["grpc-status"]
        trailers = [payload for flag, payload in frames(self.body) if flag == 0x80]
        lines = trailers[-1].decode().split("\r\n") if trailers else []
        return next((line[12:] for line in lines if line.startswith("grpc-status:")), None)


def frame(message: bytes, flag: int = 0) -> bytes:
    return bytes((flag,)) + len(message).to_bytes(4, "big") + message


def frames(body: bytes) -> list[tuple[int, bytes]]:
    found, position = [], 0
    while position < len(body):
        size = int.from_bytes(body[position + 1 : position + 5], "big")
        found.append((body[position], body[position + 5 : position + 5 + size]))
        position += 5 + size
    return found


def request(method: str, body: bytes, content_type: str = GRPC_WEB, **headers: str) -> bytes:
    """A gRPC-Web request for a method of the validator."""
    path = method if method.startswith("/") else f"/rpc.v1.ValidatorNode/{method}"
    lines = [
        f"POST {path} HTTP/1.1",
        "host: localhost",
        f"content-type: {content_type}",
        f"content-length: {len(body)}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Connection:
    """One connection to the port."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, data: bytes) -> Response:
        self.writer.write(data)
        return await self.response()

    async def head(self) -> tuple[int, dict[str, str]]:
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = text.rstrip().split("\r\n")
        pairs = (line.partition(": ") for line in lines)
        return int(first.split()[1]), {name.lower(): value for name, _, value in pairs}

    async def chunk(self) -> bytes:
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def response(self) -> Response:
        status, headers = await self.head()
        body = b""
        if headers.get("transfer-encoding") == "chunked":
            while part := await self.chunk():
                body += part
        else:
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Response(status, headers, body)

    async def is_closed(self) -> bool:
        """Whether the other side ends the connection; waits for it."""
        with suppress(ConnectionError):
            while await self.reader.read(1 << 16):
                pass
        return True


@asynccontextmanager
async def connect(port: int) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
