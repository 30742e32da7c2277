"""A small HTTP server that answers what a test says, when the test lets it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class HttpServer:
    """Answers every request with the bytes for its path; ``let_go`` holds answers back."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        self.answers = answers
        self.then: dict[str, bytes] = {}
        """Answers for every request to a path after the first."""
        self.asked: list[bytes] = []
        self.arrived = asyncio.Event()
        self.let_go = asyncio.Event()
        self.let_go.set()
        self.port = 0

    def url(self, path: str) -> str:
        """The address of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
            body = await reader.readexactly(int(length)) if length else b""
            self.asked.append(head + body)
            self.arrived.set()
            await self.let_go.wait()
            path = head.split(b" ", 2)[1].decode()
            writer.write(self.answers.get(path, answered(b"", "404 Not Found")))
            if path in self.then:
                self.answers[path] = self.then.pop(path)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


def answered(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """An answer with its length."""
    head = [f"HTTP/1.1 {status}", *headers, f"content-length: {len(body)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def http_server(**answers: bytes) -> AsyncIterator[HttpServer]:
    """A running server; ``name=answer`` is given for the path ``/name``."""
    server = HttpServer({f"/{name}": answer for name, answer in answers.items()})
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        try:
            yield server
        finally:
            server.let_go.set()
