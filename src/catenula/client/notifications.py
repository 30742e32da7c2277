"""Listening to validators and reacting: blocks, messages, rounds, events (spec 07 §12).

A notification is one validator's claim: it only says where to look, and what is found is checked.
Reactions that fail are counted and their last reason kept; the next notification or `synchronize`
repairs what they left.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from enum import IntEnum

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId
from catenula.base.integers import MICROSECONDS_PER_SECOND, Timestamp
from catenula.client.context import ClientContext
from catenula.client.processing import synchronize_streams_from
from catenula.client.received import receive_bundle
from catenula.client.remote_node import RemoteNode
from catenula.client.synchronize import fetch_chain_info, has_owner, synchronize_chain_from
from catenula.protocol import (
    NewBlock,
    NewEvents,
    NewIncomingBundle,
    NewRound,
    Notification,
    StreamId,
)

FIRST_PROBE_US = 300 * MICROSECONDS_PER_SECOND
LAST_PROBE_US = 3_600 * MICROSECONDS_PER_SECOND
"""A validator that cannot be listened to is tried again after these delays, doubling between."""


class ListeningMode(IntEnum):
    """How much of a chain is followed (spec 07 §1.1); only ever raised."""

    EVENTS_ONLY = 0
    FOLLOW_CHAIN = 1
    FULL_CHAIN = 2


class _Followed:
    """One followed chain."""

    __slots__ = ("mode", "streams")

    def __init__(self, mode: ListeningMode) -> None:
        self.mode = mode
        self.streams: set[StreamId] = set()


class Listener:
    """Follows chains: one subscription per validator for all of them.

    ``on_change`` hears of each chain whose local copy or inbox changed because of a notification.
    """

    def __init__(
        self, context: ClientContext, on_change: Callable[[ChainId], None] | None = None
    ) -> None:
        self._context = context
        self._on_change = on_change
        self._followed: dict[ChainId, _Followed] = {}
        self._tasks: dict[RemoteNode, asyncio.Task[None]] = {}
        self.failures = 0
        self.last_failure: Exception | None = None

    def follow(
        self,
        chain_ids: Sequence[ChainId],
        mode: ListeningMode = ListeningMode.FULL_CHAIN,
        streams: Sequence[StreamId] = (),
    ) -> None:
        """Listen to these chains from now on; modes are only raised, streams only added."""
        for chain_id in chain_ids:
            followed = self._followed.setdefault(chain_id, _Followed(mode))
            followed.mode = max(followed.mode, mode)
            followed.streams.update(streams)
            if followed.mode is ListeningMode.FULL_CHAIN:
                self._context.local.worker.track_chain(chain_id)
        self.restart()

    def restart(self) -> None:
        """Subscribe anew to the validators of the current committee."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks = {
            remote: asyncio.ensure_future(self._listen(remote)) for remote in self._context.nodes()
        }

    async def stop(self) -> None:
        """End all subscriptions."""
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, remote: RemoteNode) -> None:
        delay = FIRST_PROBE_US
        while True:
            try:
                async for notification in self._subscribe(remote):
                    delay = FIRST_PROBE_US
                    await self._react_safely(remote, notification)
            except (ProtocolError, LocalError) as error:
                self._record(error)
            clock = self._context.clock
            await clock.sleep_until(Timestamp(clock.now() + delay))
            delay = min(2 * delay, LAST_PROBE_US)

    async def _subscribe(self, remote: RemoteNode) -> AsyncIterator[Notification]:
        """The notifications of a validator; the subscription ends with whoever reads it."""
        notifications = remote.node.subscribe(tuple(self._followed))
        try:
            async for notification in notifications:
                yield notification
        finally:
            await _close(notifications)

    async def _react_safely(self, remote: RemoteNode, notification: Notification) -> None:
        try:
            changed = await self.react(remote, notification)
        except (ProtocolError, LocalError) as error:
            self._record(error)
        else:
            if changed and self._on_change is not None:
                self._on_change(notification.chain_id)

    def _record(self, error: Exception) -> None:
        self.failures += 1
        self.last_failure = error

    async def react(self, remote: RemoteNode, notification: Notification) -> bool:
        """Do what a notification of this validator asks for; whether it was relevant."""
        chain_id, reason = notification.chain_id, notification.reason
        followed = self._followed.get(chain_id)
        if followed is None:
            return False
        if followed.mode is ListeningMode.EVENTS_ONLY:
            if isinstance(reason, NewBlock | NewEvents):
                return await self._follow_streams(remote, chain_id, reason.event_streams)
            return False
        if isinstance(reason, NewIncomingBundle):
            if followed.mode is not ListeningMode.FULL_CHAIN:
                return False
            await receive_bundle(
                self._context, chain_id, remote, origin=reason.origin, height=reason.height
            )
            return True
        if isinstance(reason, NewBlock):
            return await self._follow_blocks(remote, chain_id, reason)
        if isinstance(reason, NewRound) and followed.mode is ListeningMode.FULL_CHAIN:
            await self._synchronize(remote, chain_id)
            return True
        return False

    async def _follow_blocks(self, remote: RemoteNode, chain_id: ChainId, block: NewBlock) -> bool:
        if self._context.local.chain(chain_id).next_block_height <= block.height:
            await fetch_chain_info(self._context, chain_id)
            await self._synchronize(remote, chain_id)
        return True

    async def _synchronize(self, remote: RemoteNode, chain_id: ChainId) -> None:
        owned = has_owner(self._context, chain_id)
        await synchronize_chain_from(self._context, chain_id, remote, with_consensus=owned)

    async def _follow_streams(
        self, remote: RemoteNode, chain_id: ChainId, announced: Sequence[StreamId]
    ) -> bool:
        wanted = self._followed[chain_id].streams.intersection(announced)
        if not wanted:
            return False
        await synchronize_streams_from(self._context, remote, chain_id, streams=sorted(wanted))
        return True


async def _close(notifications: AsyncIterator[Notification]) -> None:
    """End a subscription that is an asynchronous generator at once, not when it is collected."""
    close = getattr(notifications, "aclose", None)
    if close is not None:
        with contextlib.suppress(RuntimeError):
            await close()
