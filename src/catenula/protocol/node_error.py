"""Errors a validator answers with, as they travel (spec 01 §7.3, 06 §4.11).

`NodeError` values are plain records; `NodeErrorReceived` is the exception a caller sees.
"""

import re

from catenula.base.codec import Record, declare_enum, newtype
from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.errors import ProtocolError, show_value
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import U64_MAX, BlockHeight, Timestamp
from catenula.protocol.identifiers import BlobId, EventId
from catenula.protocol.rounds import Round


class CryptoError(Record, frozen=True):
    """A signature or key is wrong."""

    error: str


class ArithmeticError(Record, frozen=True):  # The protocol's own name.
    """An addition or subtraction left its range."""

    error: str


class ViewError(Record, frozen=True):
    """Storage failed."""

    error: str


class ChainError(Record, frozen=True):
    """A rule of the chain was broken."""

    error: str


class WorkerError(Record, frozen=True):
    """A rule of the worker was broken."""

    error: str


class InactiveChain(Record, frozen=True):
    """The chain cannot be used here yet."""

    chain_id: ChainId


class WrongRound(Record, frozen=True):
    """The validator is in another round."""

    round: Round


class UnexpectedBlockHeight(Record, frozen=True):
    """The validator is at another height."""

    expected_block_height: BlockHeight
    found_block_height: BlockHeight


class MissingCrossChainUpdate(Record, frozen=True):
    """One message has not arrived (the form older clients know)."""

    chain_id: ChainId
    origin: ChainId
    height: BlockHeight


class BlobsNotFound(Record, frozen=True):
    """Blobs are missing."""

    blob_ids: tuple[BlobId, ...]


class EventsNotFound(Record, frozen=True):
    """Events are missing."""

    event_ids: tuple[EventId, ...]


class MissingCertificateValue(Record, frozen=True):
    """Send the full certificate."""


class MissingCertificates(Record, frozen=True):
    """Certificates are missing."""

    hashes: tuple[CryptoHash, ...]


class MissingVoteInValidatorResponse(Record, frozen=True):
    """A response holds no vote."""

    action: str


class InvalidChainInfoResponse(Record, frozen=True):
    """A response is wrongly signed or about another chain."""


class UnexpectedCertificateValue(Record, frozen=True):
    """A certificate is of another kind."""


class InvalidDecoding(Record, frozen=True):
    """Bytes could not be decoded."""


class UnexpectedMessage(Record, frozen=True):
    """A message of another kind."""


class GrpcError(Record, frozen=True):
    """A gRPC status."""

    error: str


class ClientIoError(Record, frozen=True):
    """The connection failed."""

    error: str


class CannotResolveValidatorAddress(Record, frozen=True):
    """An address is wrong."""

    address: str


class SubscriptionError(Record, frozen=True):
    """A transport has no subscriptions."""

    transport: str


class SubscriptionFailed(Record, frozen=True):
    """A subscription ended."""

    status: str


class InvalidCertificateForBlob(Record, frozen=True):
    """A certificate does not vouch for a blob."""

    blob_id: BlobId


class DuplicatesInBlobsNotFound(Record, frozen=True):
    """A validator reported a blob twice."""


class UnexpectedEntriesInBlobsNotFound(Record, frozen=True):
    """A validator reported blobs that are not needed."""


class UnexpectedCertificates(Record, frozen=True):
    """A validator returned other certificates than asked for."""

    returned: tuple[CryptoHash, ...]
    requested: tuple[CryptoHash, ...]


class EmptyBlobsNotFound(Record, frozen=True):
    """A validator reported missing blobs but named none."""


class ResponseHandlingError(Record, frozen=True):
    """This side failed while handling a response."""

    error: str


class MissingCertificatesByHeights(Record, frozen=True):
    """Certificates at these heights are missing."""

    chain_id: ChainId
    heights: tuple[BlockHeight, ...]


class TooManyCertificatesReturned(Record, frozen=True):
    """A validator returned more certificates than asked for."""

    chain_id: ChainId
    remote_node: Secp256k1PublicKey


class MissingCrossChainUpdates(Record, frozen=True):
    """Messages have not arrived; every missing (origin, height)."""

    chain_id: ChainId
    bundles: tuple[tuple[ChainId, BlockHeight], ...]


NodeError = (
    CryptoError
    | ArithmeticError
    | ViewError
    | ChainError
    | WorkerError
    | InactiveChain
    | WrongRound
    | UnexpectedBlockHeight
    | MissingCrossChainUpdate
    | BlobsNotFound
    | EventsNotFound
    | MissingCertificateValue
    | MissingCertificates
    | MissingVoteInValidatorResponse
    | InvalidChainInfoResponse
    | UnexpectedCertificateValue
    | InvalidDecoding
    | UnexpectedMessage
    | GrpcError
    | ClientIoError
    | CannotResolveValidatorAddress
    | SubscriptionError
    | SubscriptionFailed
    | InvalidCertificateForBlob
    | DuplicatesInBlobsNotFound
    | UnexpectedEntriesInBlobsNotFound
    | UnexpectedCertificates
    | EmptyBlobsNotFound
    | ResponseHandlingError
    | MissingCertificatesByHeights
    | TooManyCertificatesReturned
    | MissingCrossChainUpdates
)
_NEWTYPES = {
    InactiveChain,
    WrongRound,
    BlobsNotFound,
    EventsNotFound,
    MissingCertificates,
    MissingVoteInValidatorResponse,
    InvalidCertificateForBlob,
}
declare_enum(
    "NodeError",
    NodeError,
    *(newtype(cls) if cls in _NEWTYPES else cls for cls in NodeError.__args__),
)


class NodeErrorReceived(ProtocolError):
    """A validator (or the local node) answered with a `NodeError`."""

    def __init__(self, error: NodeError) -> None:
        fields = {name: getattr(error, name) for name in error.__struct_fields__}
        super().__init__(type(error).__name__, **fields)
        self.error = error


def describe_node_error(error: NodeError) -> str:
    """One line for a person: the variant and its values."""
    names = error.__struct_fields__
    values = ", ".join(f"{name}={show_value(getattr(error, name))}" for name in names)
    return f"{type(error).__name__}({values})" if values else type(error).__name__


_TIMESTAMPS = re.compile(r"\[us:(\d{1,20}):(\d{1,20})\]\Z", re.ASCII)


def parse_timestamp_skew(error: NodeError) -> tuple[Timestamp, Timestamp] | None:
    """Block timestamp and validator clock of an "invalid timestamp" error (spec 01 §7.3)."""
    if type(error) is not WorkerError:
        return None
    match = _TIMESTAMPS.search(error.error)
    if match is None:
        return None
    block_timestamp, local_time = (int(part) for part in match.groups())
    if max(block_timestamp, local_time) > U64_MAX:
        return None
    return Timestamp(block_timestamp), Timestamp(local_time)
