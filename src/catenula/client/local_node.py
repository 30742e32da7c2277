"""The client's own node: a worker without a key, driven in this process (spec 07 §1).

It executes and stores what certificates prove, and never votes. Errors of its handlers come out as
`NodeErrorReceived`, chained from the original error.
"""

from collections.abc import Iterable, Mapping, Sequence

from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.errors import ProtocolError
from catenula.base.identifiers import AccountOwner, ApplicationId, ChainId, CryptoHash
from catenula.base.integers import Amount, BlockHeight, Timestamp
from catenula.base.limits import MAX_ABSENT_EVENTS
from catenula.chain.chain_state import ChainState
from catenula.execution.queries import QueryOutcome
from catenula.execution.staging import StagingPolicy
from catenula.protocol import (
    BlobContent,
    BlobId,
    BlockProposal,
    ChainInfo,
    ChainInfoQuery,
    ConfirmedBlockCertificate,
    EventId,
    LiteVote,
    NodeErrorReceived,
    ProposedBlock,
    Round,
    TimeoutCertificate,
    ValidatedBlockCertificate,
    vote_hash,
)
from catenula.storage.engine import Group
from catenula.validator.committer import Committer
from catenula.validator.driver import NodeDriver
from catenula.validator.ownership import Overtaken, SharedOwnership
from catenula.validator.side_runs import ASKING
from catenula.worker import Outcome, ProcessMode, StagedBlock, Worker
from catenula.worker.verified import signed_by_validator

SignedCertificate = ConfirmedBlockCertificate | ValidatedBlockCertificate | TimeoutCertificate


class LocalNode:
    """The worker, its driver, and the few things only a client asks of a node."""

    def __init__(
        self,
        driver: NodeDriver,
        committer: Committer,
        ownership: SharedOwnership | None = None,
    ) -> None:
        self.driver = driver
        self._ownership = ownership
        self.worker = driver.worker
        self.shared = driver.worker.shared
        self._committer = committer
        self._absent_events: set[EventId] = set()
        self._event_changes = 0

    # Reading

    def chain(self, chain_id: ChainId) -> ChainState:
        """The chain's state; to be read only, and not across an ``await``."""
        if self._ownership is not None:
            self._ownership.look(chain_id)
        return self.worker.chain(chain_id)

    async def info(self, chain_id: ChainId) -> ChainInfo:
        """The chain's info; activates the chain. Raises `NodeErrorReceived` (blobs, events)."""
        response = await self.driver.handle_chain_info_query(ChainInfoQuery(chain_id))
        return response.info

    def certificate_at(
        self, chain_id: ChainId, height: BlockHeight
    ) -> ConfirmedBlockCertificate | None:
        """The certificate of a block this node has, executed or not."""
        block_hash = self.chain(chain_id).hash_at(height)
        if block_hash is None:
            block_hash = self.shared.block_hash_at(chain_id, height)
        return None if block_hash is None else self.shared.certificate(block_hash)

    def blob(self, blob_id: BlobId) -> BlobContent | None:
        """A stored blob."""
        content = self.shared.blob(blob_id)
        return None if content is None else BlobContent(blob_id.blob_type, content)

    def has_event(self, event_id: EventId) -> bool:
        """Whether an event is stored.

        The events of new and removed epochs are asked for with every block: that one is absent is
        remembered until events are written, unless another process may write them.
        """
        changes = self.shared.event_changes
        if changes != self._event_changes or len(self._absent_events) > MAX_ABSENT_EVENTS:
            self._absent_events, self._event_changes = set(), changes
        if event_id in self._absent_events:
            return False
        is_stored = self.shared.has_event(event_id)
        if not is_stored and self._ownership is None:
            self._absent_events.add(event_id)
        return is_stored

    def known_height(self, chain_id: ChainId) -> BlockHeight:
        """One above the highest block of the chain that is stored here, executed or not."""
        chain = self.chain(chain_id)
        return max(chain.next_block_height, chain.next_height_to_preprocess())

    # Changing

    async def stage(
        self,
        proposed: ProposedBlock,
        *,
        round_: Round | None,
        blobs: Mapping[BlobId, BlobContent],
        policy: StagingPolicy,
    ) -> StagedBlock:
        """Find out what a block would do and cost, without a trace."""
        return await self.driver.run(
            proposed.chain_id,
            lambda worker, now: worker.stage_block(
                proposed, now=now, round_=round_, published_blobs=blobs, policy=policy
            ),
        )

    async def query_application(
        self,
        chain_id: ChainId,
        application_id: ApplicationId,
        query: bytes,
        *,
        after: CryptoHash | None = None,
    ) -> QueryOutcome:
        """Ask an application's service, on the tip or after a block that was staged here."""
        return await self.driver.run(
            chain_id,
            lambda worker, now: worker.query_application(
                chain_id, application_id, query, now=now, after=after
            ),
            limits=ASKING,
        )

    async def confirm(
        self, certificate: ConfirmedBlockCertificate, mode: ProcessMode = ProcessMode.EXECUTE
    ) -> ChainInfo:
        """Make a certified block part of this node."""
        response = await self.driver.handle_confirmed_certificate(certificate, mode=mode)
        return response.info

    async def lock(self, certificate: ValidatedBlockCertificate) -> None:
        """Take note of a validated block."""
        await self.driver.handle_validated_certificate(certificate)

    async def leave_round(self, certificate: TimeoutCertificate) -> None:
        """Take note of a timeout."""
        await self.driver.handle_timeout_certificate(certificate)

    async def take_proposal(self, proposal: BlockProposal) -> None:
        """Check a proposal and take note of it."""
        await self.driver.handle_block_proposal(proposal)

    async def balance(
        self, chain_id: ChainId, owner: AccountOwner, *, after: CryptoHash | None = None
    ) -> Amount:
        """What an account holds now, or would hold after a block that was staged just before.

        Raises `Overtaken` when that block is not at hand any more: stage it again.
        """

        def read(worker: Worker, _: Timestamp) -> Outcome[Amount]:
            chain = worker.chain(chain_id)
            if after is not None and not chain.restore_executed_state(after):
                raise Overtaken
            system = chain.execution.system
            held = (
                system.balance.get()
                if owner == AccountOwner.CHAIN
                else system.balances.get(owner) or Amount(0)
            )
            if after is not None:
                chain.rollback()
            return Outcome(chain_id, reply=held)

        return await self.driver.run(chain_id, read)

    async def store_blobs(self, blobs: Sequence[BlobContent]) -> None:
        """Store blobs, whatever they are for; durable when this returns."""
        missing = [blob for blob in blobs if not self.shared.has_blob(blob.id)]
        if missing:
            await self._commit(self.worker.store_blobs(missing))

    async def update_received_trackers(
        self, chain_id: ChainId, trackers: Mapping[Secp256k1PublicKey, int]
    ) -> None:
        """Remember how much of each validator's received log is handled."""
        await self.driver.run(
            chain_id, lambda worker, _: worker.update_received_trackers(chain_id, trackers)
        )

    async def _commit(self, groups: list[Group]) -> None:
        if self._committer.inline:
            self._committer.commit_now(groups)
        else:
            await self._committer.commit(groups)

    # What this client verified itself

    def trust_vote(self, vote: LiteVote, validator: Secp256k1PublicKey) -> None:
        """A vote was verified when it was collected: do not verify it in certificates again."""
        self.worker.verified.add_vote(vote, validator)

    def trust_signatures(self, certificate: SignedCertificate) -> None:
        """The signatures of a certificate were verified: do not verify them again."""
        value = certificate.lite_value
        digest = vote_hash(value.value_hash, certificate.round, value.kind)
        for validator, signature in certificate.signatures:
            self.worker.verified.add(signed_by_validator(digest, validator, signature))


def original_error(error: ProtocolError) -> ProtocolError:
    """The error of the local node's handler, without its wire form."""
    if isinstance(error, NodeErrorReceived) and isinstance(error.__cause__, ProtocolError):
        return error.__cause__
    return error


def by_id(blobs: Iterable[BlobContent]) -> dict[BlobId, BlobContent]:
    """Blobs by their ids."""
    return {blob.id: blob for blob in blobs}
