"""The protobuf messages of the public interface: one table, and message classes made from it.

The table is spec 01 appendix B in short form. The protobuf runtime is imported when the first
message is made, never when this module is. Unknown fields are ignored, as protobuf says.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

PACKAGE = "rpc.v1"
FILE_NAME = "rpc.proto"

_BYTES_ONLY = (
    *("ChainId", "ValidatorPublicKey", "AccountPublicKey", "CryptoHash", "AccountOwner"),
    *("ValidatorSignature", "AccountSignature", "BlobId", "BlobContent", "StreamId"),
)
"""Messages with the one field ``1 bytes: bytes``."""

_TABLE: dict[str, str] = {
    **dict.fromkeys(_BYTES_ONLY, "1 bytes bytes"),
    "Empty": "",
    "BlobIds": "1 bytes bytes*",
    "BlockHeight": "1 height uint64",
    "BlockProposal": (
        "1 chain_id ChainId, 2 content bytes, 4 owner AccountOwner, 5 signature AccountSignature,"
        "6 original_proposal bytes?, 7 supports_aggregated_missing bool"
    ),
    "LiteCertificate": (
        "1 chain_id ChainId, 2 hash bytes, 3 round bytes, 4 signatures bytes,"
        "5 wait_for_outgoing_messages bool, 6 kind CertificateKind"
    ),
    "Certificate": "1 value bytes, 2 round bytes, 3 signatures bytes, 4 kind CertificateKind",
    "HandleTimeoutCertificateRequest": "1 chain_id ChainId, 4 certificate Certificate",
    "HandleValidatedCertificateRequest": "1 chain_id ChainId, 2 certificate Certificate",
    "HandleConfirmedCertificateRequest": (
        "1 chain_id ChainId, 2 certificate Certificate, 3 wait_for_outgoing_messages bool,"
        "4 supports_aggregated_missing bool"
    ),
    "ChainInfoQuery": (
        "1 chain_id ChainId, 2 test_next_block_height BlockHeight?, 3 request_committees bool,"
        "4 request_pending_message_bundles bool, 6 request_received_log_excluding_first_n uint64?,"
        "7 request_manager_values bool, 8 request_leader_timeout bytes?,"
        "9 request_owner_balance AccountOwner, 10 request_fallback bool,"
        "11 request_sent_certificate_hashes_by_heights bytes?, 12 create_network_actions bool?"
    ),
    "ChainInfoResult": "1 chain_info_response ChainInfoResponse|, 2 error bytes|",
    "ChainInfoResponse": "1 chain_info bytes, 2 signature ValidatorSignature?",
    "PendingBlobRequest": "1 chain_id ChainId, 2 blob_id BlobId",
    "PendingBlobResult": "1 blob BlobContent|, 2 error bytes|",
    "HandlePendingBlobRequest": "1 chain_id ChainId, 2 blob BlobContent",
    "CertificatesBatchRequest": "1 hashes CryptoHash*",
    "CertificatesBatchResponse": "1 certificates Certificate*",
    "DownloadCertificatesByHeightsRequest": "1 chain_id ChainId, 2 heights BlockHeight*",
    "RawCertificate": "1 lite_certificate bytes, 2 confirmed_block bytes",
    "RawCertificatesBatch": "1 certificates RawCertificate*",
    "PreviousEventBlocksRequest": "1 chain_id ChainId, 2 stream_ids StreamId*",
    "PreviousEventBlock": (
        "1 stream_id StreamId, 2 block_height BlockHeight, 3 crypto_hash CryptoHash"
    ),
    "PreviousEventBlocksResponse": "1 previous_event_blocks PreviousEventBlock*",
    "EventBlockHeightsRequest": "1 event_ids bytes",
    "EventBlockHeightsResponse": "1 heights bytes",
    "SubscriptionRequest": "1 chain_ids ChainId*",
    "Notification": "1 chain_id ChainId, 2 reason bytes",
    "NotificationBatch": "1 notifications Notification*",
    "CrossChainRequest": (
        "1 update_recipient UpdateRecipient|, 2 confirm_updated_recipient ConfirmUpdatedRecipient|,"
        "3 revert_confirm RevertConfirm|"
    ),
    "UpdateRecipient": (
        "1 sender ChainId, 2 recipient ChainId, 3 bundles bytes, 4 previous_height BlockHeight?"
    ),
    "ConfirmUpdatedRecipient": (
        "1 sender ChainId, 2 recipient ChainId, 3 latest_height BlockHeight"
    ),
    "RevertConfirm": "1 sender ChainId, 2 recipient ChainId, 3 retransmit_from BlockHeight",
    "NetworkDescription": (
        "1 name string, 2 genesis_config_hash CryptoHash, 3 genesis_timestamp uint64,"
        "4 admin_chain_id ChainId, 5 genesis_committee_blob_hash CryptoHash"
    ),
    "CrateVersion": "1 major uint32, 2 minor uint32, 3 patch uint32",
    "VersionInfo": (
        "1 crate_version CrateVersion, 2 git_commit string, 3 git_dirty bool, 4 rpc_hash string,"
        "5 graphql_hash string, 6 wit_hash string"
    ),
}
"""``number name type`` per field; ``?`` optional, ``*`` repeated, ``|`` a branch of the oneof."""

_ENUMS = {"CertificateKind": ("Timeout", "Validated", "Confirmed")}


@lru_cache(maxsize=1)
def _message_classes() -> dict[str, Any]:
    """The class of every message of the table."""
    return message_classes(file_descriptor(FILE_NAME, PACKAGE, _TABLE, enums=_ENUMS), _TABLE)


def message_classes(file: Any, names: Iterable[str]) -> dict[str, Any]:
    """Classes of messages of a file descriptor, in a pool of their own."""
    from google.protobuf import descriptor_pool, message_factory

    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{name}"))
        for name in names
    }


def public_file_descriptor() -> Any:
    """The descriptor of the public interface's messages; services are added by their servers."""
    return file_descriptor(FILE_NAME, PACKAGE, _TABLE, enums=_ENUMS)


def file_descriptor(
    file_name: str,
    package: str,
    table: Mapping[str, str],
    *,
    enums: Mapping[str, Sequence[str]],
) -> Any:
    """A file descriptor of messages written as in the table here."""
    from google.protobuf import descriptor_pb2

    file = descriptor_pb2.FileDescriptorProto(name=file_name, package=package, syntax="proto3")
    for name, values in enums.items():
        enum = file.enum_type.add(name=name)
        for position, value in enumerate(values):
            enum.value.add(name=value, number=position)
    for name, fields in table.items():
        message = file.message_type.add(name=name)
        for field in filter(None, fields.split(",")):
            number, field_name, kind = field.split()
            parsed = _FieldKind.of(kind, package, table=table, enums=enums)
            _add_field(message, int(number), field_name, parsed)
    return file


class _FieldKind(NamedTuple):
    scalar: str
    type_name: str
    mark: str

    @staticmethod
    def of(kind: str, package: str, *, table: Any, enums: Any) -> "_FieldKind":
        name, mark = (kind[:-1], kind[-1]) if kind[-1] in "?*|" else (kind, "")
        if name in table or name in enums:
            scalar = "ENUM" if name in enums else "MESSAGE"
            return _FieldKind(scalar, f".{package}.{name}", mark)
        return _FieldKind(name.upper(), "", mark)


def _add_field(message: Any, number: int, name: str, kind: _FieldKind) -> None:
    field = message.field.add(name=name, number=number)
    field.label = field.LABEL_REPEATED if kind.mark == "*" else field.LABEL_OPTIONAL
    field.type = getattr(field, f"TYPE_{kind.scalar}")
    if kind.type_name:
        field.type_name = kind.type_name
    if kind.mark == "|":
        if not message.oneof_decl:
            message.oneof_decl.add(name="inner")
        field.oneof_index = 0
    elif kind.mark == "?":
        # An optional field is a oneof of its own, which must follow the declared ones.
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{name}")


def message_names() -> tuple[str, ...]:
    """The names of all messages, without the package."""
    return tuple(_TABLE)


def new_message(name: str) -> Any:
    """An empty message of that name."""
    return _message_classes()[name]()
