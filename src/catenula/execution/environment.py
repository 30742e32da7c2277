"""What execution may ask of the node around it; nothing else comes in.

`Environment` gives shared data known to the node independently of any chain (spec 02 conventions:
*storage*), `Oracles` gives what differs between nodes or moments. Both are read only.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from catenula.base.integers import Epoch, Timestamp
from catenula.execution.applications import ApplicationLoader
from catenula.protocol import (
    BlobId,
    Committee,
    EventId,
    HttpHeader,
    HttpResponse,
    NetworkDescription,
)


class HttpRequest(NamedTuple):
    """An HTTP request of an application; ``method`` is its upper-case name."""

    method: str
    url: str
    headers: tuple[HttpHeader, ...]
    body: bytes


class NeedsThread(Exception):
    """A request cannot be finished where it runs: it has to run again where it may take its time.

    Not an error: whoever runs requests catches it, drops what the request has changed so far and
    repeats it on a thread of its own. Execution and guests let it pass.
    """


class CommitteeSource(Protocol):
    """Where committees are looked up."""

    def committee(self, epoch: Epoch) -> Committee | None:
        """``committee(e)`` of spec 02 §8: from the genesis blob or the admin chain's event."""
        ...


class Environment(CommitteeSource, Protocol):
    """Shared data of the node: blobs, events, committees and the loader of applications."""

    @property
    def applications(self) -> ApplicationLoader:
        """Where the code of user applications comes from."""
        ...

    def blob(self, blob_id: BlobId) -> bytes | None:
        """The content bytes of a stored blob, None when unknown."""
        ...

    def has_blob(self, blob_id: BlobId) -> bool:
        """Whether the blob is stored."""
        ...

    def event(self, event_id: EventId) -> bytes | None:
        """The value of a stored event, None when unknown."""
        ...

    def has_event(self, event_id: EventId) -> bool:
        """Whether the event is stored."""
        ...

    def network_description(self) -> NetworkDescription | None:
        """The description of the network this node belongs to."""
        ...


class Oracles(Protocol):
    """Inputs that are recorded in the block as oracle responses (spec 02 §10)."""

    def local_time(self) -> Timestamp:
        """The node's clock."""
        ...

    def http_request(
        self, request: HttpRequest, *, timeout_ms: int, maximum_bytes: int
    ) -> HttpResponse:
        """Perform an HTTP request; headers and body together hold at most ``maximum_bytes``.

        Raises `ExecutionError` (``ReqwestError``, ``HttpResponseSizeLimitExceeded``).
        """
        ...

    def run_service(self, query: Callable[[], bytes], *, limit_ms: int) -> tuple[bytes, int]:
        """Run a service query and measure it: its response and the milliseconds it took.

        The query may be interrupted once ``limit_ms`` have passed.
        """
        ...

    def expect_delay(self, what: str) -> None:
        """Something slow, ``what``, is about to start; raises where nothing may be slow.

        To be called before work that holds the caller up for more than a few milliseconds and
        that no other method of this interface covers, such as compiling a module.
        """
        ...

    def time_is_up(self) -> bool:
        """Whether guest code that is running now has to stop.

        Asked for by whoever can interrupt a guest: every few milliseconds by the engine, and by
        services that ask. When it is true the guest is ended with the error `interruption` gives.
        """
        ...

    def interruption(self) -> Exception:
        """The error that ends guest code because time is up.

        An `ExecutionError` where the protocol has a limit, a `LocalError` where only this node has
        one, `NeedsThread` where the request has to start again elsewhere. To be raised through the
        guest as it is, like the error of a host call.
        """
        ...

    def log(self, message: str, level: int) -> None:
        """Take a log line of an application; level 0 (error) to 4 (trace)."""
        ...
