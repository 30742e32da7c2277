"""What a service may ask of the host while it answers a query (spec 04 §2.2, §5).

Queries change nothing: no store is written, no blob becomes used. Operations a service schedules
are collected in call order.
"""

from typing import TYPE_CHECKING

from catenula.base.identifiers import ApplicationId
from catenula.base.integers import Timestamp
from catenula.execution.applications import BytecodeSource, ServiceInstance, ServiceModule
from catenula.execution.base_runtime import BaseRuntime, Frame
from catenula.execution.environment import HttpRequest
from catenula.execution.errors import runtime_error
from catenula.execution.executor import BlockContext, Executor
from catenula.execution.nesting import enter_guest, leave_guest
from catenula.execution.resources import ActionBudget
from catenula.protocol import ApplicationDescription, HttpResponse, UserOperation

if TYPE_CHECKING:
    from catenula.execution.environment import Oracles


class ServiceRuntime(BaseRuntime[ServiceModule]):
    """The host as a service sees it; one lives for one query."""

    def __init__(self, executor: Executor) -> None:
        super().__init__(executor, ActionBudget(executor.controller, 0))
        self.scheduled_operations: list[UserOperation] = []
        self._instances: dict[ApplicationId, ServiceInstance] = {}

    def run(self, application_id: ApplicationId, query: bytes) -> bytes:
        """Load a service with its requirements and answer ``query``."""
        try:
            return self.ask(application_id, query)
        finally:
            # Instances refer to this runtime too; their memory is to go now.
            self._instances.clear()

    def ask(self, application_id: ApplicationId, query: bytes) -> bytes:
        """As `run`; the instances stay for further questions, unless this one fails."""
        self._preload(application_id)
        try:
            return self.query_application(application_id, query)
        except BaseException:
            self._instances.clear()
            raise

    def renew(self, block: BlockContext, oracles: "Oracles") -> None:
        """Another query begins: its time, its oracles, and no operations scheduled yet."""
        self._executor.block, self._executor.oracles = block, oracles
        self.scheduled_operations.clear()

    def _make_module(
        self, description: ApplicationDescription, bytecode: BytecodeSource
    ) -> ServiceModule:
        executor = self._executor
        loader = executor.environment.applications
        if not loader.is_ready(description, service=True):
            executor.oracles.expect_delay("compiling a service")
        return loader.service(description, bytecode)

    def query_application(self, application_id: ApplicationId, query: bytes) -> bytes:
        """Query another service; one that is being queried already is refused."""
        if any(frame.application_id == application_id for frame in self._frames):
            raise runtime_error("ReentrantCall", application_id=application_id)
        module, description = self._load(application_id)
        self._frames.append(Frame(application_id, description, None, None))
        instance = self._instances.get(application_id)
        if instance is None:
            instance = self._instances[application_id] = module.instance(self)
        enter_guest()
        try:
            response = instance.handle_query(query)
        finally:
            leave_guest()
        self._frames.pop()
        return response

    def schedule_operation(self, operation: bytes) -> None:
        """Add an operation of the current application to the outcome of the query."""
        self.scheduled_operations.append(UserOperation(self._frame.application_id, operation))

    def check_execution_time(self) -> None:
        """Fail when the limit of the query has passed."""
        oracles = self._executor.oracles
        if oracles.time_is_up():
            raise oracles.interruption()

    def assert_before(self, timestamp: Timestamp) -> None:
        """Fail unless the node's clock is before ``timestamp``."""
        now = self._executor.oracles.local_time()
        if now >= timestamp:
            raise runtime_error("AssertBefore", timestamp=timestamp, local_time=now)

    def http_request(self, request: HttpRequest) -> HttpResponse:
        """Perform an HTTP request; it is not recorded."""
        self._require_http_permission()
        return self._perform_http(request, lambda policy: policy.maximum_http_response_bytes)
