"""Listening to validators and reacting: blocks, messages, rounds, events (spec 07 §12).

A notification is one validator's claim: it only says where to look, and what is found is checked.
Reactions that fail are counted and their last reason kept; the next notification or `synchronize`
repairs what they left. What changed is told by the notifications of the client's own node.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId
from catenula.base.limits import MAX_REACTIONS_PER_VALIDATOR
from catenula.client.breaker import CircuitBreaker
from catenula.client.context import ClientContext
from catenula.client.message_policy import MessagePolicy
from catenula.client.processing import synchronize_streams_from
from catenula.client.reactions import Announced, Reactions
from catenula.client.received import receive_bundle, receive_log_of
from catenula.client.remote_node import RemoteNode
from catenula.client.streams import ValidatorStreams
from catenula.client.synchronize import fetch_chain_info, has_owner, synchronize_chain_from
from catenula.protocol import (
    ChainInfo,
    NewBlock,
    NewEvents,
    NewIncomingBundle,
    NewRound,
    Notification,
    StreamId,
)

OnChange = Callable[[Notification], None]


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
    """Follows chains at all validators of the current committee.

    ``on_change`` hears of each relevant notification, once what it announced is here;
    ``policy_of`` gives a chain's message policy, so that ignored messages are not fetched.
    """

    def __init__(
        self,
        context: ClientContext,
        on_change: OnChange | None = None,
        policy_of: Callable[[ChainId], MessagePolicy] | None = None,
    ) -> None:
        self._context, self._on_change, self._policy_of = context, on_change, policy_of
        self._followed: dict[ChainId, _Followed] = {}
        self._new: list[ChainId] = []
        self._validators: dict[RemoteNode, ValidatorStreams] = {}
        self._refreshing: asyncio.Handle | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self.failures = 0
        self.last_failure: Exception | None = None

    # What is followed

    def follow(
        self,
        chain_ids: Iterable[ChainId],
        mode: ListeningMode = ListeningMode.FULL_CHAIN,
        streams: Iterable[StreamId] = (),
    ) -> None:
        """Listen to these chains from now on; modes are only raised, streams only added."""
        wanted = tuple(streams)
        for chain_id in chain_ids:
            followed = self._followed.get(chain_id)
            if followed is None:
                followed = self._followed[chain_id] = _Followed(mode)
                self._new.append(chain_id)
            followed.mode = max(followed.mode, mode)
            followed.streams.update(wanted)
            if followed.mode is ListeningMode.FULL_CHAIN:
                self._context.local.worker.track_chain(chain_id)
        self.refresh()

    def unfollow(self, chain_id: ChainId) -> None:
        """Pay no attention to a chain any more."""
        self._followed.pop(chain_id, None)

    def mode_of(self, chain_id: ChainId) -> ListeningMode | None:
        """How a chain is followed; None when it is not."""
        followed = self._followed.get(chain_id)
        return None if followed is None else followed.mode

    def refresh(self) -> None:
        """Listen to new chains, and to the validators of the current committee, very soon."""
        if self._refreshing is None:
            self._refreshing = asyncio.get_running_loop().call_soon(self._refresh)

    def _refresh(self) -> None:
        self._refreshing = None
        added, self._new = self._new, []
        current = self._context.nodes()
        for remote in [remote for remote in self._validators if remote not in current]:
            task = asyncio.ensure_future(self._validators.pop(remote).close())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
        for remote in current:
            streams = self._validators.get(remote)
            if streams is None:
                streams = self._validators[remote] = self._streams_of(remote)
                streams.add(tuple(self._followed))
            elif added:
                streams.add(added)

    def _streams_of(self, remote: RemoteNode) -> ValidatorStreams:
        context = self._context

        async def react(chain_id: ChainId, announced: Announced) -> None:
            await self._react_safely(remote, chain_id, announced)

        return ValidatorStreams(
            remote,
            Reactions(react, limit=MAX_REACTIONS_PER_VALIDATOR),
            clock=context.clock,
            breaker=CircuitBreaker(context.options, context.clock, context.random),
            record=self._record,
        )

    @property
    def validators(self) -> list[ValidatorStreams]:
        """The streams to each validator, for inspection."""
        return list(self._validators.values())

    async def settled(self) -> None:
        """Return when everything that was announced so far has been looked into."""
        while busy := [each for each in self._validators.values() if len(each.reactions)]:
            await asyncio.gather(*(each.reactions.settled() for each in busy))

    async def stop(self) -> None:
        """End all subscriptions."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            self._refreshing = None
        validators, self._validators = list(self._validators.values()), {}
        await asyncio.gather(*(each.close() for each in validators), *self._ending)

    def _record(self, error: Exception) -> None:
        self.failures += 1
        self.last_failure = error

    # Reactions

    async def _react_safely(
        self, remote: RemoteNode, chain_id: ChainId, announced: Announced
    ) -> None:
        notifications = [Notification(chain_id, reason) for reason in announced.reasons.values()]
        try:
            if announced.catch_up:
                await self._catch_up(remote, chain_id)
            for notification in notifications:
                changed = await self.react(remote, notification)
                if changed and self._on_change is not None:
                    self._on_change(notification)
        except (ProtocolError, LocalError) as error:
            self._record(error)

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
        is_full = followed.mode is ListeningMode.FULL_CHAIN
        if isinstance(reason, NewIncomingBundle):
            return is_full and await self._receive(remote, chain_id, reason)
        if isinstance(reason, NewBlock):
            return await self._follow_blocks(remote, chain_id, reason)
        if isinstance(reason, NewRound) and is_full:
            await self._synchronize(remote, chain_id)
            return True
        return False

    async def _catch_up(self, remote: RemoteNode, chain_id: ChainId) -> None:
        """Learn what a validator knew before its stream was in force."""
        followed = self._followed.get(chain_id)
        if followed is None:
            return
        if followed.mode is ListeningMode.EVENTS_ONLY:
            await self._follow_streams(remote, chain_id, tuple(followed.streams))
            return
        info = await self._synchronize(remote, chain_id)
        if (
            followed.mode is ListeningMode.FULL_CHAIN
            and not self._policy(chain_id).ignores_messages
        ):
            await receive_log_of(self._context, chain_id, remote, count=info.count_received_log)

    def _policy(self, chain_id: ChainId) -> MessagePolicy:
        if self._policy_of is not None:
            return self._policy_of(chain_id)
        return self._context.options.message_policy

    async def _receive(
        self, remote: RemoteNode, chain_id: ChainId, bundle: NewIncomingBundle
    ) -> bool:
        if not self._policy(chain_id).allows_messages_from(bundle.origin):
            return False
        return await receive_bundle(
            self._context, chain_id, remote, origin=bundle.origin, height=bundle.height
        )

    async def _follow_blocks(self, remote: RemoteNode, chain_id: ChainId, block: NewBlock) -> bool:
        if self._context.local.chain(chain_id).next_block_height > block.height:
            return False
        await self._synchronize(remote, chain_id)
        return True

    async def _synchronize(self, remote: RemoteNode, chain_id: ChainId) -> ChainInfo:
        if not self._context.local.chain(chain_id).is_described:
            await fetch_chain_info(self._context, chain_id)
        owned = has_owner(self._context, chain_id)
        return await synchronize_chain_from(self._context, chain_id, remote, with_consensus=owned)

    async def _follow_streams(
        self, remote: RemoteNode, chain_id: ChainId, announced: Sequence[StreamId]
    ) -> bool:
        wanted = self._followed[chain_id].streams.intersection(announced)
        if not wanted:
            return False
        await synchronize_streams_from(self._context, remote, chain_id, streams=sorted(wanted))
        return True
