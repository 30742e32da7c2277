"""Services that stay alive between queries (spec 04 §5.1), for nodes that ask for it.

Instances, and whatever they have in memory, are kept while their chain's next height is the same,
and made anew afterwards. Answers do not differ for services that keep to the rules. A query that
fails takes the instances with it, so that nothing of it is left over, and is asked once more of
fresh ones if others were asked before.
"""

from collections import OrderedDict
from typing import NamedTuple

from catenula.base.identifiers import ApplicationId, ChainId
from catenula.base.limits import MAX_CHAINS_WITH_LIVE_SERVICES
from catenula.execution.errors import ExecutionError
from catenula.execution.executor import BlockContext
from catenula.execution.queries import QueryInputs, QueryOutcome, in_query, query_runtime
from catenula.execution.service_runtime import ServiceRuntime
from catenula.execution.state import ExecutionState


class _Living(NamedTuple):
    """The services of a chain, and the state and height they were made for."""

    state: ExecutionState
    height: int
    runtime: ServiceRuntime


class LiveServices:
    """The living services of a node, by chain; to be used on one thread."""

    def __init__(self) -> None:
        self._by_chain: OrderedDict[ChainId, _Living] = OrderedDict()

    def query(
        self,
        state: ExecutionState,
        application_id: ApplicationId,
        query: bytes,
        *,
        inputs: QueryInputs,
    ) -> QueryOutcome:
        """As `queries.query_application`."""
        living = self._by_chain.pop(state.chain_id, None)
        if living is not None and living.state is state and living.height == inputs.next_height:
            block = BlockContext(state.chain_id, inputs.next_height, inputs.local_time, None, None)
            living.runtime.renew(block, inputs.oracles)
            try:
                return self._ask(living, application_id, query)
            except ExecutionError:
                # What is left of earlier queries may be to blame: a fresh instance decides.
                living = None
        living = _Living(state, inputs.next_height, query_runtime(state, inputs))
        with in_query():
            return self._ask(living, application_id, query)

    def _ask(self, living: _Living, application_id: ApplicationId, query: bytes) -> QueryOutcome:
        response = living.runtime.ask(application_id, query)
        self._by_chain[living.state.chain_id] = living
        if len(self._by_chain) > MAX_CHAINS_WITH_LIVE_SERVICES:
            self._by_chain.popitem(last=False)
        return QueryOutcome(response, tuple(living.runtime.scheduled_operations))

    def __len__(self) -> int:
        return len(self._by_chain)
