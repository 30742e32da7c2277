"""One proposer per chain at a time, among the tasks of a process and the processes of a store (K9).

Two processes of one wallet that propose at once would not break anything (K2, K8), but their blocks
would conflict; so they queue up. The lock is held while a block is proposed and finished, never
while a round's time-out is awaited.
"""

import asyncio
from threading import Thread
from types import TracebackType

from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId
from catenula.client.local_node import LocalNode
from catenula.client.session import ChainSession
from catenula.client.wallet import Wallet
from catenula.storage.process_locks import ProcessLock, ProcessLocks
from catenula.validator.ownership import SharedOwnership


class ChainTurns:
    """The turns of all chains of a client whose store other processes use too."""

    def __init__(
        self,
        locks: ProcessLocks,
        ownership: SharedOwnership,
        *,
        wallet: Wallet,
        local: LocalNode,
        patience_seconds: float,
    ) -> None:
        self._locks, self._ownership = locks, ownership
        self._wallet, self._local = wallet, local
        self._patience_seconds = patience_seconds

    def of(self, session: ChainSession) -> "Turn":
        """The turn of a session, to be awaited in ``async with``."""
        return Turn(self, session)

    async def acquire(self, chain_id: ChainId) -> ProcessLock:
        """The chain's lock; `LocalError` with its holder when the patience is over."""
        found = self._locks.try_take(chain_id)
        if found is not None:
            return found
        waiting = _wait_on_thread(self._locks, chain_id)
        try:
            async with asyncio.timeout(self._patience_seconds):
                return await waiting
        except TimeoutError as error:
            _give_up(waiting)
            raise self._too_long(chain_id) from error
        except BaseException:
            _give_up(waiting)
            raise

    def _too_long(self, chain_id: ChainId) -> LocalError:
        holder = self._locks.holder(chain_id)
        return LocalError(
            f"process {holder or 'unknown'} has been making a block of chain {chain_id} for "
            f"{self._patience_seconds:g} s; wait for it or end it, then try again",
            retryable=True,
            process=holder,
        )

    def take_over(self, session: ChainSession) -> None:
        """Learn what other processes have left in flight; what they signed goes first (K3)."""
        self._ownership.end_step()
        height = self._local.chain(session.chain_id).next_block_height
        pending = session.pending
        if pending is not None and session.has_adopted and pending.block.height < height:
            session.clear_pending()
        stored = self._wallet.proposal(session.chain_id).pending
        if stored is not None and stored.block.height >= height and stored != session.pending:
            session.adopt(stored)


class Turn:
    """The right to propose on one chain."""

    __slots__ = ("_held", "_session", "_turns")

    def __init__(self, turns: ChainTurns, session: ChainSession) -> None:
        self._turns, self._session = turns, session
        self._held: ProcessLock | None = None

    async def __aenter__(self) -> None:
        await self._session.lock.acquire()
        try:
            self._held = await self._turns.acquire(self._session.chain_id)
            self._turns.take_over(self._session)
        except BaseException:
            self._release()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()

    def _release(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.release()
        self._session.lock.release()


def _wait_on_thread(locks: ProcessLocks, chain_id: ChainId) -> "asyncio.Future[ProcessLock]":
    """The lock, from a thread that blocks until it is free; nobody waits for the thread itself."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[ProcessLock] = loop.create_future()

    def deliver(lock: ProcessLock | None, error: BaseException | None) -> None:
        if future.done():
            if lock is not None:
                lock.release()
        elif lock is not None:
            future.set_result(lock)
        elif error is not None:
            future.set_exception(error)

    def wait() -> None:
        lock: ProcessLock | None = None
        failure: BaseException | None = None
        try:
            lock = locks.take(chain_id)
        except (LocalError, OSError) as error:
            failure = error
        try:
            loop.call_soon_threadsafe(deliver, lock, failure)
        except RuntimeError:  # The loop has ended meanwhile.
            if lock is not None:
                lock.release()

    Thread(target=wait, name="chain-lock", daemon=True).start()
    return future


def _give_up(waiting: "asyncio.Future[ProcessLock]") -> None:
    if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
        waiting.result().release()
    else:
        waiting.cancel()
