"""Blobs of blocks that are not final yet, and blobs that a final block requires (spec 06 §4.10)."""

from catenula.execution.errors import BlobsNotFound
from catenula.protocol import BlobContent, BlobId, ChainInfoResponse
from catenula.worker.step import Step


def handle_pending_blob(step: Step, blob: BlobContent) -> ChainInfoResponse:
    """Take an uploaded blob that a pending block of this chain asked for.

    A chain that was never set up has no pending block, so it is not set up here either: the answer
    is that the blob is not required, not that the chain's description is missing.
    """
    step.chain.take_pending_blob(blob)
    step.save()
    return step.reply()


def download_pending_blob(step: Step, blob_id: BlobId) -> BlobContent:
    """A blob of the proposed or the locked block, or a stored one; `BlobsNotFound`."""
    found = step.chain.manager.blob(blob_id)
    if found is not None:
        return found
    content = step.overlay.blob(blob_id)
    if content is None:
        raise BlobsNotFound((blob_id,))
    return BlobContent(blob_id.blob_type, content)
