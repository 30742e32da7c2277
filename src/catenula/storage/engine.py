"""The storage interface: stores, partitions, durable commits and fencing.

A store holds partitions, each named by a *root* and holding ordered keys. Invariants every engine
keeps:

- `Store.commit` is durable when it returns and atomic: after a crash all of its groups are found
  or none of them.
- Reads see every commit that has returned, from any thread.
- A store that is unknown, of another format version or damaged is refused with a `LocalError`
  that names it and says what to do; damaged bytes are never served.
- A commit whose fence is stale writes nothing.
- Exclusive and shared users of one store exclude each other (`Store.claim`).

This layer knows nothing about views, chains or what the bytes mean.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple, Protocol

from catenula.base.errors import LocalError
from catenula.storage.batch import Batch

FORMAT_NAME = "catenula-store"
FORMAT_VERSION = 2
FORMAT_MARKER = f"{FORMAT_NAME}/{FORMAT_VERSION}".encode()

Group = tuple[bytes, Batch]
"""A root and the writes to its partition."""


class Claim(Enum):
    """How a process uses a store."""

    EXCLUSIVE = "exclusive"
    """As its only user."""
    SHARED = "shared"
    """Beside others; fences and locks say who may write what."""


class Fence(NamedTuple):
    """Proof of ownership of ``scope`` (a partition of chains): only the highest token may write.

    With ``replaces`` a commit succeeds only while exactly that token is stored, and stores its own:
    nobody has written to the scope since that token was read.
    """

    scope: bytes
    token: int
    replaces: int | None = None


class StaleFence(LocalError):
    """A commit carried a fencing token that a newer owner has overtaken; nothing was written."""

    def __init__(self, fence: Fence, current: int) -> None:
        super().__init__(
            f"another process owns {fence.scope.hex()} now (token {current}, ours {fence.token}); "
            "nothing was written",
            retryable=False,
            scope=fence.scope,
            token=fence.token,
            current=current,
        )
        self.fence = fence


class Loan(NamedTuple):
    """What another process needs to commit to a store on behalf of the one that owns it."""

    path: Path
    lock: int
    """The file descriptor of the owner's lock. Whoever has a copy keeps others from the store."""


class Borrower(Protocol):
    """Who commits to a store for its owner, and may do so in the store's log at first."""

    @property
    def is_behind(self) -> bool:
        """Whether the store's file may lack commits that the owner was told of."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether it may lack any commit that the borrower was given."""
        ...

    def catch_up(self) -> bool:
        """Return when the file has all commits that the borrower was given before the call.

        From any thread. False when the borrower has let go of the store, whose log may still hold
        some.
        """
        ...

    def let_go(self) -> None:
        """Return when the borrower does not use the store any more."""
        ...


class DamagedStore(LocalError):
    """A store that cannot be trusted: unknown format, other version or damaged bytes."""

    def __init__(self, store: str, reason: str, advice: str) -> None:
        super().__init__(
            f"the store {store} is refused: {reason}; {advice}", retryable=False, store=store
        )


class Partition(ABC):
    """Reading access to the keys below one root. Cheap to make and to keep."""

    __slots__ = ()

    @abstractmethod
    def get(self, key: bytes) -> bytes | None:
        """The stored value, or None."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of ``keys``, in their order."""
        return [self.get(key) for key in keys]

    @abstractmethod
    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """All (key without ``prefix``, value) whose key starts with ``prefix``, ascending."""

    @abstractmethod
    def scan_keys(self, prefix: bytes) -> list[bytes]:
        """As `scan`, keys only."""


class Store(ABC):
    """An ordered key-value store of many partitions."""

    name: str
    """The text it was opened with, for messages to people."""
    is_shareable = False
    """Whether several processes may have it open (`Claim.SHARED`)."""
    lock_file: Path | None = None
    """A file beside the store for the locks of those who share it."""

    @abstractmethod
    def partition(self, root: bytes) -> Partition:
        """The partition of ``root``; it need not have any key yet."""

    @abstractmethod
    def commit(self, groups: Sequence[Group], fences: Sequence[Fence] = ()) -> None:
        """Apply ``groups`` in order as one atomic, durable step.

        A fence with a token above the stored one takes its scope over; one below it raises
        `StaleFence`. Raises `LocalError` when the disk refuses; then nothing is stored.
        """

    @abstractmethod
    def roots(self, prefix: bytes = b"") -> list[bytes]:
        """The roots with at least one key that start with ``prefix``, ascending."""

    @abstractmethod
    def acquire(self, scope: bytes) -> Fence:
        """Take over ``scope`` durably with a token above all earlier ones."""

    def acquire_all(self, scopes: Sequence[bytes]) -> list[Fence]:
        """`acquire` for several scopes, in their order; cheaper where the engine can."""
        return [self.acquire(scope) for scope in scopes]

    @abstractmethod
    def tokens(self) -> Mapping[bytes, int]:
        """The highest token of every scope that was ever taken."""

    def token(self, scope: bytes) -> int:
        """The highest token of one scope; 0 when it was never taken."""
        return self.tokens().get(scope, 0)

    def pin(self) -> None:
        """Let this thread see the store as it is now, whatever is committed, until `unpin`.

        For engines that several processes use; where there is one, its program knows what it wrote.
        """
        return

    def unpin(self) -> None:
        """Let this thread see new commits again."""
        return

    def claim(self, mode: Claim = Claim.EXCLUSIVE) -> None:
        """Use this store alone, or beside others who share it, until it is closed.

        Two nodes with one key over one store could vote twice (C2): `LocalError` while others use
        it in a way that excludes this one. Engines that only one process can open have nothing to
        do for an exclusive claim, and refuse a shared one.
        """
        return

    def loan(self) -> Loan | None:
        """How a process of our own could commit to this store for us; None where that cannot be.

        Until `close` at the longest, and never two commits at the same time.
        """
        return None

    def lend(self, borrower: Borrower) -> None:
        """Reads and commits of our own wait from now on until the borrower has caught up."""
        return

    @abstractmethod
    def close(self) -> None:
        """Release files and memory; later calls fail with `LocalError`."""

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_fences(fences: Sequence[Fence], current: Sequence[int]) -> list[Fence]:
    """Refuse a stale fence (`StaleFence`), given the stored token of each fence's scope.

    Fences of one scope apply in their order. Returns those that change what is stored.
    """
    tokens = {fence.scope: token for fence, token in zip(fences, current, strict=True)}
    raised: dict[bytes, Fence] = {}
    for fence in fences:
        token = tokens[fence.scope]
        is_stale = fence.token < token if fence.replaces is None else fence.replaces != token
        if is_stale:
            raise StaleFence(fence, token)
        if fence.token > token:
            raised[fence.scope] = fence
            tokens[fence.scope] = fence.token
    return list(raised.values())


def closed_store(name: str) -> LocalError:
    """The error of using a store after `Store.close`."""
    return LocalError(f"the store {name} is closed", retryable=False, store=name)


def open_store(location: str, *, patience_seconds: float = 0.0) -> Store:
    """Open ``memory:``, ``sqlite:PATH`` or ``rocksdb:PATH``, creating it when it does not exist.

    Where only one process may have it open, another one waits up to ``patience_seconds``, then
    raises `StoreInUse`. Raises `DamagedStore` for a store that must not be served and `LocalError`
    for an unknown kind.
    """
    kind, _, path = location.partition(":")
    if kind == "memory":
        from catenula.storage.memory import MemoryStore

        return MemoryStore(location)
    if kind == "sqlite" and path:
        from catenula.storage.sqlite import SqliteStore

        return SqliteStore(path)
    if kind == "rocksdb" and path:
        from catenula.storage.file_locks import with_patience
        from catenula.storage.rocks import RocksStore

        return with_patience(lambda: RocksStore(path), patience_seconds)
    raise LocalError(
        f"unknown store {location!r}: use memory:, sqlite:PATH or rocksdb:PATH",
        retryable=False,
        store=location,
    )
