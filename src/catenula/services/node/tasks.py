"""Work that applications have done by programs outside of the chain (spec 08 §2.8).

An application is asked for its next tasks when there is a new block, when it wants to be asked, and
after each group of tasks. What a program prints goes back to it, and the operations it wants then
become a block. A group that fails is tried again after a while: as the application then lists it,
or, where the application has us remember how far it is (a cursor), from where it failed.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ApplicationId
from catenula.base.integers import U64_MAX, Timestamp
from catenula.base.limits import MAX_TASK_OUTPUT_BYTES, MAX_TASK_SECONDS, MAX_TASKS_AT_ONCE
from catenula.client.chain_client import ChainClient
from catenula.services.node.errors import ServiceRefusal

_LOGGER = logging.getLogger(__name__)
_US_PER_SECOND = 1_000_000
_PART_BYTES = 1 << 16


class Task(msgspec.Struct, frozen=True):
    """Something to be done; tasks with the same id, or none, belong together."""

    operator: str
    input: str
    id: str | None = None


class Actions(msgspec.Struct, frozen=True):
    """What an application wants."""

    execute_tasks: list[Task] = []
    request_callback: int | None = None
    set_cursor: str | None = None


class _Answer(msgspec.Struct):
    class Data(msgspec.Struct, rename={"actions": "nextActions"}):
        actions: Actions

    data: Data


class TaskProcessor:
    """The tasks of one application on one chain; `start` it, `wake` it, `stop` it."""

    def __init__(
        self,
        chain: ChainClient,
        application_id: ApplicationId,
        *,
        operators: Mapping[str, Path],
        retry_seconds: float,
    ) -> None:
        self.chain, self.application_id = chain, application_id
        self._operators, self._retry_seconds = operators, retry_seconds
        self._is_due = asyncio.Event()
        self._cursor: str | None = None
        self._running: dict[str | None, asyncio.Task[bool]] = {}
        self._limit = asyncio.Semaphore(MAX_TASKS_AT_ONCE)
        self._loop_task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to ask."""
        self._is_due.set()
        self._loop_task = asyncio.get_running_loop().create_task(self._run())

    def wake(self) -> None:
        """The chain has a new block."""
        self._is_due.set()

    async def stop(self) -> None:
        """Ask no more; programs that are working are killed."""
        tasks: list[asyncio.Task[Any]] = list(self._running.values())
        if self._loop_task is not None:
            tasks.append(self._loop_task)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()

    # Asking

    async def _run(self) -> None:
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            try:
                actions = await self._next_actions()
            except (ProtocolError, LocalError) as error:
                _LOGGER.warning("%s could not be asked for tasks: %s", self.application_id, error)
                self._wake_in(self._retry_seconds)
                continue
            self._take(actions)

    async def _next_actions(self) -> Actions:
        now = self.chain.context.clock.now()
        cursor = msgspec.json.encode(self._cursor).decode()
        query = f"query {{ nextActions(cursor: {cursor}, now: {now}) }}"
        outcome = await self.chain.query_application(
            self.application_id, msgspec.json.encode({"query": query})
        )
        try:
            return msgspec.json.decode(outcome.response, type=_Answer).data.actions
        except msgspec.DecodeError as error:
            shown = outcome.response[:200].decode("utf-8", "replace")
            raise ServiceRefusal(f"the application gave no tasks but {shown}") from error

    def _take(self, actions: Actions) -> None:
        groups: dict[str | None, list[Task]] = {}
        for task in actions.execute_tasks:
            groups.setdefault(task.id, []).append(task)
        if actions.set_cursor is not None:
            self._cursor = actions.set_cursor
        for identifier, tasks in groups.items():
            if identifier not in self._running:
                work = asyncio.get_running_loop().create_task(self._do_all(tasks))
                self._running[identifier] = work
                work.add_done_callback(partial(self._done, identifier))
        if actions.request_callback is not None:
            self._wake_at(Timestamp(min(actions.request_callback, U64_MAX)))

    def _done(self, identifier: str | None, done: asyncio.Task[bool]) -> None:
        self._running.pop(identifier, None)
        if done.cancelled():
            return
        if done.exception() is None and done.result():
            self._is_due.set()
        else:
            self._wake_in(self._retry_seconds)

    def _wake_at(self, time: Timestamp) -> None:
        self._wake_in(max(0, time - self.chain.context.clock.now()) / _US_PER_SECOND)

    def _wake_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        when = loop.time() + min(seconds, MAX_TASK_SECONDS)
        if self._timer is not None and loop.time() < self._timer.when() <= when:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(when, self._is_due.set)

    # Doing

    async def _do_all(self, tasks: Sequence[Task]) -> bool:
        """Do tasks one after the other; whether all are done."""
        for task in tasks:
            while not await self._is_done(task):
                if self._cursor is None:
                    return False
                await asyncio.sleep(self._retry_seconds)
        return True

    async def _is_done(self, task: Task) -> bool:
        try:
            await self._do(task)
        except (ProtocolError, LocalError) as error:
            _LOGGER.warning("a task of %s failed: %s", self.application_id, error)
            return False
        return True

    async def _do(self, task: Task) -> None:
        program = self._operators.get(task.operator)
        if program is None:
            raise LocalError(
                f"no program is registered for the operator {task.operator!r}; start the service "
                f"with --operators {task.operator}=PROGRAM",
                retryable=False,
            )
        async with self._limit:
            output = await run_program(program, task.input)
        given = {"operator": task.operator, "output": output}
        if task.id is not None:
            given["id"] = task.id
        shown = ", ".join(f"{name}: {_quoted(value)}" for name, value in sorted(given.items()))
        query = f"query {{ processTaskOutcome(outcome: {{{shown}}}) }}"
        outcome = await self.chain.query_application(
            self.application_id, msgspec.json.encode({"query": query})
        )
        if outcome.operations:
            await self.chain.commit(outcome.operations)


def _quoted(text: str) -> str:
    """A text as a literal of GraphQL, whose escapes are those of JSON."""
    return msgspec.json.encode(text).decode()


async def run_program(program: Path, given: str) -> str:
    """What a program prints when it gets this on stdin.

    Raises `LocalError` when it cannot be started, fails, takes too long or prints too much.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise LocalError(f"{program} cannot be started: {error}", retryable=False) from error
    try:
        async with asyncio.timeout(MAX_TASK_SECONDS):
            printed = await _converse(process, given.encode())
    except TimeoutError as error:
        text = f"{program} did not finish within {MAX_TASK_SECONDS:g} s"
        raise LocalError(text, retryable=True) from error
    finally:
        if process.returncode is None:
            _kill(process)
            await _drained(process)
    if len(printed) > MAX_TASK_OUTPUT_BYTES:
        text = f"{program} printed more than {MAX_TASK_OUTPUT_BYTES} bytes"
        raise LocalError(text, retryable=False)
    if process.returncode:
        raise LocalError(f"{program} ended with status {process.returncode}", retryable=True)
    return printed.decode("utf-8", "replace")


def _kill(process: asyncio.subprocess.Process) -> None:
    """End a program and all that it has started, which may hold its output open."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def _drained(process: asyncio.subprocess.Process) -> None:
    """What is in the pipe has to be read before the end of the process is noticed."""
    if process.stdout is not None:
        while await process.stdout.read(_PART_BYTES):
            pass
    await process.wait()


async def _converse(process: asyncio.subprocess.Process, given: bytes) -> bytes:
    """What a program prints, or a little more than it may; a program need not read its input."""
    printed = bytearray()
    if process.stdin is None or process.stdout is None:
        return b""
    process.stdin.write(given)
    process.stdin.close()
    while part := await process.stdout.read(_PART_BYTES):
        if len(printed) <= MAX_TASK_OUTPUT_BYTES:
            printed += part
        elif process.returncode is None:
            _kill(process)
    await process.wait()
    return bytes(printed)
