"""What one port keeps for its clients: bodies that arrive, and answers that nobody reads.

Both are bounded in size, in time, and in the memory that all of them take together.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from catenula.base.limits import MAX_PUBLIC_BODY_BYTES
from catenula.transport.calls import CallStatus, StatusCode
from catenula.transport.grpc_web import message_too_large


class _Unread(NamedTuple):
    """An answer that waits for its reader, and how to be rid of it."""

    size: int
    cut_off: Callable[[], None]


class UnreadAnswers:
    """Answers whose clients do not read as fast as they are answered, oldest first.

    When they take too much memory together, the oldest is cut off: whoever has had the most time
    goes, and clients that read are served as usual.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._waiting: dict[object, _Unread] = {}
        self.size = 0

    def hold(self, key: object, size: int, cut_off: Callable[[], None]) -> None:
        """An answer waits, or still waits, with so many bytes; ``cut_off`` must not block."""
        before = self._waiting.get(key)
        self.size += size - (before.size if before is not None else 0)
        self._waiting[key] = _Unread(size, cut_off)
        while self.size > self._most_bytes:
            oldest = next(iter(self._waiting))
            cut_off = self._waiting[oldest].cut_off
            self.release(oldest)
            cut_off()

    def release(self, key: object) -> None:
        """The answer was read, or nobody wants it any more."""
        found = self._waiting.pop(key, None)
        if found is not None:
            self.size -= found.size


class PortBudget:
    """What all connections of a port share: memory for bodies and answers, and running calls."""

    def __init__(self, *, body_bytes: int, unread_bytes: int, calls: int) -> None:
        self._most_body_bytes, self._most_calls = body_bytes, calls
        self.unread = UnreadAnswers(unread_bytes)
        self.body_bytes = 0
        self.calls = 0
        self._is_quiet = asyncio.Event()
        self._is_quiet.set()

    def take(self, size: int) -> bool:
        """Reserve room for ``size`` bytes; False when there is none."""
        if self.body_bytes + size > self._most_body_bytes:
            return False
        self.body_bytes += size
        return True

    def give_back(self, size: int) -> None:
        """The bytes are gone."""
        self.body_bytes -= size

    def take_call(self) -> bool:
        """Begin a call; False when too many run."""
        if self.calls >= self._most_calls:
            return False
        self.calls += 1
        self._is_quiet.clear()
        return True

    def give_back_call(self) -> None:
        """A call has ended."""
        self.calls -= 1
        if self.calls == 0:
            self._is_quiet.set()

    async def quiet(self) -> None:
        """Return when no call runs."""
        await self._is_quiet.wait()


class ArrivingBody:
    """A body that a connection puts in piece by piece, and that an answer waits for."""

    def __init__(self, budget: PortBudget) -> None:
        self._budget = budget
        self._parts: list[bytes] = []
        self._size = 0
        self._refusal: CallStatus | None = None
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._news = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self.is_complete = False

    @property
    def is_refused(self) -> bool:
        """Whether the rest of the body is not wanted."""
        return self._refusal is not None

    def limit_seconds(self, seconds: float) -> None:
        """Refuse a body that is not complete in time."""
        self._timer = self._loop.call_later(seconds, self._too_slow, seconds)

    def _too_slow(self, seconds: float) -> None:
        text = f"the request did not arrive within {seconds:g} s"
        self.refuse(CallStatus(StatusCode.DEADLINE_EXCEEDED, text))

    def expect(self, declared_bytes: int) -> None:
        """The client has said how long the body will be."""
        if declared_bytes > MAX_PUBLIC_BODY_BYTES:
            self.refuse(message_too_large(declared_bytes))

    def add(self, data: bytes) -> None:
        """A part of the body has arrived."""
        if self._done.done():
            return
        if self._size + len(data) > MAX_PUBLIC_BODY_BYTES:
            self.refuse(message_too_large(self._size + len(data)))
        elif not self._budget.take(len(data)):
            text = "too many large requests at once"
            self.refuse(CallStatus(StatusCode.RESOURCE_EXHAUSTED, text))
        else:
            self._size += len(data)
            self._parts.append(data)
            self._news.set()

    def refuse(self, status: CallStatus) -> None:
        """Answer with this status."""
        if not self._done.done():
            self._refusal = status
            self.forget()
            self._done.set_result(None)
            self._news.set()

    def complete(self) -> None:
        """The body has ended."""
        self.is_complete = True
        self._stop_timer()
        if not self._done.done():
            self._done.set_result(None)
            self._news.set()

    def forget(self) -> None:
        """Drop what has arrived; nobody wants it any more."""
        self._stop_timer()
        self._budget.give_back(self._size)
        self._size = 0
        self._parts.clear()

    async def whole(self) -> bytes:
        """The whole body, once it is there; the status of its refusal is raised."""
        await self._done
        if self._refusal is not None:
            raise self._refusal
        parts, self._parts = self._parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def parts(self) -> AsyncIterator[bytes]:
        """The body as it arrives; the status of its refusal is raised."""
        while True:
            parts, self._parts = self._parts, []
            if parts:
                yield b"".join(parts)
            elif self._refusal is not None:
                raise self._refusal
            elif self._done.done():
                return
            else:
                self._news.clear()
                await self._news.wait()

    def take_time(self) -> None:
        """What has arrived is a request already; more of them may come at any time."""
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
