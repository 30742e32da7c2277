"""Executing a proposed block: preconditions, transactions in order, fees, outcome (spec 02 §12).

Any failing transaction fails the block; the caller then rolls the state back. The outcome's tables
of previous blocks belong to the chain layer, which adds them.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct, field

from catenula.base.codec import Codec, codec_of
from catenula.base.codec.binary import encode_uleb
from catenula.base.errors import ArithmeticOverflow, DecodeError
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import BlockHeight
from catenula.execution.blobs import check_blob_size
from catenula.execution.environment import Environment, Oracles
from catenula.execution.errors import (
    BLOCK_CONTEXT,
    BlobsNotFound,
    BlockRuleError,
    ErrorContext,
    ExecutionError,
)
from catenula.execution.executor import BlockContext, Executor
from catenula.execution.incoming_messages import receive_bundle
from catenula.execution.meter import HANDLE_CONFIRMED, HANDLE_PROPOSAL, ExecutionMeter
from catenula.execution.permissions import check_permissions
from catenula.execution.policy import PolicyFacts, policy_facts
from catenula.execution.resources import ResourceController, ResourceTracker
from catenula.execution.state import ExecutionState
from catenula.execution.system_operations import execute_system_operation
from catenula.execution.tracker import TransactionTracker
from catenula.execution.user_actions import process_due_streams, run_operation
from catenula.protocol import (
    BlobContent,
    BlobId,
    BlobType,
    BlockExecutionOutcome,
    Event,
    ExecuteOperation,
    IncomingBundle,
    MessageKind,
    Operation,
    OperationResult,
    OracleResponse,
    OutgoingMessage,
    ProposedBlock,
    StreamId,
    Transaction,
    UserMessage,
    UserOperation,
)

_OPERATION: Codec[Operation] = codec_of(Operation)
_BUNDLE: Codec[IncomingBundle] = codec_of(IncomingBundle)
_MESSAGES: Codec[tuple[OutgoingMessage, ...]] = codec_of(tuple[OutgoingMessage, ...])
_RESPONSES: Codec[tuple[OracleResponse, ...]] = codec_of(tuple[OracleResponse, ...])
_EVENTS: Codec[tuple[Event, ...]] = codec_of(tuple[Event, ...])
_BLOBS: Codec[tuple[BlobContent, ...]] = codec_of(tuple[BlobContent, ...])


class ExecutionInputs(Struct, frozen=True):
    """What a block is executed with, besides the state.

    ``published_blobs`` holds exactly the blobs its operations publish. ``round_number`` is the
    multi-leader round in validation, None in other rounds. ``replay`` is the certified block's
    oracle responses when a confirmed block is executed, None in validation and staging. ``meter``
    measures, where a node wants that.
    """

    environment: Environment
    oracles: Oracles
    published_blobs: Mapping[BlobId, BlobContent] = field(default_factory=dict)
    round_number: int | None = None
    replay: Sequence[Sequence[OracleResponse]] | None = None
    meter: ExecutionMeter | None = None


class TransactionCost(NamedTuple):
    """What one transaction cost: fees in attotokens, fuel in units."""

    fees: int
    wasm_fuel: int
    evm_fuel: int


class ExecutedTransactions(NamedTuple):
    """The outcome of a block without its tables of previous blocks, and what it cost.

    ``resources`` are the block's totals; ``costs`` has an entry per transaction.
    """

    messages: tuple[tuple[OutgoingMessage, ...], ...]
    oracle_responses: tuple[tuple[OracleResponse, ...], ...]
    events: tuple[tuple[Event, ...], ...]
    blobs: tuple[tuple[BlobContent, ...], ...]
    operation_results: tuple[OperationResult, ...]
    state_hash: CryptoHash
    resources: ResourceTracker
    costs: tuple[TransactionCost, ...]


def execute_block(
    state: ExecutionState, block: ProposedBlock, inputs: ExecutionInputs
) -> ExecutedTransactions:
    """Execute ``block`` on ``state`` (spec 02 §12).

    Raises `BlockRuleError` or `ExecutionError` (with its context); the state then holds part of
    the block's writes and is to be rolled back.
    """
    run = BlockRun(state, block, inputs)
    if inputs.meter is not None:
        return _metered(run, block, inputs, inputs.meter)
    run.begin()
    for transaction in block.transactions:
        run.execute(transaction)
    return run.finish()


def _metered(
    run: "BlockRun", block: ProposedBlock, inputs: ExecutionInputs, meter: ExecutionMeter
) -> ExecutedTransactions:
    """The same, measured; a block that fails is not counted."""
    phase = HANDLE_PROPOSAL if inputs.replay is None else HANDLE_CONFIRMED
    block_started_us = meter.now_us()
    run.begin()
    for transaction in block.transactions:
        started_us = meter.now_us()
        run.execute(transaction)
        is_operation = type(transaction) is ExecuteOperation
        meter.transaction(phase, started_us, is_operation=is_operation)
    started_us = meter.now_us()
    executed = run.finish()
    meter.hashed(phase, started_us)
    meter.block(phase, block_started_us, executed.resources)
    return executed


class Checkpoint(NamedTuple):
    """Everything a failed transaction of a staged block has to undo."""

    state: object
    counters: tuple[int, ...]
    transactions: int
    results: int
    next_indices: tuple[int, int]
    created_blobs: dict[BlobId, BlobContent]


class BlockRun:
    """One block on its way through execution: the executor and the lists of the outcome."""

    __slots__ = (
        "_blobs",
        "_block",
        "_costs",
        "_created_blobs",
        "_events",
        "_executor",
        "_facts",
        "_inputs",
        "_messages",
        "_next_application_index",
        "_next_chain_index",
        "_responses",
        "_results",
    )

    def __init__(
        self, state: ExecutionState, block: ProposedBlock, inputs: ExecutionInputs
    ) -> None:
        self._block = block
        self._inputs = inputs
        self._facts = _committee_facts(state, inputs.environment)
        context = BlockContext(
            block.chain_id,
            block.height,
            block.timestamp,
            block.authenticated_signer,
            None if inputs.replay is not None else inputs.round_number,
        )
        self._executor = Executor(
            state,
            context,
            ResourceController(self._facts, block.authenticated_signer),
            environment=inputs.environment,
            oracles=inputs.oracles,
        )
        self._messages: list[tuple[OutgoingMessage, ...]] = []
        self._responses: list[tuple[OracleResponse, ...]] = []
        self._events: list[tuple[Event, ...]] = []
        self._blobs: list[tuple[BlobContent, ...]] = []
        self._results: list[OperationResult] = []
        self._costs: list[TransactionCost] = []
        self._created_blobs: dict[BlobId, BlobContent] = {}
        self._next_application_index = 0
        self._next_chain_index = 0

    # The steps of spec 02 §12

    def begin(self) -> None:
        """Check what holds for the block as a whole, then start it."""
        block, state, published = self._block, self._executor.state, self._inputs.published_blobs
        _check_preconditions(state, block)
        missing = block.published_blob_ids - published.keys()
        if missing:
            raise BlobsNotFound(sorted(missing, key=BlobId.order_key))
        if len(block.published_blob_ids) != len(published):
            raise BlockRuleError("InternalError", reason="more blobs given than published")
        check_permissions(
            state.system.application_permissions.get(), block.transactions, self._facts
        )
        state.system.timestamp.set(block.timestamp)
        try:
            for blob_id, content in published.items():
                check_blob_size(content, self._facts.policy)
                state.system.used_blobs.insert(blob_id)
        except ExecutionError as error:
            error.context = BLOCK_CONTEXT
            raise

    def execute(self, transaction: Transaction) -> None:
        """Execute the next transaction and append what it produced."""
        index = len(self._messages)
        executor = self._executor
        tracker = executor.tracker = TransactionTracker(
            self._created_blobs,
            self._recorded(index),
            next_application_index=self._next_application_index,
            next_chain_index=self._next_chain_index,
        )
        counters = executor.controller.tracker
        before = (counters.fees, counters.wasm_fuel, counters.evm_fuel)
        is_operation = type(transaction) is ExecuteOperation
        try:
            if type(transaction) is ExecuteOperation:
                self._operation(transaction.operation)
            else:
                self._receive(transaction.bundle)  # type: ignore[union-attr]  # The other variant.
            tracker.finish()
            blobs = tracker.sorted_created_blobs()
            self._charge_outcome(tracker, blobs)
        except ExecutionError as error:
            error.context = error.context or _context(is_operation, index)
            raise
        except (ArithmeticOverflow, DecodeError) as error:
            wrapped = ExecutionError(_WRAPPED_CODES[type(error)], **error.fields)
            wrapped.context = _context(is_operation, index)
            raise wrapped from error
        self._append(tracker, blobs)
        if is_operation:
            self._results.append(OperationResult(tracker.operation_result))
        self._costs.append(
            TransactionCost(
                counters.fees - before[0],
                counters.wasm_fuel - before[1],
                counters.evm_fuel - before[2],
            )
        )

    def finish(self) -> ExecutedTransactions:
        """Compute the state hash in the mode of the epoch now in force; the block is done."""
        executor = self._executor
        state = executor.state
        return ExecutedTransactions(
            tuple(self._messages),
            tuple(self._responses),
            tuple(self._events),
            tuple(self._blobs),
            tuple(self._results),
            state.state_hash(state.hash_mode(executor.environment)),
            executor.controller.tracker,
            tuple(self._costs),
        )

    # Checkpoints, for staging

    def checkpoint(self) -> Checkpoint:
        """The point to return to when the next transaction fails."""
        return Checkpoint(
            self._executor.state.staged(),
            self._executor.controller.tracker.values(),
            len(self._messages),
            len(self._results),
            (self._next_application_index, self._next_chain_index),
            dict(self._created_blobs),
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Undo everything since ``checkpoint``."""
        self._executor.state.restore(checkpoint.state)
        self._executor.controller.tracker.restore(checkpoint.counters)
        for kept in (self._messages, self._responses, self._events, self._blobs, self._costs):
            del kept[checkpoint.transactions :]
        del self._results[checkpoint.results :]
        self._next_application_index, self._next_chain_index = checkpoint.next_indices
        self._created_blobs = checkpoint.created_blobs

    # Parts of one transaction

    def _recorded(self, index: int) -> Sequence[OracleResponse] | None:
        replay = self._inputs.replay
        if replay is None:
            return None
        if index >= len(replay):
            raise BlockRuleError("MissingOracleResponseList", transaction_index=index)
        return replay[index]

    def _operation(self, operation: Operation) -> None:
        executor, facts = self._executor, self._facts
        controller = executor.controller
        if facts.limits_block_size:
            controller.add_block_size(len(_OPERATION.to_bcs(operation)))
        counters = controller.tracker
        counters.operations += 1
        if isinstance(operation, UserOperation):
            run_operation(executor, operation)
            size = len(operation.bytes)
            counters.operation_bytes += size
        else:
            execute_system_operation(executor, operation)
            size = 0
        if executor.tracker.streams_to_process:
            process_due_streams(executor)
        if not facts.operations_are_free:
            policy = facts.policy
            controller.charge(executor.system, policy.operation + size * policy.operation_byte)

    def _receive(self, bundle: IncomingBundle) -> None:
        if self._facts.limits_block_size:
            self._executor.controller.add_block_size(len(_BUNDLE.to_bcs(bundle)))
        receive_bundle(self._executor, bundle)

    def _charge_outcome(
        self, tracker: TransactionTracker, created: list[tuple[BlobId, BlobContent]]
    ) -> None:
        executor, facts = self._executor, self._facts
        controller, system = executor.controller, executor.system
        controller.touch_sources(system)
        for message in tracker.outgoing_messages:
            self._charge_message(message)
        if facts.limits_block_size:
            controller.add_block_size(_outcome_size(tracker, created))
        for blob_id, content in created:
            if blob_id not in tracker.free_blobs:
                check_blob_size(content, facts.policy)
                self._charge_published(content)
        for blob_id in sorted(tracker.published_blobs, key=BlobId.order_key):
            # Its size was checked when the block began.
            self._charge_published(self._inputs.published_blobs[blob_id])
        if facts.limits_block_size:
            size = len(tracker.operation_result)
            controller.add_block_size(size + len(encode_uleb(size)))

    def _charge_message(self, message: OutgoingMessage) -> None:
        facts = self._facts
        if facts.free_reject and message.kind is MessageKind.BOUNCING:
            return
        size = 0
        body = message.message
        if type(body) is UserMessage:
            if body.application_id in facts.free_applications:
                return
            size = len(body.bytes)
        controller = self._executor.controller
        controller.tracker.messages += 1
        controller.tracker.message_bytes += size
        if not facts.messages_are_free:
            policy = facts.policy
            controller.charge(self._executor.system, policy.message + size * policy.message_byte)

    def _charge_published(self, content: BlobContent) -> None:
        if content.blob_type is BlobType.COMMITTEE:
            return
        controller, policy = self._executor.controller, self._facts.policy
        size = len(content.bytes)
        controller.tracker.blobs_published += 1
        controller.tracker.blob_bytes_published += size
        controller.charge(
            self._executor.system, policy.blob_published + size * policy.blob_byte_published
        )

    def _append(
        self, tracker: TransactionTracker, created: list[tuple[BlobId, BlobContent]]
    ) -> None:
        self._messages.append(tuple(tracker.outgoing_messages))
        self._responses.append(tuple(tracker.oracle_responses))
        self._events.append(tuple(tracker.events))
        self._blobs.append(tuple([content for _, content in created]))
        self._created_blobs.update(created)
        self._next_application_index = tracker.next_application_index
        self._next_chain_index = tracker.next_chain_index


def outcome_of(
    executed: ExecutedTransactions,
    previous_message_blocks: Mapping[ChainId, tuple[CryptoHash, BlockHeight]],
    previous_event_blocks: Mapping[StreamId, tuple[CryptoHash, BlockHeight]],
) -> BlockExecutionOutcome:
    """The outcome of a block, with the tables the chain layer adds."""
    return BlockExecutionOutcome(
        executed.messages,
        previous_message_blocks,
        previous_event_blocks,
        executed.state_hash,
        executed.oracle_responses,
        executed.events,
        executed.blobs,
        executed.operation_results,
    )


_WRAPPED_CODES: dict[type[Exception], str] = {
    ArithmeticOverflow: "ArithmeticError",
    DecodeError: "BcsError",
}


def _committee_facts(state: ExecutionState, environment: Environment) -> PolicyFacts:
    committee = state.current_committee(environment)
    if committee is None:
        raise BlockRuleError("InactiveChain", chain_id=state.chain_id)
    return policy_facts(committee)


def _check_preconditions(state: ExecutionState, block: ProposedBlock) -> None:
    previous = state.system.timestamp.get()
    if block.timestamp < previous:
        raise BlockRuleError(
            "InvalidBlockTimestamp", previous=previous, block_timestamp=block.timestamp
        )
    if not block.transactions:
        raise BlockRuleError("EmptyBlock", chain_id=state.chain_id)
    if state.system.closed.get() and not block.has_only_rejected_messages():
        raise BlockRuleError("ClosedChain", chain_id=state.chain_id)


def _context(is_operation: bool, index: int) -> ErrorContext:
    return ErrorContext("Operation" if is_operation else "IncomingBundle", index)


def _outcome_size(tracker: TransactionTracker, created: list[tuple[BlobId, BlobContent]]) -> int:
    size = 4  # The counts of four empty lists.
    if tracker.oracle_responses:
        size += len(_RESPONSES.to_bcs(tuple(tracker.oracle_responses))) - 1
    if tracker.outgoing_messages:
        size += len(_MESSAGES.to_bcs(tuple(tracker.outgoing_messages))) - 1
    if tracker.events:
        size += len(_EVENTS.to_bcs(tuple(tracker.events))) - 1
    if created:
        size += len(_BLOBS.to_bcs(tuple([content for _, content in created]))) - 1
    return size
