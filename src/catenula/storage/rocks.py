"""The ``rocksdb:PATH`` engine (rocksdict): one folder, for one process at a time.

- Every commit is one write batch, synchronised to the log before it returns.
- A torn last record of the log is a commit that never returned and is dropped; a damaged record
  before it refuses the store.
- The binding is imported when a store is opened. A new folder appears under its name only when
  complete, so a folder without its files is damage.

Keys: ``00 name`` for the format marker and the fences, ``01 u16(len root) root key`` for entries.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from catenula.base.errors import LocalError
from catenula.storage.batch import DELETE, PUT, Batch, prefix_end
from catenula.storage.engine import (
    FORMAT_MARKER,
    Claim,
    DamagedStore,
    Fence,
    Group,
    Partition,
    Store,
    check_fences,
    closed_store,
)
from catenula.storage.file_locks import StoreInUse

T = TypeVar("T")

WRITE_BUFFER_BYTES = 16 << 20
_MARKER_KEY = b"\x00format"
_FENCE_TAG = b"\x00fence/"
_ENTRY_TAG = b"\x01"
_RESTORE = "restore it from a copy, or remove it and synchronise from the other validators"


def root_prefix(root: bytes) -> bytes:
    """The prefix of all keys of a root."""
    return _ENTRY_TAG + len(root).to_bytes(2, "big") + root


class RocksPartition(Partition):
    """The keys of one root."""

    __slots__ = ("_prefix", "_store")

    def __init__(self, store: "RocksStore", root: bytes) -> None:
        self._store = store
        self._prefix = root_prefix(root)

    def get(self, key: bytes) -> bytes | None:
        """The stored value, or None."""
        return self._store.read(self._prefix + key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of ``keys``, in their order."""
        return self._store.read_many([self._prefix + key for key in keys])

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """All (key without ``prefix``, value) whose key starts with ``prefix``, ascending."""
        return self._store.read_range(self._prefix + prefix)

    def scan_keys(self, prefix: bytes) -> list[bytes]:
        """As `scan`, keys only."""
        return [key for key, _ in self._store.read_range(self._prefix + prefix)]


class RocksStore(Store):
    """A store in one RocksDB folder."""

    def __init__(self, path: str) -> None:
        self.name = f"rocksdb:{path}"
        self._path = Path(path)
        self._lock = Lock()
        self._closed = False
        self._binding = _load_binding(self.name)
        self._database = self._guard(self._open)
        if self._database.get(_MARKER_KEY) != FORMAT_MARKER:
            marker = self._database.get(_MARKER_KEY)
            self._database.close()
            raise DamagedStore(
                self.name,
                "it is not a store of Catenula" if marker is None else f"unknown format {marker!r}",
                "give the path of a store made by this version, or move this folder away",
            )

    def partition(self, root: bytes) -> RocksPartition:
        """The partition of ``root``; it need not have any key yet."""
        return RocksPartition(self, root)

    def commit(self, groups: Sequence[Group], fences: Sequence[Fence] = ()) -> None:
        """Apply ``groups`` in order as one synchronised write batch."""
        with self._lock:
            batch = self._binding.WriteBatch(raw_mode=True)
            for fence in check_fences(fences, [self._token(fence.scope) for fence in fences]):
                batch.put(_FENCE_TAG + fence.scope, fence.token.to_bytes(8, "big"))
            for root, writes in groups:
                _fill(batch, root_prefix(root), writes)
            self._guard(lambda: self._database.write(batch, self._sync))

    def roots(self, prefix: bytes = b"") -> list[bytes]:
        """The roots with at least one key that start with ``prefix``, ascending."""
        return sorted(root for root in self._guard(self._all_roots) if root.startswith(prefix))

    def acquire(self, scope: bytes) -> Fence:
        """Take over ``scope`` durably with a token above all earlier ones."""
        with self._lock:
            fence = Fence(scope, self._token(scope) + 1)
            batch = self._binding.WriteBatch(raw_mode=True)
            batch.put(_FENCE_TAG + scope, fence.token.to_bytes(8, "big"))
            self._guard(lambda: self._database.write(batch, self._sync))
        return fence

    def tokens(self) -> Mapping[bytes, int]:
        """The highest token of every scope that was ever taken."""
        return {scope: int.from_bytes(token, "big") for scope, token in self.read_range(_FENCE_TAG)}

    def claim(self, mode: Claim = Claim.EXCLUSIVE) -> None:
        """The folder is this process's alone already; it cannot be shared (`LocalError`)."""
        if mode is Claim.SHARED:
            raise LocalError(
                f"the store {self.name} is for one process at a time; use sqlite: where several "
                "processes share a store",
                retryable=False,
                store=self.name,
            )

    def close(self) -> None:
        """Close the folder; another process may open it then."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._database.close()

    def read(self, key: bytes) -> bytes | None:
        """The value of a full key, or None."""
        try:
            found: bytes | None = self._database.get(key)
        except Exception as error:  # The binding has no error class of its own.
            raise self._local_error(error) from error
        return found

    def read_many(self, keys: list[bytes]) -> list[bytes | None]:
        """The values of full keys, in their order."""
        return self._guard(lambda: list(self._database.get(keys))) if keys else []

    def read_range(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """(key without ``prefix``, value) of the full keys that start with ``prefix``."""
        return self._guard(lambda: list(self._items(prefix)))

    def _items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        skip = len(prefix)
        for key, value in self._database.items(from_key=prefix):
            if not key.startswith(prefix):
                return
            yield key[skip:], value

    def _all_roots(self) -> list[bytes]:
        found: list[bytes] = []
        cursor = self._database.iter()
        cursor.seek(_ENTRY_TAG)
        while cursor.valid():
            key = cursor.key()
            end = 3 + int.from_bytes(key[1:3], "big")
            found.append(key[3:end])
            cursor.seek(prefix_end(key[:end]))
        cursor.status()
        return found

    def _token(self, scope: bytes) -> int:
        return int.from_bytes(self.read(_FENCE_TAG + scope) or b"", "big")

    def _open(self) -> Any:
        options = self._options(create=False)
        self._sync = self._binding.WriteOptions()
        self._sync.sync = True
        if not self._path.exists():
            self._create()
        elif not (self._path / "CURRENT").exists():
            raise DamagedStore(self.name, "the folder is not a complete RocksDB store", _RESTORE)
        return self._binding.Rdict(str(self._path), options)

    def _create(self) -> None:
        folder = self._path.parent
        folder.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f"{self._path.name}.new-", dir=folder))
        try:
            database = self._binding.Rdict(str(building), self._options(create=True))
            batch = self._binding.WriteBatch(raw_mode=True)
            batch.put(_MARKER_KEY, FORMAT_MARKER)
            database.write(batch, self._sync)
            database.close()
            building.rename(self._path)
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def _options(self, *, create: bool) -> Any:
        options = self._binding.Options(raw_mode=True)
        options.create_if_missing(create)
        options.set_wal_recovery_mode(
            self._binding.DBRecoveryMode.tolerate_corrupted_tail_records()
        )
        options.set_write_buffer_size(WRITE_BUFFER_BYTES)
        options.set_keep_log_file_num(2)
        return options

    def _guard(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except (LocalError, KeyboardInterrupt):
            raise
        except Exception as error:  # The binding has no error class of its own.
            raise self._local_error(error) from error

    def _local_error(self, error: Exception) -> LocalError:
        text = str(error)
        if self._closed or type(error).__name__ == "DbClosedError":
            return closed_store(self.name)
        if "Corruption" in text or "No such file" in text:
            return DamagedStore(self.name, f"its files are damaged ({text})", _RESTORE)
        advice = "check the disk's free space and permissions, then try again"
        if ("LOCK" in text or "lock" in text) and "denied" not in text:
            return StoreInUse(self.name, ", and a RocksDB folder is for one at a time")
        return LocalError(
            f"the store {self.name} failed: {text}; {advice}", retryable=True, store=self.name
        )


def _fill(batch: Any, prefix: bytes, writes: Batch) -> None:
    for kind, key, value in writes.operations:
        if kind == PUT:
            batch.put(prefix + key, value)
        elif kind == DELETE:
            batch.delete(prefix + key)
        else:
            batch.delete_range(prefix + key, prefix_end(prefix + key))


def _load_binding(name: str) -> Any:
    try:
        import rocksdict
    except ImportError as error:
        raise LocalError(
            f"the store {name} needs the package rocksdict: pip install rocksdict",
            retryable=False,
            store=name,
        ) from error
    return rocksdict
