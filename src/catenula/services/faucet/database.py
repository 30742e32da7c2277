"""The faucet's SQLite file: who has which chain, and who took tokens when (spec 08 §3.2).

Everything in it can be found again in the blocks of the faucet's chain. `next_height` says up to
where they have been read; it changes in the same transaction as the rows, so that a crash loses
both or neither. Writes run in a thread of their own; reads are by primary key and do not wait.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct

from catenula.base.errors import DecodeError, LocalError
from catenula.base.identifiers import AccountOwner, ChainId
from catenula.base.integers import BlockHeight, Timestamp

_TABLES = """
CREATE TABLE IF NOT EXISTS chains (
    owner TEXT PRIMARY KEY NOT NULL,
    chain_id TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS daily_claims (
    owner TEXT PRIMARY KEY NOT NULL,
    chain_id TEXT NOT NULL,
    last_period INTEGER NOT NULL
);
"""
_PUT_CHAIN = "INSERT OR IGNORE INTO chains (owner, chain_id, created_at) VALUES (?, ?, ?)"
_PUT_DAILY = (
    "INSERT INTO daily_claims (owner, chain_id, last_period) VALUES (?, ?, ?) "
    "ON CONFLICT (owner) DO UPDATE SET last_period = max(last_period, excluded.last_period)"
)
_BUSY_SECONDS = 5.0


class ClaimedChain(Struct, frozen=True):
    """The chain of an owner, and when its block was made."""

    owner: AccountOwner
    chain_id: ChainId
    created_at: Timestamp


class DailyClaim(Struct, frozen=True):
    """The last 24-hour window an owner took tokens in."""

    owner: AccountOwner
    chain_id: ChainId
    last_period: int


class FaucetDatabase:
    """One open file. All methods raise `LocalError` when SQLite fails."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the file."""
        self._path = path
        self._thread = ThreadPoolExecutor(1, "faucet-database")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._connect()
            self._writer.executescript(_TABLES)
            self._reader = self._connect()
        except (OSError, sqlite3.Error) as error:
            raise self._failure("open", error) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        # What the last moment before a power failure loses is read again from the chain.
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _failure(self, action: str, error: Exception) -> LocalError:
        return LocalError(
            f"cannot {action} the faucet's database {self._path}: {error}; "
            "check the path, its permissions and the free space",
            retryable=action != "open",
        )

    # Reading

    def chain_of(self, owner: AccountOwner) -> ClaimedChain | None:
        """The chain of an owner, or None."""
        row = self._row("SELECT chain_id, created_at FROM chains WHERE owner = ?", str(owner))
        if row is None:
            return None
        return ClaimedChain(owner, self._chain_id(row[0]), Timestamp(int(row[1])))

    def last_period(self, owner: AccountOwner) -> int:
        """The last window an owner took tokens in; 0 is that of the initial claim."""
        row = self._row("SELECT last_period FROM daily_claims WHERE owner = ?", str(owner))
        return 0 if row is None else int(row[0])

    def next_height(self) -> BlockHeight:
        """The first block of the faucet's chain whose claims may be missing."""
        row = self._row("PRAGMA user_version")
        return BlockHeight(0 if row is None else max(0, int(row[0])))

    def _row(self, statement: str, *values: object) -> Sequence[int | str] | None:
        try:
            found: Sequence[int | str] | None = self._reader.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise self._failure("read", error) from error
        return found

    def _chain_id(self, text: object) -> ChainId:
        try:
            return ChainId.parse(str(text))
        except DecodeError as error:
            raise self._failure("read", error) from error

    # Writing

    async def store(
        self,
        chains: Sequence[ClaimedChain],
        daily_claims: Sequence[DailyClaim],
        next_height: BlockHeight,
    ) -> None:
        """Add what the blocks below ``next_height`` say; the first chain of an owner stays."""
        await self._in_thread(lambda: self._store(chains, daily_claims, next_height))

    def _store(
        self,
        chains: Sequence[ClaimedChain],
        daily_claims: Sequence[DailyClaim],
        next_height: BlockHeight,
    ) -> None:
        writer = self._writer
        rows = [(str(row.owner), str(row.chain_id), int(row.created_at)) for row in chains]
        daily = [(str(row.owner), str(row.chain_id), row.last_period) for row in daily_claims]
        try:
            writer.execute("BEGIN IMMEDIATE")
            writer.executemany(_PUT_CHAIN, rows)
            writer.executemany(_PUT_DAILY, daily)
            writer.execute(f"PRAGMA user_version = {int(next_height)}")
            writer.execute("COMMIT")
        except sqlite3.Error as error:
            if writer.in_transaction:
                writer.execute("ROLLBACK")
            raise self._failure("write", error) from error

    async def _in_thread(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self) -> None:
        """Finish the last write and close the file."""
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)
        self._reader.close()
        self._writer.close()
