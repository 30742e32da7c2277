"""Downloads that are made once: the request scheduler (spec 07 §3.3).

Everybody who wants what is being downloaded waits for it, a request for some certificates also for
a larger one that contains them, and answers serve later requests for a moment. A request to one
validator is answered with another's data only if that proves itself (a hash, a quorum's
signatures), and waits for another validator's answer only for a moment: a slow or false one costs
the others nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import NamedTuple, TypeVar

from msgspec import Struct

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId
from catenula.base.integers import BlockHeight, Timestamp
from catenula.base.limits import MAX_DOWNLOAD_CACHE_BYTES
from catenula.client.options import ClientOptions
from catenula.client.remote_node import RemoteNode
from catenula.client.scores import Scores
from catenula.protocol import BlobContent, BlobId, ConfirmedBlockCertificate
from catenula.storage.bounded_cache import BoundedCache
from catenula.validator.clock import Clock

_CERTIFICATES_PER_DELAY = 50
"""Larger requests are waited for in proportion."""

_T = TypeVar("_T")


class Request(NamedTuple):
    """What is downloaded: of ``subject``, the ``parts`` (heights; nothing for single things)."""

    subject: Hashable
    parts: frozenset[BlockHeight] = frozenset()

    def is_part_of(self, other: "Request") -> bool:
        """Whether an answer to the other request contains the answer to this one."""
        return self.subject == other.subject and self.parts <= other.parts

    @property
    def size(self) -> int:
        """How many times longer than a single thing it may take."""
        return 1 + len(self.parts) // _CERTIFICATES_PER_DELAY


class _Flight(Struct, eq=False):
    """A download under way; it is cancelled when nobody waits for it any more."""

    request: Request
    remote: RemoteNode
    started: Timestamp
    task: "asyncio.Task[object]"
    users: int = 0


class _Kept(NamedTuple):
    remote: RemoteNode
    value: object
    until: int


class RequestScheduler:
    """The downloads of one client; ``is_proven`` says whether a trusted committee signed."""

    def __init__(
        self,
        options: ClientOptions,
        clock: Clock,
        is_proven: Callable[[ConfirmedBlockCertificate], bool],
    ) -> None:
        self._options, self._clock, self._is_proven = options, clock, is_proven
        self.scores = Scores(options, clock)
        self._flights: dict[Hashable, list[_Flight]] = {}
        self._cache: BoundedCache[Hashable, _Kept] = BoundedCache(
            options.cache_max_size, MAX_DOWNLOAD_CACHE_BYTES
        )

    # What can be downloaded; errors are those of `RemoteNode`

    async def certificates_by_heights(
        self, remote: RemoteNode, chain_id: ChainId, heights: Sequence[BlockHeight]
    ) -> list[ConfirmedBlockCertificate]:
        """See `RemoteNode.certificates_by_heights`."""
        wanted = sorted(set(heights))
        kept = [self._kept(remote, (chain_id, height)) for height in wanted]
        at_hand = [item for item in kept if isinstance(item, ConfirmedBlockCertificate)]
        if len(at_hand) == len(wanted):
            return at_hand
        found = await self._download(
            remote,
            Request(chain_id, frozenset(wanted)),
            lambda: remote.certificates_by_heights(chain_id, wanted),
        )
        for certificate in found:
            key = (chain_id, certificate.block.height)
            self._keep(remote, key, certificate, weight=len(certificate.block.bcs))
        return [item for item in found if item.block.height in heights]

    async def blob(self, remote: RemoteNode, blob_id: BlobId) -> BlobContent:
        """See `RemoteNode.blob`."""
        return await self._single(remote, ("blob", blob_id), lambda: remote.blob(blob_id))

    async def pending_blob(
        self, remote: RemoteNode, chain_id: ChainId, blob_id: BlobId
    ) -> BlobContent:
        """See `RemoteNode.pending_blob`."""
        return await self._single(
            remote, ("pending", blob_id), lambda: remote.pending_blob(chain_id, blob_id)
        )

    async def certificate_for_blob(
        self, remote: RemoteNode, blob_id: BlobId
    ) -> ConfirmedBlockCertificate:
        """See `RemoteNode.certificate_for_blob`."""
        return await self._single(
            remote, ("user", blob_id), lambda: remote.certificate_for_blob(blob_id)
        )

    async def _single(
        self, remote: RemoteNode, key: Hashable, fetch: Callable[[], Awaitable[_T]]
    ) -> _T:
        kept = self._kept(remote, key)
        if kept is not None:
            return kept  # type: ignore[return-value]  # Kept under the key of its request.
        found = await self._download(remote, Request(key), fetch)
        self._keep(remote, key, found, weight=_weight(found))
        return found

    # Answers that are kept for a moment

    def _kept(self, remote: RemoteNode, key: Hashable) -> object:
        kept = self._cache.get(key)
        if kept is None or kept.until < self._clock.now():
            return None
        return kept.value if self._serves(kept.value, kept.remote, remote) else None

    def _keep(self, remote: RemoteNode, key: Hashable, value: object, *, weight: int) -> None:
        until = self._clock.now() + self._options.cache_ttl_us
        self._cache.add(key, _Kept(remote, value, until), weight)

    def _serves(self, value: object, source: RemoteNode, wanted_from: RemoteNode) -> bool:
        """Whether what one validator said may stand for what another one would say."""
        if source is wanted_from:
            return True
        items = value if isinstance(value, list) else [value]
        return all(
            self._is_proven(item) for item in items if isinstance(item, ConfirmedBlockCertificate)
        )

    # Downloads under way

    async def _download(
        self, remote: RemoteNode, request: Request, fetch: Callable[[], Awaitable[_T]]
    ) -> _T:
        flight = self._joinable(remote, request)
        if flight is not None:
            is_same = flight.remote is remote
            delay = self._options.alternative_peers_retry_delay_us * request.size
            await self._wait(flight, None if is_same else delay)
            if is_same:
                return flight.task.result()  # type: ignore[return-value]  # The same request.
            if _succeeded(flight) and self._serves(flight.task.result(), flight.remote, remote):
                return flight.task.result()  # type: ignore[return-value]  # The same request.
        return await self._ask(remote, request, fetch)

    def _joinable(self, remote: RemoteNode, request: Request) -> _Flight | None:
        """A download that will answer the request; the same validator's first."""
        now, most = self._clock.now(), self._options.max_request_ttl_us * request.size
        found = [
            flight
            for flight in self._flights.get(request.subject, ())
            if request.is_part_of(flight.request)
            and not flight.task.done()
            and (flight.remote is remote or now - flight.started <= most)
        ]
        return min(found, key=lambda flight: flight.remote is not remote, default=None)

    async def _ask(
        self, remote: RemoteNode, request: Request, fetch: Callable[[], Awaitable[_T]]
    ) -> _T:
        async def run() -> object:
            return await fetch()

        task = asyncio.get_running_loop().create_task(run())
        flight = _Flight(request, remote, self._clock.now(), task)
        self._flights.setdefault(request.subject, []).append(flight)
        task.add_done_callback(lambda _: self._landed(flight))
        await self._wait(flight, None)
        return task.result()  # type: ignore[return-value]  # What `fetch` returned.

    def _landed(self, flight: _Flight) -> None:
        subject, task = flight.request.subject, flight.task
        flights = self._flights[subject]
        flights.remove(flight)
        if not flights:
            del self._flights[subject]
        took = self._clock.now() - flight.started
        if not task.cancelled():
            is_answer = isinstance(task.exception(), ProtocolError | None)
            self.scores.record(flight.remote, took // flight.request.size, succeeded=is_answer)
        elif took >= self._options.alternative_peers_retry_delay_us:
            # Somebody else was faster.
            self.scores.record(flight.remote, took, succeeded=False)

    async def _wait(self, flight: _Flight, most_us: int | None) -> None:
        """Wait until a download is done, or for so long."""
        flight.users += 1
        awaited: set[asyncio.Future[object] | asyncio.Future[None]] = {flight.task}
        timer: asyncio.Future[None] | None = None
        if most_us is not None:
            deadline = Timestamp(self._clock.now() + most_us)
            timer = asyncio.ensure_future(self._clock.sleep_until(deadline))
            awaited.add(timer)
        try:
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if timer is not None:
                timer.cancel()
            flight.users -= 1
            if not flight.users and not flight.task.done():
                flight.task.cancel()


def _succeeded(flight: _Flight) -> bool:
    task = flight.task
    if not task.done() or task.cancelled():
        return False
    error = task.exception()
    if error is not None and not isinstance(error, ProtocolError | LocalError):
        raise error
    return error is None


def _weight(value: object) -> int:
    if isinstance(value, BlobContent):
        return len(value.bytes)
    return len(value.block.bcs) if isinstance(value, ConfirmedBlockCertificate) else 0
