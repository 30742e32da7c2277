"""Bytes of protobuf messages from domain values and back, by message name.

The bytes are canonical: fields by ascending number, defaults omitted, set optional fields written.
Readers raise only `DecodeError`: its subclass `MalformedMessage` for bytes that are no protobuf
message, else for contents that are not what spec 01 §7.2 asks for.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from catenula.base.errors import DecodeError
from catenula.transport.messages import certificates, chain_messages
from catenula.transport.messages.fields import (
    CHAIN_ID,
    CRYPTO_HASH,
    VALUE_FIELDS,
    ValueField,
    put_all,
    take_all,
)
from catenula.transport.messages.options import WriteOptions
from catenula.transport.messages.table import PACKAGE, new_message

Write = Callable[[Any, Any, WriteOptions], None]
Read = Callable[[Any], Any]


class MalformedMessage(DecodeError):
    """Received bytes are not a protobuf message of the expected type."""


class Conversion(NamedTuple):
    """Both directions of one message."""

    write: Write
    read: Read


class Request(NamedTuple):
    """A decoded request and what its sender said beside the value."""

    value: Any
    supports_aggregated_missing: bool


def _plain(write: Callable[[Any, Any], None], read: Read) -> Conversion:
    return Conversion(lambda message, value, options: write(message, value), read)


def _single(field: ValueField) -> Conversion:
    name, write, read = field

    def write_message(message: Any, value: Any, options: WriteOptions) -> None:
        setattr(message, name, write(value))

    return Conversion(write_message, lambda message: read(getattr(message, name)))


def _repeated(name: str, field: ValueField) -> Conversion:
    return _plain(
        lambda message, values: put_all(getattr(message, name), field, values),
        lambda message: take_all(getattr(message, name), field),
    )


def _nothing(message: Any, value: None) -> None:
    """An empty message stands for None."""


_CONVERSIONS: dict[str, Conversion] = {
    **{name: _single(field) for name, field in VALUE_FIELDS.items()},
    "Empty": _plain(_nothing, lambda message: None),
    "BlobIds": _plain(chain_messages.write_blob_ids, chain_messages.read_blob_ids),
    "BlockProposal": Conversion(
        chain_messages.write_block_proposal, chain_messages.read_block_proposal
    ),
    "LiteCertificate": Conversion(certificates.write_lite_request, certificates.read_lite_request),
    "Certificate": _plain(certificates.write_certificate, certificates.read_certificate),
    "HandleTimeoutCertificateRequest": Conversion(
        certificates.write_certificate_request, certificates.read_timeout_request
    ),
    "HandleValidatedCertificateRequest": Conversion(
        certificates.write_certificate_request, certificates.read_validated_request
    ),
    "HandleConfirmedCertificateRequest": Conversion(
        certificates.write_confirmed_request, certificates.read_confirmed_request
    ),
    "ChainInfoQuery": _plain(
        chain_messages.write_chain_info_query, chain_messages.read_chain_info_query
    ),
    "ChainInfoResult": _plain(
        chain_messages.write_chain_info_result, chain_messages.read_chain_info_result
    ),
    "ChainInfoResponse": _plain(
        chain_messages.write_chain_info_response, chain_messages.read_chain_info_response
    ),
    "PendingBlobRequest": _plain(
        chain_messages.write_pending_blob_request, chain_messages.read_pending_blob_request
    ),
    "PendingBlobResult": _plain(
        chain_messages.write_pending_blob_result, chain_messages.read_pending_blob_result
    ),
    "HandlePendingBlobRequest": _plain(
        chain_messages.write_handle_pending_blob, chain_messages.read_handle_pending_blob
    ),
    "CertificatesBatchRequest": _repeated("hashes", CRYPTO_HASH),
    "CertificatesBatchResponse": _plain(
        certificates.write_certificates, certificates.read_certificates
    ),
    "DownloadCertificatesByHeightsRequest": _plain(
        chain_messages.write_heights_request, chain_messages.read_heights_request
    ),
    "RawCertificate": _plain(certificates.write_raw_certificate, certificates.read_raw_certificate),
    "RawCertificatesBatch": _plain(
        certificates.write_raw_certificates, certificates.read_raw_certificates
    ),
    "PreviousEventBlocksRequest": _plain(
        chain_messages.write_event_blocks_request, chain_messages.read_event_blocks_request
    ),
    "PreviousEventBlocksResponse": _plain(
        chain_messages.write_event_blocks, chain_messages.read_event_blocks
    ),
    "SubscriptionRequest": _repeated("chain_ids", CHAIN_ID),
    "Notification": _plain(chain_messages.write_notification, chain_messages.read_notification),
    "NotificationBatch": _plain(
        chain_messages.write_notifications, chain_messages.read_notifications
    ),
    "CrossChainRequest": _plain(
        chain_messages.write_cross_chain_request, chain_messages.read_cross_chain_request
    ),
    "NetworkDescription": _plain(
        chain_messages.write_network_description, chain_messages.read_network_description
    ),
    "VersionInfo": _plain(chain_messages.write_version_info, chain_messages.read_version_info),
}
"""Messages that stand for a domain value; the others occur only inside of these."""


def convertible_messages() -> tuple[str, ...]:
    """Names of the messages that `to_proto_bytes` and `from_proto_bytes` know."""
    return tuple(_CONVERSIONS)


def conversion(message_name: str) -> Conversion:
    """The conversion of a message, named with or without its package; else `DecodeError`."""
    found = _CONVERSIONS.get(message_name.removeprefix(f"{PACKAGE}."))
    if found is None:
        raise DecodeError("UnknownMessage", name=message_name)
    return found


def to_proto_bytes(
    message_name: str, value: Any, *, supports_aggregated_missing: bool = True
) -> bytes:
    """The canonical bytes of the message for ``value``."""
    short_name = message_name.removeprefix(f"{PACKAGE}.")
    write = conversion(short_name).write
    message = new_message(short_name)
    write(message, value, WriteOptions(supports_aggregated_missing))
    data: bytes = message.SerializeToString(deterministic=True)
    return data


def from_proto_bytes(message_name: str, data: bytes) -> Any:
    """The domain value of a message; raises as the module says."""
    short_name = message_name.removeprefix(f"{PACKAGE}.")
    return conversion(short_name).read(parse_message(short_name, data))


def read_request(message_name: str, data: bytes) -> Request:
    """As `from_proto_bytes`, with the flag that requests carry beside their value."""
    short_name = message_name.removeprefix(f"{PACKAGE}.")
    read = conversion(short_name).read
    message = parse_message(short_name, data)
    return Request(read(message), getattr(message, "supports_aggregated_missing", False))


def parse_message(message_name: str, data: bytes) -> Any:
    """The protobuf message in ``data``, or `MalformedMessage`."""
    from google.protobuf.message import DecodeError as ProtobufDecodeError

    message = new_message(message_name)
    try:
        message.ParseFromString(data)
    except ProtobufDecodeError as error:
        raise MalformedMessage("MalformedMessage", message=message_name) from error
    return message
