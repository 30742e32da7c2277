"""One worker of a validator in a process of its own.

It takes its partitions over when it starts, whoever had them before, and serves their chains to the
front door and to the other workers through its internal port. When it loses a partition to another
worker it stops: somebody started a second one in its place, and two are one too many.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from catenula.base.counting import Told
from catenula.base.errors import DecodeError
from catenula.protocol import Notification
from catenula.storage.engine import Claim, Store
from catenula.transport.calls import CallStatus, StatusCode
from catenula.transport.endpoints import FinishedCall
from catenula.transport.public_service import NodeService
from catenula.validator.clock import SystemClock
from catenula.validator.committer import committer_for
from catenula.validator.configuration import ServerConfig
from catenula.validator.default_applications import default_applications
from catenula.validator.driver import NodeDriver
from catenula.validator.endpoints import Endpoint
from catenula.validator.frame_server import FrameServer
from catenula.validator.frames import Role
from catenula.validator.front_door import encode_notifications
from catenula.validator.logs import Log
from catenula.validator.metrics import CallCounters, meter_for, worker_told
from catenula.validator.oracles import LoopOracles
from catenula.validator.ownership import PartitionOwnership
from catenula.validator.peers import CROSS_CHAIN, Peers
from catenula.validator.routing import partitions_of_worker, routing
from catenula.validator.sweep import Sweeper
from catenula.validator.worker_link import WorkerLink
from catenula.worker import Worker, WorkerConfig

GRACE_SECONDS = 2.0


class Place(Struct, frozen=True):
    """Which worker of how many this is, where all of them are, and their secret."""

    number: int
    endpoints: tuple[Endpoint, ...]
    secret: bytes

    @property
    def workers(self) -> int:
        """How many workers there are."""
        return len(self.endpoints)


class WorkerService:
    """Frames of the front door and of other workers, handled by a driver."""

    def __init__(self, driver: NodeDriver, tell: Callable[[], Any]) -> None:
        self._driver, self._tell = driver, tell
        self._service = NodeService(driver)
        self.calls = CallCounters("server")

    async def call(self, method: str, request: bytes) -> bytes:
        """See `FrameHandler`."""
        start = time.perf_counter()
        code, size = StatusCode.CANCELLED, 0
        try:
            response = await self._service.unary(method, request)
            code, size = StatusCode.OK, len(response)
            return response
        except CallStatus as status:
            code = status.code
            raise
        finally:
            seconds = time.perf_counter() - start
            call = FinishedCall(method, seconds, code, len(request), size)
            self.calls.call_finished(call, None)

    async def deliver(self, request: bytes) -> None:
        """See `FrameHandler`; a request that cannot be read is dropped, sent again it stays so."""
        try:
            value = CROSS_CHAIN.from_bcs(request)
        except DecodeError as error:
            Log("worker").failure("a cross-chain request is malformed", error=error)
            return
        await self._driver.deliver(value)

    def metrics(self) -> Any:
        """See `FrameHandler`."""
        return self._tell()


class NotificationPump:
    """Collects the notifications of one turn of the loop and pushes them in one frame."""

    def __init__(self, push: Callable[[bytes, int], None]) -> None:
        self._push = push
        self._waiting: list[Notification] = []

    def put(self, notification: Notification) -> None:
        """Push a notification with the others of this turn."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(notification)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._push(encode_notifications(waiting), len(waiting))


class RunningWorker:
    """A worker that serves; made by `start_worker`."""

    def __init__(self, config: ServerConfig, store: Store, place: Place) -> None:
        self._log = Log("worker", worker=place.number)
        self.lost = asyncio.Event()
        """Set when another worker has taken a partition of this one."""
        self._place = place
        self.peers = Peers(self._links(place), routing(place.workers))
        self._committer = committer_for(store, claim=Claim.SHARED)
        partitions = partitions_of_worker(place.number, place.workers)
        self._ownership = PartitionOwnership(store, partitions, elsewhere=self.peers.send)
        self._ownership.on_loss.append(self._lose)
        worker = Worker(
            store,
            config=WorkerConfig(meter=meter_for(config)),
            secret=config.secret,
            applications=default_applications(),
            make_oracles=LoopOracles,
        )
        self.driver = NodeDriver(
            worker,
            committer=self._committer,
            clock=SystemClock(),
            address=f"worker {place.number}",
            ownership=self._ownership,
        )
        self._service = WorkerService(self.driver, self.told)
        self.server = FrameServer(self._service, place.secret)
        pump = NotificationPump(self.server.notify)
        self.driver.notifier.watchers.append(pump.put)
        self.sweeper = Sweeper(self.driver, serves=self._ownership.serves)

    def _links(self, place: Place) -> Sequence[WorkerLink | None]:
        return [
            None
            if number == place.number
            else WorkerLink(
                endpoint, secret=place.secret, role=Role.WORKER, name=f"worker {number}"
            )
            for number, endpoint in enumerate(place.endpoints)
        ]

    def _lose(self, partition: int) -> None:
        self._log.failure(
            "another worker has taken a partition; this one stops", partition=partition
        )
        self.lost.set()

    def told(self) -> Told:
        """What this process has counted, as JSON data, by the names of spec 06 §9."""
        return {
            **self.driver.told(),
            **worker_told(self.driver.worker),
            **self.peers.told(),
            **self.server.told(),
            **self._service.calls.told(),
            "loaded_chains": self.driver.worker.loaded_chains(),
            "swept_chains_total": self.sweeper.resent_chains,
            "undelivered_chains": self.sweeper.waiting_chains,
        }

    async def start(self) -> None:
        """Serve; ready when this returns. Raises `LocalError`."""
        await self.server.start(self._place.endpoints[self._place.number])
        self.peers.start()
        self.sweeper.start()
        self._log.info(
            "serving",
            partitions=len(self._ownership.partitions),
            endpoint=str(self._place.endpoints[self._place.number]),
        )

    async def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Finish what runs; the owner closes the store."""
        await self.sweeper.stop()
        await self.server.stop(grace_seconds)
        await self.driver.stop()
        await self.peers.stop()
        await self._committer.close()


async def start_worker(config: ServerConfig, store: Store, place: Place) -> RunningWorker:
    """A worker over an open store that serves; raises `LocalError`."""
    worker = RunningWorker(config, store, place)
    await worker.start()
    return worker
