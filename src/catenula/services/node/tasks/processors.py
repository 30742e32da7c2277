"""All applications whose tasks are carried out: those named at the start, and a controller's.

The controller is an application on the default chain. It is asked for the state of this worker at
every block of that chain: the services it lists are run, the chains listened to (spec 08 §2.8).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ApplicationId, ChainId
from catenula.services.node.tasks.answers import (
    WORKER_STATE_QUERY,
    WorkerState,
    read_worker_state,
)
from catenula.services.node.tasks.application import ApplicationTasks, Desk
from catenula.services.node.tasks.settings import TaskSettings

_LOGGER = logging.getLogger(__name__)

Listen = Callable[[Iterable[ChainId]], None]


class TaskProcessors:
    """Carries out tasks on the default chain and wherever the controller says.

    ``listen`` follows further chains. `start` it, `wake` it at each new block, `stop` it.
    """

    def __init__(
        self, desk: Desk, settings: TaskSettings, chain_id: ChainId, *, listen: Listen
    ) -> None:
        self._desk, self._settings, self._chain_id = desk, settings, chain_id
        self._listen = listen
        self._running: dict[tuple[ChainId, ApplicationId], ApplicationTasks] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        self._due = asyncio.Event()
        self._following: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._run_exactly(WorkerState())
        if self._settings.controller is not None:
            self._due.set()
            self._following = asyncio.create_task(self._follow(self._settings.controller))

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

    async def _follow(self, controller: ApplicationId) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                outcome = await self._desk.ask(self._chain_id, controller, WORKER_STATE_QUERY)
                self._run_exactly(read_worker_state(outcome.response))
            except (ProtocolError, LocalError) as error:
                _LOGGER.warning("the controller %s does not answer: %s", controller, error)
                await self._desk.clock.sleep_until(self._desk.retry_at())
                self._due.set()

    def _run_exactly(self, state: WorkerState) -> None:
        """Run the services that are wanted now, end others, listen to what is needed."""
        own = {(self._chain_id, application) for application in self._settings.applications}
        wanted = own | state.services
        self._listen(sorted(state.chains | {chain_id for chain_id, _ in state.services}))
        for place in set(self._running) - wanted:
            ending = asyncio.create_task(self._running.pop(place).stop())
            self._stopping.add(ending)
            ending.add_done_callback(self._stopping.discard)
        for place in sorted(wanted - set(self._running)):
            self._running[place] = ApplicationTasks(self._desk, *place)
