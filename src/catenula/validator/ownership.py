"""Which chains a process may write, where several processes use one store (design §3 rule 3).

Chains fall into `PARTITIONS` partitions. Whoever writes a chain shows the fence of its partition
with the commit, and a commit with an overtaken fence writes nothing (S4): so there is one writer
per chain among all processes (W1), also while one of them is slow to notice its replacement.

`PartitionOwnership` is for the workers of a validator: each takes its partitions over at its start
and stops serving one when another worker takes it. Data that all chains share has no fence.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId
from catenula.protocol import CrossChainRequest
from catenula.storage.engine import Fence, StaleFence, Store

PARTITIONS = 64
"""Partitions of chains: the unit in which chains move between workers."""

_SCOPE = b"partition/"


def partition_of(chain_id: ChainId) -> int:
    """The partition of a chain, 0…63; chain ids are uniformly distributed."""
    return chain_id[0] % PARTITIONS


def scope_of(partition: int) -> bytes:
    """The name of a partition in fences."""
    return _SCOPE + bytes((partition,))


def partition_of_scope(scope: bytes) -> int:
    """The partition that a fence is for."""
    return scope[-1]


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


class Ownership(ABC):
    """What a driver asks before it runs a handler and when a commit was refused."""

    @abstractmethod
    def serves(self, chain_id: ChainId) -> bool:
        """Whether this process runs handlers of the chain."""

    @abstractmethod
    def enter(self, chain_id: ChainId) -> Fence:
        """A handler of the chain is about to run: the fence for its commit; `NotServedHere`."""

    @abstractmethod
    def send_elsewhere(self, request: CrossChainRequest) -> None:
        """Pass on a request to a chain that is not served here."""

    @abstractmethod
    def lose(self, stale: StaleFence) -> LocalError:
        """A commit was refused; what those who waited for it are told.

        The driver then forgets the partition's chains.
        """


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
        elsewhere: Callable[[CrossChainRequest], None] | None = None,
    ) -> None:
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

    def enter(self, chain_id: ChainId) -> Fence:
        """See `Ownership`."""
        partition = partition_of(chain_id)
        fence = self._fences.get(partition)
        if fence is None:
            raise NotServedHere(partition, chain_id)
        return fence

    def send_elsewhere(self, request: CrossChainRequest) -> None:
        """See `Ownership`; without a way to other workers the sender's outbox keeps it."""
        if self._elsewhere is not None:
            self._elsewhere(request)

    def lose(self, stale: StaleFence) -> LocalError:
        """See `Ownership`."""
        partition = partition_of_scope(stale.fence.scope)
        if self._fences.get(partition) == stale.fence:
            del self._fences[partition]
            for callback in self.on_loss:
                callback(partition)
        return NotServedHere(partition)
