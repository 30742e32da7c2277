"""The checks of a block proposal that need nothing but the proposal and the chain (spec 05 §5).

One function per step, named after what it checks and numbered as in the specification; the worker
calls them in that order and does the saves between them. None of them changes anything.
"""

from collections.abc import Mapping

from catenula.base.identifiers import ChainId
from catenula.base.integers import Epoch, TimeDelta, Timestamp
from catenula.chain.errors import (
    BlockProposalTooLarge,
    FastBlockUsingOracles,
    InvalidEpoch,
    InvalidOwner,
    InvalidSigner,
    InvalidTimestamp,
)
from catenula.chain.ownership_rules import RoundRules
from catenula.chain.tip import TipState
from catenula.execution.errors import BlobsNotFound
from catenula.protocol import (
    BlobContent,
    BlobId,
    Block,
    BlockProposal,
    Committee,
    OriginalFast,
    OriginalRegular,
    ProposalContent,
    ProposedBlock,
    Round,
)


def check_shape(proposal: BlockProposal) -> None:
    """Step 2: content and original proposal fit together; `InvalidBlockProposal`."""
    proposal.check_invariants()


def check_signature(proposal: BlockProposal) -> None:
    """Step 3: the proposer signed the content."""
    proposal.verify_signature()


def check_chaining(tip: TipState, block: ProposedBlock) -> None:
    """Steps 4 and 5: `UnexpectedBlockHeight`, `UnexpectedPreviousBlockHash`."""
    tip.check_chaining(block)


def check_epoch(chain_id: ChainId, chain_epoch: Epoch, epoch: Epoch) -> None:
    """Step 7: the block or certificate is for the chain's epoch; `InvalidEpoch`."""
    if epoch != chain_epoch:
        raise InvalidEpoch(chain_id=chain_id, chain_epoch=chain_epoch, epoch=epoch)


def check_size(block: ProposedBlock, committee: Committee) -> None:
    """Step 8: `BlockProposalTooLarge`."""
    size, limit = len(block.bcs), committee.policy.maximum_block_proposal_size
    if size > limit:
        raise BlockProposalTooLarge(size=size, limit=limit)


def check_proposer(proposal: BlockProposal, rules: RoundRules) -> None:
    """Step 9: the signer may propose in the round; `InvalidOwner`."""
    owner = proposal.owner
    if not rules.may_propose(owner, proposal.content.round):
        raise InvalidOwner(owner=owner)


def check_original(proposal: BlockProposal, rules: RoundRules, committee: Committee) -> None:
    """Step 10: who authenticated the block, or which quorum or super owner vouches for it.

    Raises `InvalidSigner`, `InvalidOwner`, `CertificateError` or a signature error.
    """
    original = proposal.original_proposal
    if type(original) is OriginalRegular:
        original.certificate.check(committee)
    elif type(original) is OriginalFast:
        _check_fast_original(proposal.content.block, original, rules)
    else:
        owner = proposal.owner
        if proposal.content.block.authenticated_signer not in (None, owner):
            raise InvalidSigner(owner=owner)


def _check_fast_original(block: ProposedBlock, original: OriginalFast, rules: RoundRules) -> None:
    """Step 10c: the embedded signature is a super owner's over the same block in the fast round."""
    super_owner = original.signature.signer()
    if super_owner not in rules.ownership.super_owners:
        raise InvalidOwner(owner=super_owner)
    signer = block.authenticated_signer
    if signer is not None and signer != super_owner:
        raise InvalidSigner(owner=signer)
    original.signature.verify(ProposalContent(block, Round.FAST).hash)


def check_blobs_found(blobs: Mapping[BlobId, BlobContent | None]) -> None:
    """Steps 13 and 19: every blob was found; `BlobsNotFound` names all that were not."""
    missing = [blob_id for blob_id, blob in blobs.items() if blob is None]
    if missing:
        raise BlobsNotFound(sorted(missing, key=BlobId.order_key))


def check_timestamp(block: ProposedBlock, now: Timestamp, grace_period: TimeDelta) -> None:
    """Step 14, validators only: the block is not too far in the future; `InvalidTimestamp`."""
    if block.timestamp > now + grace_period:
        raise InvalidTimestamp(block_timestamp=block.timestamp, local_time=now)


def check_oracles(block: Block, round: Round) -> None:
    """Step 17: a block of the fast round used no oracle; `FastBlockUsingOracles`."""
    if round.is_fast and block.has_oracle_responses():
        raise FastBlockUsingOracles


def check_counters(tip: TipState, block: Block) -> None:
    """Step 18: the tip's totals stay in range; `ArithmeticOverflow`."""
    tip.after(block)
