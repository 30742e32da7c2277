"""The text of a `NodeError` as the network's other programs show it (spec 01 §7.3).

People compare logs of both implementations, and callers of GraphQL see these texts. For the values
of an error use its fields, never its text.
"""

from typing import Any

from catenula.base.identifiers import GenericApplicationId
from catenula.protocol import node_error
from catenula.protocol.identifiers import BlobId, EventId

_TEXTS: dict[str, str] = {
    "CryptoError": "Cryptographic error: {error}",
    "ArithmeticError": "Arithmetic error: {error}",
    "ViewError": "Error while accessing storage: {error}",
    "ChainError": "Chain error: {error}",
    "WorkerError": "Worker error: {error}",
    "InactiveChain": "The chain {chain_id} is not active in validator",
    "WrongRound": "Round number should be {round!r}",
    "UnexpectedBlockHeight": "Chain is expecting a next block at height {expected_block_height}"
    " but the given block is at height {found_block_height} instead",
    "MissingCrossChainUpdate": "Cannot vote for block proposal of chain {chain_id} because"
    " a message from chain {origin} at height {height} has not been received yet",
    "BlobsNotFound": "Blobs not found: {blob_ids}",
    "EventsNotFound": "Events not found: {event_ids}",
    "MissingCertificateValue": "We don't have the value for the certificate.",
    "MissingCertificates": "Response doesn't contain requested certificates: {hashes}",
    "MissingVoteInValidatorResponse": "Validator's response failed to include a vote when"
    " trying to {action}",
    "InvalidChainInfoResponse": "The received chain info response is invalid",
    "UnexpectedCertificateValue": "Unexpected certificate value",
    "InvalidDecoding": "Cannot deserialize",
    "UnexpectedMessage": "Unexpected message",
    "GrpcError": "Grpc error: {error}",
    "ClientIoError": "Network error while querying service: {error}",
    "CannotResolveValidatorAddress": "Failed to resolve validator address: {address}",
    "SubscriptionError": "Subscription error due to incorrect transport. Was expecting gRPC,"
    " instead found: {transport}",
    "SubscriptionFailed": "Failed to subscribe; tonic status: {status}",
    "InvalidCertificateForBlob": "Node failed to provide a 'last used by' certificate for the blob",
    "DuplicatesInBlobsNotFound": "Node returned a BlobsNotFound error with duplicates",
    "UnexpectedEntriesInBlobsNotFound": "Node returned a BlobsNotFound error with unexpected"
    " blob IDs",
    "UnexpectedCertificates": "Node returned certificates {returned}, but we requested {requested}",
    "EmptyBlobsNotFound": "Node returned a BlobsNotFound error with an empty list of missing"
    " blob IDs",
    "ResponseHandlingError": "Local error handling validator response: {error}",
    "MissingCertificatesByHeights": "Missing certificates for chain {chain_id} in heights"
    " {heights}",
    "TooManyCertificatesReturned": "Too many certificates returned for chain {chain_id} from"
    " {remote_node}",
    "MissingCrossChainUpdates": "Validator is missing {bundles} cross-chain message bundle(s)"
    " to validate the block for chain {chain_id}",
}


def node_error_text(error: node_error.NodeError) -> str:
    """The printed text of an error."""
    fields = {name: getattr(error, name) for name in error.__struct_fields__}
    shown = {name: _show(name, value) for name, value in fields.items()}
    return _TEXTS[type(error).__name__].format(**shown)


def _show(name: str, value: Any) -> Any:
    if name == "bundles":
        return len(value)
    if name == "status":
        return _quoted(value)
    if name == "heights":
        return _listed(f"BlockHeight({height})" for height in value)
    if isinstance(value, tuple):
        return _listed(_nested(item) for item in value)
    return value


def _listed(items: Any) -> str:
    return f"[{', '.join(items)}]"


def _nested(value: Any) -> str:
    """A value inside a list, with the names of its types and fields."""
    if isinstance(value, BlobId):
        return f"BlobId {{ blob_type: {value.blob_type}, hash: {value.hash} }}"
    if isinstance(value, EventId):
        stream = value.stream_id
        return (
            f"EventId {{ chain_id: {value.chain_id}, stream_id: StreamId {{ application_id:"
            f" {_application(stream.application_id)}, stream_name:"
            f" StreamName({stream.stream_name.hex()}) }}, index: {value.index} }}"
        )
    return str(value)


def _application(value: GenericApplicationId) -> str:
    application_id = value.application_id
    if application_id is None:
        return "System"
    return f"User(ApplicationId {{ application_description_hash: {application_id} }})"


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}


def _quoted(text: str) -> str:
    shown = (
        _ESCAPES.get(character)
        or (character if character.isprintable() else f"\\u{{{ord(character):x}}}")
        for character in text
    )
    return f'"{"".join(shown)}"'
