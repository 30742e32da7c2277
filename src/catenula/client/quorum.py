"""Asking all validators and acting as soon as a quorum agrees (spec 07 §4).

`Tally` is the pure part: it counts answers and errors by weight and says when nothing more needs
to be awaited. `communicate_with_quorum` runs one action per validator and cancels what is still
under way once it is settled, so that a dead or slow validator is never waited for.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, NamedTuple, TypeVar

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.integers import Timestamp
from catenula.base.limits import MAX_ERROR_GROUPS
from catenula.client.errors import (
    Explanation,
    LocalNodeLagging,
    NoQuorum,
    Reason,
    ValidatorFailure,
)
from catenula.client.remote_node import RemoteNode
from catenula.protocol import Committee, NodeError, NodeErrorReceived
from catenula.protocol.node_error import ResponseHandlingError
from catenula.validator.clock import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Agreement(NamedTuple, Generic[K, V]):
    """What a quorum agreed on, and every answer with that key."""

    key: K
    answers: list[tuple[RemoteNode, V]]


class Tally(Generic[K, V]):
    """Weights of answers by key and of errors by kind."""

    def __init__(self, committee: Committee, group_by: Callable[[V], K]) -> None:
        self.quorum: int = committee.quorum_threshold
        self.validity: int = committee.validity_threshold
        self.remaining: int = committee.total_votes
        self.best = 0
        self._committee = committee
        self._group_by = group_by
        self._weights: dict[K, int] = {}
        self._answers: dict[K, list[tuple[RemoteNode, V]]] = {}
        self.failures: list[ValidatorFailure] = []
        self.lagging: list[tuple[RemoteNode, LocalNodeLagging]] = []

    def add_answer(self, remote: RemoteNode, answer: V) -> None:
        """Count a validator's answer."""
        weight = self._committee.weight(remote.public_key)
        key = self._group_by(answer)
        self.remaining -= weight
        total = self._weights[key] = self._weights.get(key, 0) + weight
        self._answers.setdefault(key, []).append((remote, answer))
        self.best = max(self.best, total)

    def add_error(self, remote: RemoteNode, error: Exception) -> None:
        """Count a validator's failure."""
        weight = self._committee.weight(remote.public_key)
        self.remaining -= weight
        if isinstance(error, LocalNodeLagging):
            self.lagging.append((remote, error))
        name = str(remote.public_key)
        failure = ValidatorFailure(name, remote.address, weight, node_error_of(error))
        self.failures.append(failure)

    @property
    def has_quorum(self) -> bool:
        """Whether some answer has a quorum."""
        return self.best >= self.quorum

    @property
    def is_settled(self) -> bool:
        """Whether no further answer can change whether there is a quorum."""
        return self.best >= self.quorum or self.best + self.remaining < self.quorum

    def agreement(self) -> Agreement[K, V]:
        """What a quorum agreed on, else `NoQuorum`."""
        for key, weight in self._weights.items():
            if weight >= self.quorum:
                return Agreement(key, self._answers[key])
        raise self.failure()

    def error_groups(self) -> list[tuple[NodeError, int]]:
        """The heaviest groups of equal errors with their weights."""
        groups: dict[NodeError, int] = {}
        for failure in self.failures:
            groups[failure.error] = groups.get(failure.error, 0) + failure.weight
        heaviest_first = sorted(groups.items(), key=lambda group: -group[1])
        return heaviest_first[:MAX_ERROR_GROUPS]

    def failure(self) -> NoQuorum:
        """Why there is no quorum, with each validator's reason."""
        groups = self.error_groups()
        is_trusted = bool(groups) and groups[0][1] >= self.validity
        votes = sorted(self._weights.values(), reverse=True)
        agreed = f"at most {self.best} votes agree, {self.quorum} are needed"
        reasons = tuple(failure.reason() for failure in self.failures)
        if len(votes) > 1:
            split = " + ".join(str(weight) for weight in votes)
            reasons = (*reasons, Reason(f"the validators split {split} over different answers"))
        failure = NoQuorum(
            Explanation(
                f"The validators did not agree: {agreed}",
                reasons=reasons,
                next_step="check that the validators named above are running, then try again",
            ),
            quorum=self.quorum,
            votes=votes,
            groups=groups,
            trusted=groups[0][0] if is_trusted else None,
        )
        failure.lagging = tuple(self.lagging)
        return failure


def node_error_of(error: Exception) -> NodeError:
    """The wire form an error is counted by; failures here become `ResponseHandlingError`."""
    if isinstance(error, LocalNodeLagging):
        return node_error_of(error.original)
    if isinstance(error, NodeErrorReceived):
        return error.error
    return ResponseHandlingError(str(error))


class Patience(NamedTuple):
    """How long to collect more than a quorum: ``grace`` times what the quorum took."""

    clock: Clock
    grace: float = 0.0


def _accept(remote: RemoteNode, answer: object) -> None:
    """For answers that the action itself has verified."""


class Counting(NamedTuple, Generic[K, V]):
    """How answers are counted: by which key, and after which check.

    ``verify`` raises for an answer that must not count; answers beyond the quorum that nobody waits
    for are neither verified nor counted.
    """

    group_by: Callable[[V], K]
    verify: Callable[[RemoteNode, V], None] = _accept


async def communicate_with_quorum(
    nodes: Sequence[RemoteNode],
    committee: Committee,
    *,
    action: Callable[[RemoteNode], Awaitable[V]],
    counting: Counting[K, V],
    patience: Patience,
) -> Agreement[K, V]:
    """Run ``action`` on all nodes at once and return what a quorum agrees on.

    Raises `NoQuorum`. Errors other than `ProtocolError` and `LocalError` are bugs and propagate.
    """
    tally = Tally(committee, counting.group_by)
    fan_out = _FanOut(tally, counting.verify, collects_more=patience.grace > 0)
    started = patience.clock.now()
    try:
        fan_out.start(nodes, action)
        await fan_out.settled
        if patience.grace and fan_out.tally.has_quorum:
            now = patience.clock.now()
            deadline = Timestamp(now + int(patience.grace * (now - started)))
            await fan_out.wait_for_all(patience.clock, deadline)
        return fan_out.tally.agreement()
    finally:
        fan_out.cancel()


class _FanOut(Generic[K, V]):
    """The running actions of one call; each reports to the tally as it ends."""

    def __init__(
        self,
        tally: Tally[K, V],
        verify: Callable[[RemoteNode, V], None],
        *,
        collects_more: bool,
    ) -> None:
        self.tally = tally
        self._verify, self._collects_more = verify, collects_more
        loop = asyncio.get_running_loop()
        self.settled: asyncio.Future[None] = loop.create_future()
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    def start(
        self, nodes: Sequence[RemoteNode], action: Callable[[RemoteNode], Awaitable[V]]
    ) -> None:
        loop = asyncio.get_running_loop()
        for remote in nodes:
            task = loop.create_task(self._ask(remote, action))
            task.add_done_callback(self._ended)
            self._tasks.append(task)
        if not nodes:
            self.settled.set_result(None)

    async def _ask(self, remote: RemoteNode, action: Callable[[RemoteNode], Awaitable[V]]) -> None:
        """One action; counted here, because its task ends a turn of the loop later."""
        try:
            answer = await action(remote)
            if self._is_awaited():
                self._verify(remote, answer)
                self.tally.add_answer(remote, answer)
        except (ProtocolError, LocalError) as error:
            if self._is_awaited():
                self.tally.add_error(remote, error)
        if self.tally.is_settled and not self.settled.done():
            self.settled.set_result(None)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Pass a bug on to the one who waits."""
        bug = None if task.cancelled() else task.exception()
        if bug is not None and not self._closed and not self.settled.done():
            self.settled.set_exception(bug)

    def _is_awaited(self) -> bool:
        return not self._closed and (self._collects_more or not self.settled.done())

    async def wait_for_all(self, clock: Clock, deadline: Timestamp) -> None:
        """Collect further answers until all are there or the deadline has passed."""
        timer = asyncio.ensure_future(clock.sleep_until(deadline))
        try:
            while not timer.done() and (running := {t for t in self._tasks if not t.done()}):
                await asyncio.wait({*running, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()

    def cancel(self) -> None:
        """Give up what is still under way."""
        self._closed = True
        for task in self._tasks:
            if not task.done():
                task.cancel()
