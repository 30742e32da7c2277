"""`TinyNode`: one node driven by plain calls, without an event loop.

It does what a driver does, in the same order: run a handler, make its writes durable, then let its
effects out (S2). Messages between its chains lie in `TinyNode.mail` until a test delivers, drops,
repeats or reorders them. `TinyNode.crash` loses what is in memory and opens the store again.
"""

from collections.abc import Callable
from typing import TypeVar

from catenula.base.crypto import Secp256k1PublicKey, ValidatorSecretKey
from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId
from catenula.base.integers import Timestamp
from catenula.chain.chain_state import ChainState
from catenula.execution.applications import NativeApplications
from catenula.protocol import (
    BlobContent,
    BlockProposal,
    ChainInfo,
    ChainInfoQuery,
    ChainInfoResponse,
    ConfirmedBlockCertificate,
    CrossChainRequest,
    GenesisConfig,
    LiteCertificate,
    Notification,
    TimeoutCertificate,
    ValidatedBlockCertificate,
)
from catenula.storage.engine import Store
from catenula.storage.memory import MemoryStore
from catenula.storage.shared import chain_root
from catenula.testing.clock import ManualClock
from catenula.testing.faulty_store import FaultyStore
from catenula.testing.witness import Witness
from catenula.worker import Outcome, ProcessMode, Worker, WorkerConfig, initialize_store

_T = TypeVar("_T")

MAXIMUM_DELIVERIES = 100_000
"""Deliveries after which `TinyNode.deliver` takes the messages for an endless loop."""


class TinyNode:
    """A node over its own store; a validator when it has a ``secret``."""

    def __init__(
        self,
        genesis: GenesisConfig,
        *,
        clock: ManualClock,
        secret: ValidatorSecretKey | None = None,
        config: WorkerConfig | None = None,
        store: Store | None = None,
    ) -> None:
        self.genesis, self.clock, self.secret = genesis, clock, secret
        self.config = config or WorkerConfig()
        self.store = FaultyStore(store or MemoryStore())
        self.applications = NativeApplications()
        self.witness = Witness()
        self.mail: list[CrossChainRequest] = []
        self.notifications: list[Notification] = []
        self.worker = self._open()
        initialize_store(self.worker.shared, genesis)
        self.store.commits = 0

    def _open(self) -> Worker:
        return Worker(
            self.store, config=self.config, secret=self.secret, applications=self.applications
        )

    @property
    def public_key(self) -> Secp256k1PublicKey:
        """The validator's public key; `LocalError` on a node without one."""
        key = self.worker.public_key
        if key is None:
            raise LocalError("this node has no key", retryable=False)
        return key

    def crash(self) -> None:
        """Lose everything that is not stored, then come back."""
        self.mail.clear()
        self.notifications.clear()
        self.worker = self._open()

    # Requests

    def run(self, handler: Callable[[Worker, Timestamp], Outcome[_T]]) -> _T:
        """Run a handler, commit, let its effects out; raises its error, or `LocalError`."""
        outcome = handler(self.worker, self.clock.now())
        if outcome.writes:
            try:
                self.store.commit(outcome.writes)
            except LocalError:
                self.worker.forget_chain(outcome.chain_id)
                raise
            self.worker.committed(outcome)
        self.mail.extend(outcome.actions.cross_chain_requests)
        self.notifications.extend(outcome.actions.notifications)
        for request in outcome.actions.cross_chain_requests:
            self.witness.saw_request(request)
        if outcome.error is not None:
            raise outcome.error
        if isinstance(outcome.reply, ChainInfoResponse):
            self.witness.saw_info(outcome.reply.info)
        return outcome.reply  # type: ignore[return-value]  # An outcome has a reply or an error.

    def propose(self, proposal: BlockProposal) -> ChainInfo:
        """Handle a proposal."""
        return self.run(lambda worker, now: worker.handle_block_proposal(proposal, now)).info

    def lite(self, certificate: LiteCertificate) -> ChainInfo:
        """Handle a lite certificate."""
        return self.run(lambda worker, now: worker.handle_lite_certificate(certificate, now)).info

    def lock(self, certificate: ValidatedBlockCertificate) -> ChainInfo:
        """Handle a validated certificate."""
        return self.run(
            lambda worker, now: worker.handle_validated_certificate(certificate, now)
        ).info

    def confirm(
        self, certificate: ConfirmedBlockCertificate, mode: ProcessMode = ProcessMode.AUTO
    ) -> ChainInfo:
        """Handle a confirmed certificate."""
        return self.run(
            lambda worker, now: worker.handle_confirmed_certificate(certificate, now, mode=mode)
        ).info

    def time_out(self, certificate: TimeoutCertificate) -> ChainInfo:
        """Handle a timeout certificate."""
        return self.run(
            lambda worker, now: worker.handle_timeout_certificate(certificate, now)
        ).info

    def ask(self, query: ChainInfoQuery) -> ChainInfo:
        """Handle a chain info query."""
        return self.run(lambda worker, now: worker.handle_chain_info_query(query, now)).info

    def info(self, chain_id: ChainId) -> ChainInfo:
        """Chain info with everything about consensus."""
        return self.ask(ChainInfoQuery(chain_id, request_manager_values=True))

    def upload(self, chain_id: ChainId, blob: BlobContent) -> ChainInfo:
        """Give a blob that a pending block of the chain asked for."""
        return self.run(lambda worker, now: worker.handle_pending_blob(chain_id, blob, now)).info

    def store_blobs(self, *blobs: BlobContent) -> None:
        """Store blobs without being asked for them."""
        self.store.commit(self.worker.store_blobs(blobs))

    def cross_chain(self, *requests: CrossChainRequest) -> None:
        """Apply requests for one chain in one step."""
        self.run(lambda worker, now: worker.handle_cross_chain_requests(requests, now))

    # Messages between its chains

    def deliver(self) -> int:
        """Deliver all mail, and what that leads to; how many requests that were.

        Refused requests are dropped, as a node does.
        """
        count = 0
        while self.mail:
            count += 1
            if count > MAXIMUM_DELIVERIES:
                raise LocalError("the mail of this node never ends", retryable=False)
            request = self.mail.pop(0)
            try:
                self.cross_chain(request)
            except ProtocolError:
                continue
        return count

    def resend(self, chain_id: ChainId) -> None:
        """Let a chain send again what its recipients have not confirmed."""
        self.ask(ChainInfoQuery(chain_id, create_network_actions=True))

    # Looking inside

    def chain(self, chain_id: ChainId) -> ChainState:
        """A chain's state; to be read only."""
        return self.worker.chain(chain_id)

    def stored(self, chain_id: ChainId) -> list[tuple[bytes, bytes]]:
        """Everything stored for a chain."""
        return self.store.partition(chain_root(chain_id)).scan(b"")

    def check_promises(self) -> None:
        """Raise `InvariantViolation` if this node does not stand by what it has told."""
        self.witness.check(self.worker)
