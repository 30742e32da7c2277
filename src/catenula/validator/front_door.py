"""The front door of a validator of several processes: what its public port serves.

Requests for a chain go to the worker that serves it, as the bytes they came in; of them only the
chain's id is read here. What all chains share is answered from the store itself. Notifications of
all workers are handed to whoever subscribed. The front door holds no key and signs nothing, and it
is healthy without its workers: a call for one that is not there ends with UNAVAILABLE.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from struct import Struct
from typing import Any, NamedTuple

from catenula.base.errors import DecodeError, LocalError, ProtocolError
from catenula.base.identifiers import HASH_BYTES, ChainId, CryptoHash
from catenula.base.integers import BlockHeight
from catenula.protocol import (
    BlobContent,
    BlobId,
    ChainInfoQuery,
    ChainInfoResponse,
    NetworkDescription,
    NodeErrorReceived,
    Notification,
    StreamId,
    VersionInfo,
)
from catenula.storage.shared import SharedStore
from catenula.transport.calls import METHODS, CallStatus, MethodKind, StatusCode
from catenula.transport.messages import from_proto_bytes, to_proto_bytes
from catenula.transport.public_service import (
    EMPTY_NOTIFICATION,
    NodeService,
    read_call,
    routed_chain_id,
)
from catenula.validator.committer import Committer
from catenula.validator.logs import Log
from catenula.validator.notifier import Notifier
from catenula.validator.reads import SharedReads
from catenula.validator.worker_link import WorkerLink
from catenula.worker import to_node_error
from catenula.worker.errors import NoNetworkDescription
from catenula.worker.version import VERSION_INFO
from catenula.worker.worker import blob_uploads

REQUEST_SECONDS = 4.0
"""How long a worker may take (spec 06 §3.1); the client asks again after that."""

_LENGTH = Struct(">I")
_log = Log("front door")
Route = Callable[[ChainId], WorkerLink]


class RawNotification(NamedTuple):
    """A notification as it goes out to subscribers."""

    chain_id: ChainId
    message: bytes


def encode_notifications(notifications: Sequence[Notification]) -> bytes:
    """The body of a frame: chain id, length and message of each."""
    parts: list[bytes] = []
    for notification in notifications:
        message = to_proto_bytes("Notification", notification)
        parts += (notification.chain_id, _LENGTH.pack(len(message)), message)
    return b"".join(parts)


def decode_notifications(body: bytes) -> list[RawNotification]:
    """What `encode_notifications` encoded; `DecodeError` for anything else."""
    found: list[RawNotification] = []
    position = 0
    while position < len(body):
        start = position + HASH_BYTES + _LENGTH.size
        if start > len(body):
            raise DecodeError("InvalidNotifications", length=len(body))
        (length,) = _LENGTH.unpack_from(body, position + HASH_BYTES)
        if start + length > len(body):
            raise DecodeError("InvalidNotifications", length=len(body))
        chain_id = ChainId(body[position : position + HASH_BYTES])
        found.append(RawNotification(chain_id, body[start : start + length]))
        position = start + length
    return found


class SharedNode(SharedReads):
    """The methods of a node that need no chain's state, over the shared store.

    What they need to know of a chain they ask its worker.
    """

    def __init__(self, shared: SharedStore, committer: Committer, route: Route) -> None:
        super().__init__(shared)
        self._committer, self._route = committer, route

    async def hashes_by_heights(
        self, chain_id: ChainId, heights: Sequence[BlockHeight]
    ) -> list[CryptoHash]:
        """See `SharedReads`; nothing is sent on that occasion (spec 06 §2.2)."""
        query = ChainInfoQuery(
            chain_id,
            request_sent_certificate_hashes_by_heights=tuple(heights),
            create_network_actions=False,
        )
        result = await self._ask(chain_id, "HandleChainInfoQuery", query)
        if not isinstance(result, ChainInfoResponse):
            raise NodeErrorReceived(result)
        return list(result.info.requested_sent_certificate_hashes)

    async def previous_event_blocks(
        self, chain_id: ChainId, stream_ids: Sequence[StreamId]
    ) -> Mapping[StreamId, tuple[BlockHeight, CryptoHash]]:
        """See `SharedReads`."""
        found: Mapping[StreamId, tuple[BlockHeight, CryptoHash]] = await self._ask(
            chain_id, "PreviousEventBlocks", (chain_id, tuple(stream_ids))
        )
        return found

    async def _ask(self, chain_id: ChainId, method: str, request: Any) -> Any:
        row = METHODS[method]
        answer = await self._route(chain_id).call(
            method, to_proto_bytes(row.request, request), timeout_seconds=REQUEST_SECONDS
        )
        return from_proto_bytes(row.response, answer)

    async def upload_blob(self, blob: BlobContent) -> BlobId:
        """See `ValidatorNode`."""
        try:
            groups = blob_uploads(self._shared, blob)
        except ProtocolError as error:
            raise NodeErrorReceived(to_node_error(error)) from error
        if groups:
            await self._committer.commit(groups)
        return blob.id

    async def get_version_info(self) -> VersionInfo:
        """See `ValidatorNode`."""
        return VERSION_INFO

    async def get_network_description(self) -> NetworkDescription:
        """See `ValidatorNode`."""
        description = self._shared.network_description()
        if description is None:
            raise NodeErrorReceived(to_node_error(NoNetworkDescription()))
        return description


class FrontDoor:
    """A `PublicService` in front of worker processes."""

    def __init__(
        self,
        shared: SharedStore,
        committer: Committer,
        *,
        links: Sequence[WorkerLink],
        worker_of: Callable[[ChainId], int],
    ) -> None:
        self._links, self._worker_of = links, worker_of
        node = SharedNode(shared, committer, self._route)
        self._store, self._committer = shared, committer
        self._shared = NodeService(node)  # type: ignore[arg-type]  # Routed methods do not reach it.
        self.notifier: Notifier[RawNotification] = Notifier()
        self._stopped = False
        for link in links:
            link.on_notify = self._notify

    def _route(self, chain_id: ChainId) -> WorkerLink:
        return self._links[self._worker_of(chain_id)]

    def start(self) -> None:
        """Connect to the workers, now or when they come."""
        for link in self._links:
            link.start()

    async def connected(self) -> None:
        """Return once every worker can be reached."""
        for link in self._links:
            await link.opened()

    async def counters(self, timeout_seconds: float) -> dict[str, Any]:
        """What each worker that answers has counted, by its number, and what this process has."""
        # All at once: those that hang must not use up the time of those that answer.
        asked = (link.metrics(timeout_seconds) for link in self._links)
        told = await asyncio.gather(*asked, return_exceptions=True)
        found: dict[str, Any] = {}
        for number, counters in enumerate(told):
            if isinstance(counters, LocalError):
                _log.debug("a worker does not tell its counters", worker=number, error=counters)
            elif isinstance(counters, BaseException):
                raise counters
            else:
                found[str(number)] = counters
        found["front door"] = {
            **self.notifier.told(),
            **self._store.told(),
            **self._committer.counters.told(),
        }
        return found

    async def unary(self, method: str, request: bytes) -> bytes:
        """See `PublicService`."""
        if self._stopped:
            raise _stopping()
        row = METHODS.get(method)
        if row is not None and row.kind is MethodKind.ROUTED:
            link = self._route(routed_chain_id(method, request))
            return await link.call(method, request, timeout_seconds=REQUEST_SECONDS)
        return await self._shared.unary(method, request)

    def stream(self, method: str, request: bytes) -> AsyncIterator[bytes]:
        """See `PublicService`."""
        if method == "Subscribe":
            return self._subscribe(request)
        return self._shared.stream(method, request)

    async def _subscribe(self, request: bytes) -> AsyncIterator[bytes]:
        """Never ends by itself, except for a subscription to nothing (spec 06 §6.3)."""
        if self._stopped:
            raise _stopping()
        chain_ids = read_call("Subscribe", request)
        subscription = self.notifier.subscribe(chain_ids)
        try:
            yield EMPTY_NOTIFICATION
            while chain_ids:
                yield (await subscription.next()).message
        finally:
            subscription.close()

    def _notify(self, body: bytes) -> None:
        try:
            self.notifier.notify(decode_notifications(body))
        except DecodeError as error:
            _log.failure("a worker's notifications cannot be read", error=error)

    async def stop(self) -> None:
        """Refuse new calls, end subscriptions with UNAVAILABLE, let go of the workers."""
        self._stopped = True
        self.notifier.fail_all(_stopping())
        await asyncio.gather(*(link.stop() for link in self._links))


def _stopping() -> CallStatus:
    return CallStatus(StatusCode.UNAVAILABLE, "the validator is stopping")
