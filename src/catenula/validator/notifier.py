"""Fan-out of notifications to subscribers: best effort, never persisted (spec 06 §6)."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Generic, Protocol, TypeVar

from catenula.base.counting import Told, plain
from catenula.base.identifiers import ChainId
from catenula.base.limits import MAX_SUBSCRIBER_QUEUE


class AboutChain(Protocol):
    """Something that concerns one chain."""

    @property
    def chain_id(self) -> ChainId:
        """The chain."""
        ...


_N = TypeVar("_N", bound=AboutChain)


class Subscription(Generic[_N]):
    """A bounded queue of notifications; the oldest are dropped when nobody reads them."""

    def __init__(self, notifier: "Notifier[_N]", chain_ids: Sequence[ChainId]) -> None:
        self.chain_ids = tuple(dict.fromkeys(chain_ids))
        self.dropped = 0
        self._notifier = notifier
        self._queue: deque[_N] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._error: Exception | None = None

    def put(self, notification: _N) -> None:
        """Offer a notification."""
        if len(self._queue) >= MAX_SUBSCRIBER_QUEUE:
            self._queue.popleft()
            self.dropped += 1
            self._notifier.skipped += 1
        self._queue.append(notification)
        self._signal()

    def fail(self, error: Exception) -> None:
        """End the stream with an error once the queue is empty."""
        self._error = error
        self._signal()

    def close(self) -> None:
        """Stop receiving."""
        self._notifier.remove(self)

    def _signal(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def next(self) -> _N:
        """The next notification; waits for it."""
        while not self._queue:
            if self._error is not None:
                raise self._error
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        return self._queue.popleft()

    async def __aiter__(self) -> AsyncIterator[_N]:
        try:
            while True:
                yield await self.next()
        finally:
            self.close()


class Notifier(Generic[_N]):
    """The subscribers of one node, by chain; to notifications, or to their messages."""

    def __init__(self) -> None:
        self._by_chain: dict[ChainId, list[Subscription[_N]]] = {}
        self.sent = self.skipped = self.unheard = 0
        """Notifications handed to subscribers, lost because one lagged, and for nobody."""
        self.watchers: list[Callable[[_N], None]] = []
        """Parts of the node itself that hear of every notification; they must not block."""

    def subscribe(self, chain_ids: Sequence[ChainId]) -> Subscription[_N]:
        """Receive the notifications of these chains from now on."""
        subscription = Subscription(self, chain_ids)
        for chain_id in subscription.chain_ids:
            self._by_chain.setdefault(chain_id, []).append(subscription)
        return subscription

    def remove(self, subscription: Subscription[_N]) -> None:
        """Forget a subscriber."""
        for chain_id in subscription.chain_ids:
            rest = [item for item in self._by_chain.get(chain_id, []) if item is not subscription]
            if rest:
                self._by_chain[chain_id] = rest
            else:
                self._by_chain.pop(chain_id, None)

    def notify(self, notifications: Sequence[_N]) -> None:
        """Hand notifications to whoever listens; does not wait."""
        for notification in notifications:
            for watcher in self.watchers:
                watcher(notification)
            subscriptions = self._by_chain.get(notification.chain_id)
            if subscriptions is None:
                self.unheard += 1
                continue
            self.sent += len(subscriptions)
            for subscription in subscriptions:
                subscription.put(notification)

    def told(self) -> Told:
        """What was counted, by the names of spec 06 §9; for the process that has subscribers."""
        return {
            "notifications_sent_total": self.sent,
            "notifications_skipped_receiver_lag": plain(self.skipped),
            "notifications_dropped_no_receiver": plain(self.unheard),
        }

    def fail_all(self, error: Exception) -> None:
        """End every subscription with an error (the node stops)."""
        for subscriptions in list(self._by_chain.values()):
            for subscription in subscriptions:
                subscription.fail(error)
        self._by_chain.clear()
