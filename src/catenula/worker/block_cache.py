"""Blocks this worker voted on or processed, for certificates that carry only a hash."""

from collections import OrderedDict

from catenula.base.counting import Told, plain
from catenula.base.identifiers import CryptoHash
from catenula.base.limits import MAX_CACHED_BLOCKS
from catenula.protocol import Block


class BlockCache:
    """A bounded map from hash to block; the oldest entries go first."""

    def __init__(self, capacity: int = MAX_CACHED_BLOCKS) -> None:
        self._capacity = capacity
        self._blocks: OrderedDict[CryptoHash, Block] = OrderedDict()
        self._hits = self._misses = 0

    def put(self, block: Block) -> None:
        """Remember a block."""
        self._blocks[block.hash] = block
        if len(self._blocks) > self._capacity:
            self._blocks.popitem(last=False)

    def get(self, block_hash: CryptoHash) -> Block | None:
        """The block of this hash, if it is remembered."""
        found = self._blocks.get(block_hash)
        if found is None:
            self._misses += 1
        else:
            self._hits += 1
        return found

    def told(self) -> Told:
        """What was counted, by the names of spec 06 §9."""
        return {
            "value_cache_hit": plain(self._hits),
            "value_cache_miss": plain(self._misses),
            "value_cache_entries": len(self._blocks),
        }
