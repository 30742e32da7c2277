"""Sending certificates to validators in the background, with bounds (spec 07 §9.2 step 11).

Each validator has a lane: few updates are under way at a time, at most one per chain, and a newer
update of a chain replaces a waiting older one. A slow validator therefore delays nobody, piles up
nothing, and gets everything in the end, because an update brings whatever it lacks of the chain.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from msgspec import Struct

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId
from catenula.base.integers import BlockHeight
from catenula.client.remote_node import RemoteNode
from catenula.protocol import ConfirmedBlockCertificate


class Delivery:
    """Tells when a quorum has acknowledged a block, or can no longer."""

    def __init__(self, quorum: int, total: int) -> None:
        self._quorum, self._remaining, self._weight = quorum, total, 0
        self._enough: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def report(self, weight: int, *, acknowledged: bool) -> None:
        """Count one validator."""
        self._remaining -= weight
        if acknowledged:
            self._weight += weight
        if self._enough.done():
            return
        if self._weight >= self._quorum:
            self._enough.set_result(True)
        elif self._weight + self._remaining < self._quorum:
            self._enough.set_result(False)

    async def settled(self) -> bool:
        """Whether a quorum has acknowledged, once that is known."""
        return await asyncio.shield(self._enough)


class Update(Struct):
    """Bring a validator's copy of a chain up to ``target_height``.

    ``latest`` is the certificate below that height when this client has just assembled it. With
    ``blocking`` the validator answers only when the messages of the blocks are in their inboxes.
    """

    chain_id: ChainId
    target_height: BlockHeight
    latest: ConfirmedBlockCertificate | None = None
    blocking: bool = False
    delivery: Delivery | None = None
    weight: int = 0

    def report(self, *, acknowledged: bool) -> None:
        """Tell whoever waits."""
        if self.delivery is not None:
            self.delivery.report(self.weight, acknowledged=acknowledged)


Send = Callable[[RemoteNode, Update], Awaitable[None]]


class _Lane:
    """The updates of one validator."""

    __slots__ = ("last_error", "running", "waiting")

    def __init__(self) -> None:
        self.running: dict[ChainId, asyncio.Task[None]] = {}
        self.waiting: OrderedDict[ChainId, Update] = OrderedDict()
        self.last_error: Exception | None = None


class BackgroundUpdates:
    """The lanes of all validators of a client."""

    def __init__(self, send: Send, *, limit: int, waiting_limit: int) -> None:
        self._send, self._limit, self._waiting_limit = send, limit, waiting_limit
        self._lanes: dict[RemoteNode, _Lane] = {}
        self._closed = False
        self.dropped = 0

    def submit(self, remote: RemoteNode, update: Update) -> None:
        """Send an update soon; does not wait."""
        lane = self._lanes.get(remote)
        if lane is None:
            lane = self._lanes[remote] = _Lane()
        if self._closed:
            update.report(acknowledged=False)
        elif update.chain_id in lane.running or len(lane.running) >= self._limit:
            self._put_in_line(lane, update)
        else:
            self._start(remote, lane, update)

    def _put_in_line(self, lane: _Lane, update: Update) -> None:
        older = lane.waiting.pop(update.chain_id, None)
        if older is not None:
            older.report(acknowledged=False)
        lane.waiting[update.chain_id] = update
        if len(lane.waiting) > self._waiting_limit:
            _, given_up = lane.waiting.popitem(last=False)
            given_up.report(acknowledged=False)
            self.dropped += 1

    def _start(self, remote: RemoteNode, lane: _Lane, update: Update) -> None:
        task = asyncio.get_running_loop().create_task(self._run(remote, lane, update))
        lane.running[update.chain_id] = task

    async def _run(self, remote: RemoteNode, lane: _Lane, update: Update) -> None:
        acknowledged = False
        try:
            await self._send(remote, update)
            acknowledged = True
        except (ProtocolError, LocalError) as error:
            # Best effort: the validator is brought up to date with the chain's next block.
            lane.last_error = error
        finally:
            del lane.running[update.chain_id]
            update.report(acknowledged=acknowledged)
            self._start_next(remote, lane)

    def _start_next(self, remote: RemoteNode, lane: _Lane) -> None:
        if self._closed:
            return
        for chain_id in lane.waiting:
            if chain_id not in lane.running:
                self._start(remote, lane, lane.waiting.pop(chain_id))
                return

    async def settled_for(self, remote: RemoteNode, chain_id: ChainId) -> None:
        """Return when no update of the chain is under way to the validator."""
        lane = self._lanes.get(remote)
        while lane is not None and (task := lane.running.get(chain_id)) is not None:
            await asyncio.wait((task,))

    def last_error(self, remote: RemoteNode) -> Exception | None:
        """Why the last failed update of a validator failed."""
        lane = self._lanes.get(remote)
        return None if lane is None else lane.last_error

    def pending(self) -> int:
        """How many updates are under way or waiting, to all validators together."""
        return sum(len(lane.running) + len(lane.waiting) for lane in self._lanes.values())

    async def settled(self) -> None:
        """Return when nothing is under way or waiting (tests, programs about to end)."""
        while tasks := [task for lane in self._lanes.values() for task in lane.running.values()]:
            await asyncio.wait(tasks)

    async def close(self) -> None:
        """Give up everything that is not done; the next client brings the validators up to date."""
        self._closed = True
        tasks = [task for lane in self._lanes.values() for task in lane.running.values()]
        for lane in self._lanes.values():
            for update in lane.waiting.values():
                update.report(acknowledged=False)
            lane.waiting.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
