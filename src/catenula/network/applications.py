"""Applications on a chain in somebody's wallet: published, created, used and asked.

Like all commands of a `NetworkChain` these return when their block is final and raise
`catenula.client.ClientError`.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from catenula.base.identifiers import ApplicationId, CryptoHash
from catenula.client import ChainClient
from catenula.client.applications import UNIT_JSON, IndexedEvent, last_created, make_module
from catenula.execution.queries import QueryOutcome
from catenula.protocol import (
    ApplicationDescription,
    CreateApplication,
    ModuleId,
    Operation,
    PublishDataBlob,
    PublishModule,
    StreamId,
    UserOperation,
    data_blob,
)

if TYPE_CHECKING:
    from catenula.network.chain import Receipt


class ChainApplications:
    """What a person does with applications on a chain."""

    client: ChainClient

    @abstractmethod
    async def execute(self, *operations: Operation) -> "Receipt":
        """One block with the waiting messages and these operations."""

    async def publish_module(self, contract: bytes, service: bytes) -> ModuleId:
        """Publish the Wasm code of a contract and of its service; the module's id."""
        module = await asyncio.to_thread(make_module, contract, service)
        await self.client.commit((PublishModule(module.module_id),), module.blobs)
        return module.module_id

    async def create_application(
        self,
        module_id: ModuleId,
        *,
        parameters: bytes = UNIT_JSON,
        argument: bytes = UNIT_JSON,
        required: Sequence[ApplicationId] = (),
    ) -> ApplicationId:
        """Create an application from a module; its id."""
        operation = CreateApplication(module_id, parameters, argument, tuple(required))
        return last_created(await self.client.commit((operation,)))

    async def publish_and_create(
        self,
        contract: bytes,
        service: bytes,
        *,
        parameters: bytes = UNIT_JSON,
        argument: bytes = UNIT_JSON,
        required: Sequence[ApplicationId] = (),
    ) -> ApplicationId:
        """Publish a module and create an application from it; its id."""
        module_id = await self.publish_module(contract, service)
        return await self.create_application(
            module_id, parameters=parameters, argument=argument, required=required
        )

    async def operate(self, application_id: ApplicationId, *operations: bytes) -> "Receipt":
        """One block with operations of an application, encoded as its contract reads them."""
        return await self.execute(
            *(UserOperation(application_id, operation) for operation in operations)
        )

    async def query(self, application_id: ApplicationId, query: bytes) -> QueryOutcome:
        """Ask an application's service; the operations it wants are returned, not executed."""
        return await self.client.query_application(application_id, query)

    async def query_and_execute(self, application_id: ApplicationId, query: bytes) -> bytes:
        """Ask a service and put the operations it wants, if any, into one block; its response."""
        outcome = await self.query(application_id, query)
        if outcome.operations:
            await self.execute(*outcome.operations)
        return outcome.response

    async def describe_application(self, application_id: ApplicationId) -> ApplicationDescription:
        """What an application was made from."""
        return await self.client.describe_application(application_id)

    async def publish_data_blob(self, content: bytes) -> CryptoHash:
        """Publish bytes; the hash by which applications read them."""
        blob = data_blob(content)
        await self.client.commit((PublishDataBlob(blob.hash),), (blob,))
        return blob.hash

    async def read_data_blob(self, blob_hash: CryptoHash) -> bytes:
        """The bytes of a published blob."""
        return await self.client.read_data_blob(blob_hash)

    def events(self, stream_id: StreamId, start_index: int = 0) -> list[IndexedEvent]:
        """The chain's events of a stream from an index on, as far as they are here."""
        return self.client.events_from_index(stream_id, start_index)
