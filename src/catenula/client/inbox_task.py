"""An inbox that empties itself: a task for one chain, woken by whoever owns it, and by time.

It runs a public chain when the client holds a validator's account key: it proposes when that
validator leads, and leaves the round when a silent leader's time is up. For the chains of a wallet
there is `catenula.client.chain_listener`.
"""

import asyncio
from collections.abc import Callable

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.integers import MICROSECONDS_PER_SECOND, Timestamp
from catenula.client.chain_client import ChainClient
from catenula.client.outcomes import WaitForTimeout
from catenula.protocol import ConfirmedBlockCertificate

RETRY_AFTER_US = 5 * MICROSECONDS_PER_SECOND
"""When a chain is tried again after an error, unless it is woken before."""

OnBlock = Callable[[ConfirmedBlockCertificate], None]


class InboxTask:
    """Keeps the inbox of one chain empty.

    Errors do not end it: the last one is kept, and the chain is tried again later.
    """

    def __init__(self, chain: ChainClient, on_block: OnBlock | None = None) -> None:
        self.chain = chain
        self.last_error: Exception | None = None
        self._on_block = on_block
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; what waits already is taken in at once."""
        self._wake.set()
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())

    def wake(self) -> None:
        """Something may have arrived."""
        self._wake.set()

    async def stop(self) -> None:
        """End after the step that is being done."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        until: Timestamp | None = None
        while True:
            await self._sleep(until)
            self._wake.clear()
            until = await self._step()

    async def _step(self) -> Timestamp | None:
        """Process what waits; when to look again even if nothing happens."""
        clock = self.chain.context.clock
        try:
            certificates, stopped = await self.chain.process_inbox()
        except (ProtocolError, LocalError) as error:
            self.last_error = error
            return Timestamp(clock.now() + RETRY_AFTER_US)
        for certificate in certificates:
            if self._on_block is not None:
                self._on_block(certificate)
        if isinstance(stopped, WaitForTimeout):
            # A round whose time is up goes on only with a quorum: that is not worth trying all
            # the time.
            now = clock.now()
            is_over = stopped.timestamp <= now
            return Timestamp(now + RETRY_AFTER_US) if is_over else stopped.timestamp
        # After a conflict there may be more to do on top of the other block.
        return clock.now() if stopped is not None else None

    async def _sleep(self, until: Timestamp | None) -> None:
        if until is None or self._wake.is_set():
            await self._wake.wait()
            return
        woken = asyncio.ensure_future(self._wake.wait())
        timer = asyncio.ensure_future(self.chain.context.clock.sleep_until(until))
        try:
            await asyncio.wait((woken, timer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            timer.cancel()
