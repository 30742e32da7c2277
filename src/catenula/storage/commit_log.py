"""The commit log of a ``sqlite:PATH`` store: commits that are durable and not in the file yet.

The commit helper (`catenula.validator.commit_helper`) adds a commit here with one write and one
sync, half of what the file costs, and brings many of them into the file at once. A log that
outlives its helper is brought into the file by whoever uses the store next, before anything is read
or written there (S7).

The file ``PATH-log`` has a fixed size, so that a sync has nothing to do but to write what is new:

- `_HEADER`: the mark of the format, the *salt* of the entries that count, a checksum;
- from `_FIRST` on, at multiples of `_STEP`, entries: `_ENTRY` (salt, length, checksum) and a packet
  of groups. Those with another salt are in the store's file. Nobody else knows a salt: nothing that
  users have stored can pass for an entry.

What was written last may be torn: nobody was told of it. Anything else that does not match its
checksum is damage, and the store is refused (S6).
"""

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from errno import ENOSPC
from hashlib import sha256
from io import FileIO
from itertools import chain
from pathlib import Path
from tempfile import mkstemp
from zlib import crc32

from msgspec import MsgspecError, msgpack

from catenula.base.limits import COMMIT_LOG_BYTES
from catenula.storage.batch import DELETE_PREFIX, Batch, WriteOperation
from catenula.storage.durable import sync_folder
from catenula.storage.engine import DamagedStore, Group

_MARK = b"catenula-log/1\0\0"
_HEADER = struct.Struct("<16s8sI")
_ENTRY = struct.Struct("<8sII")
SALT_BYTES = 8
_FIRST = 4096
_STEP = 512

_ADVICE = "restore the store and its log from a copy, or remove both and synchronise again"

_ENCODER = msgpack.Encoder(enc_hook=bytes)
"""Keys and values may be of classes derived from ``bytes``."""
_DECODER = msgpack.Decoder(list[tuple[bytes, list[WriteOperation]]])


def pack(groups: Sequence[Group]) -> bytes:
    """The packet of one commit, in MessagePack."""
    return _ENCODER.encode([(root, batch.operations) for root, batch in groups])


def net_effect(packets: Iterable[bytes]) -> list[Group]:
    """What commits wrote together: of several writes to a key only the last one.

    Chains write to the same keys with every block, so this is a third of all writes.
    """
    writes: dict[bytes, dict[bytes, WriteOperation]] = {}
    prefixes: dict[bytes, list[WriteOperation]] = {}
    for root, operations in chain.from_iterable(map(_DECODER.decode, packets)):
        written = writes.setdefault(root, {})
        for operation in operations:
            if operation[0] == DELETE_PREFIX:
                _forget(written, operation[1])
                prefixes.setdefault(root, []).append(operation)
            else:
                written[operation[1]] = operation
    return [
        (root, Batch((*prefixes.get(root, ()), *written.values())))
        for root, written in writes.items()
    ]


def _forget(written: dict[bytes, WriteOperation], prefix: bytes) -> None:
    for key in [key for key in written if key.startswith(prefix)]:
        del written[key]


def log_path(store: Path) -> Path:
    """Where the log of a store's file is."""
    return store.with_name(f"{store.name}-log")


class CommitLog:
    """An open log; used by one process at a time, the one that may write to the store."""

    def __init__(self, store: Path) -> None:
        """Open a store's log. `OSError` when there is none, `DamagedStore` for a bad header."""
        self._store = store
        self._path = log_path(store)
        self._file = FileIO(self._path, "r+b")
        self._descriptor = self._file.fileno()
        self._end = _FIRST
        try:
            self._salt = self._read_salt()
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(cls, store: Path, salt: bytes) -> "CommitLog":
        """An empty log, which appears under its name only when it is complete and durable.

        ``salt`` is `SALT_BYTES` random bytes. `OSError` also when there is a log: its commits would
        be lost.
        """
        handle, name = mkstemp(prefix=f"{store.name}-log.new-", dir=store.parent)
        try:
            _write(handle, bytes(COMMIT_LOG_BYTES), 0)
            _write(handle, _header(salt), 0)
            os.fsync(handle)
            os.link(name, log_path(store))
        finally:
            os.close(handle)
            os.unlink(name)
        sync_folder(store.parent)
        return cls(store)

    def append(self, packet: bytes) -> bool:
        """Make one more commit durable; False, and nothing is written, when there is no room."""
        size = len(packet)
        if self._end + _ENTRY.size + size > COMMIT_LOG_BYTES:
            return False
        head = _ENTRY.pack(self._salt, size, _checksum(self._salt, packet))
        _write(self._descriptor, head + packet, self._end)
        os.fdatasync(self._descriptor)
        self._end = _next_position(self._end + _ENTRY.size + size)
        return True

    def reset(self) -> None:
        """Forget all entries, durably: the store's file has them."""
        salt = sha256(self._salt).digest()[:SALT_BYTES]
        _write(self._descriptor, _header(salt), 0)
        os.fdatasync(self._descriptor)
        self._salt, self._end = salt, _FIRST

    def groups(self) -> list[Group]:
        """What all commits of the log wrote together; `DamagedStore` for a broken one."""
        content = os.pread(self._descriptor, COMMIT_LOG_BYTES, 0)
        try:
            return net_effect(self._packets(content))
        except MsgspecError as error:
            raise self._damaged(f"a commit in its log is unreadable ({error})") from error

    def _packets(self, content: bytes) -> Iterator[bytes]:
        position = _FIRST
        while (packet := self._packet(content, position)) is not None:
            yield packet
            position = _next_position(position + _ENTRY.size + len(packet))
        for later in range(position + _STEP, len(content), _STEP):
            if self._packet(content, later) is not None:
                raise self._damaged("a commit in its log does not match its checksum")

    def _packet(self, content: bytes, position: int) -> bytes | None:
        """The packet of the entry there, if there is one that counts and is whole."""
        start = position + _ENTRY.size
        if start > len(content):
            return None
        salt, size, checksum = _ENTRY.unpack_from(content, position)
        if salt != self._salt or start + size > len(content):
            return None
        packet = content[start : start + size]
        return packet if checksum == _checksum(salt, packet) else None

    def _read_salt(self) -> bytes:
        header = os.pread(self._descriptor, _HEADER.size, 0)
        salt = header[len(_MARK) : len(_MARK) + SALT_BYTES]
        if header != _header(salt):
            raise self._damaged("the head of its log is damaged or of another version")
        return salt

    def _damaged(self, reason: str) -> DamagedStore:
        return DamagedStore(f"sqlite:{self._store}", reason, _ADVICE)

    def close(self) -> None:
        """Close the file; what is in it stays. Repeating it changes nothing."""
        self._file.close()

    def remove(self) -> None:
        """Close and remove the file; after `reset`, so that it may come back after a crash."""
        self._path.unlink(missing_ok=True)
        self.close()


def _header(salt: bytes) -> bytes:
    return _HEADER.pack(_MARK, salt, crc32(_MARK + salt))


def _checksum(salt: bytes, packet: bytes) -> int:
    return crc32(packet, crc32(salt))


def _write(descriptor: int, content: bytes, position: int) -> None:
    if os.pwrite(descriptor, content, position) != len(content):
        raise OSError(ENOSPC, os.strerror(ENOSPC))


def _next_position(end: int) -> int:
    return -(-end // _STEP) * _STEP
