"""Storage strings: where a node keeps its data, as text (spec 07 §14.6). The only place that
reads them.

Supported are ``sqlite:PATH``, ``rocksdb:PATH[:MODE[:NAMESPACE]]`` and
``memory:[GENESIS_FILE[:NAMESPACE]]``. Stores of the reference that are not, are refused by name.
"""

from pathlib import Path
from typing import NamedTuple

from catenula.base.errors import LocalError
from catenula.storage.engine import Store, open_store

DEFAULT_NAMESPACE = "table_linera"

_SPAWN_MODES = frozenset(("spawn_blocking", "block_in_place", "runtime"))
"""How the reference schedules its database threads; accepted, without a meaning here."""

_UNSUPPORTED = {
    "service": "a storage service of the reference",
    "scylladb": "a ScyllaDB cluster",
    "dualrocksdbscylladb": "RocksDB in front of a ScyllaDB cluster",
}
_INSTEAD = "use sqlite:PATH (several processes) or rocksdb:PATH (one process) instead"


class Location(NamedTuple):
    """A parsed storage string; ``path`` is the genesis file of ``memory:``, empty if not given."""

    kind: str
    path: str
    namespace: str = DEFAULT_NAMESPACE

    @property
    def is_shared(self) -> bool:
        """Whether several processes can use the store at the same time."""
        return self.kind == "sqlite"

    @property
    def is_lasting(self) -> bool:
        """Whether anything is found there by the next process."""
        return self.kind != "memory"

    def engine_text(self) -> str:
        """What `open_store` takes."""
        if self.kind == "memory":
            return "memory:"
        if self.kind == "rocksdb" and self.namespace != DEFAULT_NAMESPACE:
            return f"rocksdb:{self.path}.{self.namespace}"
        return f"{self.kind}:{self.path}"


def parse_location(text: str) -> Location:
    """Read a storage string; `LocalError` that says what to use instead."""
    kind, _, rest = text.partition(":")
    if kind in _UNSUPPORTED:
        raise _refused(text, f"it names {_UNSUPPORTED[kind]}, which is not supported; {_INSTEAD}")
    if kind == "memory":
        path, _, namespace = rest.partition(":")
        return Location(kind, path, namespace or DEFAULT_NAMESPACE)
    if kind == "sqlite" and rest:
        return Location(kind, rest)
    if kind == "rocksdb" and rest:
        return _parse_rocksdb(text, rest)
    raise _refused(text, f"it names no known kind of storage; {_INSTEAD}")


def _parse_rocksdb(text: str, rest: str) -> Location:
    path, *more = rest.split(":")
    if more and more[0] not in _SPAWN_MODES:
        modes = ", ".join(sorted(_SPAWN_MODES))
        raise _refused(text, f"the part after the path must be one of {modes}")
    if not path or len(more) > 2:
        raise _refused(text, "its form is rocksdb:PATH[:MODE[:NAMESPACE]]")
    return Location("rocksdb", path, more[1] if len(more) == 2 else DEFAULT_NAMESPACE)


def check_shareable(location: Location) -> Location:
    """The location, or `LocalError` for a store that several processes cannot open at once."""
    if location.is_shared:
        return location
    kind = "is for one process at a time" if location.is_lasting else "is the memory of one process"
    raise LocalError(
        f"the storage {location.kind}:{location.path} {kind}; give sqlite:PATH to run several "
        "processes, or leave out --processes",
        retryable=False,
    )


def _refused(text: str, reason: str) -> LocalError:
    return LocalError(f"the storage {text!r} is refused: {reason}", retryable=False, storage=text)


def open_location(location: Location, *, patience_seconds: float = 0.0) -> Store:
    """Open the store, making it and its folder if need be; see `open_store` about the patience.

    Raises `LocalError` for a database of the reference: its blocks can be fetched again.
    """
    if location.is_lasting:
        path = Path(location.path)
        if location.kind == "rocksdb" and _is_foreign(path):
            raise LocalError(
                f"{path} is a database of the reference implementation, which is not read here; "
                "name a new place with --storage (the chains are fetched from the validators)",
                retryable=False,
                storage=location.path,
            )
        path.parent.mkdir(parents=True, exist_ok=True)
    return open_store(location.engine_text(), patience_seconds=patience_seconds)


def _is_foreign(path: Path) -> bool:
    """The reference keeps one database per namespace in folders inside of the path."""
    return any((path / name / "CURRENT").exists() for name in _folders(path))


def _folders(path: Path) -> list[str]:
    if not path.is_dir() or (path / "CURRENT").exists():
        return []
    return [item.name for item in path.iterdir() if item.is_dir()]
