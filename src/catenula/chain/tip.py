"""The tip of a chain: its last executed block and running totals (spec 05 §1.2)."""

from typing import Self

from catenula.base.codec import Record
from catenula.base.identifiers import CryptoHash
from catenula.base.integers import U32, U32_MAX, BlockHeight, checked_add
from catenula.chain.errors import UnexpectedBlockHeight, UnexpectedPreviousBlockHash
from catenula.protocol import Block, ProposedBlock, ReceiveMessages


class TipState(Record, frozen=True):
    """Where a chain stands; ``next_block_height`` is the height being decided."""

    block_hash: CryptoHash | None = None
    next_block_height: BlockHeight = BlockHeight(0)
    num_incoming_bundles: U32 = U32(0)
    num_operations: U32 = U32(0)
    num_outgoing_messages: U32 = U32(0)

    def check_height(self, height: BlockHeight) -> None:
        """Raise `UnexpectedBlockHeight` unless ``height`` is the one being decided."""
        if height != self.next_block_height:
            raise UnexpectedBlockHeight(expected=self.next_block_height, found=height)

    def check_chaining(self, block: ProposedBlock) -> None:
        """Raise unless ``block`` follows the tip (spec 05 §5, steps 4 and 5)."""
        self.check_height(block.height)
        if block.previous_block_hash != self.block_hash:
            raise UnexpectedPreviousBlockHash(
                expected=self.block_hash, found=block.previous_block_hash
            )

    def after(self, block: Block) -> Self:
        """The tip once ``block`` is executed; `ArithmeticOverflow` if a total leaves u32."""
        body = block.body
        bundles = sum(type(item) is ReceiveMessages for item in body.transactions)
        operations = len(body.transactions) - bundles
        messages = sum(map(len, body.messages))
        return type(self)(
            block.hash,
            checked_add(self.next_block_height, 1),
            checked_add(self.num_incoming_bundles, bundles, U32_MAX),
            checked_add(self.num_operations, operations, U32_MAX),
            checked_add(self.num_outgoing_messages, messages, U32_MAX),
        )
