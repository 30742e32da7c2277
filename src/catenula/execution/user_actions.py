"""User actions: running a contract's entry point with a purse of its own (spec 02 §14.1).

An action runs against a copy of the payer's money and is settled when it ends. After every
operation and accepted message the streams it has made due are processed (spec 02 §11).
"""

from collections.abc import Callable
from typing import TypeVar

from catenula.base.identifiers import ApplicationId
from catenula.execution.applications import ContractInstance, StreamUpdate
from catenula.execution.executor import Executor, MessageContext
from catenula.execution.resources import ActionBudget, Grant
from catenula.execution.runtime import ActionOrigin, ContractRuntime
from catenula.execution.tracker import StreamKey, StreamRange
from catenula.protocol import UserMessage, UserOperation

_Result = TypeVar("_Result")


def run_instantiate(executor: Executor, application_id: ApplicationId, argument: bytes) -> None:
    """Instantiate an application that an operation just created."""
    origin = ActionOrigin(executor.block.signer, executor.block.refund_account())
    _run(executor, application_id, origin, entry=lambda instance: instance.instantiate(argument))
    executor.tracker.operation_result = b""


def run_operation(executor: Executor, operation: UserOperation) -> None:
    """Execute a user operation; its response becomes the operation result."""
    origin = ActionOrigin(executor.block.signer, executor.block.refund_account())
    executor.tracker.operation_result = _run(
        executor,
        operation.application_id,
        origin,
        entry=lambda instance: instance.execute_operation(operation.bytes),
    )


def run_message(
    executor: Executor, context: MessageContext, message: UserMessage, *, grant: Grant | None
) -> None:
    """Execute an accepted user message; ``grant`` pays when there is one."""
    origin = ActionOrigin(
        context.signer,
        context.refund_grant_to,
        message=context,
        grant=grant,
        is_free=message.application_id in executor.controller.facts.free_applications,
    )
    _run(
        executor,
        message.application_id,
        origin,
        entry=lambda instance: instance.execute_message(message.bytes),
    )
    executor.tracker.operation_result = b""


def process_due_streams(executor: Executor) -> None:
    """Let applications process the stream updates scheduled so far, until none is new."""
    tracker = executor.tracker
    processed: set[tuple[ApplicationId, StreamKey]] = set()
    while tracker.streams_to_process:
        scheduled = tracker.take_streams()
        for application_id in sorted(scheduled):
            due = _unprocessed(application_id, scheduled[application_id], processed)
            if due:
                _process_streams(executor, application_id, due)


def _unprocessed(
    application_id: ApplicationId,
    streams: dict[StreamKey, StreamRange],
    processed: set[tuple[ApplicationId, StreamKey]],
) -> tuple[StreamUpdate, ...]:
    updates = []
    for stream in sorted(streams):
        if (application_id, stream) not in processed:
            processed.add((application_id, stream))
            updates.append(StreamUpdate(*stream, *streams[stream]))
    return tuple(updates)


def _process_streams(
    executor: Executor, application_id: ApplicationId, updates: tuple[StreamUpdate, ...]
) -> None:
    is_free = application_id in executor.controller.facts.free_applications
    origin = ActionOrigin(None, None, is_free=is_free)
    _run(executor, application_id, origin, entry=lambda instance: instance.process_streams(updates))
    executor.tracker.operation_result = b""


def _run(
    executor: Executor,
    application_id: ApplicationId,
    origin: ActionOrigin,
    *,
    entry: Callable[[ContractInstance], _Result],
) -> _Result:
    controller, system = executor.controller, executor.system
    initial = controller.funds(system, origin.grant)
    controller.is_free = origin.is_free
    try:
        budget = ActionBudget(controller, initial)
        result = ContractRuntime(executor, budget, origin).run(application_id, entry)
    finally:
        controller.is_free = False
    controller.settle(system, initial - budget.balance, origin.grant)
    return result
