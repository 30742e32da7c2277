"""Writing to the file of the ``sqlite:PATH`` engine: one connection, one transaction per commit.

Apart from the store, so that a process that only writes need not open one
(`catenula.validator.commit_helper`). A writer is used by one thread at a time.
"""

import sqlite3
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from catenula.storage.batch import DELETE, PUT, prefix_end
from catenula.storage.engine import Fence, Group, check_fences

BUSY_TIMEOUT_MS = 10_000
ROWS_PER_STATEMENT = 256
CACHED_STATEMENTS = 600
"""Prepared statements kept: two for every number of rows, and the few others."""
CHECKPOINT_PAGES = 1000

_DELETE_RANGE = "DELETE FROM entries WHERE root = ? AND key >= ? AND key < ?"
_DELETE_TO_END = "DELETE FROM entries WHERE root = ? AND key >= ?"
_FENCED_SCHEMA = """
CREATE TEMP VIEW fenced_writes AS SELECT root, key, value FROM entries;
CREATE TEMP TRIGGER check_fence INSTEAD OF INSERT ON fenced_writes
WHEN typeof(NEW.value) = 'integer' BEGIN
    SELECT RAISE(ABORT, 'other token')
    WHERE NEW.key IS NOT coalesce((SELECT token FROM fences WHERE scope = NEW.root), 0);
    INSERT OR REPLACE INTO fences SELECT NEW.root, NEW.value WHERE NEW.value IS NOT NEW.key;
END;
CREATE TEMP TRIGGER put_fenced INSTEAD OF INSERT ON fenced_writes
WHEN typeof(NEW.value) = 'blob' BEGIN
    INSERT OR REPLACE INTO entries VALUES (NEW.root, NEW.key, NEW.value);
END;
CREATE TEMP TRIGGER remove_fenced INSTEAD OF INSERT ON fenced_writes WHEN NEW.value IS NULL BEGIN
    DELETE FROM entries WHERE root = NEW.root AND key = NEW.key;
END;
"""
"""Lets one statement check fences and write. A row whose value is a number is a fence: its root is
the scope, its key the token that must be stored, its value the one to store."""
TOKEN = "SELECT token FROM fences WHERE scope = ?"
"""The token of one scope."""
_SET_TOKEN = "INSERT OR REPLACE INTO fences (scope, token) VALUES (?, ?)"

Columns = list[bytearray | bytes | int | None]
"""Root, key and stored value of one row after the other; None removes the key."""


class _Step(NamedTuple):
    """Rows to write, then a (root, prefix) to delete."""

    columns: Columns
    then_delete: tuple[bytes, bytes] | None


@cache
def _write_statement(view: str, rows: int) -> str:
    return f"INSERT INTO {view} (root, key, value) VALUES {','.join(['(?,?,?)'] * rows)}"


def connect(path: Path) -> sqlite3.Connection:
    """A connection to an existing store, by its absolute path, that any thread may use."""
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=CACHED_STATEMENTS,
    )
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    return connection


class SqliteWriter:
    """The writing side of one store; raises `sqlite3.Error`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._checks_fences = False

    def commit(self, groups: Sequence[Group], fences: Sequence[Fence] = ()) -> None:
        """Write the net effect of all groups, in one statement where that is possible.

        `StaleFence` or `sqlite3.Error` when nothing was written.

        A statement outside a transaction commits itself. With every statement this thread gives up
        the interpreter and has to take it back from a busy event loop, so one is much better than
        four.
        """
        steps = _steps(groups)
        if len(steps) == 1 and self._write_at_once(steps[0].columns, fences):
            return
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            self._apply_fences(fences)
            for step in steps:
                self._write(step.columns)
                if step.then_delete is not None:
                    self._delete_prefix(*step.then_delete)
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    def _stored_token(self, scope: bytes) -> int:
        row = self.connection.execute(TOKEN, (scope,)).fetchone()
        return 0 if row is None else row[0]

    def _apply_fences(self, fences: Sequence[Fence]) -> None:
        if fences:
            raised = check_fences(fences, [self._stored_token(fence.scope) for fence in fences])
            self.connection.executemany(_SET_TOKEN, [fence[:2] for fence in raised])

    def raise_tokens(self, scopes: Sequence[bytes]) -> list[Fence]:
        """Take over all ``scopes`` in one transaction, with tokens above the stored ones."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            fences = [Fence(scope, self._stored_token(scope) + 1) for scope in scopes]
            self.connection.executemany(_SET_TOKEN, [fence[:2] for fence in fences])
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise
        return fences

    def _write_at_once(self, columns: Columns, fences: Sequence[Fence]) -> bool:
        """Check held fences and write in one statement; False where that is not possible.

        Nothing is written then: the transaction finds out which fence is stale or takes over.
        """
        view = "writes"
        if fences:
            view = "fenced_writes"
            columns = _fence_columns(fences) + columns
            if not self._checks_fences:
                self.connection.executescript(_FENCED_SCHEMA)
                self._checks_fences = True
        if len(columns) > 3 * ROWS_PER_STATEMENT:
            return False
        try:
            self._execute(view, columns)
        except sqlite3.IntegrityError:
            return False
        return True

    def _write(self, columns: Columns) -> None:
        step = 3 * ROWS_PER_STATEMENT
        for start in range(0, len(columns), step):
            self._execute("writes", columns[start : start + step])

    def _execute(self, view: str, columns: Columns) -> None:
        """Insert rows into a view.

        As one of many executions, because after a single one the library gives up the interpreter
        once more, to ask for a number that nobody wants.
        """
        if columns:
            self.connection.executemany(_write_statement(view, len(columns) // 3), (columns,))

    def _delete_prefix(self, root: bytes, prefix: bytes) -> None:
        end = prefix_end(prefix)
        if end is None:
            self.connection.execute(_DELETE_TO_END, (root, prefix))
        else:
            self.connection.execute(_DELETE_RANGE, (root, prefix, end))


def _steps(groups: Sequence[Group]) -> list[_Step]:
    """The rows of all groups in order, split where whole prefixes are deleted in between.

    Columns are byte arrays because the library asks an adapter about everything that is ``bytes``,
    which takes as long as all the rest of handing a row over.
    """
    steps: list[_Step] = []
    columns: Columns = []
    for root, batch in groups:
        root_column = bytearray(root)
        for kind, key, value in batch.operations:
            if kind == PUT:
                stored = bytearray(value)
                stored += crc32(key, crc32(value)).to_bytes(4, "little")
                columns += (root_column, bytearray(key), stored)
            elif kind == DELETE:
                columns += (root_column, bytearray(key), None)
            else:
                steps.append(_Step(columns, (root, key)))
                columns = []
    steps.append(_Step(columns, None))
    return steps


def _fence_columns(fences: Sequence[Fence]) -> Columns:
    columns: Columns = []
    for fence in fences:
        required = fence.token if fence.replaces is None else fence.replaces
        columns += (fence.scope, required, fence.token)
    return columns
