"""A faucet: gives everybody one chain, and some tokens a day (spec 08 §3).

It uses a chain of a `Client` and keeps that chain's inbox empty, so that tokens sent to
it become available. Must not know HTTP or GraphQL.
"""

import json
import time
from collections.abc import Awaitable
from functools import cached_property
from typing import Any, TypeVar

from catenula.base.errors import LocalError
from catenula.base.identifiers import AccountOwner, ChainId
from catenula.base.integers import Epoch, Timestamp
from catenula.client.chain_listener import ChainListener
from catenula.client.client import Client
from catenula.protocol import ChainDescription, Committee, GenesisConfig
from catenula.services.faucet import errors
from catenula.services.faucet.allowances import RateLimit, next_daily_claim
from catenula.services.faucet.batches import (
    ClaimBatches,
    ClaimOutcome,
    Grants,
    check_daily_claim,
)
from catenula.services.faucet.database import ClaimedChain, FaucetDatabase
from catenula.services.faucet.errors import FaucetRefusal
from catenula.services.faucet.ledger import ClaimLedger
from catenula.services.faucet.metrics import FaucetMetrics
from catenula.services.faucet.options import FaucetOptions
from catenula.worker.version import VERSION_INFO

_T = TypeVar("_T")


class Faucet:
    """One faucet on one chain. `start` it before use and `stop` it at the end."""

    def __init__(
        self,
        client: Client,
        chain_id: ChainId,
        *,
        genesis: GenesisConfig,
        options: FaucetOptions,
    ) -> None:
        """The client must be able to propose on the chain; it stays with the caller."""
        self.chain, self.options = client.chain(chain_id), options
        self._genesis = genesis
        self.metrics = FaucetMetrics()
        self._database: FaucetDatabase | None = None
        self._listener = ChainListener(client, options=options.listener)
        self._started: tuple[ClaimLedger, ClaimBatches] | None = None
        self._is_stopped = False

    # Beginning and ending

    async def start(self) -> None:
        """Learn what the chain says, then take claims.

        Raises `ClientError` when the validators cannot be reached, `LocalError` for the database.
        """
        chain, options = self.chain, self.options
        await chain.synchronize()
        self._database = FaucetDatabase(options.storage_path)
        ledger = ClaimLedger(chain, self._database, options.daily_claim_amount)
        await ledger.catch_up()
        batches = ClaimBatches(chain, ledger, self._grants(), metrics=self.metrics)
        batches.start()
        self._started = (ledger, batches)
        self._listener.start((chain.chain_id,))

    def _grants(self) -> Grants:
        options, rate_limit = self.options, None
        if options.limit_rate_until is not None:
            balance = self.chain.state().execution.system.balance.get()
            rate_limit = RateLimit(
                balance, self.chain.context.clock.now(), options.limit_rate_until
            )
        return Grants(
            options.amount, options.daily_claim_amount, options.max_batch_size, rate_limit
        )

    async def stop(self) -> None:
        """Take no more claims and let go of the chain; the client is not closed."""
        await self._listener.stop()
        self._is_stopped = True
        if self._started is not None:
            await self._started[1].stop()
        if self._database is not None:
            await self._database.close()

    @property
    def _ledger(self) -> ClaimLedger:
        return self._running()[0]

    def _running(self) -> tuple[ClaimLedger, ClaimBatches]:
        if self._is_stopped:
            raise FaucetRefusal(errors.STOPPING)
        if self._started is None:
            raise LocalError("the faucet has not been started", retryable=True)
        return self._started

    # The network

    def version(self) -> dict[str, Any]:
        """The version information."""
        info = VERSION_INFO
        return {
            "crate_version": str(info.crate_version),
            "git_commit": info.git_commit,
            "git_dirty": info.git_dirty,
            "rpc_hash": info.rpc_hash,
            "graphql_hash": info.graphql_hash,
            "wit_hash": info.wit_hash,
        }

    def genesis_config(self) -> Any:
        """The content of the genesis file, fields in alphabetical order."""
        return self._genesis_json

    @cached_property
    def _genesis_json(self) -> Any:
        return json.loads(json.dumps(self._genesis.to_json(), sort_keys=True))

    def current_committee(self) -> Committee:
        """The committee of the newest epoch this node knows."""
        return self.chain.context.committees.current()

    def current_epoch(self) -> Epoch:
        """The newest epoch this node knows."""
        return self.chain.context.committees.highest_epoch()

    # Owners

    def chain_id(self, owner: AccountOwner) -> ChainId:
        """The chain an owner got here; `FaucetRefusal` when there is none."""
        found = self.initial_claim(owner)
        if found is None:
            raise FaucetRefusal(errors.NO_CHAIN)
        return found.chain_id

    def initial_claim(self, owner: AccountOwner) -> ClaimedChain | None:
        """The chain an owner got here, and when."""
        started = time.monotonic()
        found = self._ledger.chain_of(owner)
        self.metrics.database_operation((time.monotonic() - started) * 1000)
        return found

    def next_daily_claim(self, owner: AccountOwner) -> Timestamp | None:
        """When the owner may take daily tokens again; None before the first claim."""
        found = self.initial_claim(owner)
        if found is None:
            return None
        return next_daily_claim(found.created_at, self._ledger.last_period(owner))

    # Claims

    async def claim(self, owner: AccountOwner) -> ChainDescription:
        """The owner's chain, made now unless there is one; a quorum of validators knows it.

        Raises `FaucetRefusal`, `ClientError`, `LocalError`.
        """
        return await self._measured(self._claim(owner))

    async def _claim(self, owner: AccountOwner) -> ChainDescription:
        ledger, batches = self._running()
        known = self.initial_claim(owner)
        if known is not None:
            return await ledger.description(known.chain_id)
        return await batches.claim(owner)

    async def daily_claim(self, owner: AccountOwner) -> ClaimOutcome:
        """Send the owner the day's tokens. Raises as `claim`."""
        return await self._measured(self._daily_claim(owner))

    async def _daily_claim(self, owner: AccountOwner) -> ClaimOutcome:
        ledger, batches = self._running()
        check_daily_claim(ledger, owner, self.chain.context.clock.now())
        if not self.options.daily_claim_amount:
            raise FaucetRefusal(errors.NO_DAILY_CLAIMS)
        return await batches.daily_claim(owner)

    async def _measured(self, claim: Awaitable[_T]) -> _T:
        started, result = time.monotonic(), "error"
        try:
            answer = await claim
            result = "success"
        except FaucetRefusal:
            result = "refused"
            raise
        finally:
            self.metrics.claim_answered(result, (time.monotonic() - started) * 1000)
        return answer
