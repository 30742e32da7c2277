"""The tasks of one application on one chain (spec 08 §2.8).

The application's service is asked what is to be done whenever its chain has a new block, at the
time it asked for, and when something has been done. Tasks of a group run in order, groups side by
side; the outcome of each task is handed to the service, and what it wants then becomes a block.

A group that failed is tried again later, from the task that failed: from memory where the service
moved its cursor on, else as the service then tells it. No group runs twice at a time; while tasks
without an id are under way nothing is asked, because the service matches their outcomes by order.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from msgspec import Struct

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ApplicationId, ChainId
from catenula.base.integers import Timestamp
from catenula.base.limits import MIN_TASK_CALLBACK_US
from catenula.execution.queries import QueryOutcome
from catenula.protocol import Operation
from catenula.services.node.tasks.answers import (
    Actions,
    BadAnswer,
    Task,
    next_actions_query,
    outcome_query,
    read_actions,
    read_field,
)
from catenula.services.node.tasks.operators import Operators
from catenula.validator.clock import Clock

_LOGGER = logging.getLogger(__name__)
_US_PER_SECOND = 1_000_000

Ask = Callable[[ChainId, ApplicationId, bytes], Awaitable[QueryOutcome]]
Execute = Callable[[ChainId, Sequence[Operation]], Awaitable[object]]


def watched(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task whose end by a bug is told at once."""
    task = asyncio.create_task(work)
    task.add_done_callback(_tell_of_bug)
    return task


def _tell_of_bug(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        _LOGGER.error("a task processor has stopped: %s", error, exc_info=error)


class Desk(Struct, frozen=True):
    """What tasks are carried out with."""

    ask: Ask
    execute: Execute
    operators: Operators
    clock: Clock
    retry_seconds: float

    def retry_at(self) -> Timestamp:
        """When something that fails now is tried again."""
        return Timestamp(self.clock.now() + round(self.retry_seconds * _US_PER_SECOND))


class ApplicationTasks:
    """Carries out what one application asks for; `stop` it at the end."""

    def __init__(self, desk: Desk, chain_id: ChainId, application_id: ApplicationId) -> None:
        self._desk, self._chain_id, self._application_id = desk, chain_id, application_id
        self._cursor: str | None = None
        self._due = asyncio.Event()
        self._due.set()
        self._groups: dict[str | None, asyncio.Task[None]] = {}
        self._alarm: asyncio.Task[None] | None = None
        self._asking = watched(self._keep_asking())

    def wake(self) -> None:
        """Ask again soon: the chain has a new block."""
        self._due.set()

    async def stop(self) -> None:
        """End everything; operators that run are killed."""
        tasks = [self._asking, *self._groups.values(), *filter(None, (self._alarm,))]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # Asking

    async def _keep_asking(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            if None in self._groups:
                continue
            try:
                actions = await self._next_actions()
            except (ProtocolError, LocalError) as error:
                self._failed("cannot be asked for tasks", error)
                self._ring_at(self._desk.retry_at())
                continue
            self._take(actions)

    async def _next_actions(self) -> Actions:
        query = next_actions_query(self._cursor, self._desk.clock.now())
        outcome = await self._desk.ask(self._chain_id, self._application_id, query)
        if outcome.operations:
            raise BadAnswer("nextActions wants to execute operations; only outcomes may")
        return read_actions(outcome.response)

    def _take(self, actions: Actions) -> None:
        has_moved = actions.cursor is not None
        if has_moved:
            self._cursor = actions.cursor
        if actions.callback_at is not None:
            soonest = Timestamp(self._desk.clock.now() + MIN_TASK_CALLBACK_US)
            self._ring_at(max(actions.callback_at, soonest))
        for name, tasks in actions.groups().items():
            if name not in self._groups:
                work = self._run_group(name, tasks, is_kept=has_moved)
                self._groups[name] = watched(work)

    def _ring_at(self, time: Timestamp) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.create_task(self._ring(time))

    async def _ring(self, time: Timestamp) -> None:
        await self._desk.clock.sleep_until(time)
        self._due.set()

    # Carrying out

    async def _run_group(self, name: str | None, tasks: list[Task], *, is_kept: bool) -> None:
        waiting = list(tasks)
        while waiting:
            try:
                await self._run_task(waiting[0])
            except (ProtocolError, LocalError) as error:
                self._failed(f"has a task that failed (operator {waiting[0].operator})", error)
                await self._desk.clock.sleep_until(self._desk.retry_at())
                if not is_kept:
                    break
            else:
                del waiting[0]
        self._groups.pop(name, None)
        self._due.set()

    async def _run_task(self, task: Task) -> None:
        output = await self._desk.operators.run(task.operator, task.input)
        query = outcome_query(task, output)
        outcome = await self._desk.ask(self._chain_id, self._application_id, query)
        read_field(outcome.response, "processTaskOutcome")
        if outcome.operations:
            await self._desk.execute(self._chain_id, outcome.operations)

    def _failed(self, what: str, error: Exception) -> None:
        _LOGGER.warning(
            "the application %s on chain %s %s: %s",
            self._application_id,
            self._chain_id,
            what,
            error,
        )
