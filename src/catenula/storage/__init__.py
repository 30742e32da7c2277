"""Ordered key-value storage: batches, engines, durable atomic commits, and shared objects on top.

Entry points: `open_store`, `Store`, `Batch`.
"""

from catenula.storage.batch import DELETE, DELETE_PREFIX, PUT, Batch, prefix_end
from catenula.storage.engine import (
    Claim,
    DamagedStore,
    Fence,
    Group,
    Partition,
    StaleFence,
    Store,
    open_store,
)
from catenula.storage.overlay import OverlayPartition

__all__ = [
    "DELETE",
    "DELETE_PREFIX",
    "PUT",
    "Batch",
    "Claim",
    "DamagedStore",
    "Fence",
    "Group",
    "OverlayPartition",
    "Partition",
    "StaleFence",
    "Store",
    "open_store",
    "prefix_end",
]
