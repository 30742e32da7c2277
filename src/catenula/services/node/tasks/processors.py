"""All applications whose tasks are carried out: those named at the start, and a controller's.

The controller is an application on the default chain. It is asked for the state of this worker at
every block of that chain: the services it lists are run, its chains listened to with its message
policies (spec 08 §2.8). A controller that does not know this worker is told of it, once.
"""

import asyncio
import logging
from collections.abc import Collection
from typing import Protocol

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import AccountOwner, ApplicationId, ChainId
from catenula.client.message_policy import MessagePolicy
from catenula.protocol import UserOperation
from catenula.services.node.tasks.answers import (
    WORKER_STATE_QUERY,
    BadAnswer,
    WorkerState,
    read_worker_state,
    register_operation,
)
from catenula.services.node.tasks.application import ApplicationTasks, Desk, watched
from catenula.services.node.tasks.settings import TaskSettings

_LOGGER = logging.getLogger(__name__)


class Chains(Protocol):
    """The chains of the client that a controller decides on."""

    def owner(self, chain_id: ChainId) -> AccountOwner | None:
        """Who proposes on a chain."""
        ...

    async def listen(self, chain_id: ChainId, owner: AccountOwner) -> None:
        """Follow a chain, for an owner if that may propose there; raises `ClientError`."""
        ...

    def stop_listening(self, chain_id: ChainId) -> None:
        """Follow a chain no more, unless it is followed for another reason."""
        ...

    def set_policy(self, chain_id: ChainId, policy: MessagePolicy) -> None:
        """Choose which messages are taken in."""
        ...


class TaskProcessors:
    """Carries out tasks on the default chain and wherever the controller says.

    `start` it, `wake` it at each new block, `stop` it.
    """

    def __init__(
        self, desk: Desk, settings: TaskSettings, chain_id: ChainId, *, chains: Chains
    ) -> None:
        self._desk, self._settings, self._chain_id = desk, settings, chain_id
        self._chains = chains
        self._running: dict[tuple[ChainId, ApplicationId], ApplicationTasks] = {}
        self._listened: set[ChainId] = set()
        self._stopping: set[asyncio.Task[None]] = set()
        self._due = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self._is_registered = False

    def start(self) -> None:
        """Begin."""
        self._run_exactly(frozenset())
        if self._settings.controller is not None:
            self._due.set()
            self._following = watched(self._follow(self._settings.controller))

    def wake(self, chain_id: ChainId) -> None:
        """A chain has a new block."""
        if chain_id == self._chain_id:
            self._due.set()
        for (running_on, _), tasks in self._running.items():
            if running_on == chain_id:
                tasks.wake()

    async def stop(self) -> None:
        """End everything."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        running, self._running = list(self._running.values()), {}
        await asyncio.gather(*(tasks.stop() for tasks in running), *self._stopping)

    @property
    def running(self) -> frozenset[tuple[ChainId, ApplicationId]]:
        """The applications whose tasks are carried out, and where."""
        return frozenset(self._running)

    # The controller

    async def _follow(self, controller: ApplicationId) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                outcome = await self._desk.ask(self._chain_id, controller, WORKER_STATE_QUERY)
                await self._obey(controller, read_worker_state(outcome.response))
            except (ProtocolError, LocalError) as error:
                _LOGGER.warning("the controller %s cannot be followed: %s", controller, error)
                await self._desk.clock.sleep_until(self._desk.retry_at())
                self._due.set()

    async def _obey(self, controller: ApplicationId, state: WorkerState) -> None:
        own = self._chains.owner(self._chain_id)
        if own is None:
            raise BadAnswer("the default chain has no owner here, so that this is no worker")
        if state.owner is None:
            await self._register(controller, own)
            return
        if state.owner != own:
            raise BadAnswer(f"the controller knows this worker as {state.owner}, but it is {own}")
        for chain_id, policy in state.policies.items():
            self._chains.set_policy(chain_id, policy)
        await self._listen_exactly(state.listened(), own)
        self._run_exactly(state.services)

    async def _register(self, controller: ApplicationId, owner: AccountOwner) -> None:
        """The answer to a registration is a block, at which the controller is asked again."""
        if not self._is_registered:
            told = register_operation(owner, self._settings.operators)
            await self._desk.execute(self._chain_id, (UserOperation(controller, told),))
            self._is_registered = True

    async def _listen_exactly(self, wanted: frozenset[ChainId], owner: AccountOwner) -> None:
        for chain_id in sorted(self._listened - wanted):
            self._chains.stop_listening(chain_id)
            self._listened.remove(chain_id)
        for chain_id in sorted(wanted - self._listened):
            await self._chains.listen(chain_id, owner)
            self._listened.add(chain_id)

    # Applications

    def _run_exactly(self, services: Collection[tuple[ChainId, ApplicationId]]) -> None:
        """Run the services that are wanted now, besides our own, and end others."""
        own = {(self._chain_id, application) for application in self._settings.applications}
        wanted = own.union(services)
        for place in set(self._running) - wanted:
            ending = asyncio.create_task(self._running.pop(place).stop())
            self._stopping.add(ending)
            ending.add_done_callback(self._stopping.discard)
        for place in sorted(wanted - set(self._running)):
            self._running[place] = ApplicationTasks(self._desk, *place)
