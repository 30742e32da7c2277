"""Server streams: subscriptions and downloads of blobs.

A stream that the recorder saw end is compared as a whole, with its status. A subscription goes on
until its client goes away, which was not recorded; what it had received until then is compared with
as many messages of ours. Messages between chains arrive in no fixed order, so the order of the
notifications is not compared. After a timeout certificate our validators announce the new round,
which the reference suppresses (spec 06 §2.3); those notifications are left out.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import NamedTuple

from catenula.conformance.differences import Difference
from catenula.conformance.traffic.recording import WENT_AWAY, RecordedCall
from catenula.transport.calls import CallStatus

_OK = "OK"
_LEFT_OPEN = (None, WENT_AWAY, "DEADLINE_EXCEEDED")
"""How streams are recorded that their client left."""


class OpenStream(NamedTuple):
    """A stream that is being played: its call, what it has sent, and who collects it."""

    call: RecordedCall
    found: list[bytes]
    collector: "asyncio.Task[str]"

    @staticmethod
    def collect(
        call: RecordedCall, messages: AsyncIterator[bytes], is_left_out: Callable[[bytes], bool]
    ) -> "OpenStream":
        """Collect the messages of a stream as they come, without those that are left out."""
        found: list[bytes] = []
        collector = asyncio.ensure_future(_collect(messages, found, is_left_out))
        return OpenStream(call, found, collector)

    async def close(self) -> str | None:
        """Stop collecting; the status of the stream, None if it was open."""
        if self.collector.done():
            return self.collector.result()
        self.collector.cancel()
        await asyncio.gather(self.collector, return_exceptions=True)
        return None


async def _collect(
    messages: AsyncIterator[bytes], found: list[bytes], is_left_out: Callable[[bytes], bool]
) -> str:
    try:
        async for message in messages:
            found += () if is_left_out(message) else (message,)
    except CallStatus as status:
        return status.code.name
    return _OK


def stream_differences(
    call: RecordedCall, found: list[bytes], status: str | None
) -> Iterator[Difference]:
    """Where a stream is not the recorded one."""
    recorded = [streamed.message for streamed in call.stream]
    if call.code not in _LEFT_OPEN:
        if status != call.code:
            yield Difference("status", str(status), str(call.code))
        if found != recorded:
            yield Difference("stream", _show(found), _show(recorded))
        return
    if len(found) < len(recorded):
        yield Difference("stream", f"{len(found)} messages", f"{len(recorded)} messages")
    if Counter(found[: len(recorded)]) != Counter(recorded):
        missing = Counter(recorded) - Counter(found)
        surplus = Counter(found[: len(recorded)]) - Counter(recorded)
        yield Difference("stream", _show(list(surplus)), _show(list(missing)))


def _show(messages: list[bytes]) -> str:
    return " ".join(message.hex() or "(empty)" for message in messages) or "nothing"
