"""Staging on a client's own node: what a block would do, before anyone signs it (spec 07 §7.4)."""

from collections.abc import Mapping
from typing import NamedTuple

from catenula.base.errors import invariant
from catenula.base.identifiers import ChainId
from catenula.chain.block_execution import block_outcome
from catenula.chain.mailboxes import remove_bundles_from_inboxes
from catenula.chain.proposal_validity import check_size
from catenula.execution.block import ExecutionInputs, TransactionCost
from catenula.execution.resources import ResourceTracker
from catenula.execution.staging import RejectedBundle, StagingPolicy
from catenula.execution.staging import stage_block as stage_transactions
from catenula.protocol import BlobContent, BlobId, Block, IncomingBundle, ProposedBlock, Round
from catenula.worker.step import Step


class StagedBlock(NamedTuple):
    """A block as it can be proposed, its outcome, and what it costs.

    ``rejected`` and ``dropped`` bundles, and ``held_origins``, are what the policy changed.
    ``round`` is the multi-leader round it was executed for, None for any other: contracts that ask
    see no difference between those.
    """

    block: Block
    proposed: ProposedBlock
    costs: tuple[TransactionCost, ...]
    resources: ResourceTracker
    rejected: tuple[RejectedBundle, ...]
    dropped: tuple[IncomingBundle, ...]
    held_origins: tuple[ChainId, ...]
    round: Round | None

    def is_for(self, round_: Round) -> bool:
        """Whether executing the block for ``round_`` gives the same outcome."""
        return self.round == (round_ if round_.is_multi_leader else None)


def stage_block(
    step: Step,
    proposed: ProposedBlock,
    *,
    round_: Round | None,
    published_blobs: Mapping[BlobId, BlobContent],
    policy: StagingPolicy,
) -> StagedBlock:
    """Execute a block on top of the tip without leaving a trace.

    Raises what execution raises; the state is rolled back in any case.
    """
    step.activate()
    chain = step.chain
    is_multi_leader = round_ is not None and round_.is_multi_leader
    inputs = ExecutionInputs(
        environment=chain.environment,
        oracles=step.oracles,
        published_blobs=published_blobs,
        round_number=round_.number if round_ is not None and is_multi_leader else None,
    )
    try:
        remove_bundles_from_inboxes(chain, proposed, must_be_present=True)
        staged = stage_transactions(chain.execution, proposed, inputs, policy=policy)
        check_size(staged.block, chain.current_committee())
        outcome = block_outcome(chain, staged.block, staged.executed)
        block = Block.of(staged.block, outcome)
        chain.keep_executed_state(block.hash)
    finally:
        chain.rollback()
    invariant(block.proposed == staged.block, "W5", chain_id=step.chain_id)
    return StagedBlock(
        block,
        staged.block,
        staged.executed.costs,
        staged.executed.resources,
        staged.rejected,
        staged.dropped,
        staged.held_origins,
        round_ if is_multi_leader else None,
    )
