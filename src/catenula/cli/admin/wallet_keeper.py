"""Keeps the wallet file up to date while a service runs.

Blocks come often and the file is written as a whole, so that it is written at most once a second.
What is lost when the process is killed is found again by the next synchronization.
"""

import asyncio

from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.cli.session import Session
from catenula.protocol import NewBlock, Notification

_SECONDS = 1.0


class WalletKeeper:
    """Notes new blocks, and new chains for keys of the wallet; `close` it at the end.

    It also says which chains are in the file, as they become more.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._new: list[tuple[ChainId, CryptoHash]] = []
        self._writing: asyncio.Task[None] | None = None

    def chain_ids(self) -> list[ChainId]:
        """The chains of the wallet file."""
        return self._session.wallet.content.chain_ids()

    def default_chain(self) -> ChainId | None:
        """The wallet file's default chain."""
        return self._session.wallet.content.default_chain()

    def heard(self, notification: Notification) -> None:
        """A chain has a new block; does not wait."""
        if isinstance(notification.reason, NewBlock):
            self._new.append((notification.chain_id, notification.reason.hash))
            if self._writing is None:
                self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        while self._new:
            await asyncio.sleep(_SECONDS)
            try:
                await self._note()
            except LocalError as error:
                # What was noted stays in memory, and is written with the next block or at the end.
                self._session.output.warn(f"the wallet file could not be written: {error}")
        self._writing = None

    async def _note(self) -> None:
        session, new = self._session, list(self._new)
        known = set(session.wallet.content.chain_ids())
        for _, block_hash in new:
            certificate = session.client.context.local.shared.certificate(block_hash)
            if certificate is not None and certificate.block.created_chains():
                await session.note_block(certificate)
        created = set(session.wallet.content.chain_ids()) - known
        for chain_id in created:
            await session.chain(chain_id)
        session.update({chain_id for chain_id, _ in new} | created)
        del self._new[: len(new)]
        session.wallet.save()

    async def close(self) -> None:
        """Write what has not been written yet."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        await self._note()
