"""A chain's blocks: activation, execution on top of the tip, application of certified blocks.

Spec 05 §1.3, §5 step 16, §9.1 steps 6-9 and §9.2. Executing stages a result; nothing is final
before `apply_confirmed_block` and the save after it. A block that was executed for a vote is not
executed again when its certificate arrives, as long as nothing else was applied in between.
"""

from collections.abc import Mapping
from typing import NamedTuple

from catenula.base.integers import Timestamp
from catenula.chain.chain_state import ChainState
from catenula.chain.errors import CorruptedChainState, InvalidBlockChaining
from catenula.chain.mailboxes import remove_bundles_from_inboxes
from catenula.chain.proposal_validity import check_epoch
from catenula.execution.block import (
    ExecutedTransactions,
    ExecutionInputs,
    execute_block,
    outcome_of,
)
from catenula.execution.environment import Oracles
from catenula.execution.initialization import initialize_chain
from catenula.protocol import (
    BlobContent,
    BlobId,
    Block,
    BlockExecutionOutcome,
    ProposedBlock,
    Round,
    StreamId,
)


class ExecutedBlock(NamedTuple):
    """A block with the outcome this node computed, and what executing it cost."""

    block: Block
    executed: ExecutedTransactions


def activate(chain: ChainState, now: Timestamp) -> bool:
    """Set the chain up from its description if that was not done yet; whether it was done now.

    The caller saves when it was. Raises `BlobsNotFound`, `EventsNotFound`.
    """
    if chain.is_described:
        return False
    state_hash = initialize_chain(chain.execution, chain.environment)
    if state_hash is None:
        return False
    chain.execution_changed = True
    chain.start(state_hash, now)
    return True


def block_outcome(
    chain: ChainState, block: ProposedBlock, executed: ExecutedTransactions
) -> BlockExecutionOutcome:
    """The whole outcome of an executed block: adds where its recipients and streams were last used.

    Derived from the chain before the block, so to be called before the block is applied.
    """
    recipients = {message.destination for sent in executed.messages for message in sent}
    streams = {event.stream_id for events in executed.events for event in events}
    message_blocks = {
        recipient: previous
        for recipient in sorted(recipients)
        if (previous := chain.outboxes.previous_message_block(recipient)) is not None
    }
    event_blocks = {
        stream: previous
        for stream in sorted(streams)
        if (previous := chain.streams.previous_event_block(stream)) is not None
    }
    return outcome_of(executed, message_blocks, event_blocks)


def execute_proposed_block(
    chain: ChainState,
    proposed: ProposedBlock,
    *,
    round: Round | None,
    published_blobs: Mapping[BlobId, BlobContent],
    oracles: Oracles,
) -> ExecutedBlock:
    """Step 16: execute a block on top of the tip, for a vote or while staging.

    The execution state holds the result until the caller rolls back; it is also kept by block hash.
    Raises `BlockRuleError`, `ExecutionError`.
    """
    is_multi_leader = round is not None and round.is_multi_leader
    inputs = ExecutionInputs(
        environment=chain.environment,
        oracles=oracles,
        published_blobs=published_blobs,
        round_number=round.number if round is not None and is_multi_leader else None,
        meter=chain.meter,
    )
    executed = execute_block(chain.execution, proposed, inputs)
    block = Block.of(proposed, block_outcome(chain, proposed, executed))
    chain.keep_executed_state(block.hash)
    return ExecutedBlock(block, executed)


def apply_confirmed_block(
    chain: ChainState,
    block: Block,
    *,
    published_blobs: Mapping[BlobId, BlobContent],
    oracles: Oracles,
    now: Timestamp,
) -> tuple[StreamId, ...]:
    """Steps 6-9 for an activated chain: execute a certified block; the streams that advanced.

    The caller has verified the certificate, and saves. Raises `InvalidBlockChaining`,
    `InvalidEpoch`, inbox errors, execution errors, `CorruptedChainState`.
    """
    header = block.header
    tip = chain.tip
    if header.height != tip.next_block_height or header.previous_block_hash != tip.block_hash:
        raise InvalidBlockChaining(
            expected=tip.block_hash, found=header.previous_block_hash, height=header.height
        )
    chain.current_committee()
    check_epoch(chain.chain_id, chain.epoch, header.epoch)
    remove_bundles_from_inboxes(chain, block.proposed, must_be_present=False)
    if not chain.restore_executed_state(block.hash):
        _execute_again(chain, block, published_blobs, oracles)
    chain.execution_changed = True
    chain.outboxes.schedule_executed(block, block.recipients)
    updated = chain.streams.include(block, is_executed=True)
    chain.advance(block, now)
    return updated


def _execute_again(
    chain: ChainState,
    block: Block,
    published_blobs: Mapping[BlobId, BlobContent],
    oracles: Oracles,
) -> None:
    """Replay a certified block and compare; its oracle responses stand in for the oracles."""
    proposed = block.proposed
    inputs = ExecutionInputs(
        environment=chain.environment,
        oracles=oracles,
        published_blobs=published_blobs,
        replay=block.body.oracle_responses,
        meter=chain.meter,
    )
    executed = execute_block(chain.execution, proposed, inputs)
    outcome = block_outcome(chain, proposed, executed)
    if outcome != block.outcome:
        error = CorruptedChainState(
            reason="executing a certified block gave another outcome",
            height=block.header.height,
            differences=outcome_differences(outcome, block.outcome),
        )
        error.computed = outcome
        raise error


def outcome_differences(
    found: BlockExecutionOutcome, expected: BlockExecutionOutcome
) -> tuple[str, ...]:
    """The names of the fields in which two outcomes differ."""
    return tuple(
        name
        for name in BlockExecutionOutcome.__struct_fields__
        if getattr(found, name) != getattr(expected, name)
    )


def preprocess_block(chain: ChainState, block: Block) -> tuple[StreamId, ...] | None:
    """Take note of a certified block without executing it (spec 05 §9.2); the caller saves.

    The streams that advanced; None if the block is below the tip and nothing was done.
    """
    if block.header.height < chain.next_block_height:
        return None
    chain.outboxes.schedule_preprocessed(
        block,
        block.recipients,
        next_block_height=chain.next_block_height,
        hash_at=chain.hash_at,
    )
    updated = chain.streams.include(block, is_executed=False)
    chain.record_preprocessed(block)
    return updated
