"""The interface between the chain and the code of user applications.

Whatever runs an application (a native Python class here, a Wasm module later) is an
`ApplicationLoader` that gives a `ContractModule` or `ServiceModule` for a description; a module
makes one instance per user action and the instance asks the host for everything through the
runtime it was given. Callers never learn what kind of code runs.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from msgspec import Struct

from catenula.base.identifiers import ChainId
from catenula.execution.errors import ExecutionError
from catenula.protocol import ApplicationDescription, BlobId, ModuleId, StreamId

if TYPE_CHECKING:
    from catenula.execution.runtime import ContractRuntime
    from catenula.execution.service_runtime import ServiceRuntime

BytecodeSource = Callable[[BlobId], bytes]
"""Content of a bytecode blob created in this block or stored; raises `BlobsNotFound`."""


class StreamUpdate(NamedTuple):
    """New events of one stream: indices from ``previous_index`` up to ``next_index``."""

    chain_id: ChainId
    stream_id: StreamId
    previous_index: int
    next_index: int


class ContractInstance(Protocol):
    """The entry points of a contract during one user action (spec 04 §4.1)."""

    def instantiate(self, argument: bytes) -> None:
        """Set up a new application on its creator chain."""
        ...

    def execute_operation(self, operation: bytes) -> bytes:
        """Execute an operation or a call of another application; returns the response."""
        ...

    def execute_message(self, message: bytes) -> None:
        """Execute an accepted message."""
        ...

    def process_streams(self, updates: tuple[StreamUpdate, ...]) -> None:
        """Take notice of new events of subscribed streams, ascending by (chain, stream)."""
        ...

    def finalize(self) -> None:
        """End the action: called once on every instance, last loaded first."""
        ...


class ServiceInstance(Protocol):
    """The entry point of a service."""

    def handle_query(self, argument: bytes) -> bytes:
        """Answer a query without changing anything."""
        ...


class ContractModule(Protocol):
    """The loaded code of a contract."""

    def instance(self, runtime: "ContractRuntime") -> ContractInstance:
        """A fresh instance whose host calls go to ``runtime``."""
        ...


class ServiceModule(Protocol):
    """The loaded code of a service."""

    def instance(self, runtime: "ServiceRuntime") -> ServiceInstance:
        """A fresh instance whose host calls go to ``runtime``."""
        ...


class ApplicationLoader(Protocol):
    """Turns an application's bytecode into something that can be instantiated."""

    def is_ready(self, description: ApplicationDescription, *, service: bool) -> bool:
        """Whether loading the contract, or the service, takes no time to speak of.

        When it is not, a module has to be compiled first, which must not hold up other chains.
        """
        ...

    def contract(
        self, description: ApplicationDescription, bytecode: BytecodeSource
    ) -> ContractModule:
        """Load a contract; `ExecutionError` when its code is not acceptable."""
        ...

    def service(
        self, description: ApplicationDescription, bytecode: BytecodeSource
    ) -> ServiceModule:
        """Load a service; `ExecutionError` when its code is not acceptable."""
        ...


class Contract:
    """Base of native contracts: every entry point refuses unless a subclass takes it."""

    def __init__(self, runtime: "ContractRuntime") -> None:
        self.runtime = runtime

    def instantiate(self, argument: bytes) -> None:
        """Accept any argument."""

    def execute_operation(self, operation: bytes) -> bytes:
        """Refuse operations."""
        raise ExecutionError("UserError", reason="this application takes no operations")

    def execute_message(self, message: bytes) -> None:
        """Refuse messages."""
        raise ExecutionError("UserError", reason="this application takes no messages")

    def process_streams(self, updates: tuple[StreamUpdate, ...]) -> None:
        """Refuse stream updates."""
        raise ExecutionError("UserError", reason="this application subscribes to nothing")

    def finalize(self) -> None:
        """Nothing to do."""


class Service:
    """Base of native services."""

    def __init__(self, runtime: "ServiceRuntime") -> None:
        self.runtime = runtime

    def handle_query(self, argument: bytes) -> bytes:
        """Refuse queries."""
        raise ExecutionError("UserError", reason="this application takes no queries")


class NativeModule(Struct, frozen=True):
    """An application written in Python: the classes of its contract and its service."""

    contract: type[Contract]
    service: type[Service] = Service


class _NativeContract(Struct, frozen=True):
    make: type[Contract]

    def instance(self, runtime: "ContractRuntime") -> ContractInstance:
        return self.make(runtime)


class _NativeService(Struct, frozen=True):
    make: type[Service]

    def instance(self, runtime: "ServiceRuntime") -> ServiceInstance:
        return self.make(runtime)


class NativeApplications:
    """A loader of Python applications, registered by module id.

    The bytecode blobs of a native module must exist like those of any other module, so that the
    same oracle responses are recorded; their content is not looked at. Modules that are not
    registered are left to ``otherwise``.
    """

    def __init__(self, otherwise: ApplicationLoader | None = None) -> None:
        self._modules: dict[ModuleId, NativeModule] = {}
        self._otherwise = otherwise

    def register(self, module_id: ModuleId, module: NativeModule) -> None:
        """Make ``module`` the code of ``module_id``."""
        self._modules[module_id] = module

    def is_ready(self, description: ApplicationDescription, *, service: bool) -> bool:
        """Always, for Python."""
        if description.module_id in self._modules or self._otherwise is None:
            return True
        return self._otherwise.is_ready(description, service=service)

    def contract(
        self, description: ApplicationDescription, bytecode: BytecodeSource
    ) -> ContractModule:
        """The registered contract of the application's module."""
        module = self._module(description, bytecode)
        if module is not None:
            return _NativeContract(module.contract)
        return self._other(description).contract(description, bytecode)

    def service(
        self, description: ApplicationDescription, bytecode: BytecodeSource
    ) -> ServiceModule:
        """The registered service of the application's module."""
        module = self._module(description, bytecode)
        if module is not None:
            return _NativeService(module.service)
        return self._other(description).service(description, bytecode)

    def _module(
        self, description: ApplicationDescription, bytecode: BytecodeSource
    ) -> NativeModule | None:
        module = self._modules.get(description.module_id)
        if module is not None:
            bytecode(description.module_id.bytecode_blob_ids()[0])
        return module

    def _other(self, description: ApplicationDescription) -> ApplicationLoader:
        if self._otherwise is None:
            raise ExecutionError("UnsupportedApplication", module_id=description.module_id)
        return self._otherwise
