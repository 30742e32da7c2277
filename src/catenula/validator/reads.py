"""Requests answered from a node's shared data: certificates, blobs, network (spec 06 §2.2)."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TypeVar

from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import BlockHeight
from catenula.base.limits import (
    BATCH_FILL_BYTES,
    MAX_ITEMS_PER_REQUEST,
    MAX_ITEMS_PER_TURN,
)
from catenula.protocol import BlobContent, BlobId, ConfirmedBlockCertificate, EventId, StreamId
from catenula.protocol.node_error import BlobsNotFound, MissingCertificates, NodeErrorReceived
from catenula.storage.shared import SharedStore
from catenula.transport.messages import RawCertificate
from catenula.validator.event_heights import EventHeights

_T = TypeVar("_T")


async def _in_turns(items: Sequence[_T]) -> AsyncIterator[_T]:
    """The items of a request, which may be many: others get their turn in between."""
    for number, item in enumerate(items, 1):
        yield item
        if number % MAX_ITEMS_PER_TURN == 0:
            await asyncio.sleep(0)


class SharedReads:
    """The methods of `ValidatorNode` that need no chain."""

    def __init__(self, shared: SharedStore) -> None:
        self._shared = shared
        self._event_heights = EventHeights(shared)

    @abstractmethod
    async def hashes_by_heights(
        self, chain_id: ChainId, heights: Sequence[BlockHeight]
    ) -> list[CryptoHash]:
        """Hashes of known blocks, asked of the chain itself."""

    async def download_blob(self, blob_id: BlobId) -> BlobContent:
        """See `ValidatorNode`."""
        content = self._shared.blob(blob_id)
        if content is None:
            raise NodeErrorReceived(BlobsNotFound((blob_id,)))
        return BlobContent(blob_id.blob_type, content)

    async def missing_blob_ids(self, blob_ids: Sequence[BlobId]) -> list[BlobId]:
        """See `ValidatorNode`; in request order."""
        return [
            blob_id async for blob_id in _in_turns(blob_ids) if not self._shared.has_blob(blob_id)
        ]

    async def download_certificate(self, block_hash: CryptoHash) -> ConfirmedBlockCertificate:
        """See `ValidatorNode`."""
        certificate = self._shared.certificate(block_hash)
        if certificate is None:
            raise NodeErrorReceived(MissingCertificates((block_hash,)))
        return certificate

    async def download_certificates(
        self, hashes: Sequence[CryptoHash]
    ) -> list[ConfirmedBlockCertificate]:
        """See `ValidatorNode`: a prefix of what was asked for, missing ones left out."""
        return await self._read_until_full(hashes)

    async def _read_until_full(
        self, hashes: Sequence[CryptoHash]
    ) -> list[ConfirmedBlockCertificate]:
        found: list[ConfirmedBlockCertificate] = []
        size = 0
        async for block_hash in _in_turns(hashes[:MAX_ITEMS_PER_REQUEST]):
            certificate = self._shared.certificate(block_hash)
            if certificate is None:
                continue
            size += len(certificate.value.bcs) + len(certificate.lite().bcs)
            if size > BATCH_FILL_BYTES:
                break
            found.append(certificate)
        return found

    async def download_certificates_by_heights(
        self, chain_id: ChainId, heights: Sequence[BlockHeight]
    ) -> list[ConfirmedBlockCertificate]:
        """See `ValidatorNode`: from the height index, or by asking the chain (spec 06 §2.2)."""
        return await self._read_until_full(await self._hashes_at(chain_id, heights))

    async def download_raw_certificates_by_heights(
        self, chain_id: ChainId, heights: Sequence[BlockHeight]
    ) -> list[RawCertificate]:
        """As `download_certificates_by_heights`, in the stored form and without decoding it."""
        found: list[RawCertificate] = []
        size = 0
        async for block_hash in _in_turns(await self._hashes_at(chain_id, heights)):
            raw = self._shared.raw_certificate(block_hash)
            if raw is None:
                continue
            size += len(raw[0]) + len(raw[1])
            if size > BATCH_FILL_BYTES:
                break
            found.append(RawCertificate(*raw))
        return found

    async def _hashes_at(
        self, chain_id: ChainId, heights: Sequence[BlockHeight]
    ) -> list[CryptoHash]:
        heights = heights[:MAX_ITEMS_PER_REQUEST]
        known = self._shared.block_hashes_at(chain_id, heights)
        hashes = [block_hash for block_hash in known if block_hash is not None]
        if len(hashes) < len(known):
            return await self.hashes_by_heights(chain_id, heights)
        return hashes

    @abstractmethod
    async def previous_event_blocks(
        self, chain_id: ChainId, stream_ids: Sequence[StreamId]
    ) -> Mapping[StreamId, tuple[BlockHeight, CryptoHash]]:
        """See `ValidatorNode`; asked of the chain itself."""

    async def event_block_heights(self, event_ids: Sequence[EventId]) -> list[BlockHeight | None]:
        """See `ValidatorNode`: found by following the blocks of a stream backwards."""
        return await self._event_heights.find(event_ids, self.previous_event_blocks)

    async def blob_last_used_by(self, blob_id: BlobId) -> CryptoHash:
        """See `ValidatorNode`."""
        state = self._shared.blob_state(blob_id)
        if state is None or state.last_used_by is None:
            raise NodeErrorReceived(BlobsNotFound((blob_id,)))
        return state.last_used_by

    async def blob_last_used_by_certificate(self, blob_id: BlobId) -> ConfirmedBlockCertificate:
        """See `ValidatorNode`."""
        return await self.download_certificate(await self.blob_last_used_by(blob_id))
