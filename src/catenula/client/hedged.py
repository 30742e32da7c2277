"""Downloads any honest validator can serve: one at a time, a slow one overtaken (spec 07 §3.2).

The order is random among equally good validators, drawn from an injected source, so that load
spreads and tests repeat.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any, Generic, NamedTuple, TypeVar

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.integers import Timestamp
from catenula.client.errors import DownloadFailed, Explanation, Reason
from catenula.client.quorum import node_error_of
from catenula.client.remote_node import RemoteNode
from catenula.client.scores import Scores
from catenula.protocol.node_error import describe_node_error
from catenula.validator.clock import Clock

V = TypeVar("V")


class Hedging(NamedTuple):
    """How hedged requests are timed and ordered.

    ``delay_us`` is how long a validator may take at most before another one is asked as well; with
    ``scores``, better ones are asked first, and a late one is overtaken sooner.
    """

    clock: Clock
    random: Random
    delay_us: int
    scores: Scores | None = None

    def order(self, nodes: Sequence[RemoteNode]) -> list[RemoteNode]:
        """Whom to ask first; equally good ones by chance."""
        order = list(nodes)
        self.random.shuffle(order)
        if self.scores is not None:
            order.sort(key=self.scores.rank)
        return order

    def delay_before(self, number: int) -> int:
        """How long to wait, in microseconds, before one more than ``number`` are asked."""
        late = self.delay_us
        if self.scores is not None:
            late = min(late, self.scores.late_after_us())
        return late * number * number


async def hedged(
    nodes: Sequence[RemoteNode],
    operation: Callable[[RemoteNode], Awaitable[V]],
    *,
    hedging: Hedging,
    what: str,
) -> V:
    """The first success of ``operation``; another node is asked when one fails or is slow.

    Raises `DownloadFailed` with each node's reason; ``what`` names the thing for people.
    """
    race = _Race(operation, hedging.order(nodes))
    try:
        return await race.run(hedging)
    except _AllFailed:
        raise _download_failed(what, race.failures) from None
    finally:
        race.cancel()


class _AllFailed(Exception):
    """No node is left and none is running."""


class _Race(Generic[V]):
    def __init__(
        self, operation: Callable[[RemoteNode], Awaitable[V]], order: list[RemoteNode]
    ) -> None:
        self._operation = operation
        self._waiting = order[::-1]
        self._running: dict[asyncio.Task[V], RemoteNode] = {}
        self._started = 0
        self._timer: asyncio.Task[None] | None = None
        self.failures: list[tuple[RemoteNode, Exception]] = []

    async def run(self, hedging: Hedging) -> V:
        self._start_next(hedging)
        while self._running:
            awaited: set[asyncio.Task[Any]] = {*self._running}
            if self._timer is not None:
                awaited.add(self._timer)
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in self._running if task.done()]:
                remote = self._running.pop(task)
                error = task.exception()
                if error is None:
                    return task.result()
                if not isinstance(error, ProtocolError | LocalError):
                    raise error
                self.failures.append((remote, error))
                self._start_next(hedging)
            if self._timer is not None and self._timer.done():
                self._start_next(hedging)
        raise _AllFailed

    def _start_next(self, hedging: Hedging) -> None:
        self._stop_timer()
        if not self._waiting:
            return
        remote = self._waiting.pop()
        self._running[asyncio.ensure_future(self._operation(remote))] = remote
        self._started += 1
        if self._waiting:
            delay = hedging.delay_before(self._started)
            deadline = Timestamp(hedging.clock.now() + delay)
            self._timer = asyncio.ensure_future(hedging.clock.sleep_until(deadline))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def cancel(self) -> None:
        self._stop_timer()
        for task in self._running:
            task.cancel()


def _download_failed(what: str, failures: list[tuple[RemoteNode, Exception]]) -> DownloadFailed:
    reasons = tuple(
        Reason(describe_node_error(node_error_of(error)), str(remote.public_key), remote.address, 0)
        for remote, error in failures
    )
    return DownloadFailed(
        Explanation(
            f"No validator could give {what}",
            reasons=reasons,
            next_step="check that it exists and that the validators are running, then try again",
        )
    )
