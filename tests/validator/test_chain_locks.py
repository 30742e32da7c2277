"""Locks of chains: order, hand-over, and waiters that give up at any moment."""

import asyncio
from collections.abc import Iterator

import pytest

from catenula.base.identifiers import ChainId
from catenula.validator.chain_locks import ChainLocks

CHAIN, OTHER = ChainId(bytes(32)), ChainId(bytes(31) + b"\x01")


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with asyncio.Runner() as runner:
        yield runner.get_loop()


async def turns(count: int = 1) -> None:
    """Let everything that is ready run."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_waiters_are_served_in_order(loop: asyncio.AbstractEventLoop) -> None:
    locks, served = ChainLocks(), []

    async def hold(name: int) -> None:
        async with locks.lock(CHAIN):
            served.append(name)
            await turns(2)

    async def scenario() -> None:
        await asyncio.gather(*(hold(name) for name in range(5)))

    loop.run_until_complete(scenario())
    assert served == [0, 1, 2, 3, 4]
    assert not locks.is_locked(CHAIN)


def test_a_lock_is_handed_over_and_never_free_in_between(loop: asyncio.AbstractEventLoop) -> None:
    async def scenario() -> None:
        locks = ChainLocks()
        assert locks.take(CHAIN)
        assert locks.take(OTHER)
        waiter = asyncio.ensure_future(locks.acquire(CHAIN))
        await turns()
        locks.release(CHAIN)
        assert not locks.take(CHAIN)
        await waiter
        locks.release(CHAIN)
        assert not locks.is_locked(CHAIN)
        assert locks.is_locked(OTHER)

    loop.run_until_complete(scenario())


@pytest.mark.parametrize("moment", ["while it waits", "when its turn has come", "with the release"])
def test_a_waiter_that_gives_up_does_not_keep_the_lock(
    loop: asyncio.AbstractEventLoop, moment: str
) -> None:
    async def scenario() -> None:
        locks = ChainLocks()
        assert locks.take(CHAIN)
        first, second = (asyncio.ensure_future(locks.acquire(CHAIN)) for _ in range(2))
        await turns()
        if moment == "when its turn has come":
            locks.release(CHAIN)
        first.cancel()
        if moment == "while it waits":
            await turns()
        if moment != "when its turn has come":
            locks.release(CHAIN)
        with pytest.raises(asyncio.CancelledError):
            await first
        await second
        assert locks.is_locked(CHAIN)
        locks.release(CHAIN)
        assert not locks.is_locked(CHAIN)

    loop.run_until_complete(scenario())
