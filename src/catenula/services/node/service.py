"""A node service: the chains of a wallet, for programs that speak HTTP (spec 08 §2).

Answers come from the local copy; commands become blocks. A listener keeps the copy up to date and
takes in messages, unless the service only reads: then no block is made at all. Must not know HTTP
or GraphQL.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ApplicationId, ChainId, CryptoHash
from catenula.base.limits import MAX_LISTED_BLOCKS
from catenula.chain.chain_state import ChainState
from catenula.client.applications import IndexedEvent, make_module
from catenula.client.chain_client import ChainClient
from catenula.client.chain_listener import ChainListener
from catenula.client.client import Client
from catenula.client.outcomes import Committed, Conflict, WaitForTimeout
from catenula.client.waiting import wait_for_round
from catenula.protocol import (
    BlobContent,
    BlobType,
    BlockExecuted,
    Committee,
    ConfirmedBlockCertificate,
    ModuleId,
    NewBlock,
    Notification,
    Operation,
    PublishModule,
    StreamId,
    VmRuntime,
)
from catenula.protocol.chains import ApplicationDescription
from catenula.services.node.errors import ServiceRefusal
from catenula.services.node.metrics import NodeServiceMetrics
from catenula.services.node.options import NodeServiceOptions
from catenula.services.node.query_cache import QueryCache
from catenula.services.node.tasks import Operators, TaskProcessors, TaskSettings
from catenula.services.node.tasks.application import Desk
from catenula.services.node.tasks.client_chains import ClientChains
from catenula.services.node.watched import WatchedQueries, read_registered
from catenula.worker.version import VERSION_INFO

_LOGGER = logging.getLogger(__name__)


class Chains(Protocol):
    """The chains that the owner of the service calls its own."""

    def chain_ids(self) -> list[ChainId]:
        """All of them."""
        ...

    def default_chain(self) -> ChainId | None:
        """The one that is meant when none is named."""
        ...


class NodeService:
    """One service over a client. `start` it before use and `stop` it at the end.

    ``on_block`` hears of every block that the local node has executed.
    """

    def __init__(
        self,
        client: Client,
        chains: Chains,
        *,
        options: NodeServiceOptions,
        on_block: Callable[[Notification], None] | None = None,
    ) -> None:
        """The client stays with the caller. Raises `LocalError` for subscriptions it refuses."""
        self.client, self.chains, self.options = client, chains, options
        self.metrics = NodeServiceMetrics()
        self.public_url = ""
        self.cache = QueryCache(options.query_cache_size)
        self.watched = WatchedQueries(
            self._ask, read_registered(options.subscriptions, options.subscription_ttls)
        )
        self._on_block = on_block
        self._listener = ChainListener(client, options=options.listening)
        self._starting: asyncio.Task[None] | None = None
        self.tasks: TaskProcessors | None = None

    # Beginning and ending

    def start(self) -> None:
        """Begin to listen, unless paused. Answers can be given at once; this never waits."""
        self.client.context.local.driver.notifier.watchers.append(self._heard)
        if not self.options.pause:
            self._starting = asyncio.get_running_loop().create_task(self._synchronize_all())
        if self.options.tasks.is_used:
            self._start_tasks(self.options.tasks)

    def _start_tasks(self, settings: TaskSettings) -> None:
        chain_id = self.chains.default_chain()
        if chain_id is None:
            raise ServiceRefusal(NO_DEFAULT_CHAIN)
        desk = Desk(
            lambda chain, *asked: self.client.chain(chain).query_application(*asked),
            self.commit,
            Operators(settings.operators),
            clock=self.client.context.clock,
            retry_seconds=settings.retry_seconds,
        )
        chains = ClientChains(self.client, self._listener, is_paused=self.options.pause)
        self.tasks = TaskProcessors(desk, settings, chain_id, chains=chains)
        self.tasks.start()

    async def _synchronize_all(self) -> None:
        try:
            await self._listener.synchronize()
        except (ProtocolError, LocalError) as error:
            _LOGGER.warning("the admin chain could not be synchronized: %s", error)
        self._listener.start(self.chains.chain_ids())

    async def synchronized(self) -> None:
        """Return when what validators knew at the start is here; at once when paused."""
        if self._starting is not None:
            await asyncio.shield(self._starting)
            await self._listener.settled()

    async def stop(self) -> None:
        """End everything that goes on."""
        watchers = self.client.context.local.driver.notifier.watchers
        if self._heard in watchers:
            watchers.remove(self._heard)
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        if self.tasks is not None:
            await self.tasks.stop()
        await self.watched.stop()
        await self._listener.stop()

    def failures(self) -> dict[ChainId, Exception]:
        """Why messages to some chains could not be taken in, as far as that is not over."""
        return dict(self._listener.failures)

    def _heard(self, notification: Notification) -> None:
        if isinstance(notification.reason, NewBlock | BlockExecuted):
            chain_id = notification.chain_id
            self.cache.forget(chain_id)
            self.watched.wake(chain_id)
            if self.tasks is not None:
                self.tasks.wake(chain_id)
            self.metrics.block_heard()
            if self._on_block is not None:
                self._on_block(notification)

    # Questions

    def state(self, chain_id: ChainId) -> ChainState:
        """The local copy; to be read only, and not across an ``await``."""
        return self.client.context.local.chain(chain_id)

    def version(self) -> Any:
        """What this service is compatible with, in JSON."""
        return VERSION_INFO.to_json()

    def block(
        self, chain_id: ChainId, block_hash: CryptoHash | None
    ) -> ConfirmedBlockCertificate | None:
        """A block, or the last one of a chain if it has any; `ServiceRefusal` if not known."""
        wanted = self.state(chain_id).tip.block_hash if block_hash is None else block_hash
        if wanted is None:
            return None
        found = self.client.context.local.shared.certificate(wanted)
        if found is None:
            raise ServiceRefusal(f"Missing confirmed block: {wanted}")
        return found

    def blocks(
        self, chain_id: ChainId, start: CryptoHash | None, *, limit: int
    ) -> list[ConfirmedBlockCertificate]:
        """Up to ``limit`` blocks, newest first, back from one or from the last one."""
        found: list[ConfirmedBlockCertificate] = []
        block = self.block(chain_id, start) if limit else None
        while block is not None:
            found.append(block)
            previous = block.block.header.previous_block_hash
            if previous is None or len(found) >= min(limit, MAX_LISTED_BLOCKS):
                break
            block = self.block(chain_id, previous)
        return found

    def events(
        self, chain_id: ChainId, stream_id: StreamId, start_index: int
    ) -> list[IndexedEvent]:
        """The events of a stream from an index on, as far as they are stored here."""
        found = self.client.context.local.shared.events_from(chain_id, stream_id, start_index)
        return [IndexedEvent(index, value) for index, value in found]

    async def applications(self, chain_id: ChainId) -> list[ApplicationDescription]:
        """The applications a chain has used; fetches descriptions that are not here."""
        used = self.state(chain_id).execution.system.used_blobs.keys()
        chain = self.client.chain(chain_id)
        return [
            await chain.describe_application(ApplicationId(blob_id.hash))
            for blob_id in used
            if blob_id.blob_type is BlobType.APPLICATION_DESCRIPTION
        ]

    async def notifications(self, chain_id: ChainId) -> AsyncIterator[Notification]:
        """What the local node tells of a chain, from now on."""
        subscription = self.client.context.local.driver.notifier.subscribe((chain_id,))
        try:
            while True:
                yield await subscription.next()
        finally:
            subscription.close()

    # Applications

    async def query_application(
        self, chain_id: ChainId, application_id: ApplicationId, query: bytes
    ) -> bytes:
        """Ask an application; operations it wants are put into one block.

        Returns the application's answer, or the block's hash as ``{"data": hash}``. Raises
        `ServiceRefusal` (``READ_ONLY``) when it wants operations from a service that only reads,
        and what the client raises.
        """
        cached = self.cache.get(chain_id, application_id, query)
        self.metrics.query_answered(is_cached=cached is not None)
        if cached is not None:
            return cached
        before = self.cache.generation(chain_id)
        outcome = await self.client.chain(chain_id).query_application(application_id, query)
        if not outcome.operations:
            self.cache.put(
                chain_id, application_id, query, answer=outcome.response, generation=before
            )
            return outcome.response
        if self.options.read_only:
            raise ServiceRefusal(READ_ONLY)
        certificate = await self.commit(chain_id, outcome.operations)
        return b'{"data":"%s"}' % str(certificate.block.hash).encode()

    async def _ask(self, chain_id: ChainId, application_id: ApplicationId, query: bytes) -> bytes:
        chain = self.client.chain(chain_id)
        return (await chain.query_application(application_id, query)).response

    # Commands

    async def commit(
        self,
        chain_id: ChainId,
        operations: Sequence[Operation],
        blobs: Sequence[BlobContent] = (),
    ) -> ConfirmedBlockCertificate:
        """One block with these operations, final when this returns; raises `ClientError`."""
        certificate = await self.client.chain(chain_id).commit(operations, blobs)
        self.metrics.block_made()
        return certificate

    async def block_hash(self, chain_id: ChainId, operation: Operation) -> str:
        """`commit` of one operation, and the block's hash as text."""
        return str((await self.commit(chain_id, (operation,))).block.hash)

    async def process_inbox(self, chain_id: ChainId) -> list[ConfirmedBlockCertificate]:
        """Take in what waits here, in as many blocks as that needs, through rounds."""
        chain, made = self.client.chain(chain_id), []
        while True:
            certificates, stopped = await chain.process_inbox()
            made += certificates
            if stopped is None:
                return made
            if isinstance(stopped, WaitForTimeout):
                await wait_for_round(self.client.context, chain_id, stopped)

    async def synchronize(self, chain_id: ChainId) -> int:
        """Fetch what validators know of a chain; the height of its next block."""
        info = await self.client.chain(chain_id).synchronize()
        return info.next_block_height

    async def retry_pending_block(self, chain_id: ChainId) -> ConfirmedBlockCertificate | None:
        """Finish a block that was left unfinished, if there is one, through rounds."""
        chain = self.client.chain(chain_id)
        while True:
            outcome = await chain.process_pending_block()
            if isinstance(outcome, Committed):
                return outcome.value
            if isinstance(outcome, Conflict):
                return outcome.certificate
            await wait_for_round(self.client.context, chain_id, outcome)

    async def create_committee(
        self, chain_id: ChainId, committee: Committee
    ) -> ConfirmedBlockCertificate:
        """Publish a committee and make it that of the next epoch: two blocks."""
        chain: ChainClient = self.client.chain(chain_id)
        outcome = await chain.stage_new_committee(committee)
        if isinstance(outcome, Committed):
            return outcome.value
        raise ServiceRefusal(
            "The committee could not be published: another block of the admin chain came first, "
            "or its round has to end first. Try again."
        )

    async def publish_module(
        self, chain_id: ChainId, contract: bytes, service: bytes, *, vm_runtime: VmRuntime
    ) -> ModuleId:
        """Publish uncompressed programs in one block."""
        module = await asyncio.to_thread(make_module, contract, service, vm_runtime=vm_runtime)
        await self.commit(chain_id, (PublishModule(module.module_id),), module.blobs)
        return module.module_id


READ_ONLY = "This service only reads: it does not execute the operations that this query wants."
NO_DEFAULT_CHAIN = "Tasks are carried out on the default chain, and there is none: choose one."
