"""One validator of the embedded network: its store, its workers, and the node clients talk to."""

from typing import NamedTuple

from catenula.base.errors import LocalError
from catenula.base.identifiers import HASH_BYTES, ChainId
from catenula.chain.chain_state import ChainState
from catenula.execution.applications import ApplicationLoader
from catenula.network.configuration import NetworkConfiguration, ValidatorKeys
from catenula.protocol import GenesisConfig
from catenula.storage.engine import Store, open_store
from catenula.storage.shared import chain_root
from catenula.transport.in_process import InProcessNode
from catenula.validator.clock import Clock
from catenula.validator.commit_threads import CommitThreads
from catenula.validator.committer import Committer, committer_for
from catenula.validator.driver import NodeDriver
from catenula.validator.oracles import LoopOracles
from catenula.validator.signature_process import SignatureHelper
from catenula.worker import Worker, WorkerConfig, initialize_store

_CHAIN_PREFIX = chain_root(ChainId(bytes(HASH_BYTES)))[:-HASH_BYTES]


class Surroundings(NamedTuple):
    """What the nodes of one process share: nothing that has to do with the protocol's state."""

    clock: Clock
    applications: ApplicationLoader
    commit_threads: CommitThreads
    signatures: SignatureHelper | None = None


class EmbeddedValidator:
    """A validator that can be stopped, started again from its store, and made slow."""

    def __init__(
        self,
        configuration: NetworkConfiguration,
        index: int,
        *,
        location: str,
        surroundings: Surroundings,
    ) -> None:
        self.name = f"validator {index + 1}"
        self.keys: ValidatorKeys = configuration.validators[index]
        self._genesis: GenesisConfig = configuration.genesis
        self._worker_count = configuration.workers
        self._location, self._surroundings = location, surroundings
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
        if self._store is None:
            self._store = open_store(self._location)
        store = self._store
        workers = [self._make_worker(store) for _ in range(self._worker_count)]
        initialize_store(workers[0].shared, self._genesis)
        self._committer = committer_for(store, self._surroundings.commit_threads)
        self.driver = NodeDriver(
            workers, committer=self._committer, clock=self._surroundings.clock, address=self.name
        )
        self.driver.signatures = self._surroundings.signatures
        self.node.replace(self.driver)

    def _make_worker(self, store: Store) -> Worker:
        return Worker(
            store,
            config=WorkerConfig(),
            secret=self.keys.consensus,
            applications=self._surroundings.applications,
            make_oracles=LoopOracles,
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

    def abandon(self) -> None:
        """Close the store of a validator that has served nobody yet."""
        store, self._store, self.driver = self._store, None, None
        if store is not None:
            store.close()

    # Looking inside; to be read only, and not across an ``await``

    def chain(self, chain_id: ChainId) -> ChainState:
        """The validator's own state of a chain; `LocalError` while it is stopped."""
        return self._running_driver().worker_of(chain_id).chain(chain_id)

    def chain_ids(self) -> list[ChainId]:
        """All chains the validator has stored, ascending; `LocalError` while it is stopped."""
        self._running_driver()
        roots = [] if self._store is None else self._store.roots(_CHAIN_PREFIX)
        return [ChainId(root[len(_CHAIN_PREFIX) :]) for root in roots]

    def _running_driver(self) -> NodeDriver:
        if self.driver is None:
            raise LocalError(f"{self.name} is not running", retryable=True)
        return self.driver

    def make_slow(self, seconds: float) -> None:
        """Answer every request this much later; 0 makes it fast again."""
        self.node.delay_seconds = seconds
