"""Values derived from identifiers, blobs, committees, messages and errors, by field of an entry.

Each function compares one field of the entry with what is computed from the entry's value.
"""

from collections.abc import Callable
from typing import Any

from catenula.base.codec import codec_of
from catenula.base.compression import decompress
from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.errors import ProtocolError
from catenula.base.hashing import sha3_256, typed_hash
from catenula.base.identifiers import ApplicationId, ChainId, CryptoHash
from catenula.conformance.entries import Entry
from catenula.protocol import (
    Blob,
    BlobContent,
    BlobId,
    BlobType,
    ChainInfoResponse,
    Committee,
    CompressedBytecode,
    Event,
    GenesisConfig,
    MessageBundle,
    MessageKind,
    NetworkDescription,
    NodeError,
    Notification,
    PostedMessage,
    ProposedBlock,
    Reason,
    parse_timestamp_skew,
)

Check = Callable[[Entry, Any], None]
Fields = dict[str, Check]

DECOMPRESSION_LIMIT_BYTES = 1 << 30
"""More than any recorded content."""


def texts(values: Any) -> list[str]:
    """The texts of a sequence of identifiers."""
    return [str(value) for value in values]


def blob_id_texts(blob_ids: Any) -> list[str]:
    """Texts of blob ids in their value order."""
    return texts(sorted(blob_ids, key=BlobId.order_key))


def shown(field: str, compute: Callable[[Any], Any]) -> Check:
    """A check that compares ``field`` with JSON data computed from the value."""
    return lambda entry, value: entry.expect(field, compute(value))


def _application_description_id(value: ApplicationId) -> str:
    return str(BlobId(CryptoHash(value), BlobType.APPLICATION_DESCRIPTION))


def _blob_json(entry: Entry, value: BlobContent) -> None:
    entry.expect("blob_json", codec_of(Blob).to_json(value))
    if codec_of(Blob).from_json(entry["blob_json"]) != value:
        entry.complain("blob_json → content: another content")


def _decompressed(value: CompressedBytecode) -> bytes:
    return decompress(value.compressed_bytes, DECOMPRESSION_LIMIT_BYTES)


def _owners_and_weights(value: Committee) -> list[list[Any]]:
    return [
        [str(state.account_public_key.owner()), state.votes] for state in value.validators.values()
    ]


def _committee_blob_id(value: Committee) -> str:
    return str(BlobContent(BlobType.COMMITTEE, value.bcs).id)


def _network_description(value: GenesisConfig) -> Any:
    return codec_of(NetworkDescription).to_json(value.network_description())


def _event_id(entry: Entry, value: Event) -> None:
    event_id = value.id(ChainId.parse(entry["chain_id"]))
    entry.expect("event_id", event_id.to_json())


def _skew(index: int) -> Callable[[NodeError], int | None]:
    def compute(value: NodeError) -> int | None:
        found = parse_timestamp_skew(value)
        return None if found is None else found[index]

    return compute


def verifies(check: Callable[[], None]) -> bool:
    """Whether a check passes that raises `ProtocolError` when it does not."""
    try:
        check()
    except ProtocolError:
        return False
    return True


def _info_signature(entry: Entry, value: ChainInfoResponse) -> None:
    key = Secp256k1PublicKey.parse(entry["validator_key"])
    entry.expect("signature_ok", verifies(lambda: value.check(key)))


def _info_hash(entry: Entry, value: ChainInfoResponse) -> None:
    entry.expect("info_hash", str(value.info.hash))
    named = typed_hash(entry["info_hash_name"], entry.raw("info_bcs"))
    entry.compare("info_hash by name", entry["info_hash"], str(named))


def _only_rejected(value: ProposedBlock) -> bool:
    return value.has_only_rejected_messages()


def _reason_bincode(value: Notification) -> str:
    return codec_of(Reason).to_bincode(value.reason).hex()


def _info_bincode(value: ChainInfoResponse) -> str:
    return codec_of(type(value.info)).to_bincode(value.info).hex()


def _nothing(entry: Entry, value: Any) -> None:
    """The field is used by the check of another one."""


VALUE_FIELDS: dict[str, Fields] = {
    "ApplicationId": {
        "owner": shown("owner", lambda value: str(value.owner())),
        "description_blob_id": shown("description_blob_id", _application_description_id),
    },
    "ModuleId": {
        "bytecode_blob_ids": shown(
            "bytecode_blob_ids", lambda value: texts(value.bytecode_blob_ids())
        ),
        "contract_bytecode_blob_id": shown(
            "contract_bytecode_blob_id", lambda value: str(value.bytecode_blob_ids()[0])
        ),
        "service_bytecode_blob_id": shown(
            "service_bytecode_blob_id", lambda value: str(value.bytecode_blob_ids()[-1])
        ),
    },
    "ChainDescription": {
        "chain_id": shown("chain_id", lambda value: str(value.chain_id)),
        "blob_id": shown("blob_id", lambda value: str(value.blob.id)),
    },
    "ApplicationDescription": {
        "application_id": shown("application_id", lambda value: str(value.application_id)),
        "blob_id": shown("blob_id", lambda value: str(value.blob.id)),
    },
    "BlobContent": {
        "blob_id": shown("blob_id", lambda value: str(value.id)),
        "blob_id_bcs": shown("blob_id_bcs", lambda value: value.id.to_bcs().hex()),
        "blob_json": _blob_json,
    },
    "CompressedBytecode": {
        "decompressed_length": shown(
            "decompressed_length", lambda value: len(_decompressed(value))
        ),
        "decompressed_sha3": shown(
            "decompressed_sha3", lambda value: sha3_256(_decompressed(value)).hex()
        ),
    },
    "Committee": {
        "total_votes": shown("total_votes", lambda value: value.total_votes),
        "quorum_threshold": shown("quorum_threshold", lambda value: value.quorum_threshold),
        "validity_threshold": shown("validity_threshold", lambda value: value.validity_threshold),
        "keys_in_order": shown("keys_in_order", lambda value: texts(value.validators)),
        "account_owners_and_weights": shown("account_owners_and_weights", _owners_and_weights),
        "blob_id": shown("blob_id", _committee_blob_id),
    },
    "GenesisConfig": {
        "chain_ids": shown(
            "chain_ids", lambda value: [str(chain.chain_id) for chain in value.chains]
        ),
        "admin_chain_id": shown("admin_chain_id", lambda value: str(value.admin_chain_id)),
        "network_description": shown("network_description", _network_description),
    },
    "PostedMessage": {
        "estimated_size": shown("estimated_size", PostedMessage.estimated_size),
        "skippable": shown("skippable", PostedMessage.is_skippable),
        "protected": shown("protected", PostedMessage.is_protected),
        "tracked": shown("tracked", lambda value: value.kind is MessageKind.TRACKED),
    },
    "MessageBundle": {
        "estimated_size": shown("estimated_size", MessageBundle.estimated_size),
        "skippable": shown("skippable", lambda value: value.is_skippable),
        "protected": shown("protected", lambda value: value.is_protected),
    },
    "Event": {"chain_id": _nothing, "event_id": _event_id},
    "ProposedBlock": {
        "published_blob_ids": shown(
            "published_blob_ids", lambda value: blob_id_texts(value.published_blob_ids)
        ),
        "only_rejected_messages": shown("only_rejected_messages", _only_rejected),
    },
    "NodeError": {
        "parsed_block_timestamp": shown("parsed_block_timestamp", _skew(0)),
        "parsed_validator_local_time": shown("parsed_validator_local_time", _skew(1)),
    },
    "ChainInfoResponse": {
        "validator_key": _nothing,
        "signature_ok": _info_signature,
        "info_bcs": shown("info_bcs", lambda value: value.info.bcs.hex()),
        "info_bincode": shown("info_bincode", _info_bincode),
        "info_hash_name": _nothing,
        "info_hash": _info_hash,
    },
    "Notification": {"reason_bincode": shown("reason_bincode", _reason_bincode)},
}
"""Checks by type and field."""
