"""Claims become blocks: first in, first out, many to a block (spec 08 §3.2).

Invariants kept: a claim is answered only after a quorum has its block; an owner never gets two
chains. For the second, one block is made at a time under the chain's own lock: whatever was in
flight is finished first, the ledger reads it, and only then is decided who still needs a chain. The
block is proposed for the height that follows what the ledger has read and for no other, so this
holds too when several faucets with databases of their own give from one chain.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from typing import cast

from msgspec import Struct, field

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import AccountOwner, ChainId, CryptoHash
from catenula.base.integers import Amount, Timestamp
from catenula.base.limits import (
    FAUCET_RETRY_DELAY_US,
    MAX_FAUCET_ATTEMPTS,
    MAX_FAUCET_QUEUE,
)
from catenula.client.chain_client import ChainClient
from catenula.client.errors import (
    BlockConflict,
    BlockRefused,
    ClientError,
    DownloadFailed,
    NoQuorum,
    Overdraft,
)
from catenula.client.outcomes import WaitForTimeout
from catenula.client.prepare import prepare_chain
from catenula.client.propose import Request, process_pending, propose_operations
from catenula.execution.errors import ExecutionError
from catenula.protocol import (
    Account,
    ChainDescription,
    ChainOwnership,
    OpenChain,
    OpenChainConfig,
    Operation,
    Transfer,
)
from catenula.services.faucet import errors
from catenula.services.faucet.allowances import RateLimit, period_of
from catenula.services.faucet.database import ClaimedChain
from catenula.services.faucet.errors import FaucetRefusal
from catenula.services.faucet.ledger import ClaimLedger
from catenula.services.faucet.metrics import FaucetMetrics

_LOGGER = logging.getLogger(__name__)
_PASSING = (NoQuorum, BlockConflict, DownloadFailed)
_LOST_PLACE = (
    "Other blocks of the faucet's chain kept taking the place of this claim. Try again later."
)

_NO_ROUND = "The faucet's chain cannot make blocks now: too few validators agree. Try again later."


class ClaimOutcome(Struct, frozen=True):
    """What a daily claim led to."""

    chain_id: ChainId
    certificate_hash: CryptoHash
    amount: Amount


Answer = ChainDescription | ClaimOutcome


class _Claim(Struct, eq=False):
    """Somebody who waits.

    ``attempts`` counts the blocks it failed to get into; ``was_proposed`` says that it may be in a
    block already, and ``period`` is the window a daily claim was proposed for first.
    """

    owner: AccountOwner
    is_daily: bool
    answer: asyncio.Future[Answer]
    arrived: float = field(default_factory=time.monotonic)
    attempts: int = 0
    was_proposed: bool = False
    period: int = 0

    def refuse(self, error: Exception) -> None:
        """Answer with an error, unless it is answered."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Grants(Struct, frozen=True):
    """What the faucet gives, and how much at a time."""

    amount: Amount
    daily_claim_amount: Amount
    max_batch_size: int
    rate_limit: RateLimit | None = None


class ClaimBatches:
    """The queue of claims and the task that empties it."""

    def __init__(
        self, chain: ChainClient, ledger: ClaimLedger, grants: Grants, *, metrics: FaucetMetrics
    ) -> None:
        self._chain, self._ledger, self._grants, self._metrics = chain, ledger, grants, metrics
        self._waiting: deque[_Claim] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._batch: list[_Claim] = []
        self._limit = max(1, grants.max_batch_size)
        self._next_size = self._limit

    def start(self) -> None:
        """Begin to make blocks."""
        self._task = asyncio.ensure_future(self._run())
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Make no more blocks; who still waits is told so.

        A block that is under way is given up by this process only: it is finished, and found again,
        when the faucet starts next time.
        """
        self._is_stopping = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def claim(self, owner: AccountOwner) -> ChainDescription:
        """Wait for the block that opens a chain; `FaucetRefusal`, `ClientError`, `LocalError`.

        A caller that is cancelled does not take its claim back.
        """
        return cast(ChainDescription, await self._submit(owner, is_daily=False))

    async def daily_claim(self, owner: AccountOwner) -> ClaimOutcome:
        """As `claim`, for a day's tokens."""
        return cast(ClaimOutcome, await self._submit(owner, is_daily=True))

    async def _submit(self, owner: AccountOwner, *, is_daily: bool) -> Answer:
        if self._is_stopping:
            raise FaucetRefusal(errors.STOPPING)
        if len(self._waiting) >= MAX_FAUCET_QUEUE:
            raise FaucetRefusal(errors.BUSY)
        claim = _Claim(owner, is_daily, asyncio.get_running_loop().create_future())
        self._waiting.append(claim)
        self._metrics.queue_changed(len(self._waiting))
        self._wake.set()
        return await asyncio.shield(claim.answer)

    # The task

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                self._batch = self._take()
                await self._work(self._batch)
                self._batch = []

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Nobody is left waiting, whatever ended the task."""
        self._is_stopping = True
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _LOGGER.error("the faucet makes no more blocks", exc_info=error)
        for claim in (*self._batch, *self._waiting):
            claim.refuse(FaucetRefusal(errors.STOPPING))
        self._waiting.clear()

    def _take(self) -> list[_Claim]:
        size = min(len(self._waiting), self._next_size)
        self._next_size = self._limit
        batch = [self._waiting.popleft() for _ in range(size)]
        self._metrics.queue_changed(len(self._waiting))
        now = time.monotonic()
        for claim in batch:
            self._metrics.waited((now - claim.arrived) * 1000)
        return batch

    async def _work(self, batch: list[_Claim]) -> None:
        """Answer these claims or put them back."""
        attempt = _Attempt(self._chain, self._ledger, self._grants, metrics=self._metrics)
        started = time.monotonic()
        try:
            until = await attempt.run(batch)
        except (ProtocolError, LocalError) as error:
            await self._recover(batch, attempt, error)
            return
        if until is not None:
            await self._wait_for_round(batch, until)
            return
        if attempt.operations:
            self._metrics.batch_done(len(attempt.operations), (time.monotonic() - started) * 1000)
        self._try_again(batch, LocalError(_LOST_PLACE, retryable=True))

    async def _wait_for_round(self, batch: list[_Claim], until: Timestamp) -> None:
        """Nothing can be proposed before ``until``; when that is over, only a quorum helps."""
        clock = self._chain.context.clock
        soon = Timestamp(clock.now() + FAUCET_RETRY_DELAY_US)
        if until < soon:
            self._metrics.retryable_error()
            self._try_again(batch, LocalError(_NO_ROUND, retryable=True))
        else:
            self._put_back(batch)
        await clock.sleep_until(max(until, soon))

    async def _recover(
        self, batch: list[_Claim], attempt: "_Attempt", error: ProtocolError | LocalError
    ) -> None:
        if isinstance(error, BlockRefused | Overdraft):
            self._shrink(batch, attempt, error)
            return
        may_pass = isinstance(error, _PASSING) or (
            isinstance(error, LocalError) and error.retryable
        )
        if not may_pass:
            for claim in batch:
                claim.refuse(error)
            return
        self._metrics.retryable_error()
        if self._try_again(batch, error):
            clock = self._chain.context.clock
            await clock.sleep_until(Timestamp(clock.now() + FAUCET_RETRY_DELAY_US))

    def _try_again(self, batch: Sequence[_Claim], error: ProtocolError | LocalError) -> bool:
        """Those without an answer go into another block, but not for ever; whether any do."""
        for claim in batch:
            claim.attempts += not claim.answer.done()
            if claim.attempts >= MAX_FAUCET_ATTEMPTS:
                claim.refuse(error)
        return self._put_back(batch)

    def _shrink(
        self, batch: list[_Claim], attempt: "_Attempt", error: BlockRefused | Overdraft
    ) -> None:
        """The block cannot be executed, and nothing was signed: leave out what does not fit."""
        size = len(attempt.accepted)
        if size <= 1:
            for claim in attempt.accepted:
                claim.refuse(self._told(error))
        else:
            position = _failed_operation(error)
            fits = position if position is not None and position < size else size // 2
            self._next_size = max(1, fits)
            if fits and not isinstance(error, Overdraft):
                self._limit = self._next_size
        self._put_back(batch)

    def _told(self, error: BlockRefused | Overdraft) -> ProtocolError:
        if isinstance(error, Overdraft):
            self._metrics.insufficient_balance()
            return FaucetRefusal(errors.EMPTY)
        return error

    def _put_back(self, batch: Sequence[_Claim]) -> bool:
        """Those without an answer go first again; whether there are any."""
        unanswered = [claim for claim in batch if not claim.answer.done()]
        self._waiting.extendleft(reversed(unanswered))
        self._metrics.queue_changed(len(self._waiting))
        return bool(unanswered)


class _Attempt:
    """One block, or the end of one that was begun before."""

    def __init__(
        self,
        chain: ChainClient,
        ledger: ClaimLedger,
        grants: Grants,
        *,
        metrics: FaucetMetrics,
    ) -> None:
        self._chain, self._ledger, self._grants, self._metrics = chain, ledger, grants, metrics
        self.accepted: list[_Claim] = []
        self.operations: list[Operation] = []
        self._taken: set[tuple[AccountOwner, bool]] = set()
        self._spent = 0

    async def run(self, batch: Sequence[_Claim]) -> Timestamp | None:
        """Answer claims; those that must go into another block stay unanswered.

        Returns a time before which nothing can be proposed, if there is one.
        """
        context, session = self._chain.context, self._chain.session
        async with self._chain.turn():
            await prepare_chain(context, session)
            new = [claim for claim in batch if not claim.is_daily and not self._has_chain(claim)]
            unfinished = await process_pending(context, session)
            if isinstance(unfinished, WaitForTimeout):
                return unfinished.timestamp
            await self._catch_up()
            for claim in new:
                # A block that an earlier claim of this owner left unfinished answers this one.
                claim.was_proposed |= self._has_chain(claim)
            for claim in batch:
                await self._admit(claim)
            if not self.operations:
                return None
            for claim in self.accepted:
                claim.was_proposed = True
            # Another faucet may give from the same chain: a block of its own that comes first
            # changes who has one already.
            request = Request(tuple(self.operations), height=self._ledger.next_height)
            outcome = await propose_operations(context, session, request)
            await self._catch_up()
        for claim in self.accepted:
            await self._answer(claim)
        return outcome.timestamp if isinstance(outcome, WaitForTimeout) else None

    async def _catch_up(self) -> None:
        started = time.monotonic()
        created = await self._ledger.catch_up()
        if created:
            self._metrics.chains_created(created)
            self._metrics.chains_stored((time.monotonic() - started) * 1000)
        self._metrics.balance_changed(self._balance())

    def _balance(self) -> Amount:
        return self._chain.state().execution.system.balance.get()

    # Who gets something

    async def _admit(self, claim: _Claim) -> None:
        if claim.answer.done() or await self._answer(claim):
            return
        try:
            operation, cost = self._daily(claim) if claim.is_daily else self._open(claim)
            self._check_rate(cost)
        except FaucetRefusal as refusal:
            claim.refuse(refusal)
            return
        self.accepted.append(claim)
        self.operations.append(operation)
        self._taken.add((claim.owner, claim.is_daily))
        self._spent += cost

    def _open(self, claim: _Claim) -> tuple[Operation, Amount]:
        owner, amount = claim.owner, self._grants.amount
        if self._has_chain(claim) or self._is_in_block(claim):
            raise FaucetRefusal(errors.HAS_CHAIN)
        return OpenChain(OpenChainConfig(ChainOwnership.single(owner), amount)), amount

    def _daily(self, claim: _Claim) -> tuple[Operation, Amount]:
        owner, amount = claim.owner, self._grants.daily_claim_amount
        now = self._chain.context.clock.now()
        row = check_daily_claim(self._ledger, owner, now)
        claim.period = claim.period or period_of(row.created_at, now)
        if self._is_in_block(claim):
            raise FaucetRefusal(errors.CLAIMED_THIS_PERIOD)
        return Transfer(AccountOwner.CHAIN, Account(row.chain_id, owner), amount), amount

    def _has_chain(self, claim: _Claim) -> bool:
        return self._ledger.chain_of(claim.owner) is not None

    def _is_in_block(self, claim: _Claim) -> bool:
        return (claim.owner, claim.is_daily) in self._taken

    def _check_rate(self, cost: Amount) -> None:
        limit = self._grants.rate_limit
        if limit is None:
            return
        remaining = self._balance() - self._spent - cost
        if not limit.allows(remaining, self._chain.context.clock.now()):
            self._metrics.rate_limited()
            raise FaucetRefusal(errors.RATE_LIMITED)

    # Answering

    async def _answer(self, claim: _Claim) -> bool:
        """Answer a claim whose block is known; a claim that was in none yet has no answer."""
        if not claim.was_proposed:
            return False
        found = await (self._paid(claim) if claim.is_daily else self._opened(claim))
        if found is not None and not claim.answer.done():
            claim.answer.set_result(found)
        return found is not None

    async def _opened(self, claim: _Claim) -> ChainDescription | None:
        row = self._ledger.chain_of(claim.owner)
        return None if row is None else await self._ledger.description(row.chain_id)

    async def _paid(self, claim: _Claim) -> ClaimOutcome | None:
        row, paid = self._ledger.chain_of(claim.owner), self._ledger.daily_block(claim.owner)
        if row is None or paid is None or paid.period < claim.period:
            return None
        return ClaimOutcome(row.chain_id, paid.block_hash, self._grants.daily_claim_amount)


def check_daily_claim(ledger: ClaimLedger, owner: AccountOwner, now: Timestamp) -> ClaimedChain:
    """The chain to pay to; `FaucetRefusal` when the owner may not claim now."""
    row = ledger.chain_of(owner)
    if row is None:
        raise FaucetRefusal(errors.CLAIM_FIRST)
    if period_of(row.created_at, now) <= ledger.last_period(owner):
        raise FaucetRefusal(errors.CLAIMED_THIS_PERIOD)
    return row


def _failed_operation(error: ClientError) -> int | None:
    """The position, in the block, of the operation that failed; None when it is not that."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ExecutionError) and cause.context is not None:
            is_operation = cause.context.place == "Operation"
            return cause.context.position if is_operation else None
        cause = cause.__cause__
    return None
