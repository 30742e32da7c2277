"""Public chains run by the validators: no owners, proposed in ``Validator(n)`` rounds (spec 05 §6).

Each validator has a runner: a client that signs with the validator's account key. It takes up the
public chains it hears of, and when a message for one of them arrives, proposes a block if it is the
leader of the round, or waits for the round to end if it is not. A dead leader is thus passed over.
"""

import asyncio

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import AccountOwner, ChainId
from catenula.client import Client, ClientSetup, WaitForTimeout
from catenula.protocol import (
    BlobType,
    ChainDescription,
    ChainOwnership,
    NewBlock,
    NewIncomingBundle,
    Notification,
)
from catenula.validator.driver import NodeDriver

_KEPT_FAILURES = 20


def is_public(ownership: ChainOwnership) -> bool:
    """Whether the validators run chains of this ownership."""
    return (
        not ownership.owners
        and not ownership.super_owners
        and ownership.timeout_config.fallback_duration == 0
    )


class PublicChainRunner:
    """One validator's part in running public chains."""

    def __init__(self, driver: NodeDriver, setup: ClientSetup, owner: AccountOwner) -> None:
        self._driver, self._owner = driver, owner
        self._client = Client(setup)
        self._chains: set[ChainId] = set(self._client.wallet.chain_ids())
        self._tasks: dict[ChainId, asyncio.Task[None]] = {}
        self._again: set[ChainId] = set()
        self.failures: list[Exception] = []
        driver.notifier.watchers.append(self._hear)

    def resume(self) -> None:
        """Look at every known public chain once (after a restart)."""
        for chain_id in self._chains:
            self._schedule(chain_id)

    def _hear(self, notification: Notification) -> None:
        chain_id, reason = notification.chain_id, notification.reason
        if isinstance(reason, NewBlock):
            self._take_up_children(reason)
        elif isinstance(reason, NewIncomingBundle) and chain_id in self._chains:
            self._schedule(chain_id)

    def _take_up_children(self, reason: NewBlock) -> None:
        certificate = self._driver.worker.shared.certificate(reason.hash)
        if certificate is None or not any(certificate.block.body.blobs):
            return
        for blobs in certificate.block.body.blobs:
            for blob in blobs:
                if blob.blob_type is BlobType.CHAIN_DESCRIPTION:
                    description = ChainDescription.from_bcs(blob.bytes)
                    if is_public(description.config.ownership):
                        self._chains.add(description.chain_id)
                        self._schedule(description.chain_id)

    def _schedule(self, chain_id: ChainId) -> None:
        if chain_id in self._tasks:
            self._again.add(chain_id)
            return
        task = asyncio.get_running_loop().create_task(self._run(chain_id))
        self._tasks[chain_id] = task

    async def _run(self, chain_id: ChainId) -> None:
        try:
            self._again.add(chain_id)
            while chain_id in self._again:
                self._again.discard(chain_id)
                await self._process(chain_id)
        except (ProtocolError, LocalError) as error:
            # The next message for the chain, or a restart, tries again.
            self.failures = [*self.failures[1 - _KEPT_FAILURES :], error]
        finally:
            del self._tasks[chain_id]

    async def _process(self, chain_id: ChainId) -> None:
        """Take in what waits; as long as another leads, wait for its block or the round's end."""
        if self._client.wallet.chain(chain_id) is None:
            await self._client.assign(self._owner, chain_id)
        chain = self._client.chain(chain_id)
        while True:
            await chain.synchronize()
            _, stopped = await chain.process_inbox()
            if not isinstance(stopped, WaitForTimeout):
                return
            await self._client.context.clock.sleep_until(stopped.timestamp)

    async def stop(self) -> None:
        """Stop proposing and close the client."""
        if self._hear in self._driver.notifier.watchers:
            self._driver.notifier.watchers.remove(self._hear)
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.close()
