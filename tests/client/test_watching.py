"""Watching a chain believes no single validator and goes on without the silent ones."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import BlockHeight
from catenula.client.context import ClientContext
from catenula.client.options import ClientOptions
from catenula.client.remote_node import RemoteNode
from catenula.client.watching import watch_chain
from catenula.protocol import NewBlock, Notification
from catenula.testing.clock import ManualClock

CHAIN = ChainId(b"\x07" * 32)


def block(height: int) -> Notification:
    """An announced block."""
    return Notification(CHAIN, NewBlock(BlockHeight(height), CryptoHash(b"\x01" * 32), ()))


class Speaker:
    """A validator that says some things and then breaks off, or stays silent."""

    def __init__(self, *said: Notification, breaks: bool = False) -> None:
        self.said, self.breaks, self.opened = said, breaks, 0

    async def subscribe(self, _: tuple[ChainId, ...]) -> AsyncIterator[Notification]:
        """See `ValidatorNode`."""
        self.opened += 1
        for notification in self.said:
            yield notification
        if self.breaks:
            raise LocalError("gone", retryable=True)
        await asyncio.Event().wait()


def context_of(*speakers: Speaker, clock: ManualClock | None = None) -> ClientContext:
    """A client of these validators, 100 votes each."""
    remotes = [
        RemoteNode(Secp256k1PublicKey(bytes([2, index]) + bytes(31)), "", cast(Any, speaker))
        for index, speaker in enumerate(speakers)
    ]
    committee = SimpleNamespace(
        validity_threshold=-(-100 * len(speakers) // 3), weight=lambda _: 100
    )
    found = SimpleNamespace(
        committees=SimpleNamespace(current=lambda: committee),
        validators=SimpleNamespace(of=lambda _: remotes),
        clock=clock or ManualClock(),
        options=ClientOptions(),
    )
    return cast(Any, found)  # type: ignore[no-any-return]  # A fake of the few parts in use.


def first(context: ClientContext, count: int, *, raw: bool) -> list[Notification]:
    """The first notifications that come."""

    async def collect() -> list[Notification]:
        heard = []
        async for notification in watch_chain(context, CHAIN, raw=raw):
            heard.append(notification)
            if len(heard) == count:
                break
        return heard

    async def within() -> list[Notification]:
        async with asyncio.timeout(30):
            return await collect()

    return asyncio.run(within())


def test_a_notification_is_passed_on_once_when_enough_have_sent_it() -> None:
    truth = (block(1), block(2))
    liar = Speaker(block(9), block(8))
    context = context_of(liar, Speaker(*truth), Speaker(*truth), Speaker())
    assert first(context, 2, raw=False) == [block(1), block(2)]


def test_raw_is_what_every_validator_says() -> None:
    context = context_of(Speaker(block(1)), Speaker(block(1)), Speaker(block(9)))
    heard = first(context, 3, raw=True)
    assert sorted(item.reason.height for item in heard) == [1, 1, 9]


def test_a_stream_that_breaks_is_opened_again_later() -> None:
    clock, speaker = ManualClock(), Speaker(block(1), breaks=True)
    context = context_of(speaker, clock=clock)

    async def watch_twice() -> list[Notification]:
        heard = []
        async for notification in watch_chain(context, CHAIN, raw=True):
            heard.append(notification)
            if len(heard) == 2:
                break
            while not clock.sleepers:  # noqa: ASYNC110  # Nothing signals it.
                await asyncio.sleep(0)
            clock.advance(context.options.retry_delay_us)
        return heard

    assert asyncio.run(watch_twice()) == [block(1), block(1)]
    assert speaker.opened == 2
