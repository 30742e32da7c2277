"""The ``sqlite:PATH`` engine: one file in WAL mode with full synchronisation.

- One table keyed by (root, key); prefix scans are range queries.
- Reads use one connection per thread, commits one connection under a lock. Several processes may
  open one file; those that claim it as shared take turns at writing.
- Each value is stored with a checksum that covers its key, so that a changed byte is noticed when
  it is read. A new file appears under its name only when complete, so an empty file is damage.
- A helper process may put commits into a log beside the file first (`commit_log`). Then reads and
  commits of the owner wait until the file has them, and whoever uses the store next after a crash
  brings them into it (S7).
"""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from threading import Lock, local
from typing import Any, TypeVar
from zlib import crc32

from catenula.base.errors import LocalError
from catenula.storage.batch import prefix_end
from catenula.storage.commit_log import CommitLog, log_path
from catenula.storage.durable import sync_folder
from catenula.storage.engine import (
    FORMAT_MARKER,
    Borrower,
    Claim,
    DamagedStore,
    Fence,
    Group,
    Loan,
    Partition,
    Store,
    closed_store,
)
from catenula.storage.file_locks import OwnerLock, StoreInUse, TurnLock
from catenula.storage.sqlite_writer import TOKEN, SqliteWriter, connect

T = TypeVar("T")

CHECKED_FILE_BYTES = 32 << 20
"""Files up to this size are checked whole when they are opened."""
KEYS_PER_QUERY = 200

_SCHEMA = """
CREATE TABLE format (marker BLOB NOT NULL);
CREATE TABLE fences (scope BLOB PRIMARY KEY, token INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE entries (
    root BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (root, key)
) WITHOUT ROWID;
CREATE VIEW writes AS SELECT root, key, value FROM entries;
CREATE TRIGGER put INSTEAD OF INSERT ON writes WHEN NEW.value IS NOT NULL BEGIN
    INSERT OR REPLACE INTO entries VALUES (NEW.root, NEW.key, NEW.value);
END;
CREATE TRIGGER remove INSTEAD OF INSERT ON writes WHEN NEW.value IS NULL BEGIN
    DELETE FROM entries WHERE root = NEW.root AND key = NEW.key;
END;
"""
_GET = "SELECT value FROM entries WHERE root = ? AND key = ?"
_SCAN = "SELECT key, value FROM entries WHERE root = ? AND key >= ? AND key < ? ORDER BY key"
_SCAN_TO_END = "SELECT key, value FROM entries WHERE root = ? AND key >= ? ORDER BY key"
_TOKENS = "SELECT scope, token FROM fences"
_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_RESTORE = "restore it from a copy, or remove it and synchronise from the other validators"


class SqlitePartition(Partition):
    """The keys of one root."""

    __slots__ = ("_root", "_store")

    def __init__(self, store: "SqliteStore", root: bytes) -> None:
        self._store = store
        self._root = root

    def get(self, key: bytes) -> bytes | None:
        """The stored value, or None."""
        row = self._store.read_row(_GET, (self._root, key))
        return None if row is None else self._store.unseal(key, row[0])

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of ``keys``, in their order."""
        found: dict[bytes, bytes] = {}
        for start in range(0, len(keys), KEYS_PER_QUERY):
            part = keys[start : start + KEYS_PER_QUERY]
            marks = ",".join("?" * len(part))
            query = f"SELECT key, value FROM entries WHERE root = ? AND key IN ({marks})"
            found.update(self._store.read_rows(query, (self._root, *part)))
        unseal = self._store.unseal
        return [unseal(key, found[key]) if key in found else None for key in keys]

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """All (key without ``prefix``, value) whose key starts with ``prefix``, ascending."""
        skip, unseal = len(prefix), self._store.unseal
        return [(key[skip:], unseal(key, value)) for key, value in self._range(prefix)]

    def scan_keys(self, prefix: bytes) -> list[bytes]:
        """As `scan`, keys only."""
        skip = len(prefix)
        return [key[skip:] for key, _ in self._range(prefix)]

    def _range(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        end = prefix_end(prefix)
        if end is None:
            return self._store.read_rows(_SCAN_TO_END, (self._root, prefix))
        return self._store.read_rows(_SCAN, (self._root, prefix, end))


class SqliteStore(Store):
    """A store in one SQLite file."""

    is_shareable = True

    def __init__(self, path: str) -> None:
        self.name = f"sqlite:{path}"
        self._path = Path(path).absolute()
        self.lock_file = Path(f"{self._path}-chains")
        self._readers = local()
        self._connections: list[sqlite3.Connection] = []
        self._lock = Lock()
        self._closed = False
        self._owner = OwnerLock(Path(f"{self._path}-owner"), self.name)
        self._turn: TurnLock | None = None
        self._borrower: Borrower | None = None
        self._catching_up = Lock()
        self._guard(self._open)

    def partition(self, root: bytes) -> SqlitePartition:
        """The partition of ``root``; it need not have any key yet."""
        return SqlitePartition(self, root)

    def commit(self, groups: Sequence[Group], fences: Sequence[Fence] = ()) -> None:
        """Apply ``groups`` in order in one transaction, on disk when it returns."""
        self._wait_to_write()
        with self._lock, self._writing():
            self._guard(lambda: self._writer.commit(groups, fences))

    def roots(self, prefix: bytes = b"") -> list[bytes]:
        """The roots with at least one key that start with ``prefix``, ascending."""
        end = prefix_end(prefix)
        found: list[bytes] = []
        row = self.read_row("SELECT min(root) FROM entries WHERE root >= ?", (prefix,))
        while row is not None and row[0] is not None and (end is None or row[0] < end):
            found.append(row[0])
            row = self.read_row("SELECT min(root) FROM entries WHERE root > ?", (row[0],))
        return found

    def acquire(self, scope: bytes) -> Fence:
        """Take over ``scope`` durably with a token above all earlier ones."""
        (fence,) = self.acquire_all((scope,))
        return fence

    def acquire_all(self, scopes: Sequence[bytes]) -> list[Fence]:
        """`acquire` for several scopes in one transaction."""
        self._wait_to_write()
        with self._lock, self._writing():
            return self._guard(lambda: self._writer.raise_tokens(scopes))

    def tokens(self) -> Mapping[bytes, int]:
        """The highest token of every scope that was ever taken."""
        return dict(self.read_rows(_TOKENS, ()))

    def token(self, scope: bytes) -> int:
        """The highest token of one scope; 0 when it was never taken."""
        row = self.read_row(TOKEN, (scope,))
        return 0 if row is None else row[0]

    def pin(self) -> None:
        """Open a transaction for reading on this thread's connection."""
        self._guard(lambda: self._reader().execute("BEGIN"))

    def unpin(self) -> None:
        """End that transaction."""
        if not self._closed and self._reader().in_transaction:
            self._guard(lambda: self._reader().execute("ROLLBACK"))

    def claim(self, mode: Claim = Claim.EXCLUSIVE) -> None:
        """Lock files beside the store; the system releases them when the process ends."""
        self._guard(lambda: self._lock_files(mode))

    def loan(self) -> Loan | None:
        """What the commit helper needs to write to the file while this process owns it."""
        descriptor = self._owner.exclusive_descriptor
        return None if descriptor is None else Loan(self._path, descriptor)

    def lend(self, borrower: Borrower) -> None:
        """Let a helper commit, whose commits may be in the log only for a while."""
        self._borrower = borrower

    def _wait_to_read(self) -> None:
        """Have the file contain all that is known to be committed."""
        borrower = self._borrower
        if borrower is not None and borrower.is_behind:
            self._catch_up(borrower)

    def _wait_to_write(self) -> None:
        """Have the file contain everything that others write into it before us."""
        borrower = self._borrower
        if borrower is not None and borrower.is_busy:
            self._catch_up(borrower)

    def _catch_up(self, borrower: Borrower) -> None:
        with self._catching_up:
            if borrower.is_busy and not borrower.catch_up():
                self._guard(self._take_over_log)
                self._borrower = None

    def _lock_files(self, mode: Claim) -> None:
        self._owner.claim(mode)
        if mode is Claim.SHARED and self._turn is None:
            self._turn = TurnLock(Path(f"{self._path}-turn"), self.name)
        self._take_over_log()

    def _take_over_log(self) -> None:
        """Bring what a helper that has ended left in the log into the file; the store is ours."""
        if not log_path(self._path).exists():
            return
        with self._lock, self._writing(), suppress(FileNotFoundError):
            log = CommitLog(self._path)
            try:
                self._writer.commit(log.groups())
                log.reset()
                log.remove()
            finally:
                log.close()

    def _writing(self) -> AbstractContextManager[None]:
        return nullcontext() if self._turn is None else self._turn.turn()

    def close(self) -> None:
        """Close all connections; the last one folds SQLite's own log into the file."""
        if self._borrower is not None:
            self._borrower.let_go()
        with self._lock:
            self._closed = True
            self._owner.release()
            if self._turn is not None:
                self._turn.close()
                self._turn = None
            for connection in self._connections:
                connection.close()
            self._connections = []

    def read_row(self, query: str, values: tuple[Any, ...]) -> Any:
        """The first row of a query, or None."""
        self._wait_to_read()
        return self._guard(lambda: self._reader().execute(query, values).fetchone())

    def read_rows(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        """All rows of a query."""
        self._wait_to_read()
        return self._guard(lambda: self._reader().execute(query, values).fetchall())

    def unseal(self, key: bytes, stored: bytes) -> bytes:
        """The value of a stored form; `DamagedStore` when the checksum differs."""
        value = stored[:-4]
        if crc32(key, crc32(value)).to_bytes(4, "little") != stored[-4:]:
            raise DamagedStore(
                self.name, f"the value under key {key.hex()} does not match its checksum", _RESTORE
            )
        return value

    def _open(self) -> None:
        if not self._path.exists():
            self._create()
        elif self._path.stat().st_size == 0:
            raise DamagedStore(self.name, "the file is empty", _RESTORE)
        connection = self._connect()
        self._writer = SqliteWriter(connection)
        self._check_format(connection)
        if self._path.stat().st_size <= CHECKED_FILE_BYTES:
            (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if result != "ok":
                raise DamagedStore(self.name, f"its pages are damaged ({result})", _RESTORE)
        if log_path(self._path).exists():
            self._adopt_log()

    def _adopt_log(self) -> None:
        """Take a log over also for somebody who only reads, unless the store is in use."""
        with suppress(StoreInUse):
            self._owner.claim(Claim.EXCLUSIVE)
            try:
                self._take_over_log()
            finally:
                self._owner.release()

    def _check_format(self, connection: sqlite3.Connection) -> None:
        advice = "give the path of a store made by this version, or move this file away"
        tables = "SELECT count(*) FROM sqlite_master WHERE name IN ('format', 'fences', 'entries')"
        (count,) = connection.execute(tables).fetchone()
        if count != 3:
            raise DamagedStore(self.name, "it is not a store of Catenula", advice)
        markers = connection.execute("SELECT marker FROM format").fetchall()
        if markers != [(FORMAT_MARKER,)]:
            raise DamagedStore(self.name, f"unknown format {markers!r}", advice)

    def _create(self) -> None:
        folder = self._path.parent
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f"{self._path.name}.new-", dir=folder)
        os.close(handle)
        try:
            _build_file(name)
            os.link(name, self._path)
        except FileExistsError:
            return  # Another process was faster; its file is complete.
        finally:
            os.unlink(name)
        sync_folder(folder)

    def _connect(self) -> sqlite3.Connection:
        connection = connect(self._path)
        self._connections.append(connection)
        return connection

    def _reader(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._readers, "connection", None)
        if found is None or self._closed:
            with self._lock:
                if self._closed:
                    raise closed_store(self.name)
                found = self._readers.connection = self._connect()
        return found

    def _guard(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except sqlite3.ProgrammingError as error:
            raise closed_store(self.name) from error
        except sqlite3.Error as error:
            raise self._local_error(error) from error
        except OSError as error:
            raise LocalError(
                f"the store {self.name} cannot be used: {error.strerror}; check the path, its "
                "permissions and the free space",
                retryable=False,
                store=self.name,
            ) from error

    def _local_error(self, error: sqlite3.Error) -> LocalError:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name.startswith(_DAMAGE):
            return DamagedStore(self.name, f"the file is damaged ({error})", _RESTORE)
        advice = "check the disk's free space and permissions, then try again"
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            advice = "another process is writing to it; try again"
        return LocalError(
            f"the store {self.name} failed: {error}; {advice}", retryable=True, store=self.name
        )


def _build_file(path: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        connection.execute("INSERT INTO format (marker) VALUES (?)", (FORMAT_MARKER,))
    finally:
        connection.close()
