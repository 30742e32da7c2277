"""Inboxes that empty themselves: listens to all chains of a wallet and reacts (spec 07 §12.3).

What happens is heard from the client's own node, which has checked it; validators only say where to
look. For a chain at rest nothing is kept but its subscription, so a wallet may have many.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId
from catenula.base.integers import Timestamp
from catenula.base.limits import MAX_REMEMBERED_FAILURES
from catenula.client.background import Update
from catenula.client.client import Client
from catenula.client.commit import adopt_children
from catenula.client.inbox_task import RETRY_AFTER_US, OnBlock
from catenula.client.notifications import ListeningMode
from catenula.client.options import ListenerOptions
from catenula.client.outcomes import WaitForTimeout
from catenula.client.synchronize import synchronize_admin_chain
from catenula.protocol import (
    NewBlock,
    NewEvents,
    NewIncomingBundle,
    NewRound,
    Notification,
    StreamId,
)
from catenula.validator.clock import Clock

OnNotification = Callable[[Notification], None]


class ChainListener:
    """Follows chains of a client and takes in what arrives for those it can propose on.

    ``on_block`` hears of each block that is made here, ``on_notification`` of everything that
    happens on a followed chain. Errors do not end it: `failures` has the last one of each chain,
    which is tried again later.
    """

    def __init__(
        self,
        client: Client,
        on_block: OnBlock | None = None,
        *,
        options: ListenerOptions | None = None,
        on_notification: OnNotification | None = None,
    ) -> None:
        self._client, self._context = client, client.context
        self._options = options or ListenerOptions()
        self._on_block, self._on_notification = on_block, on_notification
        self._listener = client.listener(self._announced)
        limit = client.context.options.max_joined_tasks
        self._inboxes = _Inboxes(self._take_in, client.context.clock, limit=limit)
        self._subscribers: dict[ChainId, set[ChainId]] = {}
        self._adopting: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._is_started = False
        self.failures: OrderedDict[ChainId, Exception] = OrderedDict()

    def start(self, chain_ids: Iterable[ChainId] | None = None) -> None:
        """Follow these chains, by default all of the wallet; and the admin chain in any case.

        All of the wallet means also those that other processes put into it later, or take away.
        """
        found = self._client.wallet.chain_ids() if chain_ids is None else list(chain_ids)
        if chain_ids is None and self._looking is None and self._context.turns is not None:
            loop = asyncio.get_running_loop()
            self._looking = loop.create_task(self._look_at_wallet(set(found)))
        if not self._is_started:
            self._is_started = True
            self._context.local.driver.notifier.watchers.append(self._heard)
            self._listener.follow((self._client.admin_chain_id,), ListeningMode.FOLLOW_CHAIN)
        self.listen(found)

    async def synchronize(self) -> None:
        """Learn of committees before anything else, as services do when they start."""
        await synchronize_admin_chain(self._context)

    def listen(self, chain_ids: Iterable[ChainId]) -> None:
        """Follow more chains: with an owner in the wallet in full, others as readers."""
        owned: list[ChainId] = []
        others: list[ChainId] = []
        for chain_id in chain_ids:
            row = self._client.wallet.chain(chain_id)
            (others if row is None or row.owner is None else owned).append(chain_id)
        self._listener.follow(others, ListeningMode.FOLLOW_CHAIN)
        self._listener.follow(owned, ListeningMode.FULL_CHAIN)
        for chain_id in (*owned, *others):
            self._follow_publishers(chain_id)
        for chain_id in owned:
            self.wake(chain_id)

    async def _look_at_wallet(self, known: set[ChainId]) -> None:
        """Follow chains that appear in the wallet, and leave those that disappear."""
        clock, interval = self._context.clock, self._options.wallet_look_us
        while True:
            await clock.sleep_until(Timestamp(clock.now() + interval))
            try:
                present = set(self._client.wallet.chain_ids())
                self.listen(sorted(present - known))
            except LocalError as error:
                self._failed(self._client.admin_chain_id, error)
                continue
            for chain_id in known - present:
                self.stop_listening(chain_id)
            known = present

    def stop_listening(self, chain_id: ChainId) -> None:
        """Pay no attention to a chain any more; it stays in the wallet."""
        self._listener.unfollow(chain_id)
        self._inboxes.forget(chain_id)

    def follows(self, chain_id: ChainId) -> bool:
        """Whether anything of a chain is listened to."""
        return self._listener.mode_of(chain_id) is not None

    def wake(self, chain_id: ChainId) -> None:
        """Look into the inbox of a chain soon, if this client can propose on it."""
        row = self._client.wallet.chain(chain_id)
        if row is None or row.owner is None or self._options.skip_process_inbox:
            return
        if self._listener.mode_of(chain_id) is ListeningMode.FULL_CHAIN:
            self._inboxes.wake(chain_id)

    async def settled(self) -> None:
        """Return when all that was announced and has arrived is taken in; waits not included."""
        await self._listener.settled()
        await self._inboxes.settled()

    async def stop(self) -> None:
        """Stop listening and end all tasks."""
        watchers = self._context.local.driver.notifier.watchers
        if self._heard in watchers:
            watchers.remove(self._heard)
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await self._listener.stop()
        await self._inboxes.close()
        for task in self._adopting:
            task.cancel()
        await asyncio.gather(*self._adopting, return_exceptions=True)

    # What happens

    def _announced(self, notification: Notification) -> None:
        """A validator's announcement was looked into; rounds are not news of our own node."""
        if isinstance(notification.reason, NewRound):
            self._push(notification.chain_id)
            self.wake(notification.chain_id)

    def _push(self, chain_id: ChainId) -> None:
        """Validators may lack what made the round rise: give them what is known here."""
        height = self._context.local.known_height(chain_id)
        for remote in self._context.nodes():
            self._context.updates.submit(remote, Update(chain_id, height))

    def _heard(self, notification: Notification) -> None:
        """The client's own node tells of something; it must not be held up."""
        chain_id, reason = notification.chain_id, notification.reason
        mode = self._listener.mode_of(chain_id)
        if mode is None:
            return
        if isinstance(reason, NewIncomingBundle):
            self.wake(chain_id)
        elif isinstance(reason, NewBlock) and mode is not ListeningMode.EVENTS_ONLY:
            self._heard_of_block(chain_id, reason, is_full=mode is ListeningMode.FULL_CHAIN)
        if isinstance(reason, NewBlock | NewEvents) and reason.event_streams:
            for subscriber in self._subscribers.get(chain_id, ()):
                self.wake(subscriber)
        if self._on_notification is not None:
            self._on_notification(notification)

    def _heard_of_block(self, chain_id: ChainId, block: NewBlock, *, is_full: bool) -> None:
        if chain_id == self._client.admin_chain_id:
            self._listener.refresh()
        self._follow_publishers(chain_id)
        if is_full:
            task = asyncio.get_running_loop().create_task(self._adopt(block))
            self._adopting.add(task)
            task.add_done_callback(self._adopting.discard)

    async def _adopt(self, reason: NewBlock) -> None:
        """Take over chains that a block created for keys of this client, and listen to them."""
        certificate = self._context.local.shared.certificate(reason.hash)
        if certificate is None:
            return
        created = certificate.block.created_chains()
        if not created:
            return
        try:
            await adopt_children(self._context, certificate)
        except (ProtocolError, LocalError) as error:
            self._failed(certificate.chain_id, error)
        wallet = self._client.wallet
        self.listen(each.chain_id for each in created if wallet.chain(each.chain_id) is not None)

    def _follow_publishers(self, chain_id: ChainId) -> None:
        """Events that a chain is subscribed to come in blocks of their publishers."""
        subscriptions = self._context.local.chain(chain_id).execution.system.event_subscriptions
        by_publisher: dict[ChainId, list[StreamId]] = {}
        for publisher, stream in subscriptions.keys():  # noqa: SIM118  # A view.
            by_publisher.setdefault(publisher, []).append(stream)
        for publisher, streams in by_publisher.items():
            self._subscribers.setdefault(publisher, set()).add(chain_id)
            self._listener.follow((publisher,), ListeningMode.EVENTS_ONLY, streams)

    # Inboxes

    async def _take_in(self, chain_id: ChainId) -> Timestamp | None:
        """Make blocks of what waits; when to look again even if nothing happens."""
        options, clock = self._options, self._context.clock
        if options.delay_before_us:
            await clock.sleep_until(Timestamp(clock.now() + options.delay_before_us))
        until = await self._process_inbox(chain_id)
        if options.delay_after_us:
            await clock.sleep_until(Timestamp(clock.now() + options.delay_after_us))
        return until

    async def _process_inbox(self, chain_id: ChainId) -> Timestamp | None:
        clock = self._context.clock
        try:
            certificates, stopped = await self._client.chain(chain_id).process_inbox()
        except (ProtocolError, LocalError) as error:
            self._failed(chain_id, error)
            return Timestamp(clock.now() + RETRY_AFTER_US)
        self.failures.pop(chain_id, None)
        if self._on_block is not None:
            for certificate in certificates:
                self._on_block(certificate)
        if isinstance(stopped, WaitForTimeout):
            # A round whose time is up goes on only with a quorum: that is not worth trying all
            # the time.
            now = clock.now()
            is_over = stopped.timestamp <= now
            return Timestamp(now + RETRY_AFTER_US) if is_over else stopped.timestamp
        # After a conflict there may be more to do on top of the other block.
        return clock.now() if stopped is not None else None

    def _failed(self, chain_id: ChainId, error: Exception) -> None:
        self.failures[chain_id] = error
        if len(self.failures) > MAX_REMEMBERED_FAILURES:
            self.failures.popitem(last=False)


class _Inboxes:
    """Which inboxes to look into: each by one task at a time, few at once, some again later."""

    def __init__(
        self,
        take_in: Callable[[ChainId], Awaitable[Timestamp | None]],
        clock: Clock,
        *,
        limit: int,
    ) -> None:
        self._take_in, self._clock, self._limit = take_in, clock, limit
        self._waiting: OrderedDict[ChainId, None] = OrderedDict()
        self._running: dict[ChainId, asyncio.Task[None]] = {}
        self._timers: dict[ChainId, asyncio.Task[None]] = {}
        self._is_closed = False

    def wake(self, chain_id: ChainId) -> None:
        """Look into a chain's inbox soon, and once more if that is being done."""
        timer = self._timers.pop(chain_id, None)
        if timer is not None and timer is not asyncio.current_task():
            timer.cancel()
        self._waiting[chain_id] = None
        self._start_more()

    def forget(self, chain_id: ChainId) -> None:
        """Do not look into a chain's inbox any more."""
        self._waiting.pop(chain_id, None)
        timer = self._timers.pop(chain_id, None)
        if timer is not None:
            timer.cancel()

    def _start_more(self) -> None:
        while not self._is_closed and len(self._running) < self._limit:
            chain_id = next((each for each in self._waiting if each not in self._running), None)
            if chain_id is None:
                return
            del self._waiting[chain_id]
            task = asyncio.get_running_loop().create_task(self._run(chain_id))
            self._running[chain_id] = task
            task.add_done_callback(partial(self._finished, chain_id))

    async def _run(self, chain_id: ChainId) -> None:
        until = await self._take_in(chain_id)
        if until is not None and not self._is_closed:
            sleep = self._sleep(chain_id, until)
            self._timers[chain_id] = asyncio.get_running_loop().create_task(sleep)

    async def _sleep(self, chain_id: ChainId, until: Timestamp) -> None:
        await self._clock.sleep_until(until)
        self.wake(chain_id)

    def _finished(self, chain_id: ChainId, _: asyncio.Task[None]) -> None:
        del self._running[chain_id]
        self._start_more()

    async def settled(self) -> None:
        """Return when no inbox is being looked into or waits for it."""
        while self._running:
            await asyncio.wait(list(self._running.values()))

    async def close(self) -> None:
        """End all tasks."""
        self._is_closed = True
        self._waiting.clear()
        tasks = [*self._running.values(), *self._timers.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._timers.clear()
