"""Looking into databases from outside, and removing them; nothing here changes what one holds.

A namespace is one database of a place: the file of ``sqlite:``, and for ``rocksdb:PATH`` the folder
PATH and its siblings ``PATH.NAMESPACE``. A database that is in use is not removed.
"""

import shutil
from pathlib import Path

from catenula.base.codec import codec_of
from catenula.base.identifiers import ChainId
from catenula.protocol import BlobId, BlobType
from catenula.storage.engine import Claim, Store, open_store
from catenula.storage.location import DEFAULT_NAMESPACE, Location
from catenula.storage.shared import BLOB_ROOT, SharedStore

_BLOB_KEY_END = b"\x2a"
_ROCKS_MARK = "CURRENT"
_SQLITE_SIBLINGS = ("-wal", "-shm", "-journal", "-log", "-owner", "-turn")

_BLOB_IDS = codec_of(BlobId)


def store_exists(location: Location) -> bool:
    """Whether there is a database at a lasting location; makes none."""
    path = Path(location.engine_text().partition(":")[2])
    if location.kind == "sqlite":
        return path.is_file() and path.stat().st_size > 0
    return (path / _ROCKS_MARK).exists()


def list_namespaces(location: Location) -> list[str]:
    """The namespaces of the place that have a database, ascending."""
    if location.kind == "sqlite":
        return [location.namespace] if store_exists(location) else []
    base = Path(location.path)
    names = [path.name[len(base.name) + 1 :] for path in base.parent.glob(f"{base.name}.*")]
    candidates = [DEFAULT_NAMESPACE, *names]
    return sorted(name for name in candidates if store_exists(location._replace(namespace=name)))


def delete_store(location: Location) -> bool:
    """Remove one database; False when there is none. `StoreInUse` when somebody uses it."""
    if not store_exists(location):
        return False
    text = location.engine_text()
    store = open_store(text)
    try:
        store.claim(Claim.EXCLUSIVE)
    finally:
        store.close()
    path = Path(text.partition(":")[2])
    if location.kind == "sqlite":
        path.unlink()
        for ending in _SQLITE_SIBLINGS:
            path.with_name(path.name + ending).unlink(missing_ok=True)
    else:
        shutil.rmtree(path)
    return True


def delete_all(location: Location) -> list[str]:
    """Remove all databases of the place; returns their namespaces."""
    names = list_namespaces(location)
    for name in names:
        delete_store(location._replace(namespace=name))
    return names


def list_blob_ids(store: Store) -> list[BlobId]:
    """The blobs whose bytes are stored, in the order of their keys."""
    keys = store.partition(BLOB_ROOT).scan_keys(b"")
    return [_BLOB_IDS.from_bcs(key[:-1]) for key in keys if key.endswith(_BLOB_KEY_END)]


def list_chain_ids(store: Store) -> list[ChainId]:
    """The chains with a state, and those of the genesis, ascending.

    Genesis chains get a state when they are first used. Their descriptions are known by having no
    blob state (spec 06 §7.1).
    """
    shared = SharedStore(store)
    genesis = [
        ChainId(blob_id.hash)
        for blob_id in list_blob_ids(store)
        if blob_id.blob_type is BlobType.CHAIN_DESCRIPTION and shared.blob_state(blob_id) is None
    ]
    return sorted({*shared.chain_ids(), *genesis})
