"""What a contract may ask of the host during one user action (spec 02 §15, spec 04 §2.3, §4).

One `ContractRuntime` lives for one action. It keeps the call stack, makes each application's
instance on its first call, and finalizes them in reverse order. A refusal of `close_chain`,
`change_ownership` and `change_application_permissions` is returned to the contract; every other
error ends the transaction.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from catenula.base.compression import compress
from catenula.base.identifiers import AccountOwner, ApplicationId, ChainId, CryptoHash
from catenula.base.integers import U32, Amount, Timestamp
from catenula.execution import accounts, blobs, epochs, queries, streams
from catenula.execution.accounts import Authority
from catenula.execution.applications import BytecodeSource, ContractInstance, ContractModule
from catenula.execution.base_runtime import BaseRuntime, Frame
from catenula.execution.chain_creation import open_chain
from catenula.execution.environment import HttpRequest
from catenula.execution.errors import ExecutionError, runtime_error
from catenula.execution.executor import Executor, MessageContext
from catenula.execution.nesting import enter_guest, leave_guest
from catenula.execution.permissions import is_permitted
from catenula.execution.resources import NO_RESOURCES, ActionBudget, Grant, MessageResources
from catenula.protocol import (
    Account,
    ApplicationDescription,
    ApplicationPermissions,
    BlobContent,
    BlobType,
    ChainOwnership,
    EventId,
    HttpResponse,
    MessageKind,
    ModuleId,
    OpenChainConfig,
    OracleAssert,
    OracleHttp,
    OracleResponse,
    OracleRound,
    OracleService,
    OutgoingMessage,
    StreamId,
    UserMessage,
    VmRuntime,
)
from catenula.storage.batch import Batch

_Result = TypeVar("_Result")


class SendMessageRequest(NamedTuple):
    """A message a contract wants sent; whether it is authenticated is not the contract's choice."""

    destination: ChainId
    message: bytes
    is_tracked: bool = False
    grant: MessageResources = NO_RESOURCES


class ActionOrigin(NamedTuple):
    """Who is behind a user action and who pays for it (spec 04 §4.1, spec 02 §14.1)."""

    signer: AccountOwner | None
    refund_grant_to: Account | None
    message: MessageContext | None = None
    grant: Grant | None = None
    is_free: bool = False


class ContractRuntime(BaseRuntime[ContractModule]):
    """The host as a contract sees it."""

    def __init__(self, executor: Executor, budget: ActionBudget, origin: ActionOrigin) -> None:
        super().__init__(executor, budget)
        self._signer = origin.signer
        self._refund_grant_to = origin.refund_grant_to
        self._message = origin.message
        self._finalizing = False
        self._instances: dict[ApplicationId, ContractInstance] = {}

    # Life cycle, used by the executor of actions

    def run(
        self, application_id: ApplicationId, entry: Callable[[ContractInstance], _Result]
    ) -> _Result:
        """Preload the application, call its entry point and finalize every instance."""
        self._preload(application_id)
        try:
            result = self._call(application_id, None, self._signer, entry=entry)
            self._finalizing = True
            for loaded in reversed(tuple(self._instances)):
                self._call(loaded, None, self._signer, entry=_finalize)
        finally:
            # Instances refer to this runtime too; their memory is to go now.
            self._instances.clear()
        return result

    def _make_module(
        self, description: ApplicationDescription, bytecode: BytecodeSource
    ) -> ContractModule:
        executor = self._executor
        loader = executor.environment.applications
        if not loader.is_ready(description, service=False):
            executor.oracles.expect_delay("compiling a contract")
        return loader.contract(description, bytecode)

    def _call(
        self,
        application_id: ApplicationId,
        caller: ApplicationId | None,
        signer: AccountOwner | None,
        *,
        entry: Callable[[ContractInstance], _Result],
    ) -> _Result:
        module, description = self._load(application_id)
        instance = self._instances.get(application_id)
        if instance is None:
            self._frames.append(Frame(application_id, description, caller, signer))
            instance = self._instances[application_id] = module.instance(self)
            self._frames.pop()
        self._frames.append(Frame(application_id, description, caller, signer))
        enter_guest()
        try:
            result = entry(instance)
        finally:
            leave_guest()
        self._frames.pop()
        return result

    # Fuel

    def remaining_fuel(self, runtime: VmRuntime = VmRuntime.WASM) -> int:
        """Fuel that the budget and the block's limit still allow."""
        return self._budget.remaining_fuel(runtime)

    @property
    def fuel_price(self) -> int:
        """Attotokens per unit of Wasm fuel; 0 where other spending does not shorten it."""
        return 0 if self._budget.is_free else self._budget.policy.wasm_fuel_unit

    def consume_fuel(self, fuel: int, runtime: VmRuntime = VmRuntime.WASM) -> None:
        """Pay for executed instructions."""
        self._budget.charge_fuel(fuel, runtime)

    # Who calls

    def authenticated_signer(self) -> AccountOwner | None:
        """The signer visible to the current call frame."""
        return self._frame.signer

    def authenticated_caller_id(self) -> ApplicationId | None:
        """The calling application, when it made an authenticated call."""
        return self._frame.caller

    def message_is_bouncing(self) -> bool | None:
        """Whether the executing message bounced; None outside messages."""
        return None if self._message is None else self._message.is_bouncing

    def message_origin_chain_id(self) -> ChainId | None:
        """The chain that sent the executing message; None outside messages."""
        return None if self._message is None else self._message.origin

    def validation_round(self) -> int | None:
        """The multi-leader round the block was validated in, if any."""
        recorded = OracleRound(_optional_u32(self._executor.block.round_number))
        response = self._executor.tracker.oracle(lambda: recorded)
        if type(response) is not OracleRound:
            raise ExecutionError("OracleResponseMismatch", recorded=response)
        return response.round

    def assert_before(self, timestamp: Timestamp) -> None:
        """Fail unless the node's clock is before ``timestamp``; replay trusts the record."""
        tracker = self._executor.tracker
        now = None if tracker.replay is not None else self._executor.oracles.local_time()
        tracker.record_or_match(OracleAssert())
        if now is not None and now >= timestamp:
            raise runtime_error("AssertBefore", timestamp=timestamp, local_time=now)

    # Money and messages

    def send_message(self, request: SendMessageRequest) -> None:
        """Send a message to this application on another chain; its grant is paid at once."""
        frame = self._frame
        grant = self._budget.facts.total_price(request.grant)
        if grant:
            self._budget.charge_grant(grant)
        self._executor.tracker.outgoing_messages.append(
            OutgoingMessage(
                request.destination,
                frame.signer,
                Amount(grant),
                self._refund_grant_to if grant else None,
                MessageKind.TRACKED if request.is_tracked else MessageKind.SIMPLE,
                UserMessage(frame.application_id, request.message),
            )
        )

    def transfer(self, source: AccountOwner, recipient: Account, amount: Amount) -> None:
        """Transfer with the authority of the visible signer or of this application."""
        message = accounts.transfer(
            self._executor.system,
            Authority(self._frame.signer, self._frame.application_id),
            source=source,
            recipient=recipient,
            amount=amount,
        )
        self._send(message)

    def claim(self, source: Account, recipient: Account, amount: Amount) -> None:
        """Claim from an account on this or another chain."""
        message = accounts.claim(
            self._executor.system,
            Authority(self._frame.signer, self._frame.application_id),
            source=source,
            recipient=recipient,
            amount=amount,
        )
        self._send(message)

    def _send(self, message: OutgoingMessage | None) -> None:
        if message is not None:
            self._executor.tracker.outgoing_messages.append(message)

    # The chain

    def open_chain(
        self,
        ownership: ChainOwnership,
        application_permissions: ApplicationPermissions,
        balance: Amount,
    ) -> ChainId:
        """Open a child chain, funded from the chain balance."""
        self.block_height()
        return open_chain(
            self._executor, OpenChainConfig(ownership, balance, application_permissions)
        )

    def close_chain(self) -> bool:
        """Close the chain; False when this application may not."""
        if not self._is_listed("close_chain"):
            return False
        self._executor.system.closed.set(True)
        return True

    def change_ownership(self, ownership: ChainOwnership) -> bool:
        """Replace the ownership; False when this application may not."""
        if not self._is_listed("close_chain"):
            return False
        self._executor.system.ownership.set(ownership)
        return True

    def change_application_permissions(self, permissions: ApplicationPermissions) -> bool:
        """Replace the permissions; False when this application may not."""
        if not self._is_listed("change_application_permissions"):
            return False
        self._executor.system.application_permissions.set(permissions)
        return True

    def _is_listed(self, permission: str) -> bool:
        permissions = self._executor.system.application_permissions.get()
        listed: tuple[ApplicationId, ...] = getattr(permissions, permission)
        return self._frame.application_id in listed

    # Applications and blobs

    def create_application(
        self,
        module_id: ModuleId,
        *,
        parameters: bytes,
        argument: bytes,
        required_application_ids: tuple[ApplicationId, ...],
    ) -> ApplicationId:
        """Create an application and instantiate it in an authenticated call."""
        if self._finalizing:
            raise runtime_error("CrossApplicationCallInFinalize")
        self.block_height()
        application_id = blobs.create_application(
            self._executor,
            module_id,
            parameters=parameters,
            required_application_ids=required_application_ids,
        )
        frame = self._frame
        self._call(
            application_id,
            frame.application_id,
            frame.signer,
            entry=lambda instance: instance.instantiate(argument),
        )
        return application_id

    def call_application(
        self, callee: ApplicationId, argument: bytes, *, authenticated: bool
    ) -> bytes:
        """Call another application; it must not be active already."""
        if any(frame.application_id == callee for frame in self._frames):
            raise runtime_error("ReentrantCall", application_id=callee)
        if self._finalizing:
            raise runtime_error("CrossApplicationCallInFinalize")
        frame = self._frame
        return self._call(
            callee,
            frame.application_id if authenticated else None,
            frame.signer if authenticated else None,
            entry=lambda instance: instance.execute_operation(argument),
        )

    def create_data_blob(self, content: bytes) -> CryptoHash:
        """Create a data blob; its fee is due at the end of the transaction."""
        return self._create_blob(BlobType.DATA, content)

    def publish_module(self, contract: bytes, service: bytes, runtime: VmRuntime) -> ModuleId:
        """Compress and publish bytecode; nothing is compiled."""
        if runtime is VmRuntime.EVM:
            blob_hash = self._create_blob(BlobType.EVM_BYTECODE, compress(contract))
            return ModuleId(blob_hash, blob_hash, runtime)
        return ModuleId(
            self._create_blob(BlobType.CONTRACT_BYTECODE, compress(contract)),
            self._create_blob(BlobType.SERVICE_BYTECODE, compress(service)),
            runtime,
        )

    def _create_blob(self, blob_type: BlobType, content: bytes) -> CryptoHash:
        blob = BlobContent(blob_type, content)
        self._executor.tracker.add_created_blob(blob, is_free=self._budget.is_free)
        return blob.hash

    # Storage

    def write_batch(self, batch: Batch) -> None:
        """Apply writes in order to this application's store; even an empty batch creates it."""
        budget = self._budget
        budget.charge_write_operations(len(batch.operations))
        budget.charge_bytes_written(
            sum(len(key) + len(value) for _, key, value in batch.operations)
        )
        store = self._executor.state.users.load_or_create(self._frame.application_id)
        store.write_batch(batch)

    # Event streams

    def emit(self, stream_name: bytes, value: bytes) -> int:
        """Emit an event of this application; returns its index."""
        stream_id = streams.stream_of(self._frame.application_id, stream_name)
        index = streams.emit(self._executor, stream_id, value)
        self._budget.charge_bytes_written(len(value))
        return index

    def read_event(self, chain_id: ChainId, stream_name: bytes, index: int) -> bytes:
        """An event of this application's stream on any chain, else `EventsNotFound`."""
        stream_id = streams.stream_of(self._frame.application_id, stream_name)
        event_id = EventId(chain_id, stream_id, U32(index))
        value = epochs.event_value(self._executor, event_id)
        self._budget.charge_bytes_read(len(value))
        return value

    def subscribe_to_events(
        self, chain_id: ChainId, application_id: ApplicationId, stream_name: bytes
    ) -> None:
        """Let this application process the events of a stream."""
        stream: StreamId = streams.stream_of(application_id, stream_name)
        streams.subscribe(self._executor, self._frame.application_id, (chain_id, stream))

    def unsubscribe_from_events(
        self, chain_id: ChainId, application_id: ApplicationId, stream_name: bytes
    ) -> None:
        """End a subscription of this application."""
        stream: StreamId = streams.stream_of(application_id, stream_name)
        streams.unsubscribe(self._executor, self._frame.application_id, (chain_id, stream))

    # Oracles

    def query_service(self, application_id: ApplicationId, query: bytes) -> bytes:
        """Ask a service; validation runs it, replay takes the recorded answer."""
        permissions = self._executor.system.application_permissions.get()
        caller = self._frame.application_id
        if not is_permitted(permissions.call_service_as_oracle, caller):
            raise runtime_error("UnauthorizedApplication", application_id=caller)
        budget = self._budget
        budget.charge_service_query()
        limit_ms = budget.remaining_service_ms()

        def ask() -> OracleResponse:
            response, elapsed_ms = self._executor.oracles.run_service(
                lambda: queries.oracle_query(self._executor, application_id, query),
                limit_ms=limit_ms,
            )
            budget.add_service_time(elapsed_ms)
            return OracleService(response)

        recorded = self._executor.tracker.oracle(ask)
        if type(recorded) is not OracleService:
            raise ExecutionError("OracleResponseMismatch", recorded=recorded)
        maximum = budget.policy.maximum_oracle_response_bytes
        if len(recorded.response) > maximum:
            raise runtime_error("ServiceOracleResponseTooLarge", maximum=maximum)
        return recorded.response

    def http_request(self, request: HttpRequest) -> HttpResponse:
        """Perform an HTTP request; validation performs it, replay takes the recorded answer."""
        self._require_http_permission()
        self._budget.charge_http_request()
        response = self._executor.tracker.oracle(
            lambda: OracleHttp(
                self._perform_http(
                    request,
                    lambda policy: min(
                        policy.maximum_http_response_bytes, policy.maximum_oracle_response_bytes
                    ),
                )
            )
        )
        if type(response) is not OracleHttp:
            raise ExecutionError("OracleResponseMismatch", recorded=response)
        return response.response


def _finalize(instance: ContractInstance) -> None:
    instance.finalize()


def _optional_u32(number: int | None) -> U32 | None:
    return None if number is None else U32(number)
