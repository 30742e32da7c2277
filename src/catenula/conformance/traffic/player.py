"""One validator on its way through the recorded calls that it served.

The worker runs with a key of its own, since those of the recorded validators are not known. Before
a call the clock goes on to the recorded time; after it all requests between chains are delivered.
A restart keeps the store and loses what was in memory.
"""

import asyncio
from collections.abc import Container, Iterable
from typing import Any

from catenula.base.crypto import Secp256k1PublicKey, ValidatorSecretKey
from catenula.base.errors import DecodeError
from catenula.base.identifiers import ChainId
from catenula.conformance.differences import Difference
from catenula.conformance.report import Report
from catenula.conformance.traffic.clock import RecordedClock
from catenula.conformance.traffic.driver import HoldingDriver
from catenula.conformance.traffic.exceptions import Exceptions, LateMessage
from catenula.conformance.traffic.oracles import RecordedAnswers
from catenula.conformance.traffic.recording import (
    NEVER_ARRIVED,
    WENT_AWAY,
    Mark,
    RecordedCall,
    RecordedTraffic,
)
from catenula.conformance.traffic.replies import Replies, Reply, read_reply
from catenula.conformance.traffic.streams import OpenStream, stream_differences
from catenula.conformance.traffic.times import ServingTimes
from catenula.execution.applications import ApplicationLoader
from catenula.protocol import (
    ChainAndHeight,
    ChainInfoQuery,
    ChainInfoResponse,
)
from catenula.storage.engine import open_store
from catenula.transport.calls import METHODS, CallStatus, MethodKind
from catenula.transport.messages import from_proto_bytes
from catenula.transport.public_service import NodeService
from catenula.validator.committer import InlineCommitter
from catenula.worker.config import WorkerConfig
from catenula.worker.genesis import initialize_store
from catenula.worker.worker import Worker

_OK = "OK"
_TIMEOUT = "HandleTimeoutCertificate"
_TURNS = 20
"""Rounds of the event loop after which a call without a reply is taken to wait for a message."""
_THROW_AWAY_KEY = ValidatorSecretKey((1).to_bytes(32, "big"))

NO_REPLY = "the client did not wait for the reply: served, nothing to compare"
STOPPED = "the validator was stopped"
OF_THE_PORT = "health and reflection belong to the port, not to the service (tests/transport)"


class ValidatorPlayer:
    """Plays the calls of one validator of a run; ``report`` counts them."""

    def __init__(
        self,
        traffic: RecordedTraffic,
        index: int,
        exceptions: Exceptions,
        *,
        applications: ApplicationLoader,
    ) -> None:
        self.report = Report()
        self._traffic, self._index = traffic, index
        self._applications = applications
        self._late = exceptions.late
        self._clock = RecordedClock(traffic.run.genesis.timestamp)
        self._times = ServingTimes(traffic)
        self._replies = Replies(Secp256k1PublicKey(traffic.keys[index]), self._full_log)
        self._store = open_store("memory:")
        self._answers = RecordedAnswers(traffic.run)
        self._streams: list[OpenStream] = []
        self._serving: RecordedCall | None = None
        self._waiting: list[asyncio.Task[bytes]] = []
        self._start()

    def _start(self) -> None:
        worker = Worker(
            self._store,
            config=WorkerConfig(),
            secret=_THROW_AWAY_KEY,
            applications=self._applications,
            make_oracles=self._answers.oracles,
        )
        initialize_store(worker.shared, self._traffic.run.genesis)
        committer = InlineCommitter(self._store)
        self._driver = HoldingDriver(worker, committer=committer, clock=self._clock)
        self._service = NodeService(self._driver)

    def _full_log(self, chain_id: ChainId) -> tuple[ChainAndHeight, ...]:
        log = self._driver.worker.chain(chain_id).received_log
        return tuple(log.read(0, len(log)))

    async def play(self, events: Iterable[RecordedCall | Mark]) -> None:
        """Play everything that concerns this validator, in the order given."""
        for event in events:
            if isinstance(event, Mark):
                if event.restarted_validator() == self._index:
                    await self._stop()
                    self._start()
            elif event.validator == self._index:
                await self._play_call(event)
        await self._stop()

    async def _stop(self) -> None:
        for stream in self._streams:
            status = await stream.close()
            self._count(stream.call, stream_differences(stream.call, stream.found, status))
        self._streams.clear()
        await self._driver.stop()
        await asyncio.gather(*self._waiting, return_exceptions=True)
        self._waiting.clear()

    def _count(self, call: RecordedCall, found: Iterable[Difference]) -> None:
        place = f"{self._traffic.run.name} call {call.place} ({call.method} at {call.validator})"
        self.report.add(place, [str(difference) for difference in found])

    # Calls

    async def _play_call(self, call: RecordedCall) -> None:
        if call.code == NEVER_ARRIVED:
            self.report.skip(STOPPED)
            return
        if call.method.startswith("/"):
            self.report.skip(OF_THE_PORT)
            return
        await self._deliver_late(call)
        method = METHODS.get(call.method)
        if method is not None and method.kind is MethodKind.STREAM:
            await self._play_stream(call)
        else:
            await self._play_unary(call)

    async def _deliver_late(self, call: RecordedCall) -> None:
        """Hold back and let go what is listed for this call."""
        for late in self._late:
            if late.until == call.place:
                self._driver.let_go(_pair(late))
                await self._driver.settled()
            if late.call == call.place:
                self._driver.hold(_pair(late))

    async def _play_stream(self, call: RecordedCall) -> None:
        self._clock.advance_to(self._traffic.at(call.time))
        messages = self._service.stream(call.method, call.request)
        recorded = {streamed.message for streamed in call.stream}
        stream = OpenStream.collect(
            call, messages, lambda message: self._is_ours_alone(message, recorded)
        )
        self._streams.append(stream)
        await self._settle(stream.collector)

    def _is_ours_alone(self, message: bytes, recorded: Container[bytes]) -> bool:
        """Whether a notification that comes now may be one that the reference does not send.

        It suppresses those of time-outs, and may lose those of a call whose client went away.
        """
        serving = self._serving
        if serving is None:
            return False
        return serving.method == _TIMEOUT or (serving.code == WENT_AWAY and message not in recorded)

    async def _play_unary(self, call: RecordedCall) -> None:
        request = _read_request(call)
        recorded = read_reply(call.method, call.code or "", call.response)
        info = recorded.value.info if isinstance(recorded.value, ChainInfoResponse) else None
        self._clock.advance_to(self._times.of(call, request, info))
        self._answers.prepare(request)
        found = await self._serve(call)
        if call.code == WENT_AWAY:
            self.report.skip(NO_REPLY)
        elif found is None:
            self._count(call, [Difference("reply", "nothing", recorded.code)])
        else:
            self._count(call, self._replies.compare(found, recorded, log_start=_log_start(request)))

    async def _serve(self, call: RecordedCall) -> Reply | None:
        """The reply, or None when the call waits for something that does not happen."""
        self._serving = call
        task = asyncio.ensure_future(self._service.unary(call.method, call.request))
        await self._settle(task)
        self._serving = None
        if not task.done():
            self._waiting.append(task)
            return None
        try:
            return read_reply(call.method, _OK, task.result())
        except CallStatus as status:
            return read_reply(call.method, status.code.name, None)

    async def _settle(self, task: "asyncio.Task[Any]") -> None:
        """Let everything happen that can happen without another call."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)
            await self._driver.settled()
            if task.done():
                break
        await asyncio.sleep(0)


def _pair(late: LateMessage) -> tuple[ChainId, ChainId]:
    return (late.sender, late.recipient)


def _read_request(call: RecordedCall) -> Any:
    """The request as a value; None when it is none, or has nothing in it."""
    method = METHODS.get(call.method)
    if method is None:
        return None
    try:
        return from_proto_bytes(method.request, call.request)
    except DecodeError:
        return None


def _log_start(request: Any) -> int | None:
    if isinstance(request, ChainInfoQuery):
        return request.request_received_log_excluding_first_n
    return None
