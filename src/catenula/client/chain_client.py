"""One chain of a client: commands that become blocks, queries, synchronization (spec 07 §9).

A thin object over a `ChainSession`; commands on one chain queue up behind each other.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from catenula.base.identifiers import AccountOwner, ChainId
from catenula.base.integers import Amount
from catenula.base.limits import MAX_TIMEOUT_WAITS
from catenula.chain.chain_state import ChainState
from catenula.client.applications import ApplicationCommands
from catenula.client.balances import balance_with_pending_messages
from catenula.client.commands import ChainCommands
from catenula.client.context import ClientContext
from catenula.client.errors import BlockConflict, EmptyBlock, Explanation
from catenula.client.message_policy import MessagePolicy
from catenula.client.outcomes import Committed, Conflict, WaitForTimeout
from catenula.client.prepare import prepare_chain, synchronize_from_validators
from catenula.client.propose import (
    BlockOutcome,
    PendingOutcome,
    Request,
    process_pending,
    propose_operations,
)
from catenula.client.received import find_received_certificates, receive_bundle
from catenula.client.rehearsal import Rehearsed, estimate_in_turn
from catenula.client.remote_node import RemoteNode
from catenula.client.session import ChainSession
from catenula.client.staging import Estimate, estimate_of, stage, stage_new_block
from catenula.client.synchronize import fetch_chain_info
from catenula.client.timeouts import request_leader_timeout
from catenula.client.waiting import wait_for_round
from catenula.client.wallet import PendingProposal, ProposalRow
from catenula.protocol import (
    BlobContent,
    BlockHeight,
    ChainInfo,
    ConfirmedBlockCertificate,
    Operation,
    ProposedBlock,
    TimeoutCertificate,
)


class ChainClient(ChainCommands, ApplicationCommands):
    """A chain as its owner, or somebody who follows it, uses it."""

    def __init__(self, context: ClientContext, session: ChainSession) -> None:
        self.context, self.session = context, session

    @property
    def chain_id(self) -> ChainId:
        """The chain."""
        return self.session.chain_id

    @property
    def owner(self) -> AccountOwner | None:
        """Who proposes; None when the chain is only followed."""
        return self.session.owner

    def set_preferred_owner(self, owner: AccountOwner | None) -> None:
        """Propose as another owner from now on; the wallet is not changed."""
        self.session.owner = owner

    def set_message_policy(self, policy: MessagePolicy) -> None:
        """Choose which messages are taken in from now on."""
        self.session.policy = policy

    # Reading

    def state(self) -> ChainState:
        """The local copy; to be read only, and not across an ``await``."""
        return self.context.local.chain(self.chain_id)

    async def info(self) -> ChainInfo:
        """Where the local copy stands; fetches the chain's description on first contact."""
        return await fetch_chain_info(self.context, self.chain_id)

    async def local_balance(self, owner: AccountOwner = AccountOwner.CHAIN) -> Amount:
        """What an account holds after the last block of the local copy."""
        await self.info()
        return await self.context.local.balance(self.chain_id, owner)

    def pending_proposal(self) -> PendingProposal | None:
        """The block that is in flight, if any."""
        return self.session.pending

    # Synchronizing

    async def synchronize(self) -> ChainInfo:
        """Learn everything validators know about the chain, messages to it included."""
        await synchronize_from_validators(self.context, self.session)
        return await self.info()

    async def find_received_certificates(self) -> None:
        """Fetch the blocks that sent messages to the chain."""
        await self.info()
        await find_received_certificates(self.context, self.chain_id)

    async def receive_bundle(
        self, remote: RemoteNode, origin: ChainId, height: BlockHeight
    ) -> None:
        """Fetch what a validator's notification announced."""
        await receive_bundle(self.context, self.chain_id, remote, origin=origin, height=height)

    # Blocks

    async def execute(
        self, operations: Sequence[Operation] = (), blobs: Sequence[BlobContent] = ()
    ) -> BlockOutcome:
        """One block with waiting messages and these operations; raises `ClientError`.

        Returns at once with `WaitForTimeout` when this owner cannot propose now (the block stays
        pending), and with `Conflict` when another block took the height.
        """
        outcome, _ = await self._execute(operations, blobs)
        return outcome

    async def _execute(
        self, operations: Sequence[Operation], blobs: Sequence[BlobContent]
    ) -> tuple[BlockOutcome, PendingProposal | None]:
        """`execute`, and the block that waits for these operations, if there is one."""
        async with self.turn():
            await prepare_chain(self.context, self.session)
            if self.context.turns is not None and self.session.has_adopted:
                left_over = await process_pending(self.context, self.session)
                if not isinstance(left_over, Committed):
                    return left_over, None
            earlier = self.session.pending
            request = Request(tuple(operations), tuple(blobs))
            outcome = await propose_operations(self.context, self.session, request)
            left = self.session.pending
        is_ours = isinstance(outcome, WaitForTimeout) and not _is_same(left, earlier)
        return outcome, left if is_ours else None

    def turn(self) -> AbstractAsyncContextManager[None]:
        """The right to make blocks of the chain, to be awaited in ``async with`` (K9)."""
        turns = self.context.turns
        return self.session.lock if turns is None else turns.of(self.session)

    async def commit(
        self, operations: Sequence[Operation] = (), blobs: Sequence[BlobContent] = ()
    ) -> ConfirmedBlockCertificate:
        """As `execute`, waiting through rounds; `BlockConflict` when another block was first."""
        outcome, ours = await self._execute(operations, blobs)
        for _ in range(MAX_TIMEOUT_WAITS):
            if not isinstance(outcome, WaitForTimeout):
                break
            await wait_for_round(self.context, self.chain_id, outcome)
            finished = await self._finish(ours)
            if finished is None:
                outcome, ours = await self._execute(operations, blobs)
            else:
                outcome = finished
        if isinstance(outcome, Committed):
            return outcome.value
        raise self._conflict(outcome)

    async def _finish(self, ours: PendingProposal | None) -> BlockOutcome | None:
        """Go on with the block that waited; None when the operations are to be staged again.

        That is so when our block lost its height before it was accepted anywhere, and when another
        block had to be finished first, so that ours was never made.
        """
        async with self.turn():
            await prepare_chain(self.context, self.session)
            result = await process_pending(self.context, self.session)
        if not isinstance(result, Committed):
            return result
        if result.value is None or ours is None:
            return None
        if result.value.block.proposed == ours.block:
            return Committed(result.value)
        return Conflict(result.value)

    def _conflict(self, outcome: WaitForTimeout | Conflict) -> BlockConflict:
        if isinstance(outcome, WaitForTimeout):
            what = "The block could not be proposed in any of many rounds; it is still pending"
            height, round_ = outcome.next_block_height, outcome.current_round
        else:
            block = outcome.certificate.block
            what = f"Another block took the height: {block.hash}"
            height, round_ = block.height, outcome.certificate.round
        return BlockConflict(
            Explanation(
                what,
                self.chain_id,
                height,
                round_,
                who=self.owner,
                next_step="look at that block, then try again; nothing of this one was executed",
            )
        )

    async def process_pending_block(self) -> PendingOutcome:
        """Finish a block that an earlier command, or another owner, left unfinished."""
        async with self.turn():
            await prepare_chain(self.context, self.session)
            return await process_pending(self.context, self.session)

    async def clear_pending_proposal(self) -> None:
        """Give up the block in flight; validators may confirm it nevertheless."""
        async with self.turn():
            self.session.clear_pending()
            signed = self.context.wallet.proposal(self.chain_id).signed
            await self.context.wallet.put_proposal(self.chain_id, ProposalRow(None, signed))

    async def process_inbox(
        self,
    ) -> tuple[list[ConfirmedBlockCertificate], WaitForTimeout | Conflict | None]:
        """Take in waiting messages and events, block by block, until nothing is left.

        The second part says why it stopped early. Does not ask the validators for messages that
        are not here yet: `synchronize` does.
        """
        certificates: list[ConfirmedBlockCertificate] = []
        await self.context.local.driver.settled()
        taken = 0
        while True:
            self._tell_inbox(taken)
            try:
                outcome = await self.execute()
            except EmptyBlock:
                return certificates, None
            if not isinstance(outcome, Committed):
                return certificates, outcome
            certificates.append(outcome.value)
            taken += sum(1 for _ in outcome.value.block.proposed.incoming_bundles())

    def _tell_inbox(self, taken: int) -> None:
        watcher = self.context.watcher
        if watcher.is_listening:
            waiting = self.state().inboxes.waiting()
            if taken + waiting:
                watcher.told(("inbox", self.chain_id), taken, taken + waiting)

    async def estimate(
        self, operations: Sequence[Operation] = (), blobs: Sequence[BlobContent] = ()
    ) -> Estimate:
        """Fees and fuel of the block these operations would become; signs and sends nothing."""
        async with self.session.lock:
            await prepare_chain(self.context, self.session)
            staged = await stage_new_block(self.context, self.session, operations, blobs=blobs)
            return estimate_of(staged)

    async def estimate_in_turn(
        self, first: Rehearsed, second: Rehearsed
    ) -> tuple[Estimate, Estimate]:
        """Fees and fuel of two blocks, the second of which may use the blobs of the first."""
        async with self.session.lock:
            await prepare_chain(self.context, self.session)
            return await estimate_in_turn(self.context, self.session, first, second=second)

    async def estimate_pending(self) -> tuple[ProposedBlock, Estimate] | None:
        """The block in flight and what it costs, or None; signs and sends nothing."""
        async with self.session.lock:
            await prepare_chain(self.context, self.session)
            pending = self.session.pending
            if pending is None or pending.block.height < self.state().next_block_height:
                return None
            block = pending.block
            staged = await stage(self.context, block, blobs=pending.blobs, round_=pending.round)
            return block, estimate_of(staged)

    async def query_balance(self, owner: AccountOwner = AccountOwner.CHAIN) -> Amount:
        """What an account would hold once the waiting messages are taken in (spec 07 §9.5)."""
        async with self.session.lock:
            await self.info()
            return await balance_with_pending_messages(self.context, self.session, owner)

    async def request_leader_timeout(self) -> TimeoutCertificate:
        """Leave the current round once it has timed out; raises `NoQuorum` before."""
        return await request_leader_timeout(self.context, self.chain_id)


def _is_same(one: PendingProposal | None, other: PendingProposal | None) -> bool:
    """Whether it is the same block, submitted or not."""
    return one is other or (one is not None and other is not None and one.block == other.block)
