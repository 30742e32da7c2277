"""Work that a signal or a cancellation ends, has ended."""

import asyncio

import pytest

from catenula.cli.admin.signals import until_stopped


class Work:
    """Runs until it is cancelled, and takes a moment to end."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.has_ended = False

    async def __call__(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.has_ended = True


async def _stopped_by_signal() -> bool:
    work, stop = Work(), asyncio.Event()
    running = asyncio.ensure_future(until_stopped(stop, work()))
    await work.begun.wait()
    stop.set()
    await running
    return work.has_ended


async def _cancelled_from_outside() -> bool:
    work = Work()
    running = asyncio.ensure_future(until_stopped(asyncio.Event(), work()))
    await work.begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    return work.has_ended


def test_work_has_ended_when_a_signal_has_stopped_it() -> None:
    assert asyncio.run(_stopped_by_signal())


def test_work_has_ended_when_whoever_waits_is_cancelled() -> None:
    """As by a Ctrl-C that came before anybody listened for it."""
    assert asyncio.run(_cancelled_from_outside())


def test_what_work_returns_and_raises_comes_through() -> None:
    async def answer() -> int:
        return 7

    async def fail() -> int:
        raise ZeroDivisionError

    assert asyncio.run(until_stopped(asyncio.Event(), answer())) == 7
    with pytest.raises(ZeroDivisionError):
        asyncio.run(until_stopped(asyncio.Event(), fail()))
