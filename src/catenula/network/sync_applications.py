"""Applications on a chain for programs without ``async``: see `ChainApplications`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from catenula.base.identifiers import ApplicationId, CryptoHash
from catenula.client.applications import UNIT_JSON, IndexedEvent
from catenula.execution.queries import QueryOutcome
from catenula.network.chain import NetworkChain
from catenula.network.loop_thread import LoopThread
from catenula.protocol import ApplicationDescription, ModuleId, StreamId

if TYPE_CHECKING:
    from catenula.network.chain import Receipt


class SyncApplications:
    """See `ChainApplications`."""

    _thread: LoopThread
    _chain: NetworkChain

    def publish_module(self, contract: bytes, service: bytes) -> ModuleId:
        """See `ChainApplications.publish_module`."""
        return self._thread.run(self._chain.publish_module(contract, service))

    def create_application(
        self,
        module_id: ModuleId,
        *,
        parameters: bytes = UNIT_JSON,
        argument: bytes = UNIT_JSON,
        required: Sequence[ApplicationId] = (),
    ) -> ApplicationId:
        """See `ChainApplications.create_application`."""
        return self._thread.run(
            self._chain.create_application(
                module_id, parameters=parameters, argument=argument, required=required
            )
        )

    def publish_and_create(
        self,
        contract: bytes,
        service: bytes,
        *,
        parameters: bytes = UNIT_JSON,
        argument: bytes = UNIT_JSON,
        required: Sequence[ApplicationId] = (),
    ) -> ApplicationId:
        """See `ChainApplications.publish_and_create`."""
        return self._thread.run(
            self._chain.publish_and_create(
                contract, service, parameters=parameters, argument=argument, required=required
            )
        )

    def operate(self, application_id: ApplicationId, *operations: bytes) -> "Receipt":
        """See `ChainApplications.operate`."""
        return self._thread.run(self._chain.operate(application_id, *operations))

    def query(self, application_id: ApplicationId, query: bytes) -> QueryOutcome:
        """See `ChainApplications.query`."""
        return self._thread.run(self._chain.query(application_id, query))

    def query_and_execute(self, application_id: ApplicationId, query: bytes) -> bytes:
        """See `ChainApplications.query_and_execute`."""
        return self._thread.run(self._chain.query_and_execute(application_id, query))

    def describe_application(self, application_id: ApplicationId) -> ApplicationDescription:
        """See `ChainApplications.describe_application`."""
        return self._thread.run(self._chain.describe_application(application_id))

    def publish_data_blob(self, content: bytes) -> CryptoHash:
        """See `ChainApplications.publish_data_blob`."""
        return self._thread.run(self._chain.publish_data_blob(content))

    def read_data_blob(self, blob_hash: CryptoHash) -> bytes:
        """See `ChainApplications.read_data_blob`."""
        return self._thread.run(self._chain.read_data_blob(blob_hash))

    def events(self, stream_id: StreamId, start_index: int = 0) -> list[IndexedEvent]:
        """See `ChainApplications.events`."""
        return self._thread.call(lambda: self._chain.events(stream_id, start_index))
