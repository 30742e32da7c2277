"""A validator in one process: workers, driver, sweep and the public port.

`start_validator_server` is what ``catenula server run`` and ``catenula net up`` use. Stopping is
graceful: what runs is finished, new calls are refused, subscriptions end with UNAVAILABLE, and only
then does whoever owns the store close it.
"""

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field

from catenula.base.errors import LocalError
from catenula.execution.applications import ApplicationLoader
from catenula.protocol import GenesisConfig
from catenula.storage.engine import Store, open_store
from catenula.storage.shared import SharedStore
from catenula.validator.clock import Clock, SystemClock
from catenula.validator.commit_threads import CommitThreads
from catenula.validator.committer import Committer, committer_for
from catenula.validator.configuration import ServerConfig
from catenula.validator.default_applications import default_applications
from catenula.validator.driver import NodeDriver
from catenula.validator.logs import Log
from catenula.validator.metrics import (
    CallCounters,
    MetricsPort,
    driver_told,
    meter_for,
    serve_metrics,
)
from catenula.validator.oracles import LoopOracles
from catenula.validator.sweep import Sweeper
from catenula.validator.tuning import tune_process
from catenula.worker import Worker, WorkerConfig, initialize_store

if TYPE_CHECKING:
    from catenula.transport.public_port import PublicServer

GRACE_SECONDS = 2.0
"""How long running calls may take when a server stops."""


class Surroundings(Struct, frozen=True):
    """What a server uses of its process; several servers of one process share it."""

    clock: Clock = field(default_factory=SystemClock)
    applications: ApplicationLoader = field(default_factory=default_applications)
    commit_threads: CommitThreads | None = None


class Ports(NamedTuple):
    """Where a validator answers; metrics are optional."""

    public: "PublicServer"
    metrics: MetricsPort | None


class ValidatorServer:
    """A running validator; made by `start_validator_server`."""

    def __init__(
        self,
        config: ServerConfig,
        driver: NodeDriver,
        committer: Committer,
        *,
        sweeper: Sweeper,
        ports: Ports,
    ) -> None:
        self.config, self.driver = config, driver
        self._committer, self._sweeper = committer, sweeper
        self._public, self._metrics = ports
        self._is_open = True

    @property
    def port(self) -> int:
        """The public port."""
        return self._public.port

    async def close(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Finish what runs, refuse the rest; the owner closes the store afterwards."""
        if not self._is_open:
            return
        self._is_open = False
        await self._sweeper.stop()
        # Ending the driver first ends subscriptions, so that the port need not wait for them.
        await self.driver.stop()
        await self._public.close(grace_seconds)
        await self._committer.close()
        if self._metrics is not None:
            self._metrics.close()


async def start_validator_server(
    config: ServerConfig,
    store: Store,
    *,
    genesis: GenesisConfig | None = None,
    surroundings: Surroundings | None = None,
) -> ValidatorServer:
    """Serve a validator over an open store; ready when this returns.

    The store is initialised from ``genesis`` if one is given, else it must have been. Raises
    `LocalError` when the store is not initialised or in use, or when the port is taken.
    """
    from catenula.transport.public_port import serve_public
    from catenula.transport.public_service import NodeService

    surroundings = surroundings if surroundings is not None else Surroundings()
    workers = [make_worker(config, store, surroundings) for _ in range(config.workers)]
    prepare_store(workers[0].shared, genesis)
    committer = committer_for(store, surroundings.commit_threads)
    driver = NodeDriver(
        workers, committer=committer, clock=surroundings.clock, address=str(config.address)
    )
    sweeper = Sweeper(driver)
    metrics: MetricsPort | None = None
    try:
        if config.metrics is not None:
            tell = partial(driver_told, driver)
            metrics = serve_metrics(config.metrics, CallCounters(), tell)
        public = await serve_public(
            NodeService(driver),
            host=config.listen.host,
            port=config.listen.port,
            tls=config.tls_files(),
            observer=None if metrics is None else metrics.counters,
        )
    except BaseException:
        if metrics is not None:
            metrics.close()
        await committer.close()
        raise
    sweeper.start()
    ports = Ports(public, metrics)
    server = ValidatorServer(config, driver, committer, sweeper=sweeper, ports=ports)
    Log("server").info(
        "serving", address=str(config.address), port=server.port, public_key=config.public_key
    )
    return server


def make_worker(config: ServerConfig, store: Store, surroundings: Surroundings) -> Worker:
    """A worker of the validator over its store."""
    return Worker(
        store,
        config=WorkerConfig(meter=meter_for(config)),
        secret=config.secret,
        applications=surroundings.applications,
        make_oracles=LoopOracles,
    )


def prepare_store(shared: SharedStore, genesis: GenesisConfig | None) -> None:
    """Initialise a store, or check that it was; `LocalError` when it belongs elsewhere."""
    if genesis is not None:
        initialize_store(shared, genesis)
    elif shared.network_description() is None:
        raise LocalError(
            f"the store {shared.store.name} is not initialised; run "
            "`catenula server initialize --storage … --genesis genesis.json` first",
            retryable=False,
        )


async def serve_until_stopped(
    config: ServerConfig, location: str, *, genesis: GenesisConfig | None = None
) -> None:
    """Serve a validator as the main thing of this process, until SIGTERM or SIGINT.

    ``location`` is what `open_store` takes.
    """
    import asyncio
    import signal

    from catenula.validator.logs import set_up_logs

    set_up_logs(config.logs)
    tune_process()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with open_store(location) as store:
        server = await start_validator_server(config, store, genesis=genesis)
        try:
            await stop.wait()
            Log("server").info("stopping")
        finally:
            await server.close()
    Log("server").info("stopped")
