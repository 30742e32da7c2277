"""Entries that hold protobuf messages (``message`` and ``proto``)."""

from typing import Any

from catenula.base.errors import DecodeError
from catenula.conformance.entries import Entry
from catenula.conformance.value_fields import VALUE_FIELDS
from catenula.protocol import (
    Certificate,
    ConfirmedCertificate,
    TimedOutCertificate,
    ValidatedCertificate,
)
from catenula.protocol.registry import codec_by_name

_TYPES: dict[str, str] = {
    "AccountOwner": "AccountOwner",
    "AccountPublicKey": "AccountPublicKey",
    "AccountSignature": "AccountSignature",
    "BlobContent": "BlobContent",
    "BlobId": "BlobId",
    "BlobIds": "Vec<BlobId>",
    "BlockHeight": "BlockHeight",
    "BlockProposal": "BlockProposal",
    "CertificatesBatchRequest": "Vec<CryptoHash>",
    "CertificatesBatchResponse": "Vec<Certificate>",
    "ChainId": "ChainId",
    "ChainInfoQuery": "ChainInfoQuery",
    "ChainInfoResponse": "ChainInfoResponse",
    "CrossChainRequest": "CrossChainRequest",
    "CryptoHash": "CryptoHash",
    "DownloadCertificatesByHeightsRequest": "CertificatesByHeightRequest",
    "HandleConfirmedCertificateRequest": "HandleConfirmedCertificateRequest",
    "HandlePendingBlobRequest": "(ChainId, BlobContent)",
    "HandleTimeoutCertificateRequest": "HandleTimeoutCertificateRequest",
    "HandleValidatedCertificateRequest": "HandleValidatedCertificateRequest",
    "LiteCertificate": "HandleLiteCertRequest",
    "NetworkDescription": "NetworkDescription",
    "Notification": "Notification",
    "NotificationBatch": "Vec<Notification>",
    "PendingBlobRequest": "(ChainId, BlobId)",
    "PreviousEventBlocksRequest": "(ChainId, Vec<StreamId>)",
    "PreviousEventBlocksResponse": "Map<StreamId, (BlockHeight, CryptoHash)>",
    "RawCertificate": "ConfirmedBlockCertificate",
    "RawCertificatesBatch": "Vec<ConfirmedBlockCertificate>",
    "StreamId": "StreamId",
    "SubscriptionRequest": "Vec<ChainId>",
    "ValidatorPublicKey": "Secp256k1PublicKey",
    "ValidatorSignature": "Secp256k1Signature",
    "VersionInfo": "VersionInfo",
}
"""The domain type of messages that have only one."""


def run_message_entry(entry: Entry) -> None:
    """A domain value and its message: compared in both directions, then the other fields."""
    from catenula.transport.messages import from_proto_bytes, to_proto_bytes

    codec = codec_by_name(entry["type"])
    value = None if entry["json"] is None else codec.from_json(entry["json"])
    entry.expect("proto", to_proto_bytes(entry["message"], value).hex())
    with entry.step("proto → value"):
        read = from_proto_bytes(entry["message"], entry.raw("proto"))
        shown = None if read is None else codec.to_json(read)
        entry.compare("proto → json", entry["json"], shown)
    for field, check in VALUE_FIELDS.get(entry["type"], {}).items():
        if field in entry:
            with entry.step(field):
                check(entry, value)


def run_received_message_entry(entry: Entry) -> None:
    """A received message: the domain value or a refusal."""
    from catenula.transport.messages import from_proto_bytes

    entry.ignore("error")
    name = entry["message"].rpartition(".")[2]
    try:
        value = from_proto_bytes(entry["message"], entry.raw("proto"))
    except DecodeError as error:
        entry.expect("accepted", False)
        if entry["accepted"]:
            entry.complain(f"refused with {error}")
        return
    if not entry["accepted"] and name == "Certificate":
        _check_other_kinds(entry, value)
        return
    entry.expect("accepted", True)
    if entry["accepted"]:
        entry.expect("json", _shown(name, entry["json"], value))


def _shown(name: str, expected: Any, value: Any) -> Any:
    """The JSON of a read value in the type that the recorded JSON has."""
    if value is None:
        return None
    if name in _TYPES:
        return codec_by_name(_TYPES[name]).to_json(value)
    if name == "Certificate" and len(expected) == 1:
        return codec_by_name("Certificate").to_json(_as_variant(value))
    if name in ("ChainInfoResult", "PendingBlobResult"):
        response = "ChainInfoResponse" if name == "ChainInfoResult" else "BlobContent"
        is_response = type(value).__name__ == response
        return codec_by_name(response if is_response else "NodeError").to_json(value)
    return codec_by_name(type(value).__name__).to_json(value)


def _as_variant(value: Any) -> Certificate:
    variants = (ValidatedCertificate, ConfirmedCertificate, TimedOutCertificate)
    for variant in variants:
        if variant.__annotations__["certificate"] is type(value):
            found: Certificate = variant(value)
            return found
    raise LookupError(f"{type(value).__name__} is no certificate")


def _check_other_kinds(entry: Entry, value: Any) -> None:
    """A good certificate that was refused: it had been asked for as one of another kind.

    The entry does not record which kind; each of the other kinds must refuse it.
    """
    from catenula.transport.messages.certificates import AnyCertificate, expect_certificate

    for cls in AnyCertificate.__args__:
        if cls is type(value):
            continue
        try:
            expect_certificate(value, cls)
        except DecodeError:
            continue
        entry.complain(f"accepted as {cls.__name__}")
