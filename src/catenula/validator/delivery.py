"""Callers that wait until a block's messages have reached their inboxes (spec 06 §5.5)."""

import asyncio
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from catenula.base.identifiers import ChainId
from catenula.base.integers import BlockHeight
from catenula.worker import Outcome

_T = TypeVar("_T")

Waiter = tuple[BlockHeight, asyncio.Future[None]]


class Done(NamedTuple, Generic[_T]):
    """A durable outcome, and what its caller still waits for, if it asked to."""

    outcome: Outcome[_T]
    delivered: asyncio.Future[None] | None


class DeliveryWaiters:
    """Waiters by chain; in memory only, the client asks again after a loss."""

    def __init__(self) -> None:
        self._by_chain: dict[ChainId, list[Waiter]] = {}

    def has(self, chain_id: ChainId) -> bool:
        """Whether anybody waits for this chain."""
        return chain_id in self._by_chain

    def register(self, chain_id: ChainId, height: BlockHeight) -> asyncio.Future[None]:
        """A future that is done when everything up to ``height`` is delivered.

        Whoever gives up waiting cancels it.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._by_chain.setdefault(chain_id, []).append((height, future))
        return future

    def release(self, chain_id: ChainId, is_delivered: Callable[[BlockHeight], bool]) -> None:
        """Wake those whose height is delivered; forgets those who gave up."""
        waiting: list[Waiter] = []
        for height, future in self._by_chain.get(chain_id, ()):
            if future.done():
                continue
            if is_delivered(height):
                future.set_result(None)
            else:
                waiting.append((height, future))
        if waiting:
            self._by_chain[chain_id] = waiting
        else:
            self._by_chain.pop(chain_id, None)

    def fail_where(self, is_concerned: Callable[[ChainId], bool], error: Exception) -> None:
        """Wake those who wait for some chains with an error."""
        for chain_id in [chain_id for chain_id in self._by_chain if is_concerned(chain_id)]:
            for _, future in self._by_chain.pop(chain_id):
                if not future.done():
                    future.set_exception(error)

    def fail_all(self, error: Exception) -> None:
        """Wake everybody with an error (the node stops)."""
        self.fail_where(lambda _: True, error)
