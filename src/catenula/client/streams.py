"""The notification streams of one validator (spec 07 §12.2).

A subscription has a fixed list of chains, so each group of chains that is added gets a stream of
its own; groups of similar size are merged, and a merged stream is in force before those it replaces
end. Thus n chains have O(log n) streams, and adding one restarts only small ones.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId
from catenula.base.integers import Timestamp
from catenula.base.limits import MAX_STREAM_OPENING_US
from catenula.client.breaker import CircuitBreaker
from catenula.client.reactions import Reactions
from catenula.client.remote_node import RemoteNode
from catenula.protocol import Notification
from catenula.validator.clock import Clock


class _Stream:
    """One subscription and the task that keeps it up; ``replaces`` end when it is in force."""

    def __init__(self, chain_ids: tuple[ChainId, ...], replaces: "list[_Stream]") -> None:
        self.chain_ids, self.replaces = chain_ids, replaces
        self.is_open = False
        self.seen_failures = 0
        self.task: asyncio.Task[None] | None = None

    def uncovered(self) -> tuple[ChainId, ...]:
        """Chains of which something may have been missed until this stream opened."""
        covered = {
            chain_id for each in self.replaces if each.is_open for chain_id in each.chain_ids
        }
        return tuple(chain_id for chain_id in self.chain_ids if chain_id not in covered)

    def end(self) -> "list[asyncio.Task[None]]":
        """Stop this stream and those it was to replace; their tasks, which end soon."""
        tasks = [] if self.task is None else [self.task]
        for task in tasks:
            task.cancel()
        for each in self.replaces:
            tasks += each.end()
        return tasks


class ValidatorStreams:
    """All streams to one validator; what they bring goes to ``reactions``."""

    def __init__(
        self,
        remote: RemoteNode,
        reactions: Reactions,
        *,
        clock: Clock,
        breaker: CircuitBreaker,
        record: Callable[[Exception], None],
    ) -> None:
        self.remote, self.reactions, self.breaker = remote, reactions, breaker
        self._clock, self._record = clock, record
        self._streams: list[_Stream] = []

    @property
    def count(self) -> int:
        """How many streams there are."""
        return len(self._streams)

    @property
    def is_open(self) -> bool:
        """Whether all streams are in force."""
        return all(stream.is_open for stream in self._streams)

    def add(self, chain_ids: Sequence[ChainId]) -> None:
        """Listen to more chains; none of them may be listened to already."""
        merged, replaces = list(chain_ids), []
        while self._streams and len(self._streams[-1].chain_ids) <= 2 * len(merged):
            last = self._streams.pop()
            replaces.append(last)
            merged = [*last.chain_ids, *merged]
        stream = _Stream(tuple(merged), replaces)
        self._streams.append(stream)
        stream.task = asyncio.get_running_loop().create_task(self._keep_up(stream))

    async def close(self) -> None:
        """End all streams and what is being looked into because of them."""
        tasks = [task for stream in self._streams for task in stream.end()]
        self._streams.clear()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.reactions.close()

    async def _keep_up(self, stream: _Stream) -> None:
        while True:
            try:
                await self._listen(stream)
            except (ProtocolError, LocalError) as error:
                self._record(error)
            stream.is_open = False
            self.breaker.failed(stream.seen_failures)

    async def _listen(self, stream: _Stream) -> None:
        """Open a stream and read it until it breaks, or ends, which no validator should let it."""
        async with contextlib.AsyncExitStack() as stack:
            async with self.breaker.turn() as stream.seen_failures:
                opened = asyncio.Event()
                notifications = self.remote.node.subscribe(stream.chain_ids, on_open=opened.set)
                stack.push_async_callback(_close, notifications)
                first = asyncio.ensure_future(_next(notifications))
                stack.callback(first.cancel)
                await self._wait_for_opening(first, opened)
                if opened.is_set() or await first is not None:
                    self._opened(stream)
            notification = await first
            while notification is not None:
                self.reactions.put(notification)
                notification = await _next(notifications)

    async def _wait_for_opening(
        self, first: "asyncio.Future[Notification | None]", opened: asyncio.Event
    ) -> None:
        """A stream is in force when the validator says so, or with its first notification."""
        deadline = Timestamp(self._clock.now() + MAX_STREAM_OPENING_US)
        waiting = asyncio.ensure_future(opened.wait())
        timer = asyncio.ensure_future(self._clock.sleep_until(deadline))
        try:
            await asyncio.wait((first, waiting, timer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            timer.cancel()
        if not first.done() and not opened.is_set():
            raise LocalError(
                f"{self.remote.address} did not open a notification stream in time", retryable=True
            )

    def _opened(self, stream: _Stream) -> None:
        self.breaker.recovered()
        stream.is_open = True
        self.reactions.catch_up(stream.uncovered())
        for each in stream.replaces:
            each.end()
        stream.replaces.clear()


async def _next(notifications: AsyncIterator[Notification]) -> Notification | None:
    """The next notification; None at the end, which is as good as an error."""
    try:
        return await anext(notifications)
    except StopAsyncIteration:
        return None


async def _close(notifications: AsyncIterator[Notification]) -> None:
    """End a subscription that is an asynchronous generator at once, not when it is collected."""
    close = getattr(notifications, "aclose", None)
    if close is not None:
        with contextlib.suppress(RuntimeError):
            await close()
