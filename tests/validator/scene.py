"""A validator behind its driver, with a network that makes blocks for it."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from catenula.base.errors import LocalError
from catenula.execution.applications import NativeApplications
from catenula.protocol import ConfirmedBlockCertificate, Notification
from catenula.storage.engine import Fence, Group, Store
from catenula.storage.memory import MemoryStore
from catenula.testing.faulty_store import FaultyStore
from catenula.testing.tiny_network import TinyNetwork, transfer
from catenula.validator.committer import CommitCounters, Committer, InlineCommitter, OnDone
from catenula.validator.driver import NodeDriver
from catenula.worker import Worker, WorkerConfig, initialize_store

T = TypeVar("T")

LOOP_TURNS = 50
"""Turns of the event loop after which everything that can go on has gone on."""


async def turns(count: int = LOOP_TURNS) -> None:
    """Let all other tasks run as far as they can."""
    for _ in range(count):
        await asyncio.sleep(0)


def start(request: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    """Begin a request in the background."""
    return asyncio.ensure_future(request)


class GatedCommitter:
    """Commits when the test says so, one request at a time and in order."""

    inline = False

    def __init__(self, store: Store) -> None:
        self._store = store
        self.counters = CommitCounters()
        self.gates: list[tuple[Sequence[Group], OnDone, tuple[Fence, ...]]] = []

    def commit_now(self, groups: Sequence[Group], fence: Fence | None = None) -> None:
        self._store.commit(groups, () if fence is None else (fence,))

    def submit(
        self,
        groups: Sequence[Group],
        on_done: OnDone,
        *,
        is_urgent: bool = True,
        fence: Fence | None = None,
    ) -> None:
        self.gates.append((groups, on_done, () if fence is None else (fence,)))

    def hurry(self) -> None:
        """Only the test opens gates."""

    async def commit(self, groups: Sequence[Group], fence: Fence | None = None) -> None:
        self.commit_now(groups, fence)

    async def open(self) -> None:
        """Let the oldest commit through, and see what follows."""
        groups, on_done, fences = self.gates.pop(0)
        error: LocalError | None = None
        try:
            self._store.commit(groups, fences)
        except LocalError as caught:
            error = caught
        on_done(error)
        await turns()

    async def open_all(self) -> None:
        """Let all commits through, and those that follow from them."""
        for _ in range(LOOP_TURNS):
            await turns()
            if not self.gates:
                return
            await self.open()
        raise LocalError("commits follow each other without end", retryable=False)

    async def settled(self) -> None:
        for _ in range(LOOP_TURNS**2):
            if not self.gates:
                return
            await asyncio.sleep(0)
        raise LocalError("nobody opens the gate", retryable=False)

    async def close(self) -> None:
        return


class Scene:
    """The driver of a validator over a store with planned faults.

    Make it inside the running event loop.
    """

    def __init__(
        self,
        *,
        gated: bool = False,
        committer: Committer | None = None,
        workers: int = 1,
        store: FaultyStore | None = None,
    ) -> None:
        self.network = TinyNetwork()
        self.clock = self.network.clock
        self.chain_ids = self.network.chain_ids
        self.store = store or FaultyStore(MemoryStore())
        self.gated = GatedCommitter(self.store)
        if committer is None:
            committer = self.gated if gated else InlineCommitter(self.store)
        self.workers = [
            Worker(
                self.store,
                config=WorkerConfig(),
                secret=self.network.secrets[0],
                applications=NativeApplications(),
            )
            for _ in range(workers)
        ]
        initialize_store(self.workers[0].shared, self.network.genesis)
        self.driver = NodeDriver(
            self.workers, committer=committer, clock=self.clock, address="the validator"
        )
        self.heard: list[Notification] = []

    async def listen(self, *chain_ids: object) -> "asyncio.Task[None]":
        """Collect the notifications of all chains in `heard`."""
        stream = self.driver.subscribe(self.chain_ids)

        async def collect() -> None:
            async for notification in stream:
                self.heard.append(notification)

        task = start(collect())
        await turns()
        return task

    async def settle(self) -> None:
        """Let all commits through until no message is under way."""
        settled = start(self.driver.settled())
        for _ in range(LOOP_TURNS):
            await self.gated.open_all()
            if settled.done():
                return await settled
        raise LocalError("messages never come to rest", retryable=False)

    def block(
        self, sender: int = 0, recipient: int = 1, amount: int = 1
    ) -> ConfirmedBlockCertificate:
        """A final block that sends one message; the validator does not know it."""
        chain_ids = self.chain_ids
        return self.network.execute(chain_ids[sender], transfer(chain_ids[recipient], amount))
