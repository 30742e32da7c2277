"""A struct of every kind of view, and the plain Python model it is compared with."""

from hashlib import sha3_256
from typing import Any

from catenula.base.codec import codec_of
from catenula.base.integers import U32
from catenula.views import (
    BucketQueueView,
    CollectionView,
    Context,
    HashedMapView,
    HashedReentrantCollectionView,
    KeyValueStoreView,
    LogView,
    MapView,
    QueueView,
    RegisterView,
    SetView,
    StructView,
)

NUMBER = codec_of(U32)
NUMBERS = codec_of(tuple[U32, ...])
TEXT = codec_of(str)

MAPS = ("map", "hashed_map")
QUEUES = ("queue", "bucket_queue")
STORES = ("store",)
COLLECTIONS = ("collection", "reentrant")


def number_map(context: Context) -> MapView[str, U32]:
    return MapView(context, TEXT, NUMBER, default=U32(0))


class AllViews(StructView):
    """One field of each kind."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.register: Any = RegisterView(context.field(0), NUMBER, U32(0))
        self.map: Any = number_map(context.field(1))
        self.hashed_map: Any = HashedMapView(context.field(2), TEXT, NUMBER, default=U32(0))
        self.set: Any = SetView(context.field(3), TEXT)
        self.store: Any = KeyValueStoreView(context.field(4))
        self.log: Any = LogView(context.field(5), NUMBER)
        self.queue: Any = QueueView(context.field(6), NUMBER)
        self.bucket_queue: Any = BucketQueueView(context.field(7), NUMBERS, bucket_size=3)
        self.collection: Any = CollectionView(context.field(8), TEXT, number_map)
        self.reentrant: Any = HashedReentrantCollectionView(
            context.field(9), TEXT, KeyValueStoreView
        )
        self.set_fields(
            *(self.register, self.map, self.hashed_map, self.set, self.store),
            *(self.log, self.queue, self.bucket_queue, self.collection, self.reentrant),
        )


def empty_model() -> dict[str, Any]:
    return {
        "register": 0,
        "map": {},
        "hashed_map": {},
        "set": {},
        "store": {},
        "log": [],
        "queue": [],
        "bucket_queue": [],
        "collection": {},
        "reentrant": {},
    }


def content_of(view: AllViews) -> dict[str, Any]:
    """What the views hold, read through their public methods."""
    collection = {key: dict(view.collection.try_load(key).items()) for key in view.collection}
    reentrant = {key: dict(view.reentrant.try_load(key).items()) for key in view.reentrant}
    return {
        "register": view.register.get(),
        "map": dict(view.map.items()),
        "hashed_map": dict(view.hashed_map.items()),
        "set": dict.fromkeys(view.set.keys(), b""),
        "store": dict(view.store.items()),
        "log": view.log.read(),
        "queue": view.queue.items(),
        "bucket_queue": view.bucket_queue.items(),
        "collection": collection,
        "reentrant": reentrant,
    }


def sha3(data: bytes) -> bytes:
    return sha3_256(data).digest()


def hash_entries(entries: dict[bytes, bytes]) -> bytes:
    pairs = b"".join(key + entries[key] for key in sorted(entries))
    return sha3(pairs + len(entries).to_bytes(4, "little"))


def hash_collection(hashes: dict[bytes, bytes]) -> bytes:
    pairs = b"".join(key + hashes[key] for key in sorted(hashes))
    return sha3(len(hashes).to_bytes(4, "little") + pairs)


def hash_map(model: dict[str, int]) -> bytes:
    return hash_entries({TEXT.to_bcs(k): NUMBER.to_bcs(v) for k, v in model.items()})


def model_hash(model: dict[str, Any]) -> bytes:
    """The content hash by the formulas of spec 03 §2."""
    sets = {TEXT.to_bcs(key): b"" for key in model["set"]}
    maps = {TEXT.to_bcs(key): hash_map(value) for key, value in model["collection"].items()}
    stores = {TEXT.to_bcs(key): hash_entries(value) for key, value in model["reentrant"].items()}
    hashes = [sha3(NUMBER.to_bcs(model["register"]))]
    hashes += [hash_map(model["map"]), hash_map(model["hashed_map"])]
    hashes += [hash_entries(sets), hash_entries(model["store"])]
    hashes += [
        sha3(NUMBERS.to_bcs(tuple(model[name]))) for name in ("log", "queue", "bucket_queue")
    ]
    hashes += [hash_collection(maps), hash_collection(stores)]
    return sha3(b"".join(hashes))
