"""Getting one validator's vote on a proposal, helping it to what it lacks (spec 07 §5.2)."""

import asyncio
from collections.abc import Iterable, Mapping

from msgspec import Struct, field

from catenula.base.identifiers import ChainId
from catenula.base.integers import BlockHeight, Timestamp
from catenula.base.limits import MAX_BLOBS_SENT_IN_HELP, MAX_CLOCK_WAITS
from catenula.client.background import Update
from catenula.client.context import ClientContext
from catenula.client.remote_node import RemoteNode
from catenula.client.updater import (
    bring_up_to_date,
    lagging,
    send_certificates_for_blobs,
    sync_if_needed,
)
from catenula.protocol import (
    BlobContent,
    BlobId,
    BlockProposal,
    ChainInfoResponse,
    LiteVote,
    NodeErrorReceived,
    parse_timestamp_skew,
)
from catenula.protocol.node_error import (
    BlobsNotFound,
    ChainError,
    EventsNotFound,
    InactiveChain,
    MissingCrossChainUpdate,
    MissingCrossChainUpdates,
    MissingVoteInValidatorResponse,
    UnexpectedBlockHeight,
    WrongRound,
)


class Submission(Struct):
    """A proposal on its way to the validators; ``blobs`` are those its block publishes.

    ``slow_clocks`` collects the validators that said the block lies in their future, with the
    difference to our clock in microseconds.
    """

    proposal: BlockProposal
    blobs: Mapping[BlobId, BlobContent]
    slow_clocks: dict[RemoteNode, int] = field(default_factory=dict)


async def submit_block(
    context: ClientContext, remote: RemoteNode, submission: Submission
) -> LiteVote:
    """The validator's verified vote on the proposal, or on what it voted for instead.

    Raises the validator's error, or `LocalNodeLagging` when it may know more than we do.
    """
    chain_id = submission.proposal.content.block.chain_id
    await context.updates.settled_for(remote, chain_id)
    return await _Dialogue(context, remote, submission).run()


def vote_in(response: ChainInfoResponse, action: str) -> LiteVote:
    """The vote in a response, not verified yet.

    Nothing else of the response is used, so the response's own signature need not be checked.
    """
    vote = response.info.manager.pending
    if vote is None:
        raise NodeErrorReceived(MissingVoteInValidatorResponse(action))
    return vote


class _Dialogue:
    """One validator and one proposal: each kind of help is given a limited number of times."""

    def __init__(self, context: ClientContext, remote: RemoteNode, submission: Submission) -> None:
        self._context, self._remote, self._submission = context, remote, submission
        self._chain_id = submission.proposal.content.block.chain_id
        self._clock_waits = 0
        self._compared = False
        self._sent_updates = False
        self._sent_blobs: set[BlobId] | None = None
        self._sent_origins: dict[ChainId, BlockHeight] = {}
        self._sent_publishers: set[ChainId] = set()

    async def run(self) -> LiteVote:
        proposal, node = self._submission.proposal, self._remote.node
        while True:
            try:
                response = await node.handle_block_proposal(proposal)
            except NodeErrorReceived as received:
                if not await self._help(received):
                    raise
            else:
                return vote_in(response, "handle_block_proposal")

    async def _help(self, received: NodeErrorReceived) -> bool:
        """Whether sending the proposal again makes sense."""
        error = received.error
        if isinstance(error, WrongRound | UnexpectedBlockHeight):
            return await self._compare(received)
        if isinstance(error, MissingCrossChainUpdates):
            return await self._send_updates(error)
        if isinstance(error, MissingCrossChainUpdate):
            return await self._send_update(error)
        if isinstance(error, EventsNotFound):
            return await self._send_publishers(event.chain_id for event in error.event_ids)
        if isinstance(error, BlobsNotFound | InactiveChain):
            return await self._send_blobs(received)
        if isinstance(error, ChainError):
            # It may hold a lock or a proposal we do not know of.
            raise lagging(self._remote, received, chain_id=self._chain_id) from received
        return await self._wait_for_clock(received)

    async def _wait_for_clock(self, received: NodeErrorReceived) -> bool:
        times = parse_timestamp_skew(received.error)
        if times is None or self._clock_waits >= MAX_CLOCK_WAITS:
            return False
        self._clock_waits += 1
        block_timestamp, their_time = times
        clock = self._context.clock
        skew = max(0, clock.now() - their_time)
        self._submission.slow_clocks[self._remote] = skew
        await clock.sleep_until(Timestamp(block_timestamp + skew))
        return True

    async def _compare(self, received: NodeErrorReceived) -> bool:
        if self._compared:
            return False
        self._compared = True
        round_ = self._submission.proposal.content.round
        return await sync_if_needed(
            self._context, self._remote, received, chain_id=self._chain_id, round_=round_
        )

    async def _send_updates(self, error: MissingCrossChainUpdates) -> bool:
        if self._sent_updates or error.chain_id != self._chain_id:
            return False
        self._sent_updates = True
        highest: dict[ChainId, BlockHeight] = {}
        for origin, height in error.bundles:
            highest[origin] = max(height, highest.get(origin, height))
        limit = asyncio.Semaphore(self._context.options.max_joined_tasks)

        async def push(origin: ChainId, height: BlockHeight) -> None:
            async with limit:
                await self._push(origin, BlockHeight(height + 1), blocking=True)

        await asyncio.gather(*(push(origin, height) for origin, height in highest.items()))
        return True

    async def _send_update(self, error: MissingCrossChainUpdate) -> bool:
        sent = self._sent_origins.get(error.origin)
        if error.chain_id != self._chain_id or (sent is not None and error.height <= sent):
            return False
        self._sent_origins[error.origin] = error.height
        await self._push(error.origin, BlockHeight(error.height + 1), blocking=True)
        return True

    async def _send_publishers(self, publishers: Iterable[ChainId]) -> bool:
        missing = set(publishers) - self._sent_publishers
        self._sent_publishers |= missing
        for publisher in sorted(missing):
            await self._push(publisher, self._context.local.known_height(publisher))
        return bool(missing)

    async def _push(
        self, chain_id: ChainId, height: BlockHeight, *, blocking: bool = False
    ) -> None:
        update = Update(chain_id, height, blocking=blocking)
        await bring_up_to_date(self._context, self._remote, update)

    async def _send_blobs(self, received: NodeErrorReceived) -> bool:
        """Upload what the block publishes; for other blobs, the certificates that used them."""
        error, node = received.error, self._remote.node
        proposal, published = self._submission.proposal, self._submission.blobs
        wanted = set(error.blob_ids) if isinstance(error, BlobsNotFound) else set()
        sent = self._sent_blobs
        if sent is not None and (wanted <= sent or len(sent) > MAX_BLOBS_SENT_IN_HELP):
            return False
        self._sent_blobs = wanted | (sent or set())
        others = sorted((proposal.required_blob_ids | wanted) - published.keys(), key=str)
        missing = await node.missing_blob_ids(others) if others else []
        await send_certificates_for_blobs(self._context, self._remote, missing)
        if isinstance(error, InactiveChain):
            height = self._context.local.chain(error.chain_id).next_block_height
            await self._push(error.chain_id, height)
        for blob in published.values():
            await node.handle_pending_blob(self._chain_id, blob)
        return True
