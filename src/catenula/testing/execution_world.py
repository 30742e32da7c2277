"""`World`: execution without validators: shared data in dictionaries, chains, blocks by hand.

Every block is executed twice, as a proposal and again as a confirmed block with the recorded oracle
responses, and both must agree (C17). There are no signatures, votes or inboxes here:
`catenula.testing.tiny_network` has those.
"""

from collections.abc import Callable, Sequence

from catenula.base.errors import invariant
from catenula.base.identifiers import AccountOwner, ChainId, CryptoHash
from catenula.base.integers import U32, Amount, BlockHeight, Epoch, Timestamp
from catenula.execution.applications import ApplicationLoader, NativeApplications, NativeModule
from catenula.execution.block import ExecutedTransactions, ExecutionInputs, execute_block
from catenula.execution.environment import HttpRequest
from catenula.execution.errors import runtime_limit
from catenula.execution.initialization import initialize_chain
from catenula.execution.staging import StagedBlock, StagingPolicy, stage_block
from catenula.execution.state import ExecutionState
from catenula.protocol import (
    ApplicationPermissions,
    BlobContent,
    BlobId,
    BlobType,
    ChainDescription,
    ChainOwnership,
    Committee,
    EventId,
    ExecuteOperation,
    HttpResponse,
    IncomingBundle,
    InitialChainConfig,
    MessageAction,
    MessageBundle,
    ModuleId,
    NetworkDescription,
    Operation,
    OracleResponse,
    OutgoingMessage,
    PostedMessage,
    ProposedBlock,
    ReceiveMessages,
    ResourceControlPolicy,
    Root,
    Transaction,
    VmRuntime,
)
from catenula.storage import Batch, open_store
from catenula.views import Context

ALICE = AccountOwner.address32(b"\xa1" * 32)
BOB = AccountOwner.address32(b"\xb0" * 32)
EVE = AccountOwner.address20(b"\xee" * 20)
CHAIN = AccountOwner.CHAIN
START = Timestamp(1_000_000)


class FixedOracles:
    """Oracles that answer what a test put there; the clock stands still."""

    def __init__(self) -> None:
        self.now = START
        self.responses: dict[str, HttpResponse] = {}
        self.requests: list[HttpRequest] = []
        self.service_ms = 1
        self.service_runs = 0
        self.is_time_up = False
        self.lines: list[tuple[int, str]] = []

    def local_time(self) -> Timestamp:
        """What ``now`` says."""
        return self.now

    def http_request(
        self, request: HttpRequest, *, timeout_ms: int, maximum_bytes: int
    ) -> HttpResponse:
        """The response put there for this URL; the request is kept."""
        self.requests.append(request)
        return self.responses[request.url]

    def run_service(self, query: Callable[[], bytes], *, limit_ms: int) -> tuple[bytes, int]:
        """Run it without a limit; it took ``service_ms``."""
        self.service_runs += 1
        return query(), self.service_ms

    def expect_delay(self, what: str) -> None:
        """Nobody else waits here."""

    def time_is_up(self) -> bool:
        """What ``is_time_up`` says."""
        return self.is_time_up

    def interruption(self) -> Exception:
        """The error of a service that ran for too long."""
        return runtime_limit("MaximumServiceOracleExecutionTimeExceeded")

    def log(self, message: str, level: int) -> None:
        """Keep the line in ``lines``."""
        self.lines.append((level, message))


class World:
    """Shared storage of a network and its chains; the admin chain is root chain 0.

    ``applications`` runs the modules that no test has registered with `add_module`.
    """

    def __init__(
        self,
        policy: ResourceControlPolicy | None = None,
        *,
        applications: ApplicationLoader | None = None,
    ) -> None:
        self.blobs: dict[BlobId, bytes] = {}
        self.events: dict[EventId, bytes] = {}
        self.committees: dict[Epoch, Committee] = {
            Epoch(0): Committee({}, policy or ResourceControlPolicy())
        }
        self.applications = NativeApplications(applications)
        self.oracles = FixedOracles()
        self.block_time = START
        """When blocks of chains that are still to be opened take place."""
        self.chains: dict[ChainId, Chain] = {}
        self._roots = 0
        self.network = NetworkDescription(
            "test", CryptoHash(bytes(32)), START, CryptoHash(bytes(32)), ChainId(bytes(32))
        )
        admin = self.open_root(ChainOwnership.single(ALICE))
        self.admin = admin
        self.network = self.network.replace(admin_chain_id=admin.chain_id)
        admin.state.system.admin_chain_id.set(admin.chain_id)
        admin.save()

    # What execution asks for

    def blob(self, blob_id: BlobId) -> bytes | None:
        """A stored blob."""
        return self.blobs.get(blob_id)

    def has_blob(self, blob_id: BlobId) -> bool:
        """Whether the blob is stored."""
        return blob_id in self.blobs

    def event(self, event_id: EventId) -> bytes | None:
        """A stored event."""
        return self.events.get(event_id)

    def has_event(self, event_id: EventId) -> bool:
        """Whether the event is stored."""
        return event_id in self.events

    def committee(self, epoch: Epoch) -> Committee | None:
        """The committee of an epoch."""
        return self.committees.get(epoch)

    def network_description(self) -> NetworkDescription:
        """The description of this network."""
        return self.network

    # What tests do

    def open_root(
        self,
        ownership: ChainOwnership,
        balance: int = 0,
        permissions: ApplicationPermissions | None = None,
    ) -> "Chain":
        """A genesis chain."""
        config = InitialChainConfig(
            ownership,
            Epoch(0),
            Epoch(0),
            Epoch(0),
            Amount(balance),
            permissions or ApplicationPermissions(),
        )
        description = ChainDescription(Root(U32(self._roots)), START, config)
        self._roots += 1
        self.add_blob(description.blob)
        return self.chain(description.chain_id)

    def chain(self, chain_id: ChainId) -> "Chain":
        """The chain of a stored description, initialised."""
        if chain_id not in self.chains:
            self.chains[chain_id] = Chain(self, chain_id)
        return self.chains[chain_id]

    def add_blob(self, content: BlobContent) -> BlobId:
        """Store a blob."""
        self.blobs[content.id] = content.bytes
        return content.id

    def add_module(self, name: str, module: NativeModule) -> ModuleId:
        """Store made-up bytecode and register a native module for it."""
        contract = BlobContent(BlobType.CONTRACT_BYTECODE, f"{name} contract".encode())
        service = BlobContent(BlobType.SERVICE_BYTECODE, f"{name} service".encode())
        module_id = ModuleId(
            self.add_blob(contract).hash, self.add_blob(service).hash, VmRuntime.WASM
        )
        self.applications.register(module_id, module)
        return module_id


class Chain:
    """One chain: its state, and blocks executed and applied at once."""

    def __init__(self, world: World, chain_id: ChainId) -> None:
        self.world = world
        self.chain_id = chain_id
        self.store = open_store("memory:")
        self.height = 0
        self.timestamp = world.block_time
        self.state = self._load()
        self.initial_hash = initialize_chain(self.state, world)
        self.save()

    def _load(self) -> ExecutionState:
        return ExecutionState(Context(self.store.partition(b"chain")).field(0), self.chain_id)

    def reload(self) -> None:
        """Drop the state and load it again."""
        self.state = self._load()

    def save(self) -> None:
        """Write the pending changes."""
        batch = Batch()
        self.state.save(batch)
        self.store.commit([(b"chain", batch)])

    def propose(
        self, *items: Operation | IncomingBundle, signer: AccountOwner | None = ALICE
    ) -> ProposedBlock:
        """A block of operations and bundles at the next height."""
        return ProposedBlock(
            self.chain_id,
            self.state.system.epoch.get(),
            tuple(_transaction(item) for item in items),
            BlockHeight(self.height),
            self.timestamp,
            signer,
            None,
        )

    def inputs(
        self,
        *published: BlobContent,
        round_number: int | None = 0,
        replay: Sequence[Sequence[OracleResponse]] | None = None,
    ) -> ExecutionInputs:
        """Inputs of an execution."""
        return ExecutionInputs(
            self.world,
            self.world.oracles,
            {content.id: content for content in published},
            round_number,
            replay,
        )

    def run(
        self, block: ProposedBlock, *published: BlobContent, round_number: int | None = 0
    ) -> ExecutedTransactions:
        """Validate the block, roll back, replay it as a confirmed block and apply it.

        Both executions must agree, as must the checkpoint of the first re-applied.
        """
        validated = self.try_run(block, *published, round_number=round_number)
        replayed = execute_block(
            self.state, block, self.inputs(*published, replay=validated.oracle_responses)
        )
        invariant(replayed[:6] == validated[:6], "C17", chain_id=self.chain_id, height=self.height)
        for content in published:
            self.world.add_blob(content)
        self._apply(replayed)
        return replayed

    def try_run(
        self, block: ProposedBlock, *published: BlobContent, round_number: int | None = 0
    ) -> ExecutedTransactions:
        """Execute the block and roll back."""
        try:
            return execute_block(
                self.state, block, self.inputs(*published, round_number=round_number)
            )
        finally:
            self.state.rollback()

    def execute(
        self,
        *items: Operation | IncomingBundle,
        signer: AccountOwner | None = ALICE,
        published: Sequence[BlobContent] = (),
    ) -> ExecutedTransactions:
        """Execute and apply a block of these items."""
        return self.run(self.propose(*items, signer=signer), *published)

    def stage(
        self,
        *items: Operation | IncomingBundle,
        policy: StagingPolicy | None = None,
        signer: AccountOwner | None = ALICE,
    ) -> StagedBlock:
        """Stage a block and roll back."""
        try:
            return stage_block(
                self.state,
                self.propose(*items, signer=signer),
                self.inputs(),
                policy=policy or StagingPolicy(),
            )
        finally:
            self.state.rollback()

    def _apply(self, executed: ExecutedTransactions) -> None:
        for blobs in executed.blobs:
            for content in blobs:
                self.world.add_blob(content)
        for events in executed.events:
            for event in events:
                self.world.events[event.id(self.chain_id)] = event.value
        self.save()
        self.height += 1

    def balance(self, owner: AccountOwner = CHAIN) -> int:
        """A balance; 0 without an account."""
        system = self.state.system
        return system.balance.get() if owner == CHAIN else system.balances.get(owner) or 0


def _transaction(item: Operation | IncomingBundle) -> Transaction:
    return ReceiveMessages(item) if isinstance(item, IncomingBundle) else ExecuteOperation(item)


def bundle(
    origin: Chain | ChainId,
    *messages: OutgoingMessage,
    action: MessageAction = MessageAction.ACCEPT,
    index: int = 0,
) -> IncomingBundle:
    """A bundle as it would arrive from ``origin``."""
    origin_id = origin.chain_id if isinstance(origin, Chain) else origin
    posted = tuple(
        PostedMessage(
            message.authenticated_signer,
            message.grant,
            message.refund_grant_to,
            message.kind,
            U32(position),
            message.message,
        )
        for position, message in enumerate(messages)
    )
    return IncomingBundle(
        origin_id,
        MessageBundle(BlockHeight(0), START, CryptoHash(bytes(32)), U32(index), posted),
        action,
    )


def messages_to(executed: ExecutedTransactions, chain: Chain) -> tuple[OutgoingMessage, ...]:
    """The messages of a block to one chain."""
    return tuple(
        message
        for messages in executed.messages
        for message in messages
        if message.destination == chain.chain_id
    )
