"""An event loop in a thread of its own, for programs without ``async``.

Everything that belongs to the loop is touched in its thread only. A call that is interrupted
(Ctrl-C) cancels what it started, waits until that has ended, and then raises.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future, wait
from typing import Any, Generic, TypeVar

from catenula.base.errors import LocalError
from catenula.base.threads import start_guest_thread
from catenula.transport.event_loop import loop_factory

T = TypeVar("T")

_LONGEST_WAIT_SECONDS = 0.5


class LoopThread:
    """The thread; `close` ends it."""

    def __init__(self, name: str) -> None:
        self._loop = (loop_factory() or asyncio.new_event_loop)()
        self._thread = start_guest_thread(self._serve, name=name)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._loop.is_closed()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the thread and return its result, or raise what it raises."""
        if self.is_closed or threading.current_thread() is self._thread:
            work.close()
            raise LocalError(
                "the network is closed, or this was called from its own thread", retryable=False
            )
        task = _Task(work)
        try:
            self._loop.call_soon_threadsafe(task.start)
            # A signal that comes just before a wait does not end it; so no wait is endless.
            while not wait((task.outcome,), _LONGEST_WAIT_SECONDS).done:
                continue
            return task.outcome.result()
        except CancelledError as error:
            raise LocalError("the network was closed meanwhile", retryable=False) from error
        except BaseException:
            self._loop.call_soon_threadsafe(task.cancel)
            wait((task.outcome,))
            raise

    def call(self, function: Callable[[], T]) -> T:
        """Run a plain function in the thread."""

        async def work() -> T:
            return function()

        return self.run(work())

    def close(self) -> None:
        """Cancel what still runs in the thread and end it."""
        if self.is_closed:
            return
        self.run(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


class _Task(Generic[T]):
    """A coroutine on its way through the thread; all methods are called there.

    Made before anything is scheduled, so that an interrupt at any moment finds what to cancel.
    """

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self.outcome: Future[T] = Future()
        self._work = work
        self._task: asyncio.Task[T] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._work)
        self._task.add_done_callback(self._finish)

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
        else:
            self._work.close()
            self.outcome.set_exception(CancelledError())

    def _finish(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self.outcome.set_exception(CancelledError())
        elif (error := task.exception()) is not None:
            self.outcome.set_exception(error)
        else:
            self.outcome.set_result(task.result())


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
