"""What runs inside a started process: a front door or a worker, until it is told to stop.

A process stops gracefully on SIGTERM, and when its supervisor is gone, however that ended: the
reading end of the life pipe then reports the end of the file.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from msgspec import Struct

from catenula.base.errors import LocalError, ProtocolError
from catenula.storage.engine import Claim, Store, open_store
from catenula.storage.shared import SharedStore
from catenula.transport.event_loop import loop_factory
from catenula.validator.committer import committer_for
from catenula.validator.frames import Role
from catenula.validator.front_door import FrontDoor
from catenula.validator.logs import Log, set_up_logs
from catenula.validator.metrics import (
    SCRAPE_SECONDS,
    CallCounters,
    MetricsPort,
    serve_metrics,
    told_by_workers,
)
from catenula.validator.process_spec import ValidatorSpec
from catenula.validator.routing import routing
from catenula.validator.server import prepare_store
from catenula.validator.tuning import tune_process
from catenula.validator.worker_link import WorkerLink
from catenula.validator.worker_process import Place, start_worker

EXIT_FAILED = 1
EXIT_LOST = 3
"""Another process has taken over what this one served."""
GRACE_SECONDS = 2.0

Report = Callable[[dict[str, Any]], None]


class Job(Struct, frozen=True):
    """Which process this is: a worker's number, or None for the front door with its port."""

    spec: ValidatorSpec
    worker: int | None
    port: int
    life: int
    """The reading end of the life pipe."""
    report: Report

    @property
    def role(self) -> str:
        """For logs and events."""
        return "front door" if self.worker is None else f"worker {self.worker}"


def run_job(job: Job) -> int:
    """Serve until told to stop; the exit status."""
    set_up_logs(job.spec.config.logs)
    log = Log("process", validator=job.spec.name, role=job.role)
    tune_process()
    serve = _serve_front_door if job.worker is None else _serve_worker
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            return runner.run(_until_stopped(job, serve))
    except (LocalError, ProtocolError) as error:
        log.failure("failed", error=error)
        job.report({"event": "failed", "error": str(error)})
    except Exception as error:
        log.bug("hit a bug", error)
        raise
    return EXIT_FAILED


Serve = Callable[[Job, Store, asyncio.Event], Coroutine[Any, Any, int]]


async def _until_stopped(job: Job, serve: Serve) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(job.life, stop.set)
    store = open_store(job.spec.location)
    try:
        return await serve(job, store, stop)
    finally:
        loop.remove_reader(job.life)
        store.close()


async def _serve_worker(job: Job, store: Store, stop: asyncio.Event) -> int:
    spec = job.spec
    prepare_store(SharedStore(store), spec.genesis)
    place = Place(job.worker or 0, spec.endpoints(), spec.secret)
    worker = await start_worker(spec.config, store, place)
    job.report({"event": "ready"})
    waits = [asyncio.ensure_future(event.wait()) for event in (stop, worker.lost)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    await worker.stop(GRACE_SECONDS)
    return EXIT_LOST if worker.lost.is_set() else 0


async def _serve_front_door(job: Job, store: Store, stop: asyncio.Event) -> int:
    from catenula.transport.public_port import serve_public

    spec, config = job.spec, job.spec.config
    committer = committer_for(store, claim=Claim.SHARED)
    links = [
        WorkerLink(endpoint, secret=spec.secret, role=Role.FRONT_DOOR, name=f"worker {number}")
        for number, endpoint in enumerate(spec.endpoints())
    ]
    door = FrontDoor(SharedStore(store), committer, links=links, worker_of=routing(len(links)))
    metrics = _serve_door_metrics(job, door)
    public = await serve_public(
        door,
        host=config.listen.host,
        port=job.port,
        tls=config.tls_files(),
        observer=None if metrics is None else metrics.counters,
    )
    door.start()
    Log("front door").info("serving", address=str(config.address), port=public.port)
    job.report({"event": "ready", "port": public.port})
    connected = asyncio.ensure_future(door.connected())
    connected.add_done_callback(partial(_report_connected, job))
    await stop.wait()
    connected.cancel()
    # Ending the door first ends subscriptions, so that the port need not wait for them.
    closing = asyncio.ensure_future(public.close(GRACE_SECONDS))
    await door.stop()
    await closing
    await committer.close()
    if metrics is not None:
        metrics.close()
    return 0


def _report_connected(job: Job, connected: "asyncio.Future[None]") -> None:
    if not connected.cancelled():
        job.report({"event": "connected"})


def _serve_door_metrics(job: Job, door: FrontDoor) -> MetricsPort | None:
    """The metrics port of the validator, with the counters of all workers, if it shall have one."""
    if job.spec.config.metrics is None:
        return None
    loop = asyncio.get_running_loop()
    ask = partial(door.counters, SCRAPE_SECONDS / 2)
    tell = partial(told_by_workers, loop, ask)
    return serve_metrics(job.spec.config.metrics, CallCounters(), tell)


def report_to(descriptor: int) -> Report:
    """Reports as lines of JSON on a pipe; a supervisor that is gone is noticed elsewhere."""
    import json

    def report(event: dict[str, Any]) -> None:
        try:
            os.write(descriptor, json.dumps(event).encode() + b"\n")
        except BrokenPipeError:
            Log("process").debug("nobody reads events any more")

    return report
