"""The worker: the handlers of one node over all of its chains.

Loads chains on demand and keeps the most recently used; every handler returns an `Outcome`. A
worker never commits, waits or sends. Invariants kept: W2 (after a failure a chain in memory is what
is stored: it is rolled back or dropped, and a chain with uncommitted writes is never evicted), W3,
W4, W6; together with the driver S2 and W1.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import partial
from itertools import islice
from typing import TypeVar

from catenula.base.counting import Told
from catenula.base.crypto import Secp256k1PublicKey, SignedHash, ValidatorSecretKey
from catenula.base.errors import ProtocolError
from catenula.base.identifiers import ApplicationId, ChainId, CryptoHash
from catenula.base.integers import BlockHeight, Timestamp
from catenula.chain.chain_state import ChainState
from catenula.execution.applications import ApplicationLoader
from catenula.execution.environment import NeedsThread, Oracles
from catenula.execution.live_services import LiveServices
from catenula.execution.queries import QueryOutcome
from catenula.execution.staging import StagingPolicy
from catenula.protocol import (
    BlobContent,
    BlobId,
    Block,
    BlockProposal,
    ChainInfoQuery,
    ChainInfoResponse,
    ConfirmedBlockCertificate,
    ConfirmUpdatedRecipient,
    CrossChainRequest,
    LiteCertificate,
    ProposedBlock,
    Round,
    StreamId,
    TimeoutCertificate,
    ValidatedBlockCertificate,
    VersionInfo,
    target_chain_id,
)
from catenula.storage.engine import Group, Store
from catenula.storage.shared import SharedOverlay, SharedStore, chain_root
from catenula.views.base import Context
from catenula.worker import (
    certificates,
    confirmed,
    cross_chain,
    pending_blobs,
    proposal,
    query,
    staging,
)
from catenula.worker.block_cache import BlockCache
from catenula.worker.config import ProcessMode, WorkerConfig
from catenula.worker.counters import WorkCounters
from catenula.worker.environment import ClosedOracles, CommitteeCache, NodeEnvironment
from catenula.worker.errors import BlobNotRequired
from catenula.worker.outcome import Outcome
from catenula.worker.staging import StagedBlock
from catenula.worker.step import Node, Step
from catenula.worker.verified import (
    BlockCertificate,
    VerifiedSignatures,
    signed_by_proposer,
)
from catenula.worker.version import VERSION_INFO

_T = TypeVar("_T")
Flow = Callable[[Step], _T]
MakeOracles = Callable[[Timestamp], Oracles]


def blob_uploads(shared: SharedStore, blob: BlobContent) -> list[Group]:
    """The writes that store a blob which a verified certificate requires.

    Raises `BlobNotRequired` when no such certificate is known.
    """
    if shared.has_blob(blob.id):
        return []
    if shared.blob_state(blob.id) is None:
        raise BlobNotRequired(blob.id)
    overlay = SharedOverlay(shared)
    overlay.stage_blob(blob)
    return overlay.groups()


class Worker:
    """All chains of one node, or those of one of its workers.

    ``secret`` is the validator's consensus key, None on a client's own node. ``applications``
    loads the code of user applications; ``make_oracles`` gives what a request at a given time may
    ask of the outside.
    """

    def __init__(
        self,
        store: Store,
        *,
        config: WorkerConfig,
        secret: ValidatorSecretKey | None,
        applications: ApplicationLoader,
        make_oracles: MakeOracles = ClosedOracles,
    ) -> None:
        self.store, self.config = store, config
        self.shared = SharedStore(store)
        self.committees = CommitteeCache(self.shared)
        self.verified = VerifiedSignatures()
        self._blocks = BlockCache()
        self.counters = WorkCounters(config.meter)
        self._node = Node(
            config=config,
            secret=secret,
            blocks=self._blocks,
            verified=self.verified,
            counters=self.counters,
        )
        self._applications = applications
        self._make_oracles = make_oracles
        self._chains: OrderedDict[ChainId, ChainState] = OrderedDict()
        self._uncommitted: dict[ChainId, SharedOverlay] = {}
        self._just_loaded: set[ChainId] = set()
        self._along: tuple[ConfirmUpdatedRecipient, ...] = ()
        self._resends_when_loaded = True
        self._living = LiveServices() if config.long_lived_services else None

    @property
    def public_key(self) -> Secp256k1PublicKey | None:
        """The validator's public key, if this node votes."""
        secret = self._node.secret
        return secret.public_key() if secret is not None else None

    # Chains in memory

    def chain(self, chain_id: ChainId) -> ChainState:
        """The chain's state, loaded on first use. Only handlers may change it."""
        found = self._chains.get(chain_id)
        if found is None:
            found = self._load(chain_id)
            self._evict()
            self._chains[chain_id] = found
            if self._resends_when_loaded:
                self._just_loaded.add(chain_id)
        else:
            self._chains.move_to_end(chain_id)
        return found

    def apart(self, chain_id: ChainId, oracles: Oracles) -> "Worker":
        """A worker for one request to a chain, with a copy of the chain that it loads itself.

        What both share may be used by several threads. To be made, and its outcome taken over with
        `adopt`, while nobody else changes the chain.
        """
        other = copy(self)
        other._chains, other._uncommitted, other._just_loaded = OrderedDict(), {}, set()
        other._make_oracles, other._living = lambda _: oracles, None
        other._resends_when_loaded = chain_id not in self._chains or chain_id in self._just_loaded
        return other

    def adopt(self, other: "Worker", chain_id: ChainId) -> None:
        """Take over the copy of a chain that a request of `apart` has left, uncommitted writes too.

        Nothing is taken over when that request has dropped its copy.
        """
        chain = other._chains.get(chain_id)
        if chain is None:
            return
        self.forget_chain(chain_id)
        self._evict()
        if self.config.tracked_chains is not None:
            chain.outboxes.track(self.config.tracked_chains)
        self._chains[chain_id] = chain
        overlay = other._uncommitted.get(chain_id)
        if overlay is not None:
            self._uncommitted[chain_id] = overlay

    def _load(self, chain_id: ChainId) -> ChainState:
        environment = NodeEnvironment(self.shared, self.committees, self._applications)
        context = Context(self.store.partition(chain_root(chain_id)))
        chain = ChainState(
            chain_id,
            context,
            environment=environment,
            read_block=partial(self._read_block, environment),
            tracked=self.config.tracked_chains,
        )
        chain.meter = self.counters.meter
        return chain

    def _read_block(self, environment: NodeEnvironment, block_hash: CryptoHash) -> Block | None:
        source = environment.overlay or self.shared
        certificate = source.certificate(block_hash)
        return certificate.value if certificate is not None else None

    def _evict(self) -> None:
        """Make room for one more chain; those with writes under way stay."""
        surplus = len(self._chains) - self.config.loaded_chains_limit + 1
        if surplus <= 0:
            return
        candidates = (item for item in self._chains if item not in self._uncommitted)
        for chain_id in tuple(islice(candidates, surplus)):
            del self._chains[chain_id]
            self._just_loaded.discard(chain_id)

    def forget_chain(self, chain_id: ChainId) -> None:
        """Drop a chain whose writes may not have been stored; it is loaded again when needed."""
        self._chains.pop(chain_id, None)
        self._uncommitted.pop(chain_id, None)
        self._just_loaded.discard(chain_id)

    def forget_chains(self, is_concerned: Callable[[ChainId], bool]) -> None:
        """`forget_chain` for those of the chains in memory that another process writes now."""
        for chain_id in [chain_id for chain_id in self._chains if is_concerned(chain_id)]:
            self.forget_chain(chain_id)

    def loaded_chains(self) -> int:
        """How many chains are in memory."""
        return len(self._chains)

    def unverified(self, request: BlockProposal | BlockCertificate) -> list[SignedHash]:
        """Signatures that a request is going to have verified, as far as what is in memory tells.

        No more than a guess: some may be missing (those of an original proposal are), some may turn
        out not to be needed. Changes nothing, and reads only chains that are in memory.
        """
        if isinstance(request, BlockProposal):
            signed = signed_by_proposer(request)
            is_needed = request.content.block.chain_id in self._chains
            return [signed] if is_needed and signed not in self.verified else []
        value = request.value
        chain = self._chains.get(value.chain_id)
        if chain is None or (isinstance(value, Block) and value.height < chain.next_block_height):
            return []  # Blocks that are known are not even verified.
        committee = self.committees.known(chain.epoch)
        return [] if committee is None else self.verified.unknown(request, committee)

    def told(self) -> Told:
        """What this worker has counted, by the names of spec 06 §9."""
        return {**self.counters.told(), **self._blocks.told()}

    # Running a handler

    def take_along(self, confirmations: tuple[ConfirmUpdatedRecipient, ...]) -> None:
        """Apply confirmations for one chain together with its next request, which is to follow."""
        self._along = confirmations

    def left_behind(self) -> tuple[ConfirmUpdatedRecipient, ...]:
        """The confirmations given to `take_along` that are not in the outcome."""
        left, self._along = self._along, ()
        return left

    def _confirm_along(self, step: Step) -> tuple[ConfirmUpdatedRecipient, ...]:
        """Apply the confirmations; saved at once, because the request itself may fail.

        Returns those that were refused: by themselves they are refused where people look.
        """
        self.counters.batch_applied(len(self._along))
        refused: list[ConfirmUpdatedRecipient] = []
        for request in self._along:
            try:
                cross_chain.handle_cross_chain_request(step, request)
            except ProtocolError:
                step.chain.rollback()
                refused.append(request)
        return tuple(refused)

    def _run(self, chain_id: ChainId, now: Timestamp, flow: Flow[_T]) -> Outcome[_T]:
        chain = self.chain(chain_id)
        overlay = SharedOverlay(self.shared)
        environment = chain.environment
        environment.overlay = overlay  # type: ignore[attr-defined]  # Chains here have ours.
        step = Step(
            self._node,
            chain,
            overlay=overlay,
            now=now,
            oracles=self._make_oracles(now),
        )
        reply: _T | None = None
        error: ProtocolError | None = None
        completed = False
        refused: tuple[ConfirmUpdatedRecipient, ...] = ()
        is_new = chain_id in self._just_loaded
        try:
            if is_new:
                # Requests that were under way when the chain was last in memory may be lost.
                self._just_loaded.discard(chain_id)
                step.send_pending()
            if self._along:
                refused = self._confirm_along(step)
            reply = flow(step)
            completed = True
        except ProtocolError as caught:
            error = caught
            chain.rollback()
            completed = True
        except NeedsThread:
            if not step.writes():
                chain.rollback()
                completed = True
            if is_new:
                self._just_loaded.add(chain_id)
            raise
        finally:
            environment.overlay = None  # type: ignore[attr-defined]  # As above.
            if not completed:
                # A local failure or a bug: what is in memory may be half-changed.
                self.forget_chain(chain_id)
        self._along = refused
        writes = step.writes()
        if writes:
            self._uncommitted[chain_id] = overlay
        return Outcome(chain_id, reply, error, writes, step.actions)

    def committed(self, outcome: Outcome[_T]) -> None:
        """The writes of an outcome are durable: others may see what it stored."""
        overlay = self._uncommitted.pop(outcome.chain_id, None)
        if overlay is not None:
            overlay.publish()

    # Handlers

    def handle_block_proposal(
        self, proposed: BlockProposal, now: Timestamp
    ) -> Outcome[ChainInfoResponse]:
        """Vote on a proposal (spec 06 §4.3)."""
        chain_id = proposed.content.block.chain_id
        self.counters.proposal_received(proposed.content.round)
        outcome = self._run(
            chain_id, now, lambda step: proposal.handle_block_proposal(step, proposed)
        )
        if outcome.error is not None:
            self.counters.proposal_rejected(outcome.error.code)
        return outcome

    def handle_lite_certificate(
        self,
        lite: LiteCertificate,
        now: Timestamp,
        *,
        wait_for_outgoing_messages: bool = False,
    ) -> Outcome[ChainInfoResponse]:
        """Process a certificate whose block is known here (spec 06 §4.4)."""
        try:
            certificate = certificates.full_certificate(lite, self._blocks)
        except ProtocolError as error:
            return Outcome(lite.value.chain_id, error=error)
        if isinstance(certificate, ConfirmedBlockCertificate):
            return self.handle_confirmed_certificate(
                certificate, now, wait_for_outgoing_messages=wait_for_outgoing_messages
            )
        return self.handle_validated_certificate(certificate, now)

    def handle_confirmed_certificate(
        self,
        certificate: ConfirmedBlockCertificate,
        now: Timestamp,
        *,
        mode: ProcessMode = ProcessMode.AUTO,
        wait_for_outgoing_messages: bool = False,
    ) -> Outcome[ChainInfoResponse]:
        """Process a confirmed block (spec 06 §4.6)."""
        outcome = self._run(
            certificate.chain_id,
            now,
            lambda step: confirmed.handle_confirmed_certificate(step, certificate, mode),
        )
        if wait_for_outgoing_messages and outcome.error is None:
            outcome.wait_for_delivery_of = certificate.value.height
        return outcome

    def handle_validated_certificate(
        self, certificate: ValidatedBlockCertificate, now: Timestamp
    ) -> Outcome[ChainInfoResponse]:
        """Process a validated block (spec 06 §4.7)."""
        return self._run(
            certificate.chain_id,
            now,
            lambda step: certificates.handle_validated_certificate(step, certificate),
        )

    def handle_timeout_certificate(
        self, certificate: TimeoutCertificate, now: Timestamp
    ) -> Outcome[ChainInfoResponse]:
        """Process a timeout certificate (spec 06 §4.8)."""
        return self._run(
            certificate.chain_id,
            now,
            lambda step: certificates.handle_timeout_certificate(step, certificate),
        )

    def handle_chain_info_query(
        self, question: ChainInfoQuery, now: Timestamp
    ) -> Outcome[ChainInfoResponse]:
        """Answer a question about a chain (spec 06 §4.9)."""
        return self._run(
            question.chain_id, now, lambda step: query.handle_chain_info_query(step, question)
        )

    def handle_pending_blob(
        self, chain_id: ChainId, blob: BlobContent, now: Timestamp
    ) -> Outcome[ChainInfoResponse]:
        """Take a blob of a pending block (spec 06 §4.10)."""
        return self._run(chain_id, now, lambda step: pending_blobs.handle_pending_blob(step, blob))

    def download_pending_blob(self, chain_id: ChainId, blob_id: BlobId) -> Outcome[BlobContent]:
        """Give a blob of a pending block (spec 06 §4.10)."""
        return self._run(
            chain_id,
            Timestamp(0),
            lambda step: pending_blobs.download_pending_blob(step, blob_id),
        )

    def previous_event_blocks(
        self, chain_id: ChainId, stream_ids: Sequence[StreamId]
    ) -> Outcome[Mapping[StreamId, tuple[BlockHeight, CryptoHash]]]:
        """For each known stream the last executed block that published on it (spec 06 §2.2)."""
        self.counters.streams_queried(len(stream_ids))
        streams = self.chain(chain_id).streams
        found: dict[StreamId, tuple[BlockHeight, CryptoHash]] = {}
        for stream_id in stream_ids:
            previous = streams.previous_event_block(stream_id)
            if previous is not None:
                found[stream_id] = (previous[1], previous[0])
        return Outcome(chain_id, reply=found)

    def handle_cross_chain_request(
        self, request: CrossChainRequest, now: Timestamp
    ) -> Outcome[None]:
        """Apply one request between chains of this node."""
        return self.handle_cross_chain_requests((request,), now)

    def handle_cross_chain_requests(
        self, requests: Sequence[CrossChainRequest], now: Timestamp
    ) -> Outcome[None]:
        """Apply requests for one chain in one step; a refused one does not touch the others.

        The outcome carries the first refusal as its error, beside the writes of the others.
        """

        self.counters.batch_applied(len(requests))

        def apply(step: Step) -> None:
            refusal: ProtocolError | None = None
            for request in requests:
                try:
                    cross_chain.handle_cross_chain_request(step, request)
                except ProtocolError as error:
                    step.chain.rollback()
                    refusal = refusal or error
            if refusal is not None:
                raise refusal

        return self._run(target_chain_id(requests[0]), now, apply)

    def is_delivered_up_to(self, chain_id: ChainId, height: BlockHeight) -> bool:
        """Whether no message of a block up to ``height`` awaits its recipient's confirmation."""
        return self.chain(chain_id).outboxes.is_delivered_up_to(height)

    def resend_pending(self, chain_id: ChainId, now: Timestamp) -> Outcome[None]:
        """Send everything again that waits in the chain's outboxes."""
        return self._run(chain_id, now, lambda step: step.send_pending())

    def has_undelivered(self, chain_id: ChainId) -> bool:
        """Whether a message of the chain awaits its recipient's confirmation.

        A chain that is not in memory is read for this alone and not kept.
        """
        chain = self._chains.get(chain_id) or self._load(chain_id)
        return bool(chain.outboxes.nonempty_targets())

    # Shared data

    def upload_blob(self, blob: BlobContent) -> list[Group]:
        """See `blob_uploads`."""
        return blob_uploads(self.shared, blob)

    def store_blobs(self, blobs: Sequence[BlobContent]) -> list[Group]:
        """The writes that store blobs this node needs; for a client's own node."""
        overlay = SharedOverlay(self.shared)
        for blob in blobs:
            overlay.stage_blob(blob)
        return overlay.groups()

    def version_info(self) -> VersionInfo:
        """What this implementation reports about itself."""
        return VERSION_INFO

    # A client's own node

    def stage_block(
        self,
        proposed: ProposedBlock,
        *,
        now: Timestamp,
        round_: Round | None,
        published_blobs: Mapping[BlobId, BlobContent],
        policy: StagingPolicy,
    ) -> Outcome[StagedBlock]:
        """Find out what a block would do and cost (spec 07 §7.4)."""
        return self._run(
            proposed.chain_id,
            now,
            lambda step: staging.stage_block(
                step, proposed, round_=round_, published_blobs=published_blobs, policy=policy
            ),
        )

    def query_application(
        self,
        chain_id: ChainId,
        application_id: ApplicationId,
        question: bytes,
        *,
        now: Timestamp,
        after: CryptoHash | None = None,
    ) -> Outcome[QueryOutcome]:
        """Ask an application's service (spec 04 §5); ``after`` is the hash of a staged block."""
        return self._run(
            chain_id,
            now,
            lambda step: query.query_application(
                step, application_id, question, after=after, living=self._living
            ),
        )

    def update_received_trackers(
        self, chain_id: ChainId, trackers: Mapping[Secp256k1PublicKey, int]
    ) -> Outcome[None]:
        """Remember how much of each validator's received log is handled (spec 07 §6.5)."""

        def update(step: Step) -> None:
            step.chain.record_received_certificates(trackers)
            step.save()

        return self._run(chain_id, Timestamp(0), update)

    def track_chain(self, chain_id: ChainId) -> None:
        """Follow a chain fully from now on: messages to it are delivered on this node."""
        tracked = self.config.tracked_chains
        if tracked is None or chain_id in tracked:
            return
        tracked.add(chain_id)
        for chain in self._chains.values():
            chain.outboxes.track(tracked)
