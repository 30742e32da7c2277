"""What one validator announced and has not been looked into: bounded, merged, a few at a time.

Announcements of a chain are merged: a later block stands for earlier ones, a bundle for the earlier
ones of its origin. A chain is looked into by one task at a time, so that its announcements take
effect in order, and a slow answer about one chain holds up no other.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from functools import partial

from msgspec import Struct, field

from catenula.base.identifiers import ChainId
from catenula.base.limits import MAX_ANNOUNCED_PER_CHAIN
from catenula.protocol import NewBlock, NewEvents, NewIncomingBundle, Notification
from catenula.protocol.notifications import Reason


class Announced(Struct):
    """What is known to have happened on one chain; ``catch_up`` asks for everything."""

    reasons: dict[Hashable, Reason] = field(default_factory=dict)
    catch_up: bool = False

    def add(self, reason: Reason) -> bool:
        """Merge; False when there is no room and everything is asked for instead."""
        key = _kind(reason)
        known = self.reasons.get(key)
        if known is None and len(self.reasons) >= MAX_ANNOUNCED_PER_CHAIN:
            self.catch_up = True
            return False
        self.reasons[key] = reason if known is None else _merged(known, reason)
        return True


def _kind(reason: Reason) -> Hashable:
    if isinstance(reason, NewIncomingBundle):
        return reason.origin
    return type(reason)


def _merged(known: Reason, later: Reason) -> Reason:
    if isinstance(known, NewBlock | NewEvents) and isinstance(later, NewBlock | NewEvents):
        streams = {*known.event_streams, *later.event_streams}
        newest = later if later.height >= known.height else known
        return newest.replace(event_streams=tuple(sorted(streams)))
    if isinstance(known, NewIncomingBundle) and isinstance(later, NewIncomingBundle):
        return later if later.height >= known.height else known
    return later


React = Callable[[ChainId, Announced], Awaitable[None]]


class Reactions:
    """The announcements of one validator; ``react`` looks into those of one chain."""

    def __init__(self, react: React, *, limit: int) -> None:
        self._react, self._limit = react, limit
        self._waiting: OrderedDict[ChainId, Announced] = OrderedDict()
        self._running: dict[ChainId, asyncio.Task[None]] = {}
        self._later: OrderedDict[ChainId, None] = OrderedDict()
        self._is_closed = False

    def put(self, notification: Notification) -> None:
        """Look into a notification soon."""
        self._announced(notification.chain_id).add(notification.reason)
        self._start_more()

    def catch_up(self, chain_ids: tuple[ChainId, ...]) -> None:
        """Look for whatever may have been missed of these chains, after all announcements."""
        self._later.update(dict.fromkeys(chain_ids))
        self._start_more()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._later) + len(self._running)

    def _announced(self, chain_id: ChainId) -> Announced:
        found = self._waiting.get(chain_id)
        if found is None:
            found = self._waiting[chain_id] = Announced()
        return found

    def _start_more(self) -> None:
        while not self._is_closed and len(self._running) < self._limit:
            following = self._next()
            if following is None:
                return
            chain_id, announced = following
            task = asyncio.get_running_loop().create_task(self._run(chain_id, announced))
            self._running[chain_id] = task
            task.add_done_callback(partial(self._finished, chain_id))

    def _next(self) -> tuple[ChainId, Announced] | None:
        for chain_id in self._waiting:
            if chain_id not in self._running:
                announced = self._waiting.pop(chain_id)
                if self._later.pop(chain_id, False) is None:
                    announced.catch_up = True
                return chain_id, announced
        for chain_id in self._later:
            if chain_id not in self._running:
                del self._later[chain_id]
                return chain_id, Announced(catch_up=True)
        return None

    async def _run(self, chain_id: ChainId, announced: Announced) -> None:
        await self._react(chain_id, announced)

    def _finished(self, chain_id: ChainId, _: asyncio.Task[None]) -> None:
        del self._running[chain_id]
        self._start_more()

    async def settled(self) -> None:
        """Return when nothing waits or is being looked into."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    async def close(self) -> None:
        """Give up what waits and what is being looked into."""
        self._is_closed = True
        self._waiting.clear()
        self._later.clear()
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
