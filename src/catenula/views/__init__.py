"""Typed containers over storage (registers, logs, queues, maps, …) and their hashes.

Entry points: `Context` (where a view is stored), `View` (what all views can do), and the kinds.
"""

from catenula.views.base import RAW, Context, ValueCodec, View, content_digest
from catenula.views.bucket_queue import BucketQueueView
from catenula.views.collection import (
    CollectionView,
    HashedCollectionView,
    HashedReentrantCollectionView,
    ReentrantCollectionView,
)
from catenula.views.historical import HistoricalView, chain_step
from catenula.views.key_value_store import HashedKeyValueStoreView, KeyValueStoreView
from catenula.views.log import LogView
from catenula.views.map import (
    ByteMapView,
    HashedByteMapView,
    HashedMapView,
    HashedSetView,
    MapView,
    SetView,
)
from catenula.views.queue import QueueView
from catenula.views.register import HashedRegisterView, LazyRegisterView, RegisterView
from catenula.views.structure import StructView

__all__ = [
    "RAW",
    "BucketQueueView",
    "ByteMapView",
    "CollectionView",
    "Context",
    "HashedByteMapView",
    "HashedCollectionView",
    "HashedKeyValueStoreView",
    "HashedMapView",
    "HashedReentrantCollectionView",
    "HashedRegisterView",
    "HashedSetView",
    "HistoricalView",
    "KeyValueStoreView",
    "LazyRegisterView",
    "LogView",
    "MapView",
    "QueueView",
    "ReentrantCollectionView",
    "RegisterView",
    "SetView",
    "StructView",
    "ValueCodec",
    "View",
    "chain_step",
    "content_digest",
]
