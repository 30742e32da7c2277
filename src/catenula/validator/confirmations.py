"""Confirmations of delivery that wait for the next request to their chain.

A confirmation only shortens an outbox. Applied by itself it would cost a durable commit, during
which the chain could do nothing else; together with the chain's next request it costs nothing. When
no request comes soon, or somebody waits for the delivery, it is applied by itself.
"""

import asyncio
from collections.abc import Callable

from catenula.base.identifiers import ChainId
from catenula.protocol import ConfirmUpdatedRecipient

PATIENCE_SECONDS = 0.02
"""How long a confirmation waits for a request to its chain."""


class PutOffConfirmations:
    """Confirmations by the chain that must act on them; ``release`` takes those that are left."""

    def __init__(self, release: Callable[[ConfirmUpdatedRecipient], None]) -> None:
        self._release = release
        self._by_chain: dict[ChainId, dict[ChainId, ConfirmUpdatedRecipient]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def put(self, request: ConfirmUpdatedRecipient) -> None:
        """Keep a confirmation for a while; a newer one of the same recipient replaces it."""
        self._by_chain.setdefault(request.sender, {})[request.recipient] = request
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(PATIENCE_SECONDS, self.release_all)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is put off."""
        return not self._by_chain

    def __bool__(self) -> bool:
        return bool(self._by_chain)

    def take(self, chain_id: ChainId) -> tuple[ConfirmUpdatedRecipient, ...]:
        """The chain's confirmations, to be applied now."""
        found = self._by_chain.pop(chain_id, None)
        return () if found is None else tuple(found.values())

    def release_chain(self, chain_id: ChainId) -> None:
        """Apply the chain's confirmations by themselves."""
        for request in self.take(chain_id):
            self._release(request)

    def release_all(self) -> None:
        """Apply all confirmations by themselves."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for chain_id in tuple(self._by_chain):
            self.release_chain(chain_id)
