"""Watching a chain: what validators say about it, as they say it (spec 07 §12.1).

Nothing is fetched. A single validator is not believed: without ``raw`` a notification is passed on
once, as soon as validators of which one must be honest have sent it (K1).
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId
from catenula.base.integers import Timestamp
from catenula.base.limits import MAX_SUBSCRIBER_QUEUE, MAX_WATCHED_NOTIFICATIONS
from catenula.client.context import ClientContext
from catenula.client.remote_node import RemoteNode
from catenula.protocol import Committee, Notification

_log = logging.getLogger(__name__)

_Heard = tuple[RemoteNode, Notification]


async def watch_chain(
    context: ClientContext, chain_id: ChainId, *, raw: bool
) -> AsyncIterator[Notification]:
    """Notifications from now on, without end; with ``raw`` every validator's, as they come."""
    committee = context.committees.current()
    queue: asyncio.Queue[_Heard] = asyncio.Queue(maxsize=MAX_SUBSCRIBER_QUEUE)
    tasks = [
        asyncio.ensure_future(_listen(context, chain_id, remote, queue))
        for remote in context.validators.of(committee)
    ]
    believed = _Believed(committee)
    try:
        while True:
            remote, notification = await queue.get()
            if raw or believed.is_new(remote, notification):
                yield notification
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(
    context: ClientContext, chain_id: ChainId, remote: RemoteNode, queue: asyncio.Queue[_Heard]
) -> None:
    """Pass on what one validator says; a stream that breaks is opened again, ever more rarely."""
    options = context.options
    delay = options.retry_delay_us
    while True:
        try:
            async for notification in remote.node.subscribe((chain_id,)):
                delay = options.retry_delay_us
                await queue.put((remote, notification))
        except (LocalError, ProtocolError) as error:
            # The other validators go on; this one is asked again below.
            _log.info("%s cannot be listened to now: %s", remote.address, error)
        await context.clock.sleep_until(Timestamp(context.clock.now() + delay))
        delay = min(2 * delay, options.max_backoff_us)


class _Believed:
    """Who has sent which of the latest notifications."""

    def __init__(self, committee: Committee) -> None:
        self._committee = committee
        self._senders: OrderedDict[Notification, set[RemoteNode]] = OrderedDict()

    def is_new(self, remote: RemoteNode, notification: Notification) -> bool:
        """Whether just now enough validators have sent it, for the first time."""
        senders = self._senders.setdefault(notification, set())
        if len(self._senders) > MAX_WATCHED_NOTIFICATIONS:
            self._senders.popitem(last=False)
        before = self._weight(senders)
        senders.add(remote)
        needed = self._committee.validity_threshold
        return before < needed <= self._weight(senders)

    def _weight(self, senders: set[RemoteNode]) -> int:
        return sum(self._committee.weight(remote.public_key) for remote in senders)
