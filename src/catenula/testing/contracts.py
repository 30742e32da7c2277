"""`ContractTest`: run one application against chains in memory, in milliseconds a block.

    test = ContractTest(policy=TESTNET)
    counter = test.deploy("counter_contract.wasm", "counter_service.wasm", argument=5)
    report = counter.execute((3).to_bytes(8, "little"))
    assert report.response == (8).to_bytes(8, "little")
    assert report.wasm_fuel < 20_000
    assert counter.query({"query": "{ value }"}).json() == {"data": {"value": 8}}

The code that runs is that of validators, and every block is executed twice (see
`catenula.testing.execution_world`). An application is the same on every chain of the test:
`Application.on` uses it on another chain, `ContractTest.deliver` brings the messages of a block
there. What an application may not do raises `ExecutionError`, and the chain is as it was before.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from catenula.base.compression import compress
from catenula.base.identifiers import AccountOwner, ApplicationId, ChainId
from catenula.base.integers import Amount, BlockHeight, Timestamp
from catenula.execution.block import ExecutedTransactions
from catenula.execution.queries import QueryInputs, query_application
from catenula.execution.resources import ResourceTracker
from catenula.execution.wasm.loader import WasmApplications
from catenula.protocol import (
    NO_FEES,
    ApplicationDescription,
    ApplicationPermissions,
    BlobContent,
    BlobType,
    ChainOwnership,
    CreateApplication,
    Event,
    IncomingBundle,
    ModuleId,
    Operation,
    OracleResponse,
    OutgoingMessage,
    ResourceControlPolicy,
    UserOperation,
    VmRuntime,
)
from catenula.testing.execution_world import ALICE, Chain, World, bundle

if TYPE_CHECKING:
    from catenula.execution.applications import ApplicationLoader

INITIAL_BALANCE = Amount(1_000_000 * 10**18)
"""What a new chain of a test holds, in attotokens."""

FAST_COMPRESSION_LEVEL = 1
"""Any zstd frame will do for a published module; nobody keeps these."""

Bytecode = bytes | str | Path
"""A module: its bytes, or the path of its file."""


class Report(Struct, frozen=True):
    """What one block did and what it cost.

    ``response`` is the result of its first operation, ``fees`` are in attotokens and
    ``resources`` counts everything that is priced (spec 02 §14.2). ``lines`` holds what guests
    logged during the block, as (level, text).
    """

    chain_id: ChainId
    response: bytes
    fees: Amount
    resources: ResourceTracker
    messages: tuple[OutgoingMessage, ...]
    events: tuple[Event, ...]
    oracle_responses: tuple[OracleResponse, ...]
    blobs: tuple[BlobContent, ...]
    lines: tuple[tuple[int, str], ...]

    @property
    def wasm_fuel(self) -> int:
        """Units of fuel burnt."""
        return self.resources.wasm_fuel

    def __str__(self) -> str:
        """What was used, one counter per line, without those at zero."""
        counters = zip(ResourceTracker.__struct_fields__, self.resources.values(), strict=True)
        used = [f"{name:<24}{count:>16,}" for name, count in counters if count and name != "fees"]
        return "\n".join([f"{'fees':<24}{self.fees!s:>16}", *used])


class Answer(NamedTuple):
    """The answer of a service, and the operations it scheduled."""

    response: bytes
    operations: tuple[UserOperation, ...]

    def json(self) -> Any:
        """The response read as JSON."""
        return json.loads(self.response)


class ContractTest:
    """Chains in memory, all run under one fee policy; the admin chain is made by itself."""

    def __init__(
        self,
        policy: ResourceControlPolicy = NO_FEES,
        *,
        applications: "ApplicationLoader | None" = None,
    ) -> None:
        self.world = World(policy, applications=applications or WasmApplications())
        self.chain = self.open_chain()

    def open_chain(
        self,
        owner: AccountOwner = ALICE,
        balance: Amount = INITIAL_BALANCE,
        permissions: ApplicationPermissions | None = None,
    ) -> Chain:
        """A new chain of one owner."""
        return self.world.open_root(ChainOwnership.single(owner), balance, permissions)

    def set_time(self, time: int, *, is_backdated: bool = False) -> None:
        """Let validators and applications see this time, in microseconds since 1970.

        From now on blocks of all chains take place then, unless they are to be backdated: a
        proposer may give a block an older time than the validators' clock shows.
        """
        self.world.oracles.now = Timestamp(time)
        if is_backdated:
            return
        self.world.block_time = Timestamp(time)
        for chain in self.world.chains.values():
            chain.timestamp = Timestamp(time)

    def deploy(
        self,
        contract: Bytecode,
        service: Bytecode,
        *,
        parameters: object = None,
        argument: object = None,
        required: tuple["Application", ...] = (),
    ) -> "Application":
        """Publish a module and create its application on the first chain.

        ``parameters`` and ``argument`` are bytes, or values that become JSON, as applications of
        the Rust SDK expect. Raises `ExecutionError` when the contract refuses.
        """
        operation = CreateApplication(
            self.publish(contract, service),
            as_json(parameters),
            as_json(argument),
            tuple(each.application_id for each in required),
        )
        report = self.run(self.chain, operation)
        created = next(b for b in report.blobs if b.blob_type is BlobType.APPLICATION_DESCRIPTION)
        description = ApplicationDescription.from_bcs(created.bytes)
        return Application(self, self.chain, description.application_id)

    def publish(self, contract: Bytecode, service: Bytecode) -> ModuleId:
        """Store a module, as if it had been published long ago."""
        hashes = [
            self.world.add_blob(
                BlobContent(kind, compress(read_bytecode(code), level=FAST_COMPRESSION_LEVEL))
            ).hash
            for kind, code in (
                (BlobType.CONTRACT_BYTECODE, contract),
                (BlobType.SERVICE_BYTECODE, service),
            )
        ]
        return ModuleId(hashes[0], hashes[1], VmRuntime.WASM)

    def run(
        self, chain: Chain, *items: Operation | IncomingBundle, signer: AccountOwner | None = ALICE
    ) -> Report:
        """A block of operations and bundles; `ExecutionError` when it cannot be executed."""
        lines = self.world.oracles.lines
        lines.clear()
        executed = chain.run(chain.propose(*items, signer=signer))
        # Each line comes twice, because the block was executed twice.
        return _report(chain.chain_id, executed, tuple(lines[: len(lines) // 2]))

    def deliver(self, report: Report) -> dict[ChainId, Report]:
        """Let every recipient of the block's messages accept them, in one block per chain."""
        recipients = dict.fromkeys(message.destination for message in report.messages)
        return {
            recipient: self.run(
                self.world.chain(recipient),
                bundle(
                    report.chain_id, *(m for m in report.messages if m.destination == recipient)
                ),
            )
            for recipient in recipients
        }


class Application(Struct, frozen=True):
    """An application as it is used on one chain."""

    test: ContractTest
    chain: Chain
    application_id: ApplicationId

    def on(self, chain: Chain) -> "Application":
        """The same application on another chain; its state there is its own."""
        return Application(self.test, chain, self.application_id)

    def execute(self, *operations: bytes, signer: AccountOwner | None = ALICE) -> Report:
        """A block of these operations, each as the contract expects it (BCS in the Rust SDK)."""
        items = [UserOperation(self.application_id, operation) for operation in operations]
        return self.test.run(self.chain, *items, signer=signer)

    def query(self, query: object) -> Answer:
        """Ask the service: with bytes, or a value that becomes JSON. Nothing is changed."""
        world = self.test.world
        inputs = QueryInputs(
            BlockHeight(self.chain.height), world.oracles.now, world, world.oracles
        )
        outcome = query_application(
            self.chain.state, self.application_id, as_json(query), inputs=inputs
        )
        return Answer(*outcome)

    def entries(self) -> dict[bytes, bytes]:
        """The application's store on this chain."""
        store = self.chain.state.users.try_load(self.application_id)
        return {} if store is None else dict(store.items())


def as_json(value: object) -> bytes:
    """Bytes as they are; anything else as compact JSON."""
    if isinstance(value, bytes):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def read_bytecode(code: Bytecode) -> bytes:
    """The bytes of a module."""
    return code if isinstance(code, bytes) else Path(code).read_bytes()


def _report(
    chain_id: ChainId, executed: ExecutedTransactions, lines: tuple[tuple[int, str], ...]
) -> Report:
    return Report(
        chain_id,
        executed.operation_results[0] if executed.operation_results else b"",
        Amount(executed.resources.fees),
        executed.resources,
        _flat(executed.messages),
        _flat(executed.events),
        _flat(executed.oracle_responses),
        _flat(executed.blobs),
        lines,
    )


def _flat(lists: tuple[tuple[Any, ...], ...]) -> tuple[Any, ...]:
    return tuple(item for items in lists for item in items)
