"""Public chains run by the validators: no owners, proposed in ``Validator(n)`` rounds (spec 05 §6).

Each validator has a runner: a client that signs with the validator's account key. It takes up the
public chains it hears of, and when a message for one of them arrives, proposes a block if it is the
leader of the round, or waits for the round to end if it is not. A dead leader is thus passed over.
"""

from catenula.base.identifiers import AccountOwner, ChainId
from catenula.client import ChainClient, Client, ClientSetup, Conflict, InboxTask, WaitForTimeout
from catenula.protocol import (
    Block,
    ChainOwnership,
    ChangeOwnership,
    ConfirmedBlockCertificate,
    ExecuteOperation,
    NewBlock,
    Notification,
    Transaction,
)
from catenula.validator.driver import NodeDriver


def is_public(ownership: ChainOwnership) -> bool:
    """Whether the validators run chains of this ownership."""
    return (
        not ownership.owners
        and not ownership.super_owners
        and ownership.timeout_config.fallback_duration == 0
    )


def _changes_ownership(transaction: Transaction) -> bool:
    return type(transaction) is ExecuteOperation and type(transaction.operation) is ChangeOwnership


class PublicChainRunner:
    """One validator's part in running public chains."""

    def __init__(self, driver: NodeDriver, setup: ClientSetup, owner: AccountOwner) -> None:
        self._driver, self._owner = driver, owner
        self.client = Client(setup)
        self._tasks: dict[ChainId, InboxTask] = {}
        driver.notifier.watchers.append(self._hear)

    def resume(self) -> None:
        """Take up every known public chain (after a restart)."""
        for chain_id in self.client.wallet.chain_ids():
            self._take_up(chain_id)

    def task(self, chain_id: ChainId) -> InboxTask | None:
        """What keeps the inbox of a public chain empty, for inspection."""
        return self._tasks.get(chain_id)

    def _hear(self, notification: Notification) -> None:
        chain_id, reason = notification.chain_id, notification.reason
        if chain_id in self._tasks:
            self._tasks[chain_id].wake()
        if isinstance(reason, NewBlock):
            certificate = self._driver.worker_of(chain_id).shared.certificate(reason.hash)
            if certificate is not None:
                self._look_for_public_chains(certificate.block)

    def _look_for_public_chains(self, block: Block) -> None:
        """A block may create public chains, and it may make its own chain public."""
        for description in block.created_chains():
            if is_public(description.config.ownership):
                self._take_up(description.chain_id)
        if any(_changes_ownership(transaction) for transaction in block.body.transactions):
            chain = self._driver.worker_of(block.chain_id).chain(block.chain_id)
            if is_public(chain.execution.system.ownership.get()):
                self._take_up(block.chain_id)

    def _take_up(self, chain_id: ChainId) -> None:
        if chain_id not in self._tasks:
            task = InboxTask(_PublicChain(self.client, self._owner, chain_id))
            self._tasks[chain_id] = task
            task.start()

    async def stop(self) -> None:
        """Stop proposing and close the client."""
        if self._hear in self._driver.notifier.watchers:
            self._driver.notifier.watchers.remove(self._hear)
        for task in self._tasks.values():
            await task.stop()
        await self.client.close()


class _PublicChain(ChainClient):
    """A public chain as a validator's own client uses it; nobody but the validators tells it."""

    def __init__(self, client: Client, owner: AccountOwner, chain_id: ChainId) -> None:
        self._client, self._owner = client, owner
        self._handle = client.chain(chain_id)
        super().__init__(client.context, self._handle.session)

    async def process_inbox(
        self,
    ) -> tuple[list[ConfirmedBlockCertificate], WaitForTimeout | Conflict | None]:
        """Take in what the validators know of, as far as this validator leads."""
        if self._client.wallet.chain(self.chain_id) is None:
            await self._client.assign(self._owner, self.chain_id)
        await self.synchronize()
        return await super().process_inbox()
