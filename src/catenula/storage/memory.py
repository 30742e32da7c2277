"""The ``memory:`` engine: partitions are dicts; an order index is made when one is first scanned.

Nothing survives the process. Reads of single keys take no lock; scans and commits do.
"""

from collections.abc import Mapping, Sequence
from threading import Lock

from catenula.storage.batch import DELETE, PUT, Batch
from catenula.storage.engine import Fence, Group, Partition, Store, check_fences, closed_store
from catenula.storage.ordered_keys import OrderedKeys

MAX_MOVED_KEYS = 1_024
"""Keys that may come and go before the index is brought up to date without a scan."""


class MemoryPartition(Partition):
    """The keys of one root."""

    __slots__ = ("_lock", "_moved", "_order", "_values")

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._values: dict[bytes, bytes] = {}
        self._order: OrderedKeys | None = None
        self._moved: dict[bytes, bool] = {}
        """Keys that came or went since the index was made, and whether it has them."""

    def get(self, key: bytes) -> bytes | None:
        """The stored value, or None."""
        return self._values.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of ``keys``, in their order."""
        return [self._values.get(key) for key in keys]

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """All (key without ``prefix``, value) whose key starts with ``prefix``, ascending."""
        skip, values = len(prefix), self._values
        with self._lock:
            return [(key[skip:], values[key]) for key in self._ordered().starting_with(prefix)]

    def scan_keys(self, prefix: bytes) -> list[bytes]:
        """As `scan`, keys only."""
        skip = len(prefix)
        with self._lock:
            return [key[skip:] for key in self._ordered().starting_with(prefix)]

    def apply(self, batch: Batch) -> None:
        """Perform the writes of ``batch``; the caller holds the lock."""
        values = self._values
        for kind, key, value in batch.operations:
            if kind == PUT:
                if key not in values and self._order is not None:
                    self._moved.setdefault(key, False)
                values[key] = value
            elif kind == DELETE:
                self._delete(key)
            else:
                for found in list(self._ordered().starting_with(key)):
                    self._delete(found)
        if len(self._moved) > MAX_MOVED_KEYS:
            self._ordered()

    def is_empty(self) -> bool:
        """Whether no key is stored."""
        return not self._values

    def _delete(self, key: bytes) -> None:
        if self._values.pop(key, None) is not None and self._order is not None:
            self._moved.setdefault(key, True)

    def _ordered(self) -> OrderedKeys:
        """The index, brought up to date: most keys that come have gone again until it is used."""
        order, values = self._order, self._values
        if order is None:
            order = self._order = OrderedKeys(values)
        for key, is_there in self._moved.items():
            if is_there and key not in values:
                order.discard(key)
            elif not is_there and key in values:
                order.add(key)
        self._moved.clear()
        return order


class MemoryStore(Store):
    """A store in this process's memory."""

    def __init__(self, name: str = "memory:") -> None:
        self.name = name
        self._lock = Lock()
        self._partitions: dict[bytes, MemoryPartition] = {}
        self._tokens: dict[bytes, int] = {}
        self._closed = False

    def partition(self, root: bytes) -> MemoryPartition:
        """The partition of ``root``; it need not have any key yet."""
        found = self._partitions.get(root)
        if found is None:
            self._check_open()
            found = self._partitions.setdefault(root, MemoryPartition(self._lock))
        return found

    def commit(self, groups: Sequence[Group], fences: Sequence[Fence] = ()) -> None:
        """Apply ``groups`` in order as one step."""
        self._check_open()
        partitions = [(self.partition(root), batch) for root, batch in groups]
        with self._lock:
            if fences:
                self._apply_fences(fences)
            for partition, batch in partitions:
                partition.apply(batch)

    def _apply_fences(self, fences: Sequence[Fence]) -> None:
        raised = check_fences(fences, [self._tokens.get(fence.scope, 0) for fence in fences])
        self._tokens.update((fence.scope, fence.token) for fence in raised)

    def roots(self, prefix: bytes = b"") -> list[bytes]:
        """The roots with at least one key that start with ``prefix``, ascending."""
        with self._lock:
            return sorted(
                root
                for root, partition in self._partitions.items()
                if root.startswith(prefix) and not partition.is_empty()
            )

    def acquire(self, scope: bytes) -> Fence:
        """Take over ``scope`` with a token above all earlier ones."""
        self._check_open()
        with self._lock:
            token = self._tokens.get(scope, 0) + 1
            self._tokens[scope] = token
        return Fence(scope, token)

    def tokens(self) -> Mapping[bytes, int]:
        """The highest token of every scope that was ever taken."""
        with self._lock:
            return dict(self._tokens)

    def close(self) -> None:
        """Forget everything."""
        self._closed = True
        self._partitions = {}

    def _check_open(self) -> None:
        if self._closed:
            raise closed_store(self.name)
