"""What execution sees of the node: shared data, including what the running handler has staged."""

from collections import deque
from collections.abc import Callable

from catenula.base.errors import DecodeError, LocalError
from catenula.base.identifiers import CryptoHash
from catenula.base.integers import Epoch, Timestamp
from catenula.execution.applications import ApplicationLoader
from catenula.execution.environment import HttpRequest
from catenula.execution.errors import ExecutionError
from catenula.protocol import (
    BlobId,
    BlobType,
    Committee,
    EventId,
    HttpResponse,
    NetworkDescription,
    epoch_event_id,
)
from catenula.storage.shared import SharedOverlay, SharedStore


class CommitteeCache:
    """Committees by epoch, resolved from shared data (spec 02 §8).

    Only what is durable is remembered; an epoch that is not known yet is asked for again.
    """

    def __init__(self, shared: SharedStore) -> None:
        self._shared = shared
        self._known: dict[Epoch, Committee] = {}

    def known(self, epoch: Epoch) -> Committee | None:
        """``committee(epoch)`` if it was asked for before; reads nothing."""
        return self._known.get(epoch)

    def get(self, epoch: Epoch) -> Committee | None:
        """``committee(epoch)``, or None while this node does not know it."""
        found = self._known.get(epoch)
        if found is None:
            found = resolve_committee(self._shared, epoch)
            if found is not None:
                self._known[epoch] = found
        return found


def resolve_committee(shared: SharedStore | SharedOverlay, epoch: Epoch) -> Committee | None:
    """Look a committee up: epoch 0 in the network description, later ones by their event."""
    network = shared.network_description()
    if network is None:
        return None
    if epoch == 0:
        blob_hash = network.genesis_committee_blob_hash
    else:
        value = shared.event(epoch_event_id(network.admin_chain_id, epoch))
        if value is None:
            return None
        blob_hash = CryptoHash.decode(value)
    content = shared.blob(BlobId(blob_hash, BlobType.COMMITTEE))
    if content is None:
        return None
    try:
        return Committee.from_bcs(content)
    except DecodeError as error:
        raise ExecutionError("BcsError", what="Committee", epoch=epoch) from error


class NodeEnvironment:
    """The `Environment` of one chain's execution.

    ``overlay`` is set while a handler of the chain runs that has staged shared data.
    """

    def __init__(
        self, shared: SharedStore, committees: CommitteeCache, applications: ApplicationLoader
    ) -> None:
        self._shared = shared
        self._committees = committees
        self._applications = applications
        self.overlay: SharedOverlay | None = None

    @property
    def applications(self) -> ApplicationLoader:
        """See `Environment`."""
        return self._applications

    def blob(self, blob_id: BlobId) -> bytes | None:
        """See `Environment`."""
        return (self.overlay or self._shared).blob(blob_id)

    def has_blob(self, blob_id: BlobId) -> bool:
        """See `Environment`."""
        return (self.overlay or self._shared).has_blob(blob_id)

    def event(self, event_id: EventId) -> bytes | None:
        """See `Environment`."""
        return (self.overlay or self._shared).event(event_id)

    def has_event(self, event_id: EventId) -> bool:
        """See `Environment`."""
        return (self.overlay or self._shared).has_event(event_id)

    def committee(self, epoch: Epoch) -> Committee | None:
        """See `Environment`."""
        found = self._committees.get(epoch)
        if found is None and self.overlay is not None:
            return resolve_committee(self.overlay, epoch)
        return found

    def network_description(self) -> NetworkDescription | None:
        """See `Environment`."""
        return self._shared.network_description()


class ClosedOracles:
    """Oracles of a node that reaches nothing outside: the clock of the request, no network."""

    KEPT_LOG_LINES = 100

    def __init__(self, now: Timestamp) -> None:
        self._now = now
        self.log_lines: deque[tuple[int, str]] = deque(maxlen=self.KEPT_LOG_LINES)

    def local_time(self) -> Timestamp:
        """The time of the request."""
        return self._now

    def http_request(
        self, request: HttpRequest, *, timeout_ms: int, maximum_bytes: int
    ) -> HttpResponse:
        """Refused: this node has no way to the network."""
        raise LocalError(
            f"no HTTP client is configured on this node (asked for {request.url})",
            retryable=False,
        )

    def run_service(self, query: Callable[[], bytes], *, limit_ms: int) -> tuple[bytes, int]:
        """Run the query on the spot; it is not timed."""
        return query(), 0

    def expect_delay(self, what: str) -> None:
        """Nobody else waits here."""

    def time_is_up(self) -> bool:
        """Nothing is timed here."""
        return False

    def interruption(self) -> Exception:
        """What would end guest code if it were timed."""
        return LocalError("the execution was interrupted", retryable=True)

    def log(self, message: str, level: int) -> None:
        """Keep the last lines for whoever runs the request."""
        self.log_lines.append((level, message))
