"""Applications as the owner of a chain uses them (spec 07 §9.5): publish, create, ask, look up.

Commands become one block each and end like all commands of a chain. Questions run on this client's
own node and need no validator, except for data the client does not have yet: it is fetched.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

from msgspec import Struct

from catenula.base.compression import compress
from catenula.base.errors import DecodeError
from catenula.base.identifiers import ApplicationId, ChainId, CryptoHash
from catenula.base.limits import MAX_STAGING_HELP
from catenula.client.context import ClientContext
from catenula.client.errors import DownloadFailed, Explanation, QueryRefused, Reason
from catenula.client.explain import reasons_of
from catenula.client.local_node import original_error
from catenula.client.outcomes import Committed, Outcome
from catenula.client.processing import download_blobs, fetch_missing
from catenula.client.propose import BlockOutcome
from catenula.client.session import ChainSession
from catenula.client.synchronize import fetch_chain_info
from catenula.execution.queries import QueryOutcome
from catenula.protocol import (
    ApplicationDescription,
    BlobContent,
    BlobId,
    BlobType,
    ConfirmedBlockCertificate,
    CreateApplication,
    EventId,
    ModuleId,
    NodeErrorReceived,
    Operation,
    PublishModule,
    StreamId,
    UserOperation,
    VmRuntime,
)

_T = TypeVar("_T")

UNIT_JSON = b"null"
"""Parameters or argument of an application that takes none (spec 04 §4.1)."""


class IndexedEvent(Struct, frozen=True):
    """An event of a stream and its index."""

    index: int
    value: bytes


class Module(NamedTuple):
    """A module as it is published: its id and its bytecode blobs."""

    module_id: ModuleId
    blobs: tuple[BlobContent, ...]


def make_module(
    contract: bytes, service: bytes, *, vm_runtime: VmRuntime = VmRuntime.WASM
) -> Module:
    """Compress bytecode (spec 04 §9); an EVM module has one blob, made of ``contract``.

    It takes up to a second for a large module.
    """
    if vm_runtime is VmRuntime.EVM:
        blob = BlobContent(BlobType.EVM_BYTECODE, compress(contract))
        return Module(ModuleId(blob.hash, blob.hash, vm_runtime), (blob,))
    blobs = (
        BlobContent(BlobType.CONTRACT_BYTECODE, compress(contract)),
        BlobContent(BlobType.SERVICE_BYTECODE, compress(service)),
    )
    return Module(ModuleId(blobs[0].hash, blobs[1].hash, vm_runtime), blobs)


class ApplicationCommands:
    """What can be done with applications on a chain. All raise `ClientError`."""

    context: ClientContext
    session: ChainSession

    @abstractmethod
    async def execute(
        self, operations: Sequence[Operation] = (), blobs: Sequence[BlobContent] = ()
    ) -> BlockOutcome:
        """One block with these operations."""

    # Commands

    async def publish_module(
        self, contract: bytes, service: bytes, *, vm_runtime: VmRuntime = VmRuntime.WASM
    ) -> Outcome[ModuleId]:
        """Publish the uncompressed bytecode of a contract and its service, in one block.

        Only its size is checked: code that cannot run is refused when it is first used.
        """
        module = await asyncio.to_thread(make_module, contract, service, vm_runtime=vm_runtime)
        outcome = await self.execute((PublishModule(module.module_id),), module.blobs)
        return Committed(module.module_id) if isinstance(outcome, Committed) else outcome

    async def create_application(
        self,
        module_id: ModuleId,
        *,
        parameters: bytes = UNIT_JSON,
        argument: bytes = UNIT_JSON,
        required: Sequence[ApplicationId] = (),
    ) -> Outcome[ApplicationId]:
        """Create an application from a published module, in one block.

        ``parameters`` and ``argument`` are bytes as the application reads them: JSON for programs
        made with the SDK. ``required`` are the applications it may rely on.
        """
        operation = CreateApplication(module_id, parameters, argument, tuple(required))
        outcome = await self.execute((operation,))
        if not isinstance(outcome, Committed):
            return outcome
        return Committed(last_created(outcome.value))

    async def publish_and_create(
        self,
        contract: bytes,
        service: bytes,
        *,
        parameters: bytes = UNIT_JSON,
        argument: bytes = UNIT_JSON,
        required: Sequence[ApplicationId] = (),
    ) -> Outcome[ApplicationId]:
        """`publish_module` and `create_application`: two blocks."""
        published = await self.publish_module(contract, service)
        if not isinstance(published, Committed):
            return published
        return await self.create_application(
            published.value, parameters=parameters, argument=argument, required=required
        )

    async def execute_operation(
        self, application_id: ApplicationId, operation: bytes
    ) -> BlockOutcome:
        """One block with an operation of an application; the bytes are as the contract reads."""
        return await self.execute((UserOperation(application_id, operation),))

    # Questions

    async def query_application(
        self,
        application_id: ApplicationId,
        query: bytes,
        *,
        block_hash: CryptoHash | None = None,
    ) -> QueryOutcome:
        """Ask an application's service on the chain as it is here, waiting messages not included.

        The outcome holds the response and the operations the service wants in the next block;
        nothing is executed. ``block_hash`` names a block that was staged here and is not final: the
        state after it answers, as long as it is remembered. Raises `QueryRefused`.
        """
        chain_id = self.session.chain_id
        if not self.context.local.chain(chain_id).is_described:
            await fetch_chain_info(self.context, chain_id)

        async def ask() -> QueryOutcome:
            return await self.context.local.query_application(
                chain_id, application_id, query, after=block_hash
            )

        return await self._fetching(ask)

    async def query_and_execute(
        self, application_id: ApplicationId, query: bytes
    ) -> tuple[bytes, BlockOutcome | None]:
        """Ask a service and put the operations it wants into one block, if it wants any."""
        outcome = await self.query_application(application_id, query)
        if not outcome.operations:
            return outcome.response, None
        return outcome.response, await self.execute(outcome.operations)

    async def describe_application(self, application_id: ApplicationId) -> ApplicationDescription:
        """The description of any application; asks validators for it when it is not here.

        Raises `DownloadFailed` when nobody has it.
        """
        blob_id = BlobId(CryptoHash(application_id), BlobType.APPLICATION_DESCRIPTION)
        content = await self._blob(blob_id)
        try:
            return ApplicationDescription.from_bcs(content)
        except DecodeError as error:
            raise _unreadable(blob_id, error) from error

    async def read_data_blob(self, blob_hash: CryptoHash) -> bytes:
        """The bytes of a published data blob; `DownloadFailed` when nobody has it.

        Nothing is recorded on the chain.
        """
        return await self._blob(BlobId(blob_hash, BlobType.DATA))

    def events_from_index(
        self, stream_id: StreamId, start_index: int = 0, *, publisher: ChainId | None = None
    ) -> list[IndexedEvent]:
        """Events of a stream from an index on that are stored here, ascending.

        ``publisher`` is the chain that published them, by default this one. Synchronize it first to
        see what is new.
        """
        chain_id = self.session.chain_id if publisher is None else publisher
        found = self.context.local.shared.events_from(chain_id, stream_id, start_index)
        return [IndexedEvent(index, value) for index, value in found]

    async def read_event(self, event_id: EventId) -> bytes | None:
        """One event that is stored here, or None."""
        return self.context.local.shared.event(event_id)

    async def _blob(self, blob_id: BlobId) -> bytes:
        context = self.context
        if not context.local.shared.has_blob(blob_id):
            await download_blobs(context, (blob_id,), context.nodes())
        content = context.local.shared.blob(blob_id)
        if content is None:
            raise DownloadFailed(
                Explanation(f"The blob {blob_id} is not stored", next_step="try again")
            )
        return content

    async def _fetching(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        """The answer of the local node, which is given what it lacks for it."""
        fetched: set[BlobId | EventId] = set()
        attempts = 0
        while True:
            try:
                return await ask()
            except NodeErrorReceived as received:
                refusal = received
            attempts += 1
            if attempts > MAX_STAGING_HELP or not await fetch_missing(
                self.context, refusal, fetched=fetched, sources=self.context.nodes()
            ):
                raise self._refused(refusal) from refusal

    def _refused(self, refusal: NodeErrorReceived) -> QueryRefused:
        cause = original_error(refusal)
        return QueryRefused(
            Explanation(
                "The application did not answer the query",
                self.session.chain_id,
                reasons=reasons_of(cause),
                next_step="check the application id and the query; the chain is as it was",
            ),
            cause=cause.code,
        )


def last_created(certificate: ConfirmedBlockCertificate) -> ApplicationId:
    """The application that the last operation of a block created."""
    return certificate.block.created_applications()[-1].application_id


def _unreadable(blob_id: BlobId, error: DecodeError) -> DownloadFailed:
    return DownloadFailed(
        Explanation(
            f"The blob {blob_id} does not describe an application",
            reasons=(Reason(error.message()),),
            next_step="check the application id",
        )
    )
