"""The public service over bytes: what a call's request says, and the bytes of its answer.

`PublicService` is what the public port serves; `NodeService` implements it over a node in this
process. Errors of a chain are part of the answers of routed methods; everything else that can be
wrong ends a call with a `CallStatus` (spec 06 §2.1, §2.2). Texts of failures of this machine stay
in its log.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from catenula.base.errors import DecodeError, LocalError, ProtocolError
from catenula.base.identifiers import HASH_BYTES, ChainId, CryptoHash
from catenula.base.integers import BlockHeight
from catenula.protocol import (
    BlobId,
    CertificatesByHeightRequest,
    ConfirmedCertificate,
    NodeErrorReceived,
    node_error,
)
from catenula.protocol.node_error import describe_node_error
from catenula.transport.calls import METHODS, CallStatus, MethodKind, StatusCode
from catenula.transport.messages import MalformedMessage, RawCertificate, to_proto_bytes
from catenula.transport.messages.conversions import conversion, parse_message
from catenula.transport.validator_node import ValidatorNode
from catenula.worker.errors import downgrade_missing_updates

_log = logging.getLogger(__name__)

EMPTY_NOTIFICATION = b""
"""Acknowledges a subscription; clients ignore it, but it brings the response headers (§6.3)."""


class PublicService(Protocol):
    """The methods of `METHODS`, bytes to bytes. Everything raises `CallStatus` and nothing else."""

    async def unary(self, method: str, request: bytes) -> bytes:
        """Answer one call of a method that is no stream."""
        ...

    def stream(self, method: str, request: bytes) -> AsyncIterator[bytes]:
        """Answer one call of a streaming method; the iterator is closed when nobody listens."""
        ...


class ServedNode(ValidatorNode, Protocol):
    """A node with what only servers need: certificates in their stored form."""

    async def download_raw_certificates_by_heights(
        self, chain_id: ChainId, heights: Sequence[BlockHeight]
    ) -> list[RawCertificate]:
        """As `ValidatorNode.download_certificates_by_heights`, without decoding anything."""
        ...


async def close(iterator: AsyncIterator[Any]) -> None:
    """End an asynchronous generator now, not when it is collected."""
    aclose = getattr(iterator, "aclose", None)
    if aclose is not None:
        await aclose()


def routed_chain_id(method: str, request: bytes) -> ChainId:
    """The chain that a request of a routed method is for.

    Raises `CallStatus`: INTERNAL for bytes that are no such message, NOT_FOUND without a chain.
    """
    return _chain_id_in(_parse(METHODS[method].request, request))


def _parse(message_name: str, request: bytes) -> Any:
    try:
        return parse_message(message_name, request)
    except MalformedMessage as error:
        details = f"failed to decode Protobuf message: {message_name}"
        raise CallStatus(StatusCode.INTERNAL, details) from error


def _chain_id_in(message: Any) -> ChainId:
    raw: bytes = message.chain_id.bytes
    if len(raw) != HASH_BYTES:
        raise CallStatus(StatusCode.NOT_FOUND, "could not find shard for message")
    return ChainId(raw)


def _convert(message_name: str, message: Any) -> Any:
    try:
        return conversion(message_name).read(message)
    except DecodeError as error:
        raise CallStatus(StatusCode.INVALID_ARGUMENT, _describe(error)) from error


def _describe(error: DecodeError) -> str:
    if error.code == "MissingField":
        return "Conversion failed due to missing field"
    if error.code == "InconsistentChainId":
        return "Inconsistent outer/inner chain IDs"
    return error.message()


def read_call(method: str, request: bytes) -> Any:
    """The value of a method's request; raises `CallStatus` INTERNAL or INVALID_ARGUMENT."""
    name = METHODS[method].request
    return _convert(name, _parse(name, request))


@contextmanager
def _statuses(method: str) -> Iterator[None]:
    """Failures of this machine as statuses; what exactly failed is in the log."""
    try:
        yield
    except CallStatus:
        raise
    except LocalError as error:
        _log.warning("%s failed: %s", method, error)
        if error.retryable:
            raise CallStatus(StatusCode.UNAVAILABLE, "the validator is not ready") from error
        raise CallStatus(StatusCode.INTERNAL, "the validator's storage failed") from error
    except ProtocolError as error:
        raise CallStatus(StatusCode.INTERNAL, error.message()) from error


# Routed methods: what is done with a decoded request

_RoutedCall = Callable[[ServedNode, Any], Awaitable[Any]]


async def _lite_certificate(node: ServedNode, request: Any) -> Any:
    return await node.handle_lite_certificate(
        request.certificate, wait_for_outgoing_messages=request.wait_for_outgoing_messages
    )


async def _confirmed_certificate(node: ServedNode, request: Any) -> Any:
    return await node.handle_confirmed_certificate(
        request.certificate, wait_for_outgoing_messages=request.wait_for_outgoing_messages
    )


_ROUTED: dict[str, _RoutedCall] = {
    "HandleBlockProposal": lambda node, proposal: node.handle_block_proposal(proposal),
    "HandleLiteCertificate": _lite_certificate,
    "HandleConfirmedCertificate": _confirmed_certificate,
    "HandleValidatedCertificate": lambda node, request: node.handle_validated_certificate(
        request.certificate
    ),
    "HandleTimeoutCertificate": lambda node, request: node.handle_timeout_certificate(
        request.certificate
    ),
    "HandleChainInfoQuery": lambda node, query: node.handle_chain_info_query(query),
    "DownloadPendingBlob": lambda node, request: node.download_pending_blob(*request),
    "HandlePendingBlob": lambda node, request: node.handle_pending_blob(*request),
    "PreviousEventBlocks": lambda node, request: node.previous_event_blocks(*request),
}
_WITHOUT_DOWNGRADE = ("HandleLiteCertificate", "PreviousEventBlocks")
"""The requests of these say nothing about what their senders understand (spec 06 §4.4)."""


# Shared methods: the same, and what their errors become


async def _download_certificate(node: ServedNode, block_hash: CryptoHash) -> Any:
    return await node.download_certificate(block_hash)


async def _download_certificates(node: ServedNode, hashes: Sequence[CryptoHash]) -> Any:
    return tuple(map(ConfirmedCertificate, await node.download_certificates(hashes)))


async def _by_heights(node: ServedNode, request: CertificatesByHeightRequest) -> Any:
    found = await node.download_certificates_by_heights(request.chain_id, request.heights)
    return tuple(map(ConfirmedCertificate, found))


async def _raw_by_heights(node: ServedNode, request: CertificatesByHeightRequest) -> Any:
    return await node.download_raw_certificates_by_heights(request.chain_id, request.heights)


def _not_found(received: NodeErrorReceived, request: Any) -> CallStatus:
    """What was asked for by its hash or id is not here."""
    kind = "Blob not found " if isinstance(request, BlobId) else ""
    text = f"{kind}{request}" if request is not None else "no network description"
    return CallStatus(StatusCode.NOT_FOUND, text)


def _blob_not_required(received: NodeErrorReceived, request: Any) -> CallStatus:
    return CallStatus(StatusCode.NOT_FOUND, "Blob not found")


def _failed(received: NodeErrorReceived, request: Any) -> CallStatus:
    return CallStatus(StatusCode.INTERNAL, describe_node_error(received.error))


def _query_failed(received: NodeErrorReceived, request: Any) -> CallStatus:
    text = f"Chain info query failed: {describe_node_error(received.error)}"
    return CallStatus(StatusCode.INTERNAL, text)


class _Shared(NamedTuple):
    call: Callable[[ServedNode, Any], Awaitable[Any]]
    status: Callable[[NodeErrorReceived, Any], CallStatus] = _failed


_SHARED: dict[str, _Shared] = {
    "GetVersionInfo": _Shared(lambda node, _: node.get_version_info()),
    "GetNetworkDescription": _Shared(lambda node, _: node.get_network_description(), _not_found),
    "UploadBlob": _Shared(lambda node, blob: node.upload_blob(blob), _blob_not_required),
    "DownloadBlob": _Shared(lambda node, blob_id: node.download_blob(blob_id), _not_found),
    "DownloadCertificate": _Shared(_download_certificate, _not_found),
    "DownloadCertificates": _Shared(_download_certificates),
    "DownloadCertificatesByHeights": _Shared(_by_heights, _query_failed),
    "DownloadRawCertificatesByHeights": _Shared(_raw_by_heights, _query_failed),
    "BlobLastUsedBy": _Shared(lambda node, blob_id: node.blob_last_used_by(blob_id), _not_found),
    "BlobLastUsedByCertificate": _Shared(
        lambda node, blob_id: node.blob_last_used_by_certificate(blob_id), _not_found
    ),
    "MissingBlobIds": _Shared(lambda node, blob_ids: node.missing_blob_ids(blob_ids)),
    "EventBlockHeights": _Shared(lambda node, event_ids: node.event_block_heights(event_ids)),
}


class NodeService:
    """A `PublicService` over a node in this process."""

    def __init__(self, node: ServedNode) -> None:
        self._node = node

    async def unary(self, method: str, request: bytes) -> bytes:
        """See `PublicService`."""
        with _statuses(method):
            if method in _ROUTED:
                return await self._routed(method, request)
            if method in _SHARED:
                return await self._shared(method, request)
        raise CallStatus(StatusCode.UNIMPLEMENTED, "")

    async def _routed(self, method: str, request: bytes) -> bytes:
        row = METHODS[method]
        message = _parse(row.request, request)
        _chain_id_in(message)
        value = _convert(row.request, message)
        try:
            result = await _ROUTED[method](self._node, value)
        except NodeErrorReceived as received:
            if row.response == "PreviousEventBlocksResponse":
                raise _failed(received, value) from received
            result = received.error
            if method not in _WITHOUT_DOWNGRADE and not getattr(
                message, "supports_aggregated_missing", False
            ):
                result = downgrade_missing_updates(result)
        return to_proto_bytes(row.response, result)

    async def _shared(self, method: str, request: bytes) -> bytes:
        value = read_call(method, request)
        row = _SHARED[method]
        try:
            result = await row.call(self._node, value)
        except NodeErrorReceived as received:
            raise row.status(received, value) from received
        return to_proto_bytes(METHODS[method].response, result)

    async def stream(self, method: str, request: bytes) -> AsyncIterator[bytes]:
        """See `PublicService`."""
        if METHODS[method].kind is not MethodKind.STREAM:
            raise CallStatus(StatusCode.UNIMPLEMENTED, "")
        value = read_call(method, request)
        answers = self._subscribe(value) if method == "Subscribe" else self._blobs(value)
        try:
            with _statuses(method):
                async for answer in answers:
                    yield answer
        finally:
            await close(answers)

    async def _subscribe(self, chain_ids: Sequence[ChainId]) -> AsyncIterator[bytes]:
        """Never ends by itself, except for a subscription to nothing."""
        notifications = self._node.subscribe(chain_ids)
        try:
            yield EMPTY_NOTIFICATION
            if not chain_ids:
                return
            async for notification in notifications:
                yield to_proto_bytes("Notification", notification)
        finally:
            await close(notifications)

    async def _blobs(self, blob_ids: Sequence[BlobId]) -> AsyncIterator[bytes]:
        """The blobs that are here, in request order."""
        for blob_id in blob_ids:
            try:
                blob = await self._node.download_blob(blob_id)
            except NodeErrorReceived as received:
                if not isinstance(received.error, node_error.BlobsNotFound):
                    raise
                continue
            yield to_proto_bytes("BlobContent", blob)
