"""The one message type of the simple (TCP, UDP) transport (spec 01 §7.5).

Public networks do not use this transport; the type is here because it is part of the wire types.
Each variant is a record with the variant's content in ``content``.
"""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Any

import msgspec

from catenula.base.codec import Record, VariantSpec, declare_enum
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import BlockHeight
from catenula.protocol import (
    blobs,
    blocks,
    certificates,
    chain_info,
    cross_chain,
    network,
    node_error,
    proposals,
    requests,
    votes,
)
from catenula.protocol.identifiers import BlobId, StreamId

_CONTENTS: dict[str, Any] = {
    "BlockProposal": proposals.BlockProposal,
    "TimeoutCertificate": requests.HandleTimeoutCertificateRequest,
    "ValidatedCertificate": requests.HandleValidatedCertificateRequest,
    "ConfirmedCertificate": requests.HandleConfirmedCertificateRequest,
    "LiteCertificate": requests.HandleLiteCertRequest,
    "ChainInfoQuery": chain_info.ChainInfoQuery,
    "UploadBlob": blobs.BlobContent,
    "DownloadBlob": BlobId,
    "DownloadPendingBlob": tuple[ChainId, BlobId],
    "HandlePendingBlob": tuple[ChainId, blobs.BlobContent],
    "DownloadConfirmedBlock": CryptoHash,
    "DownloadCertificates": tuple[CryptoHash, ...],
    "DownloadCertificatesByHeights": (ChainId, tuple[BlockHeight, ...]),
    "BlobLastUsedBy": BlobId,
    "MissingBlobIds": tuple[BlobId, ...],
    "VersionInfoQuery": None,
    "NetworkDescriptionQuery": None,
    "Vote": votes.LiteVote,
    "ChainInfoResponse": chain_info.ChainInfoResponse,
    "Error": node_error.NodeError,
    "VersionInfoResponse": network.VersionInfo,
    "NetworkDescriptionResponse": network.NetworkDescription,
    "UploadBlobResponse": BlobId,
    "DownloadBlobResponse": blobs.BlobContent,
    "DownloadPendingBlobResponse": blobs.BlobContent,
    "DownloadConfirmedBlockResponse": blocks.Block,
    "DownloadCertificatesResponse": tuple[certificates.ConfirmedBlockCertificate, ...],
    "DownloadCertificatesByHeightsResponse": tuple[certificates.ConfirmedBlockCertificate, ...],
    "BlobLastUsedByResponse": CryptoHash,
    "MissingBlobIdsResponse": tuple[BlobId, ...],
    "CrossChainRequest": cross_chain.CrossChainRequest,
    "BlobLastUsedByCertificate": BlobId,
    "BlobLastUsedByCertificateResponse": certificates.ConfirmedBlockCertificate,
    "PreviousEventBlocks": tuple[ChainId, tuple[StreamId, ...]],
    "PreviousEventBlocksResponse": Mapping[StreamId, tuple[BlockHeight, CryptoHash]],
    "DownloadBlobs": tuple[BlobId, ...],
}


def _variant(name: str, content: Any) -> VariantSpec:
    if content is None:
        fields: list[tuple[str, Any]] = []
        shape = "unit"
    elif isinstance(content, tuple):
        fields = [("chain_id", content[0]), ("heights", content[1])]
        shape = "tuple"
    else:
        fields = [("content", content)]
        shape = "newtype"
    cls = msgspec.defstruct(f"Rpc{name}", fields, bases=(Record,), frozen=True, module=__name__)
    return VariantSpec(name, shape, cls)


VARIANTS: tuple[VariantSpec, ...] = tuple(
    _variant(name, content) for name, content in _CONTENTS.items()
)
RpcMessage: Any = reduce(or_, (variant.payload for variant in VARIANTS))
declare_enum("RpcMessage", RpcMessage, *VARIANTS)
