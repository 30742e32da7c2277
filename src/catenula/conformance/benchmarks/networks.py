"""Networks, payments and timing that the experiments have in common.

Every network has four validators with keys and stores of their own. A payment is a block with one
transfer to a chain of another wallet, by the only regular owner of its chain, so that it takes both
phases of ``MultiLeader(0)``. Everything runs on the event loop of our commands and of programs
without ``async``. Nothing here touches settings of the interpreter.
"""

import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from catenula.base.identifiers import ChainId
from catenula.client.options import DEFAULT_OPTIONS, ClientOptions
from catenula.conformance.benchmarks.figures import Sample
from catenula.network import Network, NetworkChain, NetworkShape, NetworkWallet
from catenula.network.amounts import Tokens
from catenula.protocol import ChainOwnership
from catenula.transport import event_loop


class Wallets(Protocol):
    """A network that gives wallets: the embedded one, or one in another process."""

    async def wallet(self, name: str, tokens: Tokens = 0) -> NetworkWallet:
        """The wallet of this name."""
        ...

    async def new_chain(
        self, wallet: NetworkWallet, ownership: ChainOwnership, tokens: Tokens = 0
    ) -> ChainId:
        """A new chain for a wallet."""
        ...


Action = Callable[[], Awaitable[object]]
"""Makes one block; returns when the client knows that it is final."""
Samples = Callable[[Path, int], AsyncIterator[Sample]]

BLOCKS_PER_RUN = 60
BLOCKS_PER_TURN = 15
WARM_UP_BLOCKS = 40
FUNDS = 1_000
"""Tokens of a chain that pays."""
SMALLEST_PAYMENT = "0.000001"


def sampled(samples: Samples) -> Callable[[Path, int], Iterator[Sample]]:
    """What an experiment needs, from an asynchronous generator that gets an event loop."""

    def measure(folder: Path, runs: int) -> Iterator[Sample]:
        return iter(event_loop.run(_collect(samples(folder, runs))))

    return measure


async def _collect(samples: AsyncIterator[Sample]) -> list[Sample]:
    return [sample async for sample in samples]


@asynccontextmanager
async def running_network(
    folder: Path | None = None,
    *,
    shape: NetworkShape | None = None,
    options: ClientOptions = DEFAULT_OPTIONS,
) -> AsyncIterator[Network]:
    """A network of four validators in memory, or with SQLite stores in ``folder``."""
    async with await Network.start(folder=folder, shape=shape) as network:
        network.options = options
        yield network


async def payment(network: Wallets, *, name: str = "payer") -> Action:
    """One payment per call, from a wallet of this name to a wallet of its own recipient."""
    sender = (await network.wallet(name, FUNDS)).chain
    recipient = (await network.wallet(f"recipient-of-{name}")).chain
    return lambda: sender.transfer(recipient, SMALLEST_PAYMENT)


async def wallet_with_chains(network: Wallets, name: str, count: int) -> NetworkWallet:
    """A wallet with this many funded chains of one regular owner each."""
    wallet = await network.wallet(name, FUNDS)
    ownership = ChainOwnership.single(wallet.owner)
    while len(wallet.chains()) < count:
        await network.new_chain(wallet, ownership, FUNDS)
    return wallet


async def payments_side_by_side(network: Wallets, count: int) -> list[Action]:
    """Payments from as many chains of one wallet to as many chains of another."""
    senders = (await wallet_with_chains(network, "payer", count)).chains()
    recipients = (await wallet_with_chains(network, "recipient", count)).chains()
    return [_paying(*pair) for pair in zip(senders, recipients, strict=True)]


def _paying(sender: NetworkChain, recipient: NetworkChain) -> Action:
    return lambda: sender.transfer(recipient, SMALLEST_PAYMENT)


async def repeat(action: Action, count: int) -> None:
    """Do it one time after the other."""
    for _ in range(count):
        await action()


async def median_milliseconds(action: Action, count: int = BLOCKS_PER_RUN) -> float:
    """The median duration of an action, one after the other."""
    return statistics.median(await milliseconds(action, count))


async def milliseconds(action: Action, count: int) -> list[float]:
    """The duration of each of ``count`` actions in a row.

    What an action leaves behind to be done (messages on their way, the validator that was not
    needed for the quorum) falls into the time of the next one.
    """
    times = []
    for _ in range(count):
        started = time.perf_counter_ns()
        await action()
        times.append((time.perf_counter_ns() - started) / 1e6)
    return times


async def ratio_of(large: Action, small: Action, count: int = BLOCKS_PER_RUN) -> float:
    """The ratio of medians, large to small, measured in turns so that a busy machine hits both."""
    turns = max(1, count // BLOCKS_PER_TURN)
    larges, smalls = [], []
    for _ in range(turns):
        larges += await milliseconds(large, count // turns)
        smalls += await milliseconds(small, count // turns)
    return statistics.median(larges) / statistics.median(smalls)
