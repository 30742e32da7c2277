"""Proposing blocks: from operations to a final block, whatever other owners do (spec 07 §9).

The caller holds the session's lock. Invariants kept: K4 (operations of one request are executed at
most once: a pending block that was confirmed in the end is recognised as such), K5.
"""

from typing import NamedTuple

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.integers import BlockHeight
from catenula.client.candidate import (
    Candidate,
    choose_candidate,
    execute_for_round,
    make_proposal,
    pending_of,
    published_blobs,
    round_for,
)
from catenula.client.certify import certify, finalize
from catenula.client.commit import commit
from catenula.client.context import ClientContext
from catenula.client.errors import CannotPropose, ClientError, Explanation, NoQuorum
from catenula.client.outcomes import Committed, Conflict, Outcome, WaitForTimeout
from catenula.client.session import ChainSession
from catenula.client.staging import stage_new_block
from catenula.client.synchronize import synchronize_chain, synchronize_chain_from
from catenula.client.timeouts import request_leader_timeout
from catenula.protocol import (
    BlobContent,
    ConfirmedBlockCertificate,
    LockingRegular,
    NodeErrorReceived,
    Operation,
    Round,
)
from catenula.protocol.node_error import UnexpectedBlockHeight

BlockOutcome = Outcome[ConfirmedBlockCertificate]
PendingOutcome = Outcome[ConfirmedBlockCertificate | None]


class Request(NamedTuple):
    """What a block is to do: operations, and the blobs they publish.

    With ``height`` it is for that height alone: what was decided from the blocks below it may be
    wrong on top of others.
    """

    operations: tuple[Operation, ...] = ()
    blobs: tuple[BlobContent, ...] = ()
    height: BlockHeight | None = None


class Snapshot(NamedTuple):
    """How far the local node knows the consensus of a chain (spec 07 §9.3)."""

    height: BlockHeight
    round: Round
    locking_round: Round | None
    timeout_round: Round | None
    has_proposal: bool


def snapshot(context: ClientContext, session: ChainSession) -> Snapshot:
    """The present state of a chain's consensus on the local node."""
    chain = context.local.chain(session.chain_id)
    manager = chain.manager
    locking, timeout = manager.locking_block, manager.timeout
    return Snapshot(
        chain.next_block_height,
        manager.current_round,
        None if locking is None else locking.round,
        None if timeout is None else timeout.round,
        manager.proposed is not None or manager.signed_proposal is not None,
    )


# Operations to a block (spec 07 §9.1)


async def propose_operations(
    context: ClientContext, session: ChainSession, request: Request
) -> BlockOutcome:
    """One block with these operations, on top of whatever the chain has by then.

    `Conflict` when an earlier pending block or another owner's took the height first: then nothing
    of the request was executed. Raises `ClientError`.
    """
    for _ in range(context.options.max_proposal_attempts):
        try:
            return await _try_operations(context, session, request)
        except NoQuorum as failed:
            if not _says_we_are_behind(failed):
                raise
            await synchronize_chain(context, session.chain_id, with_consensus=True)
    raise _too_many_attempts(context, session)


def _says_we_are_behind(failed: NoQuorum) -> bool:
    error = failed.trusted
    return (
        isinstance(error, UnexpectedBlockHeight)
        and error.expected_block_height > error.found_block_height
    )


async def _try_operations(
    context: ClientContext, session: ChainSession, request: Request
) -> BlockOutcome:
    leftover = await process_pending(context, session)
    if not isinstance(leftover, Committed):
        return leftover
    if leftover.value is not None:
        return Conflict(leftover.value)
    for _ in range(context.options.max_proposal_attempts):
        winner = _winner(context, session, request)
        if winner is not None:
            return Conflict(winner)
        staged = await stage_new_block(context, session, request.operations, blobs=request.blobs)
        session.pending = pending_of(staged, request.blobs)
        session.staged = staged
        wanted = staged.proposed
        result = await process_pending(context, session)
        if not isinstance(result, Committed):
            return result
        if result.value is None:
            # Another block took the height before ours was accepted anywhere.
            continue
        if result.value.block.proposed == wanted:
            return Committed(result.value)
        return Conflict(result.value)
    raise _too_many_attempts(context, session)


def _winner(
    context: ClientContext, session: ChainSession, request: Request
) -> ConfirmedBlockCertificate | None:
    """The block that took the only height the request is for, if there is one."""
    if request.height is None:
        return None
    return context.local.certificate_at(session.chain_id, request.height)


def _too_many_attempts(context: ClientContext, session: ChainSession) -> CannotPropose:
    chain = context.local.chain(session.chain_id)
    return CannotPropose(
        Explanation(
            "Other blocks kept taking the place of this one",
            session.chain_id,
            chain.next_block_height,
            chain.manager.current_round,
            who=session.owner,
            next_step="try again when the other owners are less busy",
        )
    )


# A pending block to a final one (spec 07 §9.2-9.3)


async def process_pending(context: ClientContext, session: ChainSession) -> PendingOutcome:
    """Finish what is pending or locked at the next height.

    `Committed(None)` when there is nothing, or what was pending lost its height to another block.
    """
    for _ in range(context.options.max_proposal_attempts):
        attempt = _Attempt(context, session)
        try:
            return await attempt.run()
        except (NoQuorum, NodeErrorReceived, CannotPropose) as error:
            failure: ProtocolError = error
        if session.staged is not None and session.staged.block.has_oracle_responses():
            # Oracles may have answered validators something else: they are asked anew.
            session.staged = None
        if isinstance(failure, NoQuorum):
            await _learn_from(context, session, failure)
        if snapshot(context, session) != attempt.before:
            continue
        await _synchronize_or_raise(context, session, failure)
        if snapshot(context, session) == attempt.before:
            raise failure
    raise _too_many_attempts(context, session)


async def _learn_from(context: ClientContext, session: ChainSession, failure: NoQuorum) -> None:
    """Take over what validators that are ahead of us know, the most advanced first."""

    def progress(report: tuple[object, ClientError]) -> tuple[int, tuple[int, int]]:
        told = report[1].explanation
        return (told.height or 0, told.round.order_key() if told.round else (0, 0))

    for remote, _ in sorted(failure.lagging, key=progress, reverse=True):
        try:
            await synchronize_chain_from(context, session.chain_id, remote, with_consensus=True)
        except (ProtocolError, LocalError):
            # One validator's claim is worth a try, not an error.
            continue


async def _synchronize_or_raise(
    context: ClientContext, session: ChainSession, failure: ProtocolError
) -> None:
    try:
        await synchronize_chain(context, session.chain_id, with_consensus=True)
    except ClientError:
        raise failure from None


class _Attempt:
    """One attempt of spec 07 §9.2.

    ``before`` is the consensus it started from, our own proposal included: what differs from it
    after a failure was learned from others.
    """

    def __init__(self, context: ClientContext, session: ChainSession) -> None:
        self._context, self._session = context, session
        self.before = snapshot(context, session)

    async def run(self) -> PendingOutcome:
        context, session = self._context, self._session
        chain = context.local.chain(session.chain_id)
        deadline = chain.manager.round_deadline
        if deadline is not None and context.clock.now() >= deadline:
            await _try_to_leave_round(context, session)
            self.before = snapshot(context, session)
        decided = _drop_stale_pending(context, session)
        if decided is not None:
            return Committed(decided)
        manager = context.local.chain(session.chain_id).manager
        locking = manager.locking_block
        if isinstance(locking, LockingRegular) and locking.round == manager.current_round:
            certificate = await finalize(context, locking.certificate)
        else:
            candidate = await choose_candidate(context, session, locking)
            if candidate is None:
                return Committed(None)
            round_ = round_for(context, session, candidate)
            if isinstance(round_, WaitForTimeout):
                return round_
            candidate = await execute_for_round(context, session, candidate, round_=round_)
            certificate = await self._propose(candidate, round_)
        await commit(context, session, certificate)
        return Committed(certificate)

    async def _propose(self, candidate: Candidate, round_: Round) -> ConfirmedBlockCertificate:
        context = self._context
        proposal = await make_proposal(context, self._session, candidate, round_=round_)
        if not round_.is_multi_leader:
            self.before = snapshot(context, self._session)
        blobs = published_blobs(candidate)
        return await certify(context, proposal, candidate.block, blobs=blobs)


async def _try_to_leave_round(context: ClientContext, session: ChainSession) -> None:
    try:
        await request_leader_timeout(context, session.chain_id)
    except ClientError:
        # The round's leader may have been heard by the others after all.
        return


def _drop_stale_pending(
    context: ClientContext, session: ChainSession
) -> ConfirmedBlockCertificate | None:
    """Forget a pending block whose height is decided; its certificate if it was the one decided.

    Without the second part a block that was confirmed while its answer got lost would be staged
    and executed a second time (spec 07 §9.2).
    """
    pending = session.pending
    if pending is None:
        return None
    height = pending.block.height
    if height >= context.local.chain(session.chain_id).next_block_height:
        return None
    session.clear_pending()
    context.wallet.forget_pending(session.chain_id)
    certificate = context.local.certificate_at(session.chain_id, height)
    if certificate is not None and certificate.block.proposed == pending.block:
        return certificate
    return None
