"""One validator on its way through the recorded calls that it served.

The worker runs with a key of its own, since those of the recorded validators are not known. Before
a call the clock goes on to the recorded time; after it all requests between chains are delivered.
A restart keeps the store and loses what was in memory.
"""

import asyncio
from typing import Any

from catenula.base.crypto import Secp256k1PublicKey, ValidatorSecretKey
from catenula.base.errors import DecodeError
from catenula.base.identifiers import ChainId
from catenula.conformance.report import Report
from catenula.conformance.traffic.clock import RecordedClock
from catenula.conformance.traffic.left_out import LeftOutChains
from catenula.conformance.traffic.recording import (
    NEVER_ARRIVED,
    SUBSCRIBE,
    WENT_AWAY,
    Mark,
    RecordedCall,
    RecordedTraffic,
)
from catenula.conformance.traffic.replies import Replies, Reply
from catenula.execution.applications import NativeApplications
from catenula.protocol import ChainAndHeight, ChainInfoQuery, NodeErrorReceived
from catenula.storage.engine import open_store
from catenula.validator.committer import InlineCommitter
from catenula.validator.driver import NodeDriver
from catenula.worker.config import ProcessMode, WorkerConfig
from catenula.worker.genesis import initialize_store
from catenula.worker.worker import Worker
import sys
sys.path.insert(0,'/work/scratch')
from tmpservice import METHODS, CallStatus, NodeService, MethodKind

_OK = "OK"
_TURNS = 20
"""Rounds of the event loop after which a call that has no reply waits for something else."""
_THROW_AWAY_KEY = ValidatorSecretKey((1).to_bytes(32, "big"))

_RUNS_APPLICATIONS = "the chain runs applications, which cannot be executed yet"
_NO_REPLY = "the client did not wait for the reply: applied, nothing to compare"
_STOPPED = "the validator was stopped"


class ValidatorPlayer:
    """Plays the calls of one validator of a run; `report` counts them."""

    def __init__(self, traffic: RecordedTraffic, index: int) -> None:
        self.report = Report()
        self._traffic, self._index = traffic, index
        self._clock = RecordedClock(traffic.run.genesis.timestamp)
        self._left_out = LeftOutChains(traffic.run)
        key = Secp256k1PublicKey(traffic.keys[index])
        self._replies = Replies(key, self._full_log)
        self._store = open_store("memory:")
        self._waiting: set[asyncio.Task[bytes]] = set()
        self._start()

    def _start(self) -> None:
        worker = Worker(
            self._store,
            config=WorkerConfig(),
            secret=_THROW_AWAY_KEY,
            applications=NativeApplications(),
        )
        initialize_store(worker.shared, self._traffic.run.genesis)
        committer = InlineCommitter(self._store)
        self._driver = NodeDriver(worker, committer=committer, clock=self._clock)
        self._service = NodeService(self._driver)

    def _full_log(self, chain_id: ChainId) -> tuple[ChainAndHeight, ...]:
        log = self._driver.worker.chain(chain_id).received_log
        return tuple(log.read(0, len(log)))

    async def play(self) -> None:
        """Play everything in order."""
        for event in self._traffic.events:
            if isinstance(event, Mark):
                if event.restarted_validator() == self._index:
                    await self._restart()
            elif event.validator == self._index:
                await self._play_call(event)
        await self._driver.stop()

    async def _restart(self) -> None:
        await self._driver.stop()
        self._start()

    async def _play_call(self, call: RecordedCall) -> None:
        self._clock.advance_to(self._traffic.at(call.time))
        if call.code == NEVER_ARRIVED:
            self.report.skip(_STOPPED)
            return
        method = METHODS.get(call.method)
        if method is None or method.kind is MethodKind.STREAM:
            self.report.skip("TODO")
            return
        from catenula.transport.messages import from_proto_bytes

        request: Any = None
        try:
            request = from_proto_bytes(method.request, call.request)
        except DecodeError:
            pass
        if request is not None and method.kind is MethodKind.ROUTED:
            if self._left_out.is_concerned(request):
                await self._pass_over(call, request)
                return
        found = await self._serve(call)
        if call.code == WENT_AWAY:
            self.report.skip(_NO_REPLY)
            return
        if found is None:
            self.report.add(self._place(call), ["no reply"])
            return
        start = None
        if isinstance(request, ChainInfoQuery):
            start = request.request_received_log_excluding_first_n
        found_differences = self._replies.compare(
            method.response, found, Reply(call.code or "", call.response), log_start=start
        )
        self.report.add(self._place(call), [str(item) for item in found_differences])

    def _place(self, call: RecordedCall) -> str:
        return f"{self._traffic.run.name} call {call.place} ({call.method}, validator {call.validator})"

    async def _serve(self, call: RecordedCall) -> Reply | None:
        task = asyncio.ensure_future(self._service.unary(call.method, call.request))
        await self._settle(task)
        if not task.done():
            self._waiting.add(task)
            return None
        try:
            return Reply(_OK, task.result())
        except CallStatus as status:
            return Reply(status.code.name, None)

    async def _settle(self, task: "asyncio.Task[Any]") -> None:
        for _ in range(_TURNS):
            await asyncio.sleep(0)
            await self._driver.settled()
            if task.done():
                return

    async def _pass_over(self, call: RecordedCall, request: Any) -> None:
        """A call for a chain that is left out: take over what others depend on."""
        self.report.skip(_RUNS_APPLICATIONS)
        certificate = self._left_out.confirmed(request)
        if certificate is None:
            return
        succeeded = not call.replied or not _is_error(call)
        if succeeded:
            blobs = self._left_out.required_blobs(certificate)
            if blobs:
                self._store.commit(self._driver.worker.store_blobs(blobs))
        try:
            await self._driver.handle_confirmed_certificate(
                certificate, mode=ProcessMode.PREPROCESS
            )
        except NodeErrorReceived as error:
            if succeeded:
                self.report.add(self._place(call), [f"preprocessed: refused: {error}"])
        await self._driver.settled()


def _is_error(call: RecordedCall) -> bool:
    from catenula.protocol import ChainInfoResponse
    from catenula.transport.messages import from_proto_bytes

    if call.response is None:
        return True
    return not isinstance(from_proto_bytes("ChainInfoResult", call.response), ChainInfoResponse)
