"""`Client`: one store, one network, one wallet, and all the chains in it."""

from collections import OrderedDict
from functools import partial
from random import Random
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from msgspec import Struct, field

from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.identifiers import AccountOwner, ChainId
from catenula.base.limits import MAX_CLIENT_CHAINS_IN_MEMORY
from catenula.client.background import BackgroundUpdates, Update
from catenula.client.chain_client import ChainClient
from catenula.client.context import ClientContext
from catenula.client.errors import Explanation, NotAnOwner
from catenula.client.local_node import LocalNode
from catenula.client.message_policy import MessagePolicy
from catenula.client.notifications import Listener, OnChange
from catenula.client.options import DEFAULT_OPTIONS, SECOND_US, ClientOptions
from catenula.client.remote_node import NodeProvider, RemoteNode, Validators
from catenula.client.scheduler import RequestScheduler
from catenula.client.session import ChainSession
from catenula.client.signers import Signer, WalletSigner
from catenula.client.staging import may_propose
from catenula.client.synchronize import fetch_chain_info, synchronize_chain
from catenula.client.trust import Committees
from catenula.client.turns import ChainTurns
from catenula.client.updater import bring_up_to_date
from catenula.client.wallet import WALLET_SCOPE, Wallet, WalletChain
from catenula.protocol import GenesisConfig
from catenula.storage.engine import Claim, Store
from catenula.storage.process_locks import ProcessLocks
from catenula.validator.clock import Clock, SystemClock
from catenula.validator.commit_threads import CommitThreads
from catenula.validator.committer import Committer, committer_for
from catenula.validator.default_applications import default_applications
from catenula.validator.driver import NodeDriver
from catenula.validator.oracles import ApplicationLog, LoopOracles
from catenula.validator.ownership import SharedOwnership
from catenula.worker import Worker, WorkerConfig, initialize_store

if TYPE_CHECKING:
    from catenula.execution.applications import ApplicationLoader


class ClientSetup(Struct):
    """What a client is made of.

    ``signer`` is by default the wallet's own keys. ``random`` orders downloads; give a seeded one
    to repeat a run. Several clients of a process may share ``commit_threads``. Messages to every
    chain of the wallet are delivered on this client's node. With ``sharing`` other processes may
    use the store at the same time, if its engine allows that; without, it is this client's alone.
    """

    store: Store
    genesis: GenesisConfig
    provider: NodeProvider
    signer: Signer | None = None
    options: ClientOptions = DEFAULT_OPTIONS
    clock: Clock = field(default_factory=SystemClock)
    random: Random = field(default_factory=Random)
    commit_threads: CommitThreads | None = None
    applications: "ApplicationLoader" = field(default_factory=default_applications)
    sharing: bool = False


class Client:
    """A wallet on a network. Make one per store; `close` it when done."""

    def __init__(self, setup: ClientSetup) -> None:
        """Initialises an empty store; `LocalError` when it belongs to another network."""
        self._store = setup.store
        shares = setup.sharing and setup.store.is_shareable
        claim = Claim.SHARED if shares else Claim.EXCLUSIVE
        self._ownership = SharedOwnership(setup.store) if shares else None
        self._committer: Committer = committer_for(setup.store, setup.commit_threads, claim=claim)
        self.wallet = Wallet(setup.store, self._committer, self._ownership)
        self.signer: Signer = setup.signer or WalletSigner(self.wallet)
        self._setup = setup
        self.application_log = ApplicationLog()
        local = self._local = self._local_node(setup.store, self._committer, self._ownership)
        if self._ownership is not None:
            self._ownership.forgetters.append(self._track_new_chains)
        initialize_store(local.shared, setup.genesis)
        options = setup.options
        updates = BackgroundUpdates(
            self._send_update,
            limit=options.max_background_updates,
            waiting_limit=options.max_waiting_updates,
        )
        committees = Committees(local, setup.genesis.admin_chain_id)
        self.context = ClientContext(
            local=local,
            local_over=self._local_node_over,
            wallet=self.wallet,
            signer=self.signer,
            validators=Validators(setup.provider),
            committees=committees,
            downloads=RequestScheduler(options, setup.clock, committees.has_signed),
            options=options,
            clock=setup.clock,
            random=setup.random,
            updates=updates,
            turns=self._turns(setup, local),
        )
        self._chains: WeakValueDictionary[ChainId, ChainClient] = WeakValueDictionary()
        self._recent: OrderedDict[ChainId, ChainClient] = OrderedDict()
        self._listeners: list[Listener] = []

    def _local_node_over(self, store: Store) -> LocalNode:
        return self._local_node(store, committer_for(store), None)

    def _local_node(
        self, store: Store, committer: Committer, ownership: SharedOwnership | None
    ) -> LocalNode:
        setup = self._setup
        config = WorkerConfig(
            allow_deprecated_epochs=True,
            tracked_chains=set(self.wallet.chain_ids()),
            long_lived_services=setup.options.long_lived_services,
        )
        worker = Worker(
            store,
            config=config,
            secret=None,
            applications=setup.applications,
            make_oracles=partial(LoopOracles, sink=self.application_log),
        )
        driver = NodeDriver(worker, committer=committer, clock=setup.clock, ownership=ownership)
        driver.side_runs.sink = self.application_log
        return LocalNode(driver, committer, ownership)

    def _track_new_chains(self, scope: bytes) -> None:
        """Another process may have added chains to the wallet."""
        if scope == WALLET_SCOPE:
            for chain_id in self.wallet.chain_ids():
                self._local.worker.track_chain(chain_id)

    def _turns(self, setup: ClientSetup, local: LocalNode) -> ChainTurns | None:
        lock_file = setup.store.lock_file
        if self._ownership is None or lock_file is None:
            return None
        patience_seconds = setup.options.chain_lock_patience_us / SECOND_US
        locks = ProcessLocks(lock_file)
        return ChainTurns(
            locks,
            self._ownership,
            wallet=self.wallet,
            local=local,
            patience_seconds=patience_seconds,
        )

    async def _send_update(self, remote: RemoteNode, update: Update) -> None:
        await bring_up_to_date(self.context, remote, update)

    @property
    def admin_chain_id(self) -> ChainId:
        """The chain that announces committees."""
        return self.context.admin_chain_id

    # Chains

    def chain(self, chain_id: ChainId) -> ChainClient:
        """The client's handle of a chain; its owner is the wallet's, if the wallet has it."""
        found = self._chains.get(chain_id)
        if found is None:
            row = self.wallet.chain(chain_id)
            owner = None if row is None else row.owner
            session = ChainSession(chain_id, owner, self.context.options.message_policy)
            pending = self.wallet.proposal(chain_id).pending
            known = self.context.local.chain(chain_id).next_block_height
            if pending is not None and pending.block.height >= known:
                session.adopt(pending)
            found = self._chains[chain_id] = ChainClient(self.context, session)
        self._keep(found)
        return found

    def _keep(self, chain: ChainClient) -> None:
        """Remember the most recently used chains, and those with a block in flight."""
        recent = self._recent
        recent[chain.chain_id] = chain
        recent.move_to_end(chain.chain_id)
        if len(recent) > MAX_CLIENT_CHAINS_IN_MEMORY:
            oldest = next(iter(recent))
            if recent[oldest].session.is_idle:
                del recent[oldest]
            else:
                recent.move_to_end(oldest)

    async def assign(self, owner: AccountOwner, chain_id: ChainId) -> ChainClient:
        """Take a chain into the wallet for an owner (spec 07 §10); `NotAnOwner`, `UnknownChain`."""
        self.context.local.worker.track_chain(chain_id)
        await fetch_chain_info(self.context, chain_id)
        await synchronize_chain(self.context, chain_id, with_consensus=True)
        state = self.context.local.chain(chain_id)
        if not may_propose(state, owner):
            raise NotAnOwner(
                Explanation(
                    "The owner may not propose blocks of this chain",
                    chain_id,
                    state.next_block_height,
                    who=owner,
                    next_step="choose one of its owners",
                )
            )
        return await self._put(chain_id, owner)

    async def follow(self, chain_id: ChainId) -> ChainClient:
        """Take a chain into the wallet without an owner: it can be read, not written."""
        self.context.local.worker.track_chain(chain_id)
        await fetch_chain_info(self.context, chain_id)
        return await self._put(chain_id, None)

    async def _put(self, chain_id: ChainId, owner: AccountOwner | None) -> ChainClient:
        state = self.context.local.chain(chain_id)
        tip, system = state.tip, state.execution.system
        row = WalletChain(
            owner, tip.block_hash, tip.next_block_height, system.timestamp.get(), state.epoch
        )
        await self.wallet.put_chain(chain_id, row)
        chain = self.chain(chain_id)
        chain.set_preferred_owner(owner)
        return chain

    async def forget(self, chain_id: ChainId) -> None:
        """Remove a chain from the wallet; keys stay."""
        await self.wallet.forget_chain(chain_id)
        self._chains.pop(chain_id, None)
        self._recent.pop(chain_id, None)
        for listener in self._listeners:
            listener.unfollow(chain_id)

    # Listening and ending

    def listener(self, on_change: OnChange | None = None) -> Listener:
        """A listener to validators' notifications; stopped with the client."""
        listener = Listener(self.context, on_change, self._policy_of)
        self._listeners.append(listener)
        return listener

    def _policy_of(self, chain_id: ChainId) -> MessagePolicy:
        chain = self._chains.get(chain_id)
        return self.context.options.message_policy if chain is None else chain.session.policy

    def update_validator(self, public_key: Secp256k1PublicKey) -> None:
        """Send a validator, in the background, what it lacks of the wallet's chains."""
        for remote in self.context.nodes():
            if remote.public_key == public_key:
                for chain_id in self.wallet.chain_ids():
                    height = self.context.local.known_height(chain_id)
                    self.context.updates.submit(remote, Update(chain_id, height))

    async def settled(self) -> None:
        """Return when validators have what this client had to send them (slow ones included)."""
        await self.context.updates.settled()
        await self.context.local.driver.settled()

    async def close(self) -> None:
        """Stop listening and sending, make everything durable, close the store."""
        for listener in self._listeners:
            await listener.stop()
        await self.context.updates.close()
        await self.context.local.driver.stop()
        await self._committer.close()
        self._store.close()
