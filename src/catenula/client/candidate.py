"""Which block to propose next, and as what (spec 07 §9.2 steps 3-7).

Invariants kept: K2 (the last signed proposal of a chain is remembered with its round), K3 (the
proposal is stored before it is sent), K5 (a locked block goes before a new one).
"""

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from catenula.base.crypto import AccountSignature
from catenula.base.errors import invariant
from catenula.base.identifiers import AccountOwner
from catenula.chain.chain_state import ChainState
from catenula.chain.manager import ChainManager
from catenula.client.context import ClientContext
from catenula.client.errors import CannotPropose, Explanation, MissingKey
from catenula.client.local_node import by_id
from catenula.client.outcomes import WaitForTimeout
from catenula.client.rounds import Impossible, ProposeIn, Situation, WaitUntil, choose_round
from catenula.client.session import ChainSession
from catenula.client.staging import identity, stage
from catenula.client.wallet import PendingProposal, ProposalRow, SignedProposal
from catenula.protocol import (
    BlobContent,
    BlobId,
    Block,
    BlockExecutionOutcome,
    BlockProposal,
    LockingBlock,
    LockingFast,
    LockingRegular,
    OriginalFast,
    OriginalProposal,
    OriginalRegular,
    ProposalContent,
    Round,
)
from catenula.worker import StagedBlock


class Candidate(Struct, frozen=True):
    """A block to propose: its execution, its blobs, who proposes it, and what it retries.

    ``outcome`` goes into the proposal only with the retry of a validated block.
    """

    block: Block
    blobs: tuple[BlobContent, ...]
    owner: AccountOwner
    original: OriginalProposal | None = None

    @property
    def outcome(self) -> BlockExecutionOutcome | None:
        """The outcome as the proposal carries it."""
        return self.block.outcome if type(self.original) is OriginalRegular else None

    def content(self, round_: Round) -> ProposalContent:
        """What is signed to propose the block in a round."""
        return ProposalContent(self.block.proposed, round_, self.outcome)


async def choose_candidate(
    context: ClientContext, session: ChainSession, locking: LockingBlock | None
) -> Candidate | None:
    """The locked block, else the pending one, else None.

    A pending block whose signer's key is missing is dropped, unless it went into the fast round:
    there a second proposal could split the validators (`MissingKey`).
    """
    if isinstance(locking, LockingRegular):
        owner = await identity(context, session)
        block = locking.certificate.block
        blobs = _locked_blobs(context.local.chain(session.chain_id), block.published_blob_ids)
        return Candidate(block, blobs, owner, OriginalRegular(locking.certificate.lite()))
    if isinstance(locking, LockingFast):
        owner = await identity(context, session)
        proposal = locking.proposal
        proposed = proposal.content.block
        chain = context.local.chain(session.chain_id)
        blobs = _locked_blobs(chain, proposed.published_blob_ids)
        staged = await stage(context, proposed, blobs=blobs, round_=Round.FAST)
        return Candidate(staged.block, blobs, owner, OriginalFast(proposal.signature))
    if session.pending is None:
        return None
    return await _pending_candidate(context, session, session.pending)


def _locked_blobs(chain: ChainState, published: frozenset[BlobId]) -> tuple[BlobContent, ...]:
    found = chain.find_blobs(published)
    return tuple(blob for blob in found.values() if blob is not None)


async def _pending_candidate(
    context: ClientContext, session: ChainSession, pending: PendingProposal
) -> Candidate | None:
    signer = pending.block.authenticated_signer
    owner = signer if signer is not None else await identity(context, session)
    if not await context.signer.contains_key(owner):
        if pending.round is not None and pending.round.is_fast:
            raise MissingKey(
                Explanation(
                    "A block of the fast round is pending, and the key that signed it is missing",
                    session.chain_id,
                    pending.block.height,
                    pending.round,
                    who=owner,
                    next_step="import that key; a second fast proposal could block the chain",
                )
            )
        session.clear_pending()
        return None
    staged = session.staged
    if staged is None or staged.proposed != pending.block:
        round_ = context.local.chain(session.chain_id).manager.current_round
        staged = await stage(context, pending.block, blobs=pending.blobs, round_=round_)
        session.staged = staged
    return Candidate(staged.block, pending.blobs, owner)


async def execute_for_round(
    context: ClientContext, session: ChainSession, candidate: Candidate, *, round_: Round
) -> Candidate:
    """The candidate with the outcome it has in ``round_``, where that can make a difference.

    Only contracts that ask for the round see it, and then there is an oracle response.
    """
    if candidate.original is not None or not candidate.block.has_oracle_responses():
        return candidate
    known = session.staged
    if known is not None and known.block is candidate.block and known.is_for(round_):
        return candidate
    staged: StagedBlock = await stage(
        context, candidate.block.proposed, blobs=candidate.blobs, round_=round_
    )
    session.staged = staged
    return Candidate(staged.block, candidate.blobs, candidate.owner)


# The round


def round_for(
    context: ClientContext, session: ChainSession, candidate: Candidate
) -> Round | WaitForTimeout:
    """The round to propose the candidate in; raises `CannotPropose`."""
    chain = context.local.chain(session.chain_id)
    manager = chain.manager
    has_oracles = candidate.block.has_oracle_responses()
    signed = context.wallet.proposal(session.chain_id).signed

    def is_taken(round_: Round) -> bool:
        if round_ == manager.current_round and _is_proposed_in(manager, round_):
            return True
        if signed is None or signed.height != chain.next_block_height or signed.round != round_:
            return False
        return signed.content_hash != candidate.content(round_).hash

    situation = Situation(
        rules=manager.rules,
        current=manager.current_round,
        deadline=manager.round_deadline,
        is_taken=is_taken,
        skip_fast=has_oracles or not context.options.allow_fast_blocks,
    )
    choice = choose_round(situation, candidate.owner)
    if isinstance(choice, ProposeIn):
        return choice.round
    if isinstance(choice, WaitUntil):
        return WaitForTimeout(choice.deadline, situation.current, chain.next_block_height)
    raise _cannot_propose(session, chain, choice, candidate.owner)


def _is_proposed_in(manager: ChainManager, round_: Round) -> bool:
    proposals = (manager.signed_proposal, manager.proposed)
    return any(p is not None and p.content.round == round_ for p in proposals)


def _cannot_propose(
    session: ChainSession, chain: ChainState, choice: Impossible, owner: AccountOwner
) -> CannotPropose:
    return CannotPropose(
        Explanation(
            f"The block cannot be proposed: {choice.reason}",
            session.chain_id,
            chain.next_block_height,
            chain.manager.current_round,
            who=owner,
            next_step="wait for the other owner's block, then try again",
        )
    )


# The proposal


async def make_proposal(
    context: ClientContext, session: ChainSession, candidate: Candidate, *, round_: Round
) -> BlockProposal:
    """Store and sign the proposal; the local node hears of it where it has to.

    In multi-leader rounds sending the same proposal again is harmless, so that the local node need
    not know of it; elsewhere its chain manager must, to retry in the right way.
    """
    content = candidate.content(round_)
    pending = session.pending
    if pending is not None and pending.round is None and pending.block == content.block:
        pending = session.pending = pending.replace(round=round_)
    signed = SignedProposal(content.block.height, round_, content.hash)
    before = context.wallet.proposal(session.chain_id).signed
    is_new = before is None or (before.height, before.round) != (signed.height, signed.round)
    invariant(is_new or before == signed, "K2", chain_id=session.chain_id, round=round_)
    row = ProposalRow(pending, signed)
    signature = await _store_and_sign(context, candidate, content, row)
    if candidate.blobs:
        await context.local.store_blobs(candidate.blobs)
    proposal = BlockProposal(content, signature, candidate.original)
    if not round_.is_multi_leader:
        await context.local.take_proposal(proposal)
    return proposal


async def _store_and_sign(
    context: ClientContext, candidate: Candidate, content: ProposalContent, row: ProposalRow
) -> AccountSignature:
    """The signature of what ``row`` remembers, once that is durable.

    A wallet of our own is written to meanwhile: a signature that nobody gets is no proposal (K2).
    """
    wallet, chain_id = context.wallet, content.block.chain_id
    is_stored = wallet.proposal(chain_id) == row
    if is_stored or not wallet.stores_in_background:
        if not is_stored:
            await wallet.put_proposal(chain_id, row)
        return await context.signer.sign(candidate.owner, content.hash)
    signing = asyncio.ensure_future(context.signer.sign(candidate.owner, content.hash))
    try:
        await wallet.put_proposal(chain_id, row)
    except BaseException:
        signing.cancel()  # Nobody asks any more whether there was a key either.
        raise
    return await signing


def published_blobs(candidate: Candidate) -> dict[BlobId, BlobContent]:
    """The blobs the candidate's operations publish, by id."""
    return by_id(candidate.blobs)


def pending_of(staged: StagedBlock, blobs: Sequence[BlobContent]) -> PendingProposal:
    """A staged block as a proposal that was not submitted yet."""
    return PendingProposal(staged.proposed, tuple(blobs), None)
