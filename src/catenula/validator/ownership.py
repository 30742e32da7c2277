"""Which chains a process may write, where several processes use one store (design §3 rule 3).

Chains fall into `PARTITIONS` partitions. Whoever writes a chain shows the fence of its partition
with the commit, and a commit with an overtaken fence writes nothing (S4): so there is one writer
per chain among all processes (W1), also while one of them is slow to notice its replacement.

- `PartitionOwnership` is for the workers of a validator: each takes its partitions over at its
  start and stops serving one when another worker takes it.
- `SharedOwnership` is for the processes of one client store: ownership goes to whoever writes. The
  fence of a commit names the write it was computed from, so that it fails when another process has
  written since (W7); what is in memory is dropped and the request runs again.

Data that all chains share has no fence.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId
from catenula.storage.engine import Fence, StaleFence, Store

if TYPE_CHECKING:
    from catenula.protocol import CrossChainRequest

PARTITIONS = 64
"""Partitions of chains: the unit in which chains move between workers."""

_SCOPE = b"partition/"
_PROCESS_SCOPE = b"process"
_PROCESS_BITS = 24
"""A token of a shared store: how often the scope was taken, then the number of who took it."""


def partition_of(chain_id: ChainId) -> int:
    """The partition of a chain, 0…63; chain ids are uniformly distributed."""
    return chain_id[0] % PARTITIONS


def scope_of(partition: int) -> bytes:
    """The name of a partition in fences."""
    return _SCOPE + bytes((partition,))


def partition_of_scope(scope: bytes) -> int | None:
    """The partition that a fence is for, or None."""
    return scope[-1] if scope.startswith(_SCOPE) else None


class NotServedHere(LocalError):
    """Another process serves the chain's partition; it may be asked at once."""

    def __init__(self, partition: int, chain_id: ChainId | None = None) -> None:
        chain = "" if chain_id is None else f" (chain {chain_id})"
        super().__init__(
            f"partition {partition}{chain} is served by another worker now; ask again",
            retryable=True,
            partition=partition,
        )
        self.partition = partition


class Overtaken(LocalError):
    """Another process wrote first; nothing was written, and the request may run again."""

    def __init__(self) -> None:
        super().__init__(
            "other processes kept changing what this one was working on; try again when they are "
            "less busy",
            retryable=True,
        )


class Ownership(ABC):
    """What a driver asks before it runs a handler and when a commit was refused.

    ``forgetters`` are called with a scope when another process has written to it: nothing of it in
    memory is worth anything any more.
    """

    def __init__(self) -> None:
        self.forgetters: list[Callable[[bytes], None]] = []

    def _forget(self, scope: bytes) -> None:
        for forget in self.forgetters:
            forget(scope)

    @abstractmethod
    def serves(self, chain_id: ChainId) -> bool:
        """Whether this process runs handlers of the chain."""

    @abstractmethod
    def enter(self, chain_id: ChainId) -> None:
        """A handler of the chain is about to run; raises `NotServedHere`."""

    @abstractmethod
    def fence(self, chain_id: ChainId) -> Fence:
        """The fence for the writes of a handler that has just run, in the same step."""

    @abstractmethod
    def send_elsewhere(self, request: "CrossChainRequest") -> None:
        """Pass on a request to a chain that is not served here."""

    @abstractmethod
    def lose(self, stale: StaleFence) -> LocalError:
        """A commit was refused, and its chain forgotten; what those who waited for it are told."""


class PartitionOwnership(Ownership):
    """The partitions of one worker, taken over when it is made.

    ``elsewhere`` receives the requests to chains of other workers. ``on_loss`` functions are called
    with the number of a partition that another worker has taken; `regain` takes one back.
    """

    def __init__(
        self,
        store: Store,
        partitions: Iterable[int] = range(PARTITIONS),
        *,
        elsewhere: "Callable[[CrossChainRequest], None] | None" = None,
    ) -> None:
        super().__init__()
        self._store, self._elsewhere = store, elsewhere
        self._fences: dict[int, Fence] = {}
        self.on_loss: list[Callable[[int], None]] = []
        self.regain(partitions)

    @property
    def partitions(self) -> frozenset[int]:
        """The partitions that are served here now."""
        return frozenset(self._fences)

    def regain(self, partitions: Iterable[int]) -> None:
        """Take partitions over, durably; whoever had them cannot write to them any more."""
        wanted = sorted(partitions)
        fences = self._store.acquire_all([scope_of(partition) for partition in wanted])
        self._fences.update(zip(wanted, fences, strict=True))

    def serves(self, chain_id: ChainId) -> bool:
        """See `Ownership`."""
        return partition_of(chain_id) in self._fences

    def enter(self, chain_id: ChainId) -> None:
        """See `Ownership`."""
        self.fence(chain_id)

    def fence(self, chain_id: ChainId) -> Fence:
        """See `Ownership`."""
        partition = partition_of(chain_id)
        fence = self._fences.get(partition)
        if fence is None:
            raise NotServedHere(partition, chain_id)
        return fence

    def send_elsewhere(self, request: "CrossChainRequest") -> None:
        """See `Ownership`; without a way to other workers the sender's outbox keeps it."""
        if self._elsewhere is not None:
            self._elsewhere(request)

    def lose(self, stale: StaleFence) -> LocalError:
        """See `Ownership`."""
        partition = stale.fence.scope[-1]
        self._forget(stale.fence.scope)
        if self._fences.get(partition) == stale.fence:
            del self._fences[partition]
            for callback in self.on_loss:
                callback(partition)
        return NotServedHere(partition)


class SharedOwnership(Ownership):
    """Ownership that follows the writes, for the processes that share a client's store.

    Every write raises its scope's token, so that others notice it. Reading goes through `look`,
    which drops what another process has changed. Within one step of the event loop everything is
    read from one state of the store.
    """

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self._process = 0
        self._counter = 0
        self._tokens: dict[bytes, list[int]] = {}
        """By scope the token that was stored when last seen, and those of our writes after it."""
        self._looked_at: set[bytes] = set()
        self._in_step = False

    def serves(self, chain_id: ChainId) -> bool:
        """See `Ownership`; every process serves all chains."""
        return True

    def send_elsewhere(self, request: "CrossChainRequest") -> None:
        """See `Ownership`; there is no elsewhere."""

    def enter(self, chain_id: ChainId) -> None:
        """See `Ownership`."""
        self.look(chain_id)

    def fence(self, chain_id: ChainId) -> Fence:
        """See `Ownership`."""
        return self.next_fence(scope_of(partition_of(chain_id)))

    def look(self, chain_id: ChainId) -> None:
        """The chain is about to be read: drop it if another process has written to it."""
        self.look_at(scope_of(partition_of(chain_id)))

    def look_at(self, scope: bytes) -> None:
        """A scope is about to be read: forget it if another process has written to it.

        A token that is neither what was stored last nor one of our own writes is another's; then
        our writes that are still under way will be refused, because each requires the one before.
        """
        if scope in self._looked_at:
            return
        in_step = self._begin_step()
        stored, known = self._store.token(scope), self._tokens.get(scope, [])
        if stored in known:
            del known[: known.index(stored)]
        else:
            self._tokens[scope] = [stored]
            self._forget(scope)
        if in_step:
            self._looked_at.add(scope)

    def next_fence(self, scope: bytes) -> Fence:
        """What a commit must show that is computed from what was just looked at."""
        self.look_at(scope)
        tokens = self._tokens[scope]
        last = tokens[-1]
        self._counter = max(self._counter, last >> _PROCESS_BITS) + 1
        tokens.append(self._counter << _PROCESS_BITS | self._number())
        return Fence(scope, tokens[-1], last)

    def lose(self, stale: StaleFence) -> LocalError:
        """See `Ownership`: those of our writes that build on the refused one will be refused too.

        Otherwise the scope has been read anew since, and nothing else needs to be forgotten.
        """
        self.end_step()
        scope, token, _ = stale.fence
        if token in self._tokens.get(scope, ()):
            del self._tokens[scope]
        return Overtaken()

    def _begin_step(self) -> bool:
        """Read one state of the store until the running step of the event loop ends.

        Commits of this process become known to it later than that end, because both take their
        place in the loop's queue: so it always sees what it has written. False outside of a loop.
        """
        if self._in_step:
            return True
        import asyncio  # Late: commands that read rows of a wallet need no loop.

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        self._in_step = True
        self._store.pin()
        loop.call_soon(self.end_step)
        return True

    def end_step(self) -> None:
        """See new commits again."""
        self._in_step = False
        self._looked_at.clear()
        self._store.unpin()

    def _number(self) -> int:
        """The number of this process among all that ever wrote to the store; it is never 0."""
        while not self._process:
            token = self._store.acquire(_PROCESS_SCOPE).token
            self._process = token % (1 << _PROCESS_BITS)
        return self._process
