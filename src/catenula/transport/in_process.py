"""A validator in this process as its clients see it, with faults for tests and demonstrations.

A message crosses as its value with its bytes; nothing the sender has derived from it (hashes,
checks) crosses, so that nodes in one process share no results. A stopped validator refuses every
call, a slow one answers late.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from catenula.base.codec import MemoRecord
from catenula.base.errors import LocalError
from catenula.protocol import (
    BlockProposal,
    ChainId,
    ChainInfoResponse,
    ConfirmedBlockCertificate,
    Notification,
    ProposalContent,
    ValidatedBlockCertificate,
)


def as_received(value: Any) -> Any:
    """A message as its receiver has it: bytes and value, without the sender's derived facts."""
    if isinstance(value, ValidatedBlockCertificate | ConfirmedBlockCertificate):
        return type(value)(value.value.as_received(), value.round, value.signatures)
    if isinstance(value, ChainInfoResponse):
        return value.as_received()
    if isinstance(value, BlockProposal):
        content = value.content
        block = content.block.as_received()
        fresh = ProposalContent(block, content.round, content.outcome)
        return BlockProposal(fresh, value.signature, value.original_proposal)
    if isinstance(value, MemoRecord):
        return value.as_received()
    if isinstance(value, list):
        return [as_received(item) for item in value]
    return value


class InProcessNode:
    """A `ValidatorNode` over a node in this process; methods are those of the target."""

    def __init__(self, target: Any, *, name: str) -> None:
        self._target = target
        self._name = name
        self._stopped = False
        self.delay_seconds = 0.0

    @property
    def address(self) -> str:
        """The validator's name."""
        return self._name

    def stop(self) -> None:
        """Refuse every call from now on, also those that wait for a slow answer."""
        self._stopped = True

    def replace(self, target: Any) -> None:
        """Serve again, with a restarted node."""
        self._target, self._stopped = target, False

    def _refuse_if_stopped(self) -> None:
        if self._stopped:
            raise LocalError(f"{self._name} is not running", retryable=True, address=self._name)

    def subscribe(
        self, chain_ids: Sequence[ChainId], *, on_open: Callable[[], None] | None = None
    ) -> AsyncIterator[Notification]:
        """See `ValidatorNode`."""
        self._refuse_if_stopped()
        notifications: AsyncIterator[Notification] = self._target.subscribe(
            chain_ids, on_open=on_open
        )
        return notifications

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        async def call(*arguments: Any, **options: Any) -> Any:
            self._refuse_if_stopped()
            if self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
                self._refuse_if_stopped()
            method = getattr(self._target, name)
            reply = await method(*map(as_received, arguments), **options)
            self._refuse_if_stopped()
            return as_received(reply)

        return call
