"""A public service whose answers a test scripts, behind a port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from catenula.transport.calls import CallStatus
from catenula.transport.public_port import PublicServer, serve_public


class ScriptedService:
    """Answers every unary method with ``answer``; subscriptions say one thing and stay open."""

    def __init__(self) -> None:
        self.answer: bytes | Exception = b"answer"
        self.requests: list[tuple[str, bytes]] = []
        self.subscribers = 0
        self.news: asyncio.Event = asyncio.Event()
        self.calls_running = 0
        self.gate: asyncio.Event | None = None

    async def unary(self, method: str, request: bytes) -> bytes:
        self.requests.append((method, request))
        if self.gate is not None:
            self.calls_running += 1
            try:
                await self.gate.wait()
            finally:
                self.calls_running -= 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def stream(self, method: str, request: bytes) -> AsyncIterator[bytes]:
        self.subscribers += 1
        try:
            yield b""
            while True:
                await self.news.wait()
                if isinstance(self.answer, Exception):
                    raise self.answer
                yield self.answer
                self.news.clear()
        finally:
            self.subscribers -= 1


@asynccontextmanager
async def scripted_port(**options: Any) -> AsyncIterator[tuple[PublicServer, ScriptedService]]:
    service = ScriptedService()
    server = await serve_public(service, host="127.0.0.1", port=0, **options)
    try:
        yield server, service
    finally:
        await server.close()


def refused(code: int, details: str) -> CallStatus:
    return CallStatus(code, details)
