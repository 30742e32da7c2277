"""Runs a worker: one writer per chain, writes before words, then effects (design §3).

A `NodeDriver` has every method of `ValidatorNode`, so a node in this process can be used as one.
Invariants kept: S2 (nothing leaves before it is durable), W1 (one writer per chain; among processes
with `catenula.validator.ownership`).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from catenula.base.counting import Told
from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import BlockHeight
from catenula.base.limits import MAX_OVERTAKEN_ATTEMPTS
from catenula.execution.environment import NeedsThread
from catenula.protocol import (
    BlobContent,
    BlobId,
    BlockProposal,
    ChainInfoQuery,
    ChainInfoResponse,
    ConfirmedBlockCertificate,
    ConfirmUpdatedRecipient,
    CrossChainRequest,
    LiteCertificate,
    NetworkDescription,
    NodeErrorReceived,
    Notification,
    StreamId,
    TimeoutCertificate,
    UpdateRecipient,
    ValidatedBlockCertificate,
    VersionInfo,
    target_chain_id,
)
from catenula.storage.engine import Fence, StaleFence
from catenula.validator.chain_locks import ChainLocks
from catenula.validator.clock import Clock
from catenula.validator.committer import Committer
from catenula.validator.confirmations import PutOffConfirmations
from catenula.validator.cross_chain import AT_ONCE, IN_COMPANY, CrossChainQueue
from catenula.validator.delivery import DeliveryWaiters, Done
from catenula.validator.notifier import Notifier
from catenula.validator.ownership import (
    NotServedHere,
    Overtaken,
    Ownership,
    partition_of,
    partition_of_scope,
)
from catenula.validator.reads import SharedReads
from catenula.validator.side_desk import SideDesk
from catenula.validator.side_runs import (
    DECIDING,
    FINAL,
    Handler,
    RunLimits,
    SideRun,
    SideRuns,
)
from catenula.validator.signature_process import SignatureHelper
from catenula.worker import Outcome, ProcessMode, Worker, to_node_error
from catenula.worker.errors import NoNetworkDescription
from catenula.worker.verified import BlockCertificate

_T = TypeVar("_T")


class NodeDriver(SharedReads):
    """The workers of a node in this process, with their chains' locks, committer and effects.

    Chains fall into a fixed number of partitions, which the workers share out among themselves
    (design §3 rule 3); all workers of a node use one store and one committer. ``ownership`` says
    which chains this process serves, where it is not the store's only one.
    """

    def __init__(
        self,
        workers: Worker | Sequence[Worker],
        *,
        committer: Committer,
        clock: Clock,
        address: str = "in-process",
        ownership: Ownership | None = None,
    ) -> None:
        self.workers = (workers,) if isinstance(workers, Worker) else tuple(workers)
        super().__init__(self.workers[0].shared)
        self.clock = clock
        self.notifier: Notifier[Notification] = Notifier()
        self._address = address
        self._committer, self._ownership = committer, ownership
        self._locks = ChainLocks()
        self._waiters = DeliveryWaiters()
        pace = AT_ONCE if committer.inline else IN_COMPANY
        self._queue = CrossChainQueue(self._apply_cross_chain, pace)
        self._put_off = PutOffConfirmations(self._queue.put)
        self._stopped = False
        self._side = SideDesk(self, self._locks, self._queue)
        if ownership is not None:
            ownership.forgetters.append(self._forget)
        self.on_update_sent: Callable[[ChainId], None] | None = None
        """Hears of every chain that sends an update; must not block."""
        self.signatures: SignatureHelper | None = None
        """Verifies ahead, where several nodes of one process get the same requests."""

    @property
    def address(self) -> str:
        """Where the node is, for messages to people."""
        return self._address

    @property
    def worker(self) -> Worker:
        """The first worker; the only one of a client's own node."""
        return self.workers[0]

    def worker_of(self, chain_id: ChainId) -> Worker:
        """The worker that owns a chain's partition."""
        workers = self.workers
        if len(workers) == 1:
            return workers[0]
        return workers[partition_of(chain_id) % len(workers)]

    # Running handlers

    async def run(
        self, chain_id: ChainId, handler: Handler[_T], *, limits: RunLimits = DECIDING
    ) -> _T:
        """Run a handler as the only writer of its chain; returns its reply when it is durable.

        It runs here, or on a thread within ``limits`` when it reaches a slow application. Raises
        `NodeErrorReceived` from the handler's error, `LocalError` when a commit fails.
        """
        try:
            done = await self._run_durably(chain_id, handler, limits=limits)
        except Overtaken:
            done = await self._run_again(chain_id, handler, limits)
        outcome = done.outcome
        if outcome.error is not None:
            raise NodeErrorReceived(to_node_error(outcome.error)) from outcome.error
        if done.delivered is not None:
            await done.delivered
        return outcome.reply  # type: ignore[return-value]  # An outcome has a reply or an error.

    async def _verify_ahead(
        self, chain_id: ChainId, request: BlockProposal | BlockCertificate
    ) -> None:
        """Have the signatures of a request verified while others run; the handler does the rest."""
        if self.signatures is None or self._stopped:
            return
        worker = self.worker_of(chain_id)
        signed = worker.unverified(request)
        if signed:
            await self.signatures.verify_ahead(worker.verified, signed)

    async def _run_again(
        self, chain_id: ChainId, handler: Handler[_T], limits: RunLimits
    ) -> Done[_T]:
        """Run a handler on the state that other processes have left."""
        for _ in range(MAX_OVERTAKEN_ATTEMPTS):
            try:
                return await self._run_durably(chain_id, handler, limits=limits)
            except Overtaken:
                continue
        raise Overtaken

    async def _run_durably(
        self,
        chain_id: ChainId,
        handler: Handler[_T],
        *,
        is_urgent: bool = True,
        limits: RunLimits = DECIDING,
    ) -> Done[_T]:
        if self._stopped:
            # A late request must not act on what this node has in memory: another node may have
            # been started on the same store.
            raise LocalError(f"{self._address} has stopped", retryable=True)
        if self._committer.inline and not self._locks.is_locked(chain_id):
            try:
                return self._run_inline(chain_id, handler, limits)
            except NeedsThread:
                # The lock is free, so that nobody comes in between.
                await self._locks.acquire(chain_id)
            return await self._start_side_run(chain_id, handler, limits)
        if not self._locks.take(chain_id):
            self._committer.hurry()
            await self._locks.acquire(chain_id)
        return await self._run_locked(chain_id, handler, limits, is_urgent=is_urgent)

    def _run_inline(self, chain_id: ChainId, handler: Handler[_T], limits: RunLimits) -> Done[_T]:
        worker = self.worker_of(chain_id)
        self._enter(chain_id)
        outcome = self._handle(worker, chain_id, handler, limits)
        if outcome.writes:
            try:
                self._committer.commit_now(outcome.writes, self._fence(chain_id))
            except BaseException as error:
                worker.forget_chain(chain_id)
                if isinstance(error, StaleFence):
                    raise self._lose(error) from error
                raise
            self._committed(worker, outcome)
        return self._perform(worker, outcome)

    def _handle(
        self, worker: Worker, chain_id: ChainId, handler: Handler[_T], limits: RunLimits
    ) -> Outcome[_T]:
        """Run a handler, and with it the confirmations that waited for its chain's next request.

        A mere question takes none along: it writes nothing, so it need not wait for a commit.
        """
        if limits.is_question or not self._put_off:
            return handler(worker, self.clock.now())
        worker.take_along(self._put_off.take(chain_id))
        try:
            return handler(worker, self.clock.now())
        finally:
            for request in worker.left_behind():
                self._put_off.put(request)

    def _run_locked(
        self, chain_id: ChainId, handler: Handler[_T], limits: RunLimits, *, is_urgent: bool
    ) -> "asyncio.Future[Done[_T]]":
        """Run a handler under its chain's lock, which is given back when all is durable.

        What follows the commit does not depend on the caller: one that goes away must not abort a
        write half-way (spec 06 §4.1).
        """
        worker = self.worker_of(chain_id)
        result: asyncio.Future[Done[_T]] = asyncio.get_running_loop().create_future()
        try:
            if self._stopped:
                raise LocalError(f"{self._address} has stopped", retryable=True)
            self._enter(chain_id)
            outcome = self._handle(worker, chain_id, handler, limits)
            if outcome.writes:
                finish = partial(self._finish, worker, outcome, result)
                fence = self._fence(chain_id)
                self._committer.submit(outcome.writes, finish, is_urgent=is_urgent, fence=fence)
                return result
            result.set_result(self._perform(worker, outcome))
        except NeedsThread:
            return self._start_side_run(chain_id, handler, limits)
        except BaseException:
            worker.forget_chain(chain_id)
            self._locks.release(chain_id)
            raise
        self._locks.release(chain_id)
        return result

    # Side runs

    @property
    def side_runs(self) -> SideRuns:
        """The requests that run on threads now."""
        return self._side.runs

    def _start_side_run(
        self, chain_id: ChainId, handler: Handler[_T], limits: RunLimits
    ) -> "asyncio.Future[Done[_T]]":
        """Run a handler on a thread; its chain's lock is held, and given back when all is done."""
        run = SideRun(chain_id, self.worker_of(chain_id), self.clock.now(), limits)
        return self._side.start(run, handler)

    def enter_chain(self, chain_id: ChainId) -> None:
        """See `SideRunOwner`."""
        if self._stopped:
            raise LocalError(f"{self._address} has stopped", retryable=True)
        self._enter(chain_id)

    def conclude(
        self,
        run: SideRun,
        copy: Worker,
        *,
        outcome: Outcome[_T],
        result: "asyncio.Future[Done[_T]]",
    ) -> None:
        """See `SideRunOwner`; as `_run_locked` ends."""
        chain_id, worker = run.chain_id, run.worker
        if outcome.writes or not run.limits.is_question:
            worker.adopt(copy, chain_id)
        try:
            if outcome.writes:
                finish = partial(self._finish, worker, outcome, result)
                self._committer.submit(outcome.writes, finish, fence=self._fence(chain_id))
                return
            done = self._perform(worker, outcome)
        except BaseException:
            worker.forget_chain(chain_id)
            raise
        self._locks.release(chain_id)
        if not result.done():
            result.set_result(done)

    def _enter(self, chain_id: ChainId) -> None:
        """A handler is about to run; `NotServedHere` when another process serves the chain."""
        if self._ownership is not None:
            self._ownership.enter(chain_id)

    def _fence(self, chain_id: ChainId) -> Fence | None:
        """What the writes of the handler that has just run must show."""
        return None if self._ownership is None else self._ownership.fence(chain_id)

    def _lose(self, stale: StaleFence) -> LocalError:
        """Another process has written to the chain's partition."""
        return stale if self._ownership is None else self._ownership.lose(stale)

    def _forget(self, scope: bytes) -> None:
        """Another process has written to a partition: drop it, and those who wait for it."""
        changed = partition_of_scope(scope)
        if changed is None:
            return

        def is_changed(chain_id: ChainId) -> bool:
            return partition_of(chain_id) == changed

        for worker in self.workers:
            worker.forget_chains(is_changed)
        self._side.changed_elsewhere(is_changed)
        self._waiters.fail_where(is_changed, NotServedHere(changed))

    def _finish(
        self,
        worker: Worker,
        outcome: Outcome[_T],
        result: "asyncio.Future[Done[_T]]",
        error: BaseException | None,
    ) -> None:
        """The writes of an outcome are durable, or have failed."""
        done: Done[_T] | None = None
        try:
            if error is not None:
                worker.forget_chain(outcome.chain_id)
                if isinstance(error, StaleFence):
                    error = self._lose(error)
            else:
                self._committed(worker, outcome)
                done = self._perform(worker, outcome)
        except BaseException as bug:
            if not result.done():
                result.set_exception(bug)
            raise
        finally:
            self._locks.release(outcome.chain_id)
        if result.done():
            return
        if error is not None:
            result.set_exception(error)
        elif done is not None:
            result.set_result(done)

    def _committed(self, worker: Worker, outcome: Outcome[_T]) -> None:
        worker.committed(outcome)
        self._side.changed(outcome.chain_id)

    def _perform(self, worker: Worker, outcome: Outcome[_T]) -> Done[_T]:
        """Let out the effects of a durable outcome, before the chain's next request runs."""
        actions, chain_id = outcome.actions, outcome.chain_id
        for request in actions.cross_chain_requests:
            self._send(request)
        if actions.notifications:
            self.notifier.notify(actions.notifications)
        delivered: asyncio.Future[None] | None = None
        height = outcome.wait_for_delivery_of
        if height is not None and not worker.is_delivered_up_to(chain_id, height):
            delivered = self._waiters.register(chain_id, height)
            self._put_off.release_chain(chain_id)
            self._queue.hurry()
        return Done(outcome, delivered)

    # Cross-chain delivery

    async def deliver(self, request: CrossChainRequest) -> None:
        """Take a request from another worker of this validator; durable when it returns.

        A confirmation may still wait for company: when it is lost, the sender's outbox only stays
        longer than it need. Raises `LocalError` when the request is to be sent again.
        """
        chain_id = target_chain_id(request)
        if self._ownership is not None:
            self._ownership.enter(chain_id)
        if self._stopped:
            raise LocalError(f"{self._address} has stopped", retryable=True)
        if isinstance(request, ConfirmUpdatedRecipient):
            self._send(request)
        else:
            await self._queue.put_and_wait(request)

    def told(self) -> Told:
        """What the node as a whole has counted, by the names of spec 06 §9."""
        return {
            **self._queue.told(),
            **self._committer.counters.told(),
            **self._side.runs.told(),
        }

    def _send(self, request: CrossChainRequest) -> None:
        if self.on_update_sent is not None and type(request) is UpdateRecipient:
            self.on_update_sent(request.sender)
        if self._ownership is not None and not self._ownership.serves(target_chain_id(request)):
            self._ownership.send_elsewhere(request)
        elif isinstance(request, ConfirmUpdatedRecipient) and not self._waiters.has(request.sender):
            self._put_off.put(request)
        else:
            self._queue.put(request)

    async def _apply_cross_chain(self, requests: Sequence[CrossChainRequest]) -> None:
        chain_id = target_chain_id(requests[0])
        if self._ownership is not None and not self._ownership.serves(chain_id):
            for request in requests:
                self._ownership.send_elsewhere(request)
            return
        done = await self._run_durably(
            chain_id,
            lambda worker, now: worker.handle_cross_chain_requests(requests, now),
            is_urgent=any(self._waiters.has(request.sender) for request in requests),
        )
        if self._waiters.has(chain_id):
            worker = self.worker_of(chain_id)
            self._waiters.release(chain_id, partial(worker.is_delivered_up_to, chain_id))
        if done.outcome.error is not None:
            raise done.outcome.error

    @property
    def refused_cross_chain_requests(self) -> tuple[Exception, ...]:
        """Why requests between chains were refused, the last ones last; for inspection."""
        return tuple(self._queue.refused)

    async def settled(self) -> None:
        """Return when no cross-chain request is waiting or being applied (tests, stopping)."""
        while True:
            self._put_off.release_all()
            await self._queue.settled()
            if self._put_off.is_empty:
                return

    # ValidatorNode

    async def handle_block_proposal(self, proposal: BlockProposal) -> ChainInfoResponse:
        """See `ValidatorNode`; waits for a block slightly ahead of the clock (spec 05 §5 row 0)."""
        timestamp = proposal.content.block.timestamp
        ahead = timestamp - self.clock.now()
        if 0 < ahead <= self.worker.config.grace_period_us:
            await self.clock.sleep_until(timestamp)
        chain_id = proposal.content.block.chain_id
        await self._verify_ahead(chain_id, proposal)
        return await self.run(
            chain_id,
            lambda worker, now: worker.handle_block_proposal(proposal, now),
        )

    async def handle_lite_certificate(
        self, certificate: LiteCertificate, *, wait_for_outgoing_messages: bool = False
    ) -> ChainInfoResponse:
        """See `ValidatorNode`."""
        await self._verify_ahead(certificate.value.chain_id, certificate)
        return await self.run(
            certificate.value.chain_id,
            lambda worker, now: worker.handle_lite_certificate(
                certificate, now, wait_for_outgoing_messages=wait_for_outgoing_messages
            ),
            limits=FINAL,
        )

    async def handle_confirmed_certificate(
        self,
        certificate: ConfirmedBlockCertificate,
        *,
        wait_for_outgoing_messages: bool = False,
        mode: ProcessMode = ProcessMode.AUTO,
    ) -> ChainInfoResponse:
        """See `ValidatorNode`; ``mode`` is for local nodes."""
        await self._verify_ahead(certificate.chain_id, certificate)
        return await self.run(
            certificate.chain_id,
            lambda worker, now: worker.handle_confirmed_certificate(
                certificate, now, mode=mode, wait_for_outgoing_messages=wait_for_outgoing_messages
            ),
            limits=FINAL,
        )

    async def handle_validated_certificate(
        self, certificate: ValidatedBlockCertificate
    ) -> ChainInfoResponse:
        """See `ValidatorNode`."""
        await self._verify_ahead(certificate.chain_id, certificate)
        return await self.run(
            certificate.chain_id,
            lambda worker, now: worker.handle_validated_certificate(certificate, now),
        )

    async def handle_timeout_certificate(
        self, certificate: TimeoutCertificate
    ) -> ChainInfoResponse:
        """See `ValidatorNode`."""
        return await self.run(
            certificate.chain_id,
            lambda worker, now: worker.handle_timeout_certificate(certificate, now),
        )

    async def handle_chain_info_query(self, query: ChainInfoQuery) -> ChainInfoResponse:
        """See `ValidatorNode`."""
        return await self.run(
            query.chain_id, lambda worker, now: worker.handle_chain_info_query(query, now)
        )

    async def handle_pending_blob(self, chain_id: ChainId, blob: BlobContent) -> ChainInfoResponse:
        """See `ValidatorNode`."""
        return await self.run(
            chain_id, lambda worker, now: worker.handle_pending_blob(chain_id, blob, now)
        )

    async def download_pending_blob(self, chain_id: ChainId, blob_id: BlobId) -> BlobContent:
        """See `ValidatorNode`."""
        return await self.run(
            chain_id, lambda worker, _: worker.download_pending_blob(chain_id, blob_id)
        )

    async def previous_event_blocks(
        self, chain_id: ChainId, stream_ids: Sequence[StreamId]
    ) -> Mapping[StreamId, tuple[BlockHeight, CryptoHash]]:
        """See `ValidatorNode`."""
        return await self.run(
            chain_id, lambda worker, _: worker.previous_event_blocks(chain_id, stream_ids)
        )

    async def upload_blob(self, blob: BlobContent) -> BlobId:
        """See `ValidatorNode`."""
        try:
            groups = self.worker.upload_blob(blob)
        except ProtocolError as error:
            raise NodeErrorReceived(to_node_error(error)) from error
        if groups:
            await self._committer.commit(groups)
        return blob.id

    async def hashes_by_heights(
        self, chain_id: ChainId, heights: Sequence[BlockHeight]
    ) -> list[CryptoHash]:
        """Hashes of the known blocks of a chain, executed ones first (spec 06 §4.9)."""
        query = ChainInfoQuery(chain_id, request_sent_certificate_hashes_by_heights=tuple(heights))
        response = await self.handle_chain_info_query(query)
        return list(response.info.requested_sent_certificate_hashes)

    async def get_version_info(self) -> VersionInfo:
        """See `ValidatorNode`."""
        return self.worker.version_info()

    async def get_network_description(self) -> NetworkDescription:
        """See `ValidatorNode`."""
        description = self.worker.shared.network_description()
        if description is None:
            raise NodeErrorReceived(to_node_error(NoNetworkDescription()))
        return description

    def subscribe(
        self, chain_ids: Sequence[ChainId], *, on_open: Callable[[], None] | None = None
    ) -> AsyncIterator[Notification]:
        """See `ValidatorNode`."""
        subscription = self.notifier.subscribe(chain_ids)
        if on_open is not None:
            on_open()
        return subscription.__aiter__()

    async def stop(self) -> None:
        """Finish what runs and refuse everything afterwards; the owner closes the store."""
        self._stopped = True
        self._put_off.release_all()
        await self._side.stop()
        await self._queue.stop()
        await self._committer.settled()
        error = LocalError(f"{self._address} has stopped", retryable=True)
        self._waiters.fail_all(error)
        self.notifier.fail_all(error)
