"""Recorded answers of oracles (spec 02 §10)."""

from catenula.base.codec import Record, declare_enum, newtype, tuple_variant
from catenula.base.integers import U16, U32
from catenula.protocol.identifiers import BlobId, EventId


class HttpHeader(Record, frozen=True):
    """A header of an HTTP response."""

    name: str
    value: bytes


class HttpResponse(Record, frozen=True):
    """The answer to an HTTP request of a contract."""

    status: U16
    headers: tuple[HttpHeader, ...]
    body: bytes


class OracleService(Record, frozen=True):
    """Answer of a service query."""

    response: bytes


class OracleHttp(Record, frozen=True):
    """Answer of an HTTP request."""

    response: HttpResponse


class OracleBlob(Record, frozen=True):
    """A blob was used on this chain for the first time."""

    blob_id: BlobId


class OracleAssert(Record, frozen=True):
    """An assertion about time held."""


class OracleRound(Record, frozen=True):
    """The multi-leader round number in validation, if any."""

    round: U32 | None


class OracleEvent(Record, frozen=True):
    """The value of an event."""

    event_id: EventId
    value: bytes


class OracleEventExists(Record, frozen=True):
    """An event exists."""

    event_id: EventId


OracleResponse = (
    OracleService
    | OracleHttp
    | OracleBlob
    | OracleAssert
    | OracleRound
    | OracleEvent
    | OracleEventExists
)
declare_enum(
    "OracleResponse",
    OracleResponse,
    newtype(OracleService, "Service"),
    newtype(OracleHttp, "Http"),
    newtype(OracleBlob, "Blob"),
    newtype(OracleAssert, "Assert")._replace(shape="unit"),
    newtype(OracleRound, "Round"),
    tuple_variant(OracleEvent, "Event"),
    newtype(OracleEventExists, "EventExists"),
)
