"""Staging a block before it is proposed: what to do with transactions that fail (spec 02 §13).

`StagingMode.ABORT` fails with the first error. `StagingMode.AUTO_RETRY` drops or rejects bundles
that cannot be executed, so that one bad message does not hold up a chain.
"""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from msgspec import Struct, field

from catenula.base.identifiers import ApplicationId, ChainId
from catenula.execution.block import BlockRun, Checkpoint, ExecutedTransactions, ExecutionInputs
from catenula.execution.errors import BlockRuleError, ExecutionError, LimitExceeded, MissingData
from catenula.execution.state import ExecutionState
from catenula.protocol import (
    IncomingBundle,
    MessageAction,
    ProposedBlock,
    ReceiveMessages,
    Transaction,
    UserMessage,
)

DEFAULT_MAXIMUM_FAILURES = 3


class StagingMode(Enum):
    """What happens when a bundle cannot be executed."""

    ABORT = "abort"
    AUTO_RETRY = "auto-retry"


def never() -> bool:
    """The deadline of staging without a time budget."""
    return False


class StagingPolicy(Struct, frozen=True):
    """How to stage a block.

    ``maximum_failures`` bounds how often bundles of one origin are put off because of a limit.
    Bundles whose messages all belong to ``never_reject`` applications are put off, not rejected.
    ``is_time_up`` tells that no further bundle is to be started.
    """

    mode: StagingMode = StagingMode.AUTO_RETRY
    maximum_failures: int = DEFAULT_MAXIMUM_FAILURES
    never_reject: frozenset[ApplicationId] = field(default_factory=frozenset)
    is_time_up: Callable[[], bool] = never


class RejectedBundle(NamedTuple):
    """A bundle that staging rejected, and why."""

    bundle: IncomingBundle
    reason: ExecutionError


class StagedBlock(NamedTuple):
    """The block as it can be proposed, and what staging changed.

    ``held_origins`` sent a bundle that failed but may not be rejected; ``dropped`` bundles stay in
    their inboxes.
    """

    block: ProposedBlock
    executed: ExecutedTransactions
    rejected: tuple[RejectedBundle, ...]
    dropped: tuple[IncomingBundle, ...]
    held_origins: tuple[ChainId, ...]


def stage_block(
    state: ExecutionState, block: ProposedBlock, inputs: ExecutionInputs, *, policy: StagingPolicy
) -> StagedBlock:
    """Execute ``block``, leaving out or rejecting bundles as ``policy`` says.

    Raises `BlockRuleError` or `ExecutionError` when staging fails; the state is then to be rolled
    back. The staged block is executed again before it is proposed.
    """
    return _Staging(block, BlockRun(state, block, inputs), policy).run()


class _Staging:
    """The loop of spec 02 §13 over the transactions that are still in the block."""

    def __init__(self, block: ProposedBlock, run: BlockRun, policy: StagingPolicy) -> None:
        self._block = block
        self._policy = policy
        self._run = run
        self._transactions: list[Transaction] = list(block.transactions)
        self._failures = 0
        self._rejected: dict[int, RejectedBundle] = {}
        self._dropped: list[IncomingBundle] = []
        self._held: list[ChainId] = []

    def run(self) -> StagedBlock:
        self._run.begin()
        position = 0
        while position < len(self._transactions):
            transaction = self._transactions[position]
            if self._policy.mode is StagingMode.ABORT or type(transaction) is not ReceiveMessages:
                self._run.execute(transaction)
                position += 1
            elif self._policy.is_time_up():
                self._drop(position)
            elif self._try_bundle(position, transaction.bundle):
                position += 1
        if not self._transactions:
            raise BlockRuleError("EmptyBlock", chain_id=self._block.chain_id)
        transactions = tuple(self._transactions)
        block = self._block
        if transactions != block.transactions:
            block = block.replace(transactions=transactions)
        return StagedBlock(
            block,
            self._run.finish(),
            tuple(self._rejected[position] for position in sorted(self._rejected)),
            tuple(self._dropped),
            tuple(self._held),
        )

    def _try_bundle(self, position: int, bundle: IncomingBundle) -> bool:
        """Execute the bundle; False when the loop is to look at the same position again."""
        checkpoint: Checkpoint = self._run.checkpoint()
        try:
            self._run.execute(self._transactions[position])
        except MissingData:
            raise
        except ExecutionError as error:
            self._run.restore(checkpoint)
            self._handle_failure(position, bundle, error)
            return False
        return True

    def _handle_failure(self, position: int, bundle: IncomingBundle, error: ExecutionError) -> None:
        if isinstance(error, LimitExceeded) and position > 0:
            self._failures += 1
            too_many = self._failures > self._policy.maximum_failures
            self._drop(position, origin=None if too_many else bundle.origin)
        elif bundle.action is MessageAction.REJECT:
            raise error
        elif self._is_held(bundle):
            self._drop(position, origin=bundle.origin)
            self._held.append(bundle.origin)
        else:
            self._rejected[position] = RejectedBundle(bundle, error)
            self._transactions[position] = ReceiveMessages(
                bundle.replace(action=MessageAction.REJECT)
            )

    def _is_held(self, bundle: IncomingBundle) -> bool:
        if bundle.bundle.is_protected:
            return True
        never_reject = self._policy.never_reject
        return bool(never_reject) and all(
            type(posted.message) is UserMessage and posted.message.application_id in never_reject
            for posted in bundle.bundle.messages
        )

    def _drop(self, position: int, origin: ChainId | None = None) -> None:
        """Drop the bundles from ``position`` on: all of them, or those of one origin."""
        kept = self._transactions[:position]
        for transaction in self._transactions[position:]:
            if type(transaction) is ReceiveMessages and origin in (
                None,
                transaction.bundle.origin,
            ):
                self._dropped.append(transaction.bundle)
            else:
                kept.append(transaction)
        self._transactions = kept
        self._rejected.pop(position, None)
