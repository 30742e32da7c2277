"""`OverlayPartition`: reading what is staged but not committed yet.

A handler that saves a view and goes on reading before the commit puts this over its partition and
stages each batch on it. It holds only the staged writes and never commits.
"""

from catenula.storage.batch import DELETE, PUT, Batch
from catenula.storage.engine import Partition


class OverlayPartition(Partition):
    """A partition with uncommitted writes on top."""

    __slots__ = ("_base", "_deleted_prefixes", "_writes")

    def __init__(self, base: Partition) -> None:
        self._base = base
        self._writes: dict[bytes, bytes | None] = {}
        self._deleted_prefixes: tuple[bytes, ...] = ()

    def stage(self, batch: Batch) -> None:
        """Make the writes of ``batch`` visible to readers of this overlay."""
        for kind, key, value in batch.operations:
            if kind == PUT:
                self._writes[key] = value
            elif kind == DELETE:
                self._writes[key] = None
            else:
                for written in [item for item in self._writes if item.startswith(key)]:
                    del self._writes[written]
                self._deleted_prefixes += (key,)

    def settle(self) -> None:
        """Forget the staged writes: they are committed, or were given up."""
        self._writes = {}
        self._deleted_prefixes = ()

    def get(self, key: bytes) -> bytes | None:
        """The value, staged writes included."""
        if key in self._writes:
            return self._writes[key]
        if self._deleted_prefixes and key.startswith(self._deleted_prefixes):
            return None
        return self._base.get(key)

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """As `Partition.scan`, staged writes included."""
        found = self._base.scan(prefix)
        if not (self._writes or self._deleted_prefixes):
            return found
        deleted = self._deleted_prefixes
        merged = {
            key: value
            for key, value in found
            if not (deleted and (prefix + key).startswith(deleted))
        }
        skip = len(prefix)
        for key, written in self._writes.items():
            if not key.startswith(prefix):
                continue
            if written is None:
                merged.pop(key[skip:], None)
            else:
                merged[key[skip:]] = written
        return sorted(merged.items())

    def scan_keys(self, prefix: bytes) -> list[bytes]:
        """As `Partition.scan_keys`, staged writes included."""
        return [key for key, _ in self.scan(prefix)]
