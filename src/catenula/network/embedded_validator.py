"""One validator of the embedded network: its store, its workers, and the node clients talk to."""

from catenula.execution.applications import ApplicationLoader
from catenula.network.configuration import NetworkConfiguration, ValidatorKeys
from catenula.protocol import GenesisConfig
from catenula.storage.engine import Store, open_store
from catenula.transport.in_process import InProcessNode
from catenula.validator.clock import Clock
from catenula.validator.committer import Committer, committer_for
from catenula.validator.driver import NodeDriver
from catenula.worker import Worker, WorkerConfig, initialize_store


class EmbeddedValidator:
    """A validator that can be stopped, started again from its store, and made slow."""

    def __init__(
        self,
        configuration: NetworkConfiguration,
        index: int,
        *,
        location: str,
        clock: Clock,
        applications: ApplicationLoader,
    ) -> None:
        self.name = f"validator {index + 1}"
        self.keys: ValidatorKeys = configuration.validators[index]
        self._genesis: GenesisConfig = configuration.genesis
        self._worker_count = configuration.workers
        self._location, self._clock, self._applications = location, clock, applications
        self._store: Store | None = None
        self._committer: Committer | None = None
        self.driver: NodeDriver | None = None
        self.node = InProcessNode(None, name=self.name)

    @property
    def is_running(self) -> bool:
        """Whether it serves requests."""
        return self.driver is not None

    def start(self) -> None:
        """Open the store and serve; what was acknowledged before a stop is there again."""
        if self.driver is not None:
            return
        store = self._store if self._store is not None else open_store(self._location)
        workers = [self._make_worker(store) for _ in range(self._worker_count)]
        initialize_store(workers[0].shared, self._genesis)
        self._store, self._committer = store, committer_for(store)
        self.driver = NodeDriver(
            workers, committer=self._committer, clock=self._clock, address=self.name
        )
        self.node.replace(self.driver)

    def _make_worker(self, store: Store) -> Worker:
        return Worker(
            store,
            config=WorkerConfig(),
            secret=self.keys.consensus,
            applications=self._applications,
        )

    async def stop(self) -> None:
        """Stop serving; what is in memory is lost, what is stored stays."""
        if self.driver is None or self._committer is None or self._store is None:
            return
        driver, self.driver = self.driver, None
        self.node.stop()
        await driver.stop()
        await self._committer.close()
        if not self._store.name.startswith("memory:"):
            self._store.close()
            self._store = None

    def make_slow(self, seconds: float) -> None:
        """Answer every request this much later; 0 makes it fast again."""
        self.node.delay_seconds = seconds
