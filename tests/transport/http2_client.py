"""A small HTTP/2 client for tests: many requests at once on one connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from tests.transport.raw_http import GRPC_WEB, Response


class Http2Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        import h2.connection

        self._reader, self._writer = reader, writer
        self.connection = h2.connection.H2Connection()
        self.headers: dict[int, dict[str, str]] = {}
        self.bodies: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.resets: dict[int, int] = {}
        self._changed = asyncio.Event()
        self.connection.initiate_connection()
        self.flush()
        self._task = asyncio.ensure_future(self._read())

    @property
    def is_over(self) -> bool:
        """Whether the server has ended the connection."""
        return self._task.done()

    def flush(self) -> None:
        self._writer.write(self.connection.data_to_send())

    async def _read(self) -> None:
        with suppress(ConnectionError):
            while data := await self._reader.read(1 << 16):
                for event in self.connection.receive_data(data):
                    self._take(event)
                self.flush()
                self._changed.set()
        self._changed.set()

    def _take(self, event: Any) -> None:
        kind = type(event).__name__
        if kind in ("ResponseReceived", "TrailersReceived"):
            headers = {name.decode(): value.decode() for name, value in event.headers}
            self.headers.setdefault(event.stream_id, {}).update(headers)
        elif kind == "DataReceived":
            self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + event.data
            size = event.flow_controlled_length
            self.connection.acknowledge_received_data(size, event.stream_id)
        elif kind == "StreamEnded":
            self.ended.add(event.stream_id)
        elif kind == "StreamReset":
            self.resets[event.stream_id] = int(event.error_code)

    def send(self, method: str, body: bytes | None, content_type: str = GRPC_WEB) -> int:
        """Begin a request; without a body it stays open."""
        number: int = self.connection.get_next_available_stream_id()
        headers = [
            (":method", "POST"),
            (":path", f"/rpc.v1.ValidatorNode/{method}"),
            (":scheme", "https"),
            (":authority", "localhost"),
            ("content-type", content_type),
            ("te", "trailers"),
        ]
        self.connection.send_headers(number, headers)
        if body is not None:
            self.connection.send_data(number, body, end_stream=True)
        self.flush()
        return number

    async def until(self, condition: Any) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def response(self, number: int) -> Response:
        await self.until(lambda: number in self.ended or number in self.resets or self._task.done())
        headers = self.headers[number]
        return Response(int(headers[":status"]), headers, self.bodies.get(number, b""))

    async def close(self) -> None:
        self._task.cancel()
        self._writer.transport.abort()
        with suppress(OSError, asyncio.CancelledError):
            await self._writer.wait_closed()


@asynccontextmanager
async def http2(port: int, context: Any) -> AsyncIterator[Http2Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    client = Http2Client(reader, writer)
    try:
        yield client
    finally:
        await client.close()
