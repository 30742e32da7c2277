"""One request to one chain on its way through a handler.

A `Step` holds what every handler needs and collects the outcome. `save` marks a point whose writes
survive a later failure of the same request (the *persisted* rows of spec 05 §5).
"""

from collections.abc import Iterable, Mapping
from functools import partial

from catenula.base.crypto import ValidatorSecretKey
from catenula.base.identifiers import ChainId
from catenula.base.integers import Timestamp
from catenula.chain.block_execution import activate
from catenula.chain.chain_state import ChainState
from catenula.chain.info import chain_info
from catenula.chain.mailboxes import cross_chain_requests
from catenula.execution.environment import Oracles
from catenula.protocol import (
    BlobContent,
    BlobId,
    Block,
    ChainInfoQuery,
    ChainInfoResponse,
    NewRound,
    Notification,
    Reason,
    Round,
    sign_chain_info,
)
from catenula.storage.batch import Batch
from catenula.storage.engine import Group
from catenula.storage.shared import SharedOverlay, chain_root
from catenula.worker.block_cache import BlockCache
from catenula.worker.config import WorkerConfig
from catenula.worker.counters import WorkCounters
from catenula.worker.outcome import Actions
from catenula.worker.verified import VerifiedSignatures

BlobsById = Mapping[BlobId, BlobContent | None]


class Node:
    """What all steps of a worker share."""

    def __init__(
        self,
        *,
        config: WorkerConfig,
        secret: ValidatorSecretKey | None,
        blocks: BlockCache,
        verified: VerifiedSignatures,
        counters: WorkCounters,
    ) -> None:
        self.config, self.secret = config, secret
        self.blocks, self.verified = blocks, verified
        self.counters = counters


class Step:
    """The running request: its chain, its time, and what it has staged so far."""

    def __init__(
        self,
        node: Node,
        chain: ChainState,
        *,
        overlay: SharedOverlay,
        now: Timestamp,
        oracles: Oracles,
    ) -> None:
        self.node, self.chain, self.now, self.oracles = node, chain, now, oracles
        self.overlay = overlay
        self.actions = Actions()
        self._batch = Batch()

    @property
    def chain_id(self) -> ChainId:
        """The chain of the request."""
        return self.chain.chain_id

    def activate(self) -> None:
        """Set the chain up on first use (spec 05 §1.3); saved when it was.

        Raises `BlobsNotFound`, `EventsNotFound`.
        """
        if not self.chain.is_described and activate(self.chain, self.now):
            self.save()

    def save(self) -> None:
        """Stage the chain's changes so far; they survive a later failure of this request."""
        self.chain.save(self._batch)

    def writes(self) -> list[Group]:
        """All staged writes in the order of spec 06 §7.2: shared data, then the chain."""
        groups = self.overlay.groups()
        if self._batch.operations:
            groups.append((chain_root(self.chain_id), self._batch))
        return groups

    def reply(self, query: ChainInfoQuery | None = None) -> ChainInfoResponse:
        """The chain's info, signed when this node has a key."""
        return sign_chain_info(chain_info(self.chain, query), self.node.secret)

    def notify(self, reason: Reason) -> None:
        """Tell subscribers, once the writes are durable."""
        self.actions.notifications.append(Notification(self.chain_id, reason))

    def send_pending(self, targets: Iterable[ChainId] | None = None) -> None:
        """Send the unconfirmed messages of all recipients, or of the given ones."""
        self.node.counters.timed_actions(partial(self._send_pending, targets))

    def _send_pending(self, targets: Iterable[ChainId] | None) -> None:
        limit = self.node.config.cross_chain_chunk_bytes
        requests = cross_chain_requests(self.chain, targets, size_limit=limit)
        self.actions.cross_chain_requests.extend(requests)
        for request in requests:
            self.node.counters.outbox_sent(len(self.chain.outboxes.queue(request.recipient)))

    def notify_round(self, before: Round) -> None:
        """Tell subscribers if the current round has risen above ``before``."""
        current = self.chain.manager.current_round
        if current > before:
            self.notify(NewRound(self.chain.next_block_height, current))

    def find_blobs(
        self, blob_ids: Iterable[BlobId], block: Block | None = None
    ) -> dict[BlobId, BlobContent | None]:
        """Look blobs up in the order of spec 06 §4.2; None for those not found."""
        created = block.created_blobs if block is not None else None
        return self.chain.find_blobs(blob_ids, created)


def found_only(blobs: BlobsById) -> dict[BlobId, BlobContent]:
    """The blobs that were found."""
    return {blob_id: blob for blob_id, blob in blobs.items() if blob is not None}
