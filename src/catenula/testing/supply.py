"""Counting native tokens (M14): balances of all chains and credits that are under way.

Only for networks without fees and grants.
"""

from collections.abc import Iterable

from catenula.base.errors import invariant
from catenula.base.identifiers import ChainId
from catenula.protocol import (
    Block,
    Credit,
    ReceiveMessages,
)
from catenula.testing.tiny_node import TinyNode

Place = tuple[ChainId, int, ChainId, int]
"""A bundle: sender, height, recipient, transaction index."""


def total_balance(node: TinyNode, chain_ids: Iterable[ChainId]) -> int:
    """The tokens that chains and their owners hold, as this node sees it."""
    total = 0
    for chain_id in chain_ids:
        system = node.chain(chain_id).execution.system
        total += system.balance.get() + sum(amount for _, amount in system.balances.items())
    return total


class CreditsUnderWay:
    """Credits that executed blocks have sent and no executed block has taken in."""

    def __init__(self) -> None:
        self._sent: dict[Place, int] = {}

    @property
    def total(self) -> int:
        """The tokens under way."""
        return sum(self._sent.values())

    def include(self, block: Block) -> None:
        """Count an executed block; `InvariantViolation` if it takes a bundle in again (M2)."""
        for transaction in block.body.transactions:
            if isinstance(transaction, ReceiveMessages):
                bundle = transaction.bundle
                place: Place = (
                    bundle.origin,
                    bundle.bundle.height,
                    block.chain_id,
                    bundle.bundle.transaction_index,
                )
                invariant(place in self._sent, "M2", place=place)
                del self._sent[place]
        for index, messages in enumerate(block.body.messages):
            for message in messages:
                if isinstance(message.message, Credit):
                    place = (block.chain_id, block.height, message.destination, index)
                    self._sent[place] = self._sent.get(place, 0) + message.message.amount
