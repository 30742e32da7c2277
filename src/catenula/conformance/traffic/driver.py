"""The driver of a played validator: it can hold back what one chain sends to another."""

from typing import Any

from catenula.base.identifiers import ChainId
from catenula.protocol import CrossChainRequest, UpdateRecipient
from catenula.validator.driver import NodeDriver

Pair = tuple[ChainId, ChainId]
"""A sender and a recipient."""


class HoldingDriver(NodeDriver):
    """A `NodeDriver` from which messages between two chains arrive late when they are held back.

    Requests between chains are cumulative, so of those held back only the last one matters.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.sent: list[Pair] = []
        """Who has sent to whom; whoever looks may clear it."""
        self._held: dict[Pair, UpdateRecipient | None] = {}

    def hold(self, pair: Pair) -> None:
        """Hold back from now on what the first chain sends to the second."""
        self._held[pair] = None

    def let_go(self, pair: Pair) -> None:
        """Deliver what was held back, and everything after it."""
        request = self._held.pop(pair, None)
        if request is not None:
            self._send(request)

    def _send(self, request: CrossChainRequest) -> None:
        if isinstance(request, UpdateRecipient):
            pair = (request.sender, request.recipient)
            self.sent.append(pair)
            if pair in self._held:
                self._held[pair] = request
                return
        super()._send(request)
