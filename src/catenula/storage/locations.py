"""Storage strings: the reference's forms (spec 07 §14.6) and ours, ``sqlite:PATH``.

Forms of stores that this program does not have are recognised, and refused by name with what to use
instead. Nothing is opened here.
"""

from typing import NamedTuple

from catenula.base.errors import LocalError

DEFAULT_NAMESPACE = "table_linera"
_SPAWN_MODES = ("spawn_blocking", "block_in_place", "runtime")
_REFUSED = {
    "service": "the storage service of the reference",
    "scylladb": "ScyllaDB",
    "dualrocksdbscylladb": "RocksDB beside ScyllaDB",
}


class StoreLocation(NamedTuple):
    """A parsed storage string.

    ``path`` is a file or folder; for ``memory`` the genesis file, which may be empty.
    """

    kind: str
    path: str
    namespace: str = DEFAULT_NAMESPACE

    @property
    def engine_location(self) -> str:
        """What `open_store` takes."""
        if self.kind == "memory":
            return "memory:"
        if self.kind == "rocksdb" and self.namespace != DEFAULT_NAMESPACE:
            return f"rocksdb:{self.path}/{self.namespace}"
        return f"{self.kind}:{self.path}"


def parse_location(text: str) -> StoreLocation:
    """Read a storage string; `LocalError` for a malformed one and a store that we do not have."""
    kind, separator, rest = text.partition(":")
    if kind in _REFUSED:
        raise LocalError(
            f"the storage {text!r} is {_REFUSED[kind]}, which Catenula does not use; "
            "give sqlite:PATH instead",
            retryable=False,
            storage=text,
        )
    if not separator or kind not in ("memory", "sqlite", "rocksdb"):
        raise _malformed(text, "unknown kind of storage")
    if kind == "sqlite":
        if not rest:
            raise _malformed(text, "the path is missing")
        return StoreLocation(kind, rest)
    parts = rest.split(":")
    return _rocksdb(text, parts) if kind == "rocksdb" else _memory(text, parts)


def _rocksdb(text: str, parts: list[str]) -> StoreLocation:
    path, *options = parts
    if not path:
        raise _malformed(text, "the path is missing")
    if len(options) > 2 or (options and options[0] not in _SPAWN_MODES):
        raise _malformed(text, f"after the path comes one of {', '.join(_SPAWN_MODES)}")
    return StoreLocation("rocksdb", path, *options[1:])


def _memory(text: str, parts: list[str]) -> StoreLocation:
    if len(parts) > 2:
        raise _malformed(text, "after memory: come the genesis file and a namespace")
    return StoreLocation("memory", *parts)


def _malformed(text: str, reason: str) -> LocalError:
    return LocalError(
        f"the storage {text!r} cannot be used: {reason}; write sqlite:PATH, "
        "rocksdb:PATH[:MODE[:NAMESPACE]] or memory:GENESIS_FILE",
        retryable=False,
        storage=text,
    )


def check_shareable(location: StoreLocation) -> StoreLocation:
    """The location, or `LocalError` for a store that several processes cannot open at once."""
    if location.kind == "sqlite":
        return location
    reason = (
        "is for one process at a time"
        if location.kind == "rocksdb"
        else "lives in the memory of one process"
    )
    raise LocalError(
        f"the storage {location.kind}:{location.path} {reason}; "
        "give sqlite:PATH to run several processes, or leave out --processes",
        retryable=False,
    )
