"""Queries of services: by users, and by contracts as oracles (spec 04 §5)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from catenula.base.identifiers import ApplicationId
from catenula.base.integers import BlockHeight, Timestamp
from catenula.execution.errors import QUERY_CONTEXT, ExecutionError
from catenula.execution.executor import BlockContext, Executor
from catenula.execution.policy import PolicyFacts
from catenula.execution.resources import ResourceController
from catenula.execution.service_runtime import ServiceRuntime
from catenula.execution.tracker import TransactionTracker
from catenula.protocol import NO_FEES, UserOperation

if TYPE_CHECKING:
    from catenula.execution.environment import Environment, Oracles
    from catenula.execution.state import ExecutionState

_FREE_FACTS = PolicyFacts(NO_FEES)


class QueryOutcome(NamedTuple):
    """The response of a service and the operations it wants in the next block."""

    response: bytes
    operations: tuple[UserOperation, ...]


class QueryInputs(NamedTuple):
    """Where a query runs: the height of the next block, the node's time, and the node itself."""

    next_height: BlockHeight
    local_time: Timestamp
    environment: "Environment"
    oracles: "Oracles"


def query_application(
    state: "ExecutionState", application_id: ApplicationId, query: bytes, *, inputs: QueryInputs
) -> QueryOutcome:
    """Answer a query on the last executed state; nothing is changed.

    Raises `ExecutionError` with the context ``Query``.
    """
    with in_query():
        return _run(query_runtime(state, inputs), application_id, query)


def query_runtime(state: "ExecutionState", inputs: QueryInputs) -> ServiceRuntime:
    """What services see of the last executed state."""
    block = BlockContext(state.chain_id, inputs.next_height, inputs.local_time, None, None)
    return ServiceRuntime(_query_executor(state, block, inputs.environment, inputs.oracles))


@contextmanager
def in_query() -> Iterator[None]:
    """Errors raised in here carry the context ``Query``."""
    try:
        yield
    except ExecutionError as error:
        error.context = QUERY_CONTEXT
        raise


def oracle_query(parent: Executor, application_id: ApplicationId, query: bytes) -> bytes:
    """Answer a contract's query on the live state of its transaction."""
    executor = _query_executor(parent.state, parent.block, parent.environment, parent.oracles)
    seen = parent.tracker
    executor.tracker = TransactionTracker(
        {**seen.earlier_blobs, **seen.created_blobs},
        None,
        next_application_index=seen.next_application_index,
        next_chain_index=seen.next_chain_index,
    )
    outcome = _run(ServiceRuntime(executor), application_id, query)
    if outcome.operations:
        raise ExecutionError("ServiceOracleQueryOperations", count=len(outcome.operations))
    return outcome.response


def _query_executor(
    state: "ExecutionState",
    block: BlockContext,
    environment: "Environment",
    oracles: "Oracles",
) -> Executor:
    controller = ResourceController(_FREE_FACTS, None)
    executor = Executor(state, block, controller, environment=environment, oracles=oracles)
    executor.is_query = True
    return executor


def _run(runtime: ServiceRuntime, application_id: ApplicationId, query: bytes) -> QueryOutcome:
    response = runtime.run(application_id, query)
    return QueryOutcome(response, tuple(runtime.scheduled_operations))
