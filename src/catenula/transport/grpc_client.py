"""Validators over native gRPC, for clients (spec 06 §2.6, 07 §3.1, §3.5).

A call is repeated after statuses that may pass. What a validator says is raised as
`NodeErrorReceived`; a validator that cannot be reached is a `CallStatus`, which is a `LocalError`.
One connection per address is shared by all who talk to it.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.errors import DecodeError
from catenula.base.limits import MAX_ENCODED_REQUEST_BYTES, MAX_ENCODED_REQUESTS
from catenula.protocol import (
    BlobContent,
    BlobId,
    BlockHeight,
    BlockProposal,
    CertificatesByHeightRequest,
    ChainId,
    ChainInfoQuery,
    ChainInfoResponse,
    ConfirmedBlockCertificate,
    CryptoHash,
    EventId,
    HandleConfirmedCertificateRequest,
    HandleLiteCertRequest,
    HandleTimeoutCertificateRequest,
    HandleValidatedCertificateRequest,
    LiteCertificate,
    NetworkDescription,
    NodeError,
    NodeErrorReceived,
    Notification,
    StreamId,
    TimeoutCertificate,
    ValidatedBlockCertificate,
    VersionInfo,
    node_error,
)
from catenula.transport.addresses import NetworkAddress
from catenula.transport.calls import METHODS, CallStatus, StatusCode
from catenula.transport.grpc_channel import GrpcChannel
from catenula.transport.messages import from_proto_bytes, to_proto_bytes


class GrpcOptions(NamedTuple):
    """How calls are made; the defaults are the reference's (spec 07 §1.2), but for `max_retries`.

    See docs/decisions/0047.
    """

    connect_timeout_seconds: float = 4.0
    request_timeout_seconds: float = 4.0
    retry_delay_seconds: float = 1.0
    max_backoff_seconds: float = 30.0
    max_retries: int = 4
    root_certificates: bytes | None = None
    """Certificates to trust with ``grpcs``, as PEM; None for those of the system."""


_JITTER = 0.2


class _Encoded:
    """Bytes of requests that were sent just now, as one value goes to every validator."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Any, ...], tuple[Any, bytes]] = OrderedDict()

    def bytes_of(self, message_name: str, value: Any) -> bytes:
        """The bytes of a message for a value that does not change."""
        key = (message_name, *_identity(value))
        found = self._kept.get(key)
        if found is not None:
            return found[1]
        data = to_proto_bytes(message_name, value)
        if len(data) <= MAX_ENCODED_REQUEST_BYTES:
            # The value is kept beside its bytes, so that its id cannot become another's.
            self._kept[key] = value, data
            if len(self._kept) > MAX_ENCODED_REQUESTS:
                self._kept.popitem(last=False)
        return data


def _identity(value: Any) -> tuple[Any, ...]:
    """What makes a request the same as another; certificates are wrapped anew for every call."""
    certificate = getattr(value, "certificate", None)
    if certificate is None:
        return (id(value),)
    waits = getattr(value, "wait_for_outgoing_messages", None)
    return id(certificate.value), id(certificate.signatures), certificate.round, waits


class GrpcProvider:
    """Makes connections to validators over gRPC; a `NodeProvider`."""

    def __init__(self, options: GrpcOptions | None = None) -> None:
        self.options = options or GrpcOptions()
        self._channels: dict[NetworkAddress, GrpcChannel] = {}
        self._encoded = _Encoded()
        self.given_up: set[NetworkAddress] = set()
        """Where no attempt of the last call has succeeded: asked once, until one does."""
        self.is_closed = False

    def connect(self, validator: Secp256k1PublicKey, address: str) -> "GrpcNode":
        """The validator at that address; does not wait. `DecodeError` for no gRPC address."""
        return self.connect_to(address)

    def connect_to(self, address: str) -> "GrpcNode":
        """As `connect`, for a validator whose key is not known."""
        parsed = NetworkAddress.parse(address)
        return GrpcNode(self, parsed)

    def channel(self, address: NetworkAddress) -> GrpcChannel:
        """The shared way to an address; it connects when it is first used.

        Raises `CallStatus` CANCELLED when everything is closed.
        """
        if self.is_closed:
            raise CallStatus(StatusCode.CANCELLED, "all connections are closed here")
        found = self._channels.get(address)
        if found is None:
            options = self.options
            found = self._channels[address] = GrpcChannel(
                address,
                connect_timeout_seconds=options.connect_timeout_seconds,
                root_certificates=options.root_certificates,
            )
        return found

    def encode(self, message_name: str, value: Any) -> bytes:
        """The bytes of a request; one value for many validators is encoded once."""
        return self._encoded.bytes_of(message_name, value)

    async def close(self) -> None:
        """Close all connections for good; calls that run end with CANCELLED."""
        self.is_closed = True
        channels, self._channels = list(self._channels.values()), {}
        for channel in channels:
            await channel.close()


class GrpcNode:
    """A validator over gRPC; a `ValidatorNode`."""

    def __init__(self, provider: GrpcProvider, address: NetworkAddress) -> None:
        self._provider, self._address = provider, address
        self._options = provider.options

    @property
    def address(self) -> str:
        """Where the validator is."""
        return str(self._address)

    # Calling

    async def _once(self, method: str, request: bytes) -> bytes:
        """One attempt; `CallStatus` unless it succeeds."""
        seconds = self._options.request_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                channel = self._provider.channel(self._address)
                return await channel.unary(METHODS[method].path, request)
        except TimeoutError as error:
            text = f"no answer within {seconds:g} s"
            raise self._status(method, StatusCode.DEADLINE_EXCEEDED, text) from error
        except CallStatus as status:
            raise self._status(method, status.code, status.details) from status

    def _status(self, method: str, code: int, text: str) -> CallStatus:
        return CallStatus(code, text, method=method, address=self.address)

    async def _call(self, method: str, value: Any) -> bytes:
        """The bytes of the answer, after as many attempts as the options allow.

        A validator for which a call has just used them all up gets no more than one attempt per
        call until it answers: whoever waits for a quorum waits for it once, not at every step.
        """
        request = self._provider.encode(METHODS[method].request, value)
        given_up = self._provider.given_up
        retries = 0 if self._address in given_up else self._options.max_retries
        for attempt in range(retries):
            try:
                return await self._attempt(method, request)
            except CallStatus as status:
                if not status.retryable or self._provider.is_closed:
                    raise
            await asyncio.sleep(retry_delay_seconds(self._options, attempt))
        try:
            return await self._attempt(method, request)
        except CallStatus as status:
            if status.retryable:
                given_up.add(self._address)
            raise

    async def _attempt(self, method: str, request: bytes) -> bytes:
        answer = await self._once(method, request)
        if self._provider.given_up:
            self._provider.given_up.discard(self._address)
        return answer

    async def _ask(
        self, method: str, value: Any, not_found: Callable[[], NodeError] | None = None
    ) -> Any:
        """The decoded answer of a shared method; a refusal is raised as `NodeErrorReceived`.

        ``not_found`` makes the error that a node in this process would have raised for NOT_FOUND.
        """
        try:
            response = await self._call(method, value)
        except CallStatus as status:
            if not_found is not None and status.code is StatusCode.NOT_FOUND:
                raise NodeErrorReceived(not_found()) from status
            raise as_node_error(status) from status
        return from_proto_bytes(METHODS[method].response, response)

    async def _ask_chain(self, method: str, value: Any) -> Any:
        """The decoded answer of a routed method; errors in it are raised."""
        result = await self._ask(method, value)
        if isinstance(result, ChainInfoResponse | BlobContent):
            return result
        raise NodeErrorReceived(result)

    # ValidatorNode

    async def handle_block_proposal(self, proposal: BlockProposal) -> ChainInfoResponse:
        """See `ValidatorNode`."""
        return await self._ask_info("HandleBlockProposal", proposal)

    async def _ask_info(self, method: str, value: Any) -> ChainInfoResponse:
        response: ChainInfoResponse = await self._ask_chain(method, value)
        return response

    async def handle_lite_certificate(
        self, certificate: LiteCertificate, *, wait_for_outgoing_messages: bool = False
    ) -> ChainInfoResponse:
        """See `ValidatorNode`."""
        request = HandleLiteCertRequest(certificate, wait_for_outgoing_messages)
        return await self._ask_info("HandleLiteCertificate", request)

    async def handle_confirmed_certificate(
        self, certificate: ConfirmedBlockCertificate, *, wait_for_outgoing_messages: bool = False
    ) -> ChainInfoResponse:
        """See `ValidatorNode`."""
        request = HandleConfirmedCertificateRequest(certificate, wait_for_outgoing_messages)
        return await self._ask_info("HandleConfirmedCertificate", request)

    async def handle_validated_certificate(
        self, certificate: ValidatedBlockCertificate
    ) -> ChainInfoResponse:
        """See `ValidatorNode`."""
        request = HandleValidatedCertificateRequest(certificate)
        return await self._ask_info("HandleValidatedCertificate", request)

    async def handle_timeout_certificate(
        self, certificate: TimeoutCertificate
    ) -> ChainInfoResponse:
        """See `ValidatorNode`."""
        request = HandleTimeoutCertificateRequest(certificate)
        return await self._ask_info("HandleTimeoutCertificate", request)

    async def handle_chain_info_query(self, query: ChainInfoQuery) -> ChainInfoResponse:
        """See `ValidatorNode`."""
        return await self._ask_info("HandleChainInfoQuery", query)

    async def handle_pending_blob(self, chain_id: ChainId, blob: BlobContent) -> ChainInfoResponse:
        """See `ValidatorNode`."""
        return await self._ask_info("HandlePendingBlob", (chain_id, blob))

    async def download_pending_blob(self, chain_id: ChainId, blob_id: BlobId) -> BlobContent:
        """See `ValidatorNode`."""
        blob: BlobContent = await self._ask_chain("DownloadPendingBlob", (chain_id, blob_id))
        return blob

    async def upload_blob(self, blob: BlobContent) -> BlobId:
        """See `ValidatorNode`."""
        stored: BlobId = await self._ask("UploadBlob", blob, lambda: _blob_not_found(blob.id))
        return stored

    async def download_blob(self, blob_id: BlobId) -> BlobContent:
        """See `ValidatorNode`."""
        blob: BlobContent = await self._ask(
            "DownloadBlob", blob_id, lambda: _blob_not_found(blob_id)
        )
        return blob

    async def download_certificate(self, block_hash: CryptoHash) -> ConfirmedBlockCertificate:
        """See `ValidatorNode`."""
        certificate = await self._ask(
            "DownloadCertificate",
            block_hash,
            lambda: node_error.MissingCertificates((block_hash,)),
        )
        return _confirmed(certificate)

    async def download_certificates(
        self, hashes: Sequence[CryptoHash]
    ) -> list[ConfirmedBlockCertificate]:
        """See `ValidatorNode`."""
        found = await self._ask("DownloadCertificates", tuple(hashes))
        return [_confirmed(item.certificate) for item in found]

    async def download_certificates_by_heights(
        self, chain_id: ChainId, heights: Sequence[BlockHeight]
    ) -> list[ConfirmedBlockCertificate]:
        """See `ValidatorNode`."""
        request = CertificatesByHeightRequest(chain_id, tuple(heights))
        return list(await self._ask("DownloadRawCertificatesByHeights", request))

    async def blob_last_used_by(self, blob_id: BlobId) -> CryptoHash:
        """See `ValidatorNode`."""
        block_hash: CryptoHash = await self._ask(
            "BlobLastUsedBy", blob_id, lambda: _blob_not_found(blob_id)
        )
        return block_hash

    async def blob_last_used_by_certificate(self, blob_id: BlobId) -> ConfirmedBlockCertificate:
        """See `ValidatorNode`."""
        certificate = await self._ask(
            "BlobLastUsedByCertificate", blob_id, lambda: _blob_not_found(blob_id)
        )
        return _confirmed(certificate)

    async def missing_blob_ids(self, blob_ids: Sequence[BlobId]) -> list[BlobId]:
        """See `ValidatorNode`."""
        return list(await self._ask("MissingBlobIds", tuple(blob_ids)))

    async def previous_event_blocks(
        self, chain_id: ChainId, stream_ids: Sequence[StreamId]
    ) -> Mapping[StreamId, tuple[BlockHeight, CryptoHash]]:
        """See `ValidatorNode`."""
        found: Mapping[StreamId, tuple[BlockHeight, CryptoHash]] = await self._ask(
            "PreviousEventBlocks", (chain_id, tuple(stream_ids))
        )
        return found

    async def event_block_heights(self, event_ids: Sequence[EventId]) -> list[BlockHeight | None]:
        """See `ValidatorNode`."""
        return list(await self._ask("EventBlockHeights", tuple(event_ids)))

    async def get_version_info(self) -> VersionInfo:
        """See `ValidatorNode`."""
        info: VersionInfo = await self._ask("GetVersionInfo", None)
        return info

    async def get_network_description(self) -> NetworkDescription:
        """See `ValidatorNode`."""
        description: NetworkDescription = await self._ask("GetNetworkDescription", None)
        return description

    async def subscribe(
        self, chain_ids: Sequence[ChainId], *, on_open: Callable[[], None] | None = None
    ) -> AsyncIterator[Notification]:
        """See `ValidatorNode`.

        Raises `CallStatus` for what may pass, else `NodeErrorReceived` with `SubscriptionFailed`.
        """
        request = to_proto_bytes("SubscriptionRequest", tuple(chain_ids))
        channel = self._provider.channel(self._address)
        answers = channel.stream(METHODS["Subscribe"].path, request)
        try:
            async for answer in answers:
                if on_open is not None:
                    on_open()
                    on_open = None
                notification = from_proto_bytes("Notification", answer)
                if notification is not None:
                    yield notification
        except CallStatus as ended:
            status = self._status("Subscribe", ended.code, ended.details)
            if status.retryable:
                raise status from ended
            raise NodeErrorReceived(node_error.SubscriptionFailed(str(status))) from status
        finally:
            await answers.aclose()
        raise self._status("Subscribe", StatusCode.OK, "the subscription ended")

    def __repr__(self) -> str:
        return f"GrpcNode({self.address})"


def retry_delay_seconds(options: GrpcOptions, attempt: int) -> float:
    """How long to wait before trying again after failed attempt ``attempt``, counted from 0."""
    delay = min(options.max_backoff_seconds, options.retry_delay_seconds * 2.0**attempt)
    return delay * random.uniform(1 - _JITTER, 1 + _JITTER)


def as_node_error(status: CallStatus) -> Exception:
    """What a client is told about a call that is not tried again.

    A validator that refused has said something; one that did not answer is not reachable.
    """
    if status.retryable:
        return status
    return NodeErrorReceived(node_error.GrpcError(str(status)))


def _blob_not_found(blob_id: BlobId) -> NodeError:
    return node_error.BlobsNotFound((blob_id,))


def _confirmed(certificate: Any) -> ConfirmedBlockCertificate:
    if not isinstance(certificate, ConfirmedBlockCertificate):
        raise DecodeError("UnexpectedCertificateKind", found=type(certificate).__name__)
    return certificate
