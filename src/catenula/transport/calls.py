"""The public interface of a validator as a table: its methods, and the statuses of calls.

This module knows neither protobuf nor gRPC, so everybody may import it.
"""

from collections.abc import Mapping
from enum import Enum, IntEnum
from typing import Any, NamedTuple

from catenula.base.errors import LocalError

PUBLIC_SERVICE = "rpc.v1.ValidatorNode"
MAX_DETAIL_CHARACTERS = 1_024
"""Texts of statuses travel in headers and are cut there."""


class StatusCode(IntEnum):
    """The codes of gRPC, by number."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


_RETRIED = frozenset(
    {
        StatusCode.OK,
        StatusCode.CANCELLED,
        StatusCode.UNKNOWN,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.RESOURCE_EXHAUSTED,
        StatusCode.ABORTED,
        StatusCode.UNAVAILABLE,
    }
)
_RETRIED_INTERNAL_TEXTS = ("h2 protocol error", "http2 error", "502 bad gateway")


def is_retried(code: int, details: str) -> bool:
    """Whether clients repeat a call that ended like this (spec 06 §2.6)."""
    if code == StatusCode.INTERNAL:
        text = details.lower()
        return any(sign in text for sign in _RETRIED_INTERNAL_TEXTS)
    return code in _RETRIED


class CallStatus(LocalError):
    """A call that ended with a status other than success; ``retryable`` as clients see it."""

    def __init__(self, code: int, details: str, **fields: Any) -> None:
        try:
            self.code = StatusCode(code)
        except ValueError:
            self.code = StatusCode.UNKNOWN
        self.details = details[:MAX_DETAIL_CHARACTERS]
        super().__init__(
            f"{self.code.name}: {self.details}" if details else self.code.name,
            retryable=is_retried(self.code, details),
            **fields,
        )


class MethodKind(Enum):
    """How a method is answered (spec 06 §2.2)."""

    ROUTED = "routed"
    """By the one worker that owns the request's chain; errors of the chain are in the answer."""
    SHARED = "shared"
    """By anybody who can read the shared data; errors are statuses."""
    STREAM = "stream"
    """As shared, with any number of answers."""


class Method(NamedTuple):
    """One method: its name and the protobuf messages of its requests and answers."""

    name: str
    request: str
    response: str
    kind: MethodKind

    @property
    def path(self) -> str:
        """The HTTP path of the method."""
        return f"/{PUBLIC_SERVICE}/{self.name}"


_ROUTED = (
    ("HandleBlockProposal", "BlockProposal", "ChainInfoResult"),
    ("HandleLiteCertificate", "LiteCertificate", "ChainInfoResult"),
    ("HandleConfirmedCertificate", "HandleConfirmedCertificateRequest", "ChainInfoResult"),
    ("HandleValidatedCertificate", "HandleValidatedCertificateRequest", "ChainInfoResult"),
    ("HandleTimeoutCertificate", "HandleTimeoutCertificateRequest", "ChainInfoResult"),
    ("HandleChainInfoQuery", "ChainInfoQuery", "ChainInfoResult"),
    ("DownloadPendingBlob", "PendingBlobRequest", "PendingBlobResult"),
    ("HandlePendingBlob", "HandlePendingBlobRequest", "ChainInfoResult"),
    ("PreviousEventBlocks", "PreviousEventBlocksRequest", "PreviousEventBlocksResponse"),
)
_SHARED = (
    ("GetVersionInfo", "Empty", "VersionInfo"),
    ("GetNetworkDescription", "Empty", "NetworkDescription"),
    ("UploadBlob", "BlobContent", "BlobId"),
    ("DownloadBlob", "BlobId", "BlobContent"),
    ("DownloadCertificate", "CryptoHash", "Certificate"),
    ("DownloadCertificates", "CertificatesBatchRequest", "CertificatesBatchResponse"),
    (
        "DownloadCertificatesByHeights",
        "DownloadCertificatesByHeightsRequest",
        "CertificatesBatchResponse",
    ),
    (
        "DownloadRawCertificatesByHeights",
        "DownloadCertificatesByHeightsRequest",
        "RawCertificatesBatch",
    ),
    ("BlobLastUsedBy", "BlobId", "CryptoHash"),
    ("BlobLastUsedByCertificate", "BlobId", "Certificate"),
    ("MissingBlobIds", "BlobIds", "BlobIds"),
    ("EventBlockHeights", "EventBlockHeightsRequest", "EventBlockHeightsResponse"),
)
_STREAMS = (
    ("Subscribe", "SubscriptionRequest", "Notification"),
    ("DownloadBlobs", "BlobIds", "BlobContent"),
)

METHODS: Mapping[str, Method] = {
    name: Method(name, request, response, kind)
    for kind, rows in (
        (MethodKind.ROUTED, _ROUTED),
        (MethodKind.SHARED, _SHARED),
        (MethodKind.STREAM, _STREAMS),
    )
    for name, request, response in rows
}
"""Every method of the public service, by name."""
