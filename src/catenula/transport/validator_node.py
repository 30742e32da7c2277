"""The interface through which a client talks to one validator (spec 06 §2).

Every implementation (in this process, over gRPC) takes and returns domain values and raises
`NodeErrorReceived` for an error of the validator, `LocalError` for a failure to reach it.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol

from catenula.protocol import (
    BlobContent,
    BlobId,
    BlockHeight,
    BlockProposal,
    ChainId,
    ChainInfoQuery,
    ChainInfoResponse,
    ConfirmedBlockCertificate,
    CryptoHash,
    EventId,
    LiteCertificate,
    NetworkDescription,
    Notification,
    StreamId,
    TimeoutCertificate,
    ValidatedBlockCertificate,
    VersionInfo,
)


class ValidatorNode(Protocol):
    """One validator, as clients see it. All methods may block and may be cancelled."""

    @property
    def address(self) -> str:
        """Where the validator is, for messages to people."""
        ...

    async def handle_block_proposal(self, proposal: BlockProposal) -> ChainInfoResponse:
        """Ask for a vote on a proposal (spec 06 §4.3)."""
        ...

    async def handle_lite_certificate(
        self, certificate: LiteCertificate, *, wait_for_outgoing_messages: bool = False
    ) -> ChainInfoResponse:
        """Process a certificate whose block the validator knows (spec 06 §4.4)."""
        ...

    async def handle_confirmed_certificate(
        self, certificate: ConfirmedBlockCertificate, *, wait_for_outgoing_messages: bool = False
    ) -> ChainInfoResponse:
        """Process a confirmed block (spec 06 §4.6)."""
        ...

    async def handle_validated_certificate(
        self, certificate: ValidatedBlockCertificate
    ) -> ChainInfoResponse:
        """Process a validated block; asks for the confirming vote (spec 06 §4.7)."""
        ...

    async def handle_timeout_certificate(
        self, certificate: TimeoutCertificate
    ) -> ChainInfoResponse:
        """Process a timeout certificate (spec 06 §4.8)."""
        ...

    async def handle_chain_info_query(self, query: ChainInfoQuery) -> ChainInfoResponse:
        """Ask about a chain (spec 06 §4.9)."""
        ...

    async def handle_pending_blob(self, chain_id: ChainId, blob: BlobContent) -> ChainInfoResponse:
        """Upload a blob that a pending block needs (spec 06 §4.10)."""
        ...

    async def download_pending_blob(self, chain_id: ChainId, blob_id: BlobId) -> BlobContent:
        """Fetch a blob of a pending block (spec 06 §4.10)."""
        ...

    async def upload_blob(self, blob: BlobContent) -> BlobId:
        """Upload a blob that a verified certificate requires."""
        ...

    async def download_blob(self, blob_id: BlobId) -> BlobContent:
        """Fetch a stored blob."""
        ...

    async def download_certificate(self, block_hash: CryptoHash) -> ConfirmedBlockCertificate:
        """Fetch a certificate by the hash of its block."""
        ...

    async def download_certificates(
        self, hashes: Sequence[CryptoHash]
    ) -> list[ConfirmedBlockCertificate]:
        """Fetch certificates by hash, in request order; the answer may be a prefix."""
        ...

    async def download_certificates_by_heights(
        self, chain_id: ChainId, heights: Sequence[BlockHeight]
    ) -> list[ConfirmedBlockCertificate]:
        """Fetch certificates of a chain by ascending heights; the answer may be a prefix."""
        ...

    async def blob_last_used_by(self, blob_id: BlobId) -> CryptoHash:
        """Hash of the last certificate known to require a blob."""
        ...

    async def blob_last_used_by_certificate(self, blob_id: BlobId) -> ConfirmedBlockCertificate:
        """The last certificate known to require a blob."""
        ...

    async def missing_blob_ids(self, blob_ids: Sequence[BlobId]) -> list[BlobId]:
        """Those of the given blobs that the validator does not have."""
        ...

    async def previous_event_blocks(
        self, chain_id: ChainId, stream_ids: Sequence[StreamId]
    ) -> Mapping[StreamId, tuple[BlockHeight, CryptoHash]]:
        """For each known stream the last executed block that published on it."""
        ...

    async def event_block_heights(self, event_ids: Sequence[EventId]) -> list[BlockHeight | None]:
        """For each event the height of the block that published it, or None (spec 06 §2.7)."""
        ...

    async def get_version_info(self) -> VersionInfo:
        """The validator's version."""
        ...

    async def get_network_description(self) -> NetworkDescription:
        """The network the validator belongs to."""
        ...

    def subscribe(
        self, chain_ids: Sequence[ChainId], *, on_open: Callable[[], None] | None = None
    ) -> AsyncIterator[Notification]:
        """Notifications of these chains from now on; ends only with an error.

        ``on_open`` is called once, when the subscription is in force: over the wire with the first,
        empty item (spec 06 §6.3). Nothing is tried again here: whoever listens decides when to
        subscribe anew.
        """
        ...
