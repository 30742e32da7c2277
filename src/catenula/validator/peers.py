"""Cross-chain requests to the other workers of a validator (spec 06 §5.4).

Per pair of chains at most one request is under way, and a newer one replaces a waiting older one,
because updates are cumulative. A request that another worker did not acknowledge is sent again,
with a delay that grows by the same amount each time, and at once when that worker comes back. After
the last attempt the sender's durable outbox still has everything, and the sweep sends it again.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from catenula.base.codec import codec_of
from catenula.base.counting import Told
from catenula.base.errors import LocalError
from catenula.base.limits import (
    MAX_CROSS_CHAIN_QUEUE,
    MAX_DELIVERIES_IN_FLIGHT,
    MAX_DELIVERY_ATTEMPTS,
)
from catenula.protocol import ChainId, CrossChainRequest, target_chain_id
from catenula.validator.cross_chain import Key, key_of
from catenula.validator.worker_link import WorkerLink

RETRY_SECONDS = 2.0
LONGEST_RETRY_SECONDS = 30.0

CROSS_CHAIN = codec_of(CrossChainRequest)


class _Entry:
    __slots__ = ("attempts", "request", "timer")

    def __init__(self, request: CrossChainRequest) -> None:
        self.request = request
        self.attempts = 0
        self.timer: asyncio.TimerHandle | None = None


class PeerQueue:
    """The requests to one other worker; bounded, in memory only."""

    def __init__(self, link: WorkerLink) -> None:
        self._link = link
        self._ready: dict[Key, _Entry] = {}
        self._later: dict[Key, _Entry] = {}
        self._in_flight: dict[Key, _Entry | None] = {}
        self.dropped = 0
        self.repeated = 0
        link.on_open = self._peer_is_back

    @property
    def size(self) -> int:
        """Requests that wait or are under way."""
        return len(self._ready) + len(self._later) + len(self._in_flight)

    def put(self, request: CrossChainRequest) -> None:
        """Send a request as soon as possible."""
        key = key_of(request)
        if key in self._in_flight:
            self._in_flight[key] = _Entry(request)
            return
        self._forget_later(key)
        if key not in self._ready and self.size >= MAX_CROSS_CHAIN_QUEUE:
            self.dropped += 1
            return
        self._ready[key] = _Entry(request)
        self._pump()

    def _forget_later(self, key: Key) -> None:
        entry = self._later.pop(key, None)
        if entry is not None and entry.timer is not None:
            entry.timer.cancel()

    def _pump(self) -> None:
        while (
            self._ready and self._link.is_open and len(self._in_flight) < MAX_DELIVERIES_IN_FLIGHT
        ):
            key = next(iter(self._ready))
            self._send(key, self._ready.pop(key))

    def _send(self, key: Key, entry: _Entry) -> None:
        entry.attempts += 1
        self._in_flight[key] = None
        try:
            future = self._link.deliver(CROSS_CHAIN.to_bcs(entry.request))
        except LocalError:
            self._in_flight.pop(key)
            self._put_off(key, entry)
        else:
            future.add_done_callback(partial(self._answered, key, entry))

    def _answered(self, key: Key, entry: _Entry, future: "asyncio.Future[bytes]") -> None:
        newer = self._in_flight.pop(key)
        failed = future.cancelled() or future.exception() is not None
        if newer is not None:
            self._ready[key] = newer
        elif failed:
            self._put_off(key, entry)
        self._pump()

    def _put_off(self, key: Key, entry: _Entry) -> None:
        if entry.attempts >= MAX_DELIVERY_ATTEMPTS:
            self.dropped += 1
            return
        self.repeated += 1
        delay = min(RETRY_SECONDS * entry.attempts, LONGEST_RETRY_SECONDS)
        loop = asyncio.get_running_loop()
        entry.timer = loop.call_later(delay, self._retry, key, entry)
        self._later[key] = entry

    def _retry(self, key: Key, entry: _Entry) -> None:
        if self._later.get(key) is entry:
            del self._later[key]
            self._ready[key] = entry
            self._pump()

    def _peer_is_back(self) -> None:
        for key, entry in tuple(self._later.items()):
            self._forget_later(key)
            self._ready.setdefault(key, entry)
        self._pump()

    def stop(self) -> None:
        """Forget everything; the outboxes have it."""
        for key in tuple(self._later):
            self._forget_later(key)
        self._ready.clear()


class Peers:
    """All other workers of a validator, by the number of the worker; None stands for this one."""

    def __init__(
        self, links: Sequence[WorkerLink | None], worker_of: Callable[[ChainId], int]
    ) -> None:
        self._links, self._worker_of = links, worker_of
        self._queues = [None if link is None else PeerQueue(link) for link in links]

    def send(self, request: CrossChainRequest) -> None:
        """Pass on a request to whoever serves its chain.

        A request to a chain that should be served here is dropped: its partition was lost, and the
        sender's outbox keeps it until that is settled.
        """
        queue = self._queues[self._worker_of(target_chain_id(request))]
        if queue is not None:
            queue.put(request)

    @property
    def size(self) -> int:
        """Requests that wait or are under way."""
        return sum(queue.size for queue in self._queues if queue is not None)

    @property
    def dropped(self) -> int:
        """Requests that were given up; outboxes have them."""
        return sum(queue.dropped for queue in self._queues if queue is not None)

    def told(self) -> Told:
        """What was counted of requests to other workers."""
        return {
            "cross_chain_peer_waiting": self.size,
            "cross_chain_peer_dropped_total": self.dropped,
            "cross_chain_peer_retries_total": sum(
                queue.repeated for queue in self._queues if queue is not None
            ),
        }

    def start(self) -> None:
        """Connect to the others."""
        for link in self._links:
            if link is not None:
                link.start()

    async def stop(self) -> None:
        """Disconnect."""
        for queue in self._queues:
            if queue is not None:
                queue.stop()
        for link in self._links:
            if link is not None:
                await link.stop()
