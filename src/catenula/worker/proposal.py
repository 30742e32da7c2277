"""Handling a block proposal: checks, execution, vote (spec 05 §5, 06 §4.3).

The rows of the specification are the lines of `_vote_on`, in its order.
"""

from catenula.chain import proposal_validity as validity
from catenula.chain.block_execution import execute_proposed_block
from catenula.chain.errors import HasIncompatibleConfirmedVote
from catenula.chain.mailboxes import remove_bundles_from_inboxes
from catenula.chain.manager import Check
from catenula.protocol import (
    BlobContent,
    BlobId,
    Block,
    BlockProposal,
    ChainInfoResponse,
    OriginalRegular,
)
from catenula.worker.step import Step, found_only
from catenula.worker.verified import signed_by_proposer


def handle_block_proposal(step: Step, proposal: BlockProposal) -> ChainInfoResponse:
    """Vote on a proposal; a repeated one is answered with the stored votes.

    A rejected proposal may still raise the round, of which subscribers hear.
    """
    step.activate()
    before = step.chain.manager.current_round
    try:
        _vote_on(step, proposal)
    finally:
        step.notify_round(before)
    return step.reply()


def _vote_on(step: Step, proposal: BlockProposal) -> None:
    chain, block = step.chain, proposal.content.block
    validity.check_shape(proposal)
    if signed_by_proposer(proposal) not in step.node.verified:
        validity.check_signature(proposal)
    validity.check_chaining(chain.tip, block)
    committee = chain.current_committee()
    validity.check_epoch(chain.chain_id, chain.epoch, block.epoch)
    validity.check_size(block, committee)
    validity.check_proposer(proposal, chain.manager.rules)
    validity.check_original(proposal, chain.manager.rules, committee)
    if _check_with_manager(step, proposal) is Check.SKIP:
        return
    if chain.manager.update_signed_proposal(proposal, step.now):
        step.save()
    published = _require_blobs(step, proposal)
    if step.node.secret is not None:
        validity.check_timestamp(block, step.now, step.node.config.grace_period_us)
    voted = _execute_and_discard(step, proposal, published)
    blobs = step.find_blobs(voted.required_blob_ids | proposal.expected_blob_ids, voted)
    validity.check_blobs_found(blobs)
    vote = chain.manager.create_vote(
        proposal, voted, blobs=found_only(blobs), now=step.now, key=step.node.secret
    )
    if vote is not None and step.node.secret is not None:
        step.node.verified.add_vote(vote, step.node.secret.public_key())
        step.node.counters.voted(vote.value.kind)
    step.node.blocks.put(voted)
    step.save()


def _check_with_manager(step: Step, proposal: BlockProposal) -> Check:
    """Step 11; a proposal that conflicts with our confirmed vote may still raise the round."""
    manager = step.chain.manager
    try:
        return manager.check_proposed_block(proposal)
    except HasIncompatibleConfirmedVote:
        if manager.update_signed_proposal(proposal, step.now):
            step.save()
        raise


def _require_blobs(step: Step, proposal: BlockProposal) -> dict[BlobId, BlobContent]:
    """Step 13: the blobs the proposal needs, or a record of them for the uploads to come."""
    if not proposal.required_blob_ids:
        return {}
    chain = step.chain
    blobs = step.find_blobs(proposal.required_blob_ids)
    if any(blob is None for blob in blobs.values()):
        if chain.manager.rules.ownership.open_multi_leader_rounds:
            chain.pending_blobs.forget_proposed()
        chain.pending_blobs.expect_proposed(
            proposal.owner,
            proposal.content.round,
            validated=type(proposal.original_proposal) is OriginalRegular,
            blobs=blobs,
        )
        step.save()
        validity.check_blobs_found(blobs)
    return found_only(blobs)


def _execute_and_discard(
    step: Step, proposal: BlockProposal, found: dict[BlobId, BlobContent]
) -> Block:
    """Steps 15-19: the block with its outcome; nothing of the execution stays staged."""
    chain, content = step.chain, proposal.content
    remove_bundles_from_inboxes(chain, content.block, must_be_present=True)
    if content.outcome is None:
        published = content.block.published_blob_ids
        block = execute_proposed_block(
            chain,
            content.block,
            round=content.round,
            published_blobs={blob_id: found[blob_id] for blob_id in published},
            oracles=step.oracles,
        ).block
    else:
        block = proposal.locked_block
    validity.check_oracles(block, content.round)
    validity.check_counters(chain.tip, block)
    chain.rollback()
    return block
