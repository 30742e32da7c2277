"""The sweep: messages that wait in outboxes are sent again, also when nobody touches the sender.

Everything an outbox holds is durable and every update is safe to repeat (M13), so this only costs
time. While running, the chains that have sent something are remembered and looked at again later;
after a start, the outboxes of all chains served here are looked at once, slowly, in the background
(spec 06 §5.4: the reference does neither).
"""

import asyncio
import time
from collections.abc import Callable, Coroutine

from msgspec import Struct

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ChainId
from catenula.base.limits import MAX_CHAINS_RESENT_PER_PASS, MAX_UNDELIVERED_CHAINS
from catenula.storage.shared import CHAIN_TAG
from catenula.validator.driver import NodeDriver
from catenula.validator.logs import Log

FIRST_BYTES = 256


class SweepOptions(Struct, frozen=True):
    """How often and how fast.

    A chain's first resend is one to two passes after it sent something; later ones become rarer by
    one pass each, up to ``most_passes``.
    """

    pass_seconds: float = 2.0
    most_passes: int = 15
    scan_pause_seconds: float = 0.001
    """Between two chains of the scan after a start; the loop is free in between."""


class _Waiting:
    __slots__ = ("passes", "resent")

    def __init__(self) -> None:
        self.passes = 0
        self.resent = 0


class Sweeper:
    """Sends the waiting messages of one driver's chains again."""

    def __init__(
        self,
        driver: NodeDriver,
        *,
        serves: Callable[[ChainId], bool] | None = None,
        options: SweepOptions | None = None,
    ) -> None:
        self._driver = driver
        self._serves = serves
        self._options = options if options is not None else SweepOptions()
        self._waiting: dict[ChainId, _Waiting] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._must_scan = True
        self._log = Log("sweep")
        self.resent_chains = 0
        self.scanned_chains = 0
        self.failed_chains = 0
        """How often a chain could not be looked at, or its messages not be sent."""
        driver.on_update_sent = self.note

    def note(self, chain_id: ChainId) -> None:
        """A chain has sent an update; called for every one, so it must be cheap."""
        if chain_id in self._waiting:
            return
        if len(self._waiting) >= MAX_UNDELIVERED_CHAINS:
            self._must_scan = True
            return
        self._waiting[chain_id] = _Waiting()

    def start(self) -> None:
        """Begin with the scan; passes follow until `stop`."""
        self._tasks.append(asyncio.get_running_loop().create_task(self._run()))

    async def stop(self) -> None:
        """End what runs."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    @property
    def waiting_chains(self) -> int:
        """Chains that have sent something which was not seen to arrive yet."""
        return len(self._waiting)

    async def _run(self) -> None:
        while True:
            if self._must_scan:
                self._must_scan = False
                await self._guarded(self.scan)
            await asyncio.sleep(self._options.pass_seconds)
            await self._guarded(self.sweep)

    async def _guarded(self, action: Callable[[], Coroutine[None, None, None]]) -> None:
        try:
            await action()
        except (LocalError, ProtocolError) as error:
            self._must_scan = True
            self._log.warning("interrupted; it goes on with the next pass", error=error)

    # One look at every stored chain

    async def scan(self) -> None:
        """Send what waits in the outbox of any chain served here."""
        begin, found = time.monotonic(), 0
        shared = self._driver.worker.shared
        for first in range(FIRST_BYTES):
            probe = ChainId(bytes((first,)) + bytes(31))
            if self._serves is not None and not self._serves(probe):
                continue
            for root in shared.store.roots(CHAIN_TAG + bytes((first,))):
                found += await self._look_at(ChainId(root[len(CHAIN_TAG) :]))
                await asyncio.sleep(self._options.scan_pause_seconds)
            await asyncio.sleep(0)
        seconds = round(time.monotonic() - begin, 3)
        if found:
            self._log.info("sent again after the start", chains=found, seconds=seconds)

    async def _look_at(self, chain_id: ChainId) -> bool:
        self.scanned_chains += 1
        try:
            if not self._driver.worker_of(chain_id).has_undelivered(chain_id):
                return False
            await self._resend(chain_id)
        except (LocalError, ProtocolError) as error:
            self._note_failure(chain_id, error)
            self.note(chain_id)
            return False
        return True

    def _note_failure(self, chain_id: ChainId, error: Exception) -> None:
        """A chain that cannot be read or written must not keep the others from their turn."""
        self.failed_chains += 1
        self._log.warning(
            "a chain's messages cannot be sent again now; it is tried ever more rarely",
            chain=chain_id,
            error=error,
        )

    # Passes over the chains that sent something

    async def sweep(self) -> None:
        """Send again what has waited for long enough; forget the chains where nothing waits."""
        sent = 0
        for chain_id, waiting in tuple(self._waiting.items()):
            waiting.passes += 1
            if waiting.passes < min(2 + waiting.resent, self._options.most_passes):
                continue
            if sent >= MAX_CHAINS_RESENT_PER_PASS:
                break
            try:
                sent += await self._try(chain_id, waiting)
            except (LocalError, ProtocolError) as error:
                waiting.passes, waiting.resent = 0, waiting.resent + 1
                self._note_failure(chain_id, error)

    async def _try(self, chain_id: ChainId, waiting: _Waiting) -> bool:
        """Send what waits of one chain; false when nothing does, and it is forgotten."""
        if not self._driver.worker_of(chain_id).has_undelivered(chain_id):
            self._waiting.pop(chain_id, None)
            return False
        await self._resend(chain_id)
        waiting.passes, waiting.resent = 0, waiting.resent + 1
        return True

    async def _resend(self, chain_id: ChainId) -> None:
        self.resent_chains += 1
        await self._driver.run(chain_id, lambda worker, now: worker.resend_pending(chain_id, now))
