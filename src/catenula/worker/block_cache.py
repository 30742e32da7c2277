"""Blocks this worker voted on or processed, for certificates that carry only a hash."""

from collections import OrderedDict

from catenula.base.identifiers import CryptoHash
from catenula.base.limits import MAX_CACHED_BLOCKS
from catenula.protocol import Block


class BlockCache:
    """A bounded map from hash to block; the oldest entries go first."""

    def __init__(self, capacity: int = MAX_CACHED_BLOCKS) -> None:
        self._capacity = capacity
        self._blocks: OrderedDict[CryptoHash, Block] = OrderedDict()

    def put(self, block: Block) -> None:
        """Remember a block."""
        self._blocks[block.hash] = block
        if len(self._blocks) > self._capacity:
            self._blocks.popitem(last=False)

    def get(self, block_hash: CryptoHash) -> Block | None:
        """The block of this hash, if it is remembered."""
        return self._blocks.get(block_hash)
