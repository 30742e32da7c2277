"""What one port keeps for its clients: bodies that arrive, and answers that nobody reads.

Both are bounded in size, in time, and in the memory that all of them take together.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from catenula.base.limits import (
    MAX_PUBLIC_BODY_BYTES,
    MAX_SMALL_REQUEST_BYTES,
)
from catenula.transport.calls import CallStatus, StatusCode
from catenula.transport.grpc_web import message_too_large
from catenula.transport.small_parts import MIN_PART_BYTES, add_small_part


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
    """What all connections of a port share: memory for bodies and answers, and running calls.

    Requests of calls that go on for long have memory of their own, so that whoever makes many of
    them takes nothing from calls that end.
    """

    def __init__(
        self, *, body_bytes: int, standing_bytes: int, unread_bytes: int, calls: int
    ) -> None:
        self._most_body_bytes, self._most_standing_bytes = body_bytes, standing_bytes
        self._most_calls = calls
        self.unread = UnreadAnswers(unread_bytes)
        self.body_bytes = self.standing_bytes = 0
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

    def take_standing(self, size: int) -> bool:
        """Reserve room for the request of a call that goes on; False when there is none."""
        if self.standing_bytes + size > self._most_standing_bytes:
            return False
        self.standing_bytes += size
        return True

    def give_back_standing(self, size: int) -> None:
        """The call has ended."""
        self.standing_bytes -= size

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
        self._parts: list[bytes | bytearray] = []
        self._size = self._standing_bytes = 0
        self._refusal: CallStatus | None = None
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._news = asyncio.Event()
        self._seconds = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_read = self._is_talk = False
        self.is_complete = False

    @property
    def is_refused(self) -> bool:
        """Whether the rest of the body is not wanted."""
        return self._refusal is not None

    def limit_seconds(self, seconds: float) -> None:
        """Refuse a body that is not complete, or that nobody has begun to read, in time."""
        self._seconds = seconds
        self._timer = self._loop.call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        text = f"the request did not arrive, or could not be read, within {self._seconds:g} s"
        status = CallStatus(StatusCode.DEADLINE_EXCEEDED, text)
        if self._done.done():
            # It waits behind another request.
            self._refusal = status
            self.forget()
        else:
            self.refuse(status)

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
        elif data:
            self._size += len(data)
            if self._parts and len(data) < MIN_PART_BYTES:
                add_small_part(self._parts, data)
            else:
                self._parts.append(data)
            self._news.set()
            if self._is_talk and self._timer is None:
                self.limit_seconds(self._seconds)

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
        if self._is_read:
            self._stop_timer()
        if not self._done.done():
            self._done.set_result(None)
            self._news.set()

    def forget(self) -> None:
        """Drop what has arrived; nobody wants it any more."""
        self._stop_timer()
        self._budget.give_back(self._size)
        if self._standing_bytes:
            self._budget.give_back_standing(self._standing_bytes)
        self._size = self._standing_bytes = 0
        self._parts.clear()

    async def whole(self) -> bytes:
        """The whole body, once it is there; the status of its refusal is raised."""
        self._is_read = True
        if self.is_complete:
            self._stop_timer()
        await self._done
        if self._refusal is not None:
            raise self._refusal
        parts, self._parts = self._parts, []
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    async def parts(self) -> AsyncIterator[bytes]:
        """The body as it arrives; the status of its refusal is raised.

        What has been dealt with is to be told (`taken`).
        """
        self._is_read = self._is_talk = True
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

    def taken(self, size: int) -> None:
        """So much of the body is dealt with. More may come at any time, each message in time."""
        if self._refusal is not None:
            return
        self._budget.give_back(size)
        self._size -= size
        self._stop_timer()
        if self._size and not self.is_complete:
            self.limit_seconds(self._seconds)

    def stand(self, size: int) -> None:
        """The body was read; the call goes on for long and keeps so many bytes of it.

        Raises `CallStatus` RESOURCE_EXHAUSTED when such calls keep too much already.
        """
        self.forget()
        if size <= MAX_SMALL_REQUEST_BYTES:
            return
        if not self._budget.take_standing(size):
            text = "too many calls with large requests go on"
            raise CallStatus(StatusCode.RESOURCE_EXHAUSTED, text)
        self._standing_bytes = size

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class WithBody:
    """What every exchange does with the body of its request; see `Exchange`."""

    arriving: ArrivingBody

    async def body(self) -> bytes:
        """See `Exchange`."""
        return await self.arriving.whole()

    def parts(self) -> AsyncIterator[bytes]:
        """See `Exchange`."""
        return self.arriving.parts()

    def taken(self, size: int) -> None:
        """See `Exchange`."""
        self.arriving.taken(size)

    def stand(self, size: int) -> None:
        """See `Exchange`."""
        self.arriving.stand(size)
