"""Queries of applications that are asked again at each block, for subscribers (spec 08 §2.4).

Only queries that the owner of the service has registered are repeated. All subscribers of the same
query, chain and application share one watch; it lives as long as any of them.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from catenula.base.errors import LocalError, ProtocolError
from catenula.base.identifiers import ApplicationId, ChainId
from catenula.base.limits import MAX_WATCHED_QUERIES
from catenula.services.node.errors import ServiceRefusal

Ask = Callable[[ChainId, ApplicationId, bytes], Awaitable[bytes]]

_NAMED_QUERY = re.compile(r"\s*query\s+([_A-Za-z][_0-9A-Za-z]*)")


class Registered(NamedTuple):
    """A query that may be subscribed to."""

    body: bytes
    """What the application is asked."""
    pause_seconds: float
    """The least time between two questions."""


def read_registered(documents: Sequence[str], pauses: Mapping[str, float]) -> dict[str, Registered]:
    """The queries by name; `LocalError` when a document is none, or a pause belongs to none."""
    found: dict[str, Registered] = {}
    for document in documents:
        match = _NAMED_QUERY.match(document)
        if match is None:
            raise LocalError(
                f"the subscription {document!r} does not begin with `query` and a name",
                retryable=False,
            )
        name = match[1]
        if name in found:
            raise LocalError(f"two subscriptions have the name {name}", retryable=False)
        body = msgspec.json.encode({"query": document})
        found[name] = Registered(body, pauses.get(name, 0.0))
    unknown = sorted(set(pauses) - set(found))
    if unknown:
        raise LocalError(
            f"there is no subscription with the name {unknown[0]}; name one of those that are "
            "allowed",
            retryable=False,
        )
    return found


_Key = tuple[str, ChainId, ApplicationId]


class _Watch:
    """One repeated query and its last result."""

    def __init__(self, ask: Callable[[], Awaitable[bytes]], pause_seconds: float) -> None:
        self._ask, self._pause_seconds = ask, pause_seconds
        self._changed = asyncio.Condition()
        self._is_due = asyncio.Event()
        self._is_due.set()
        self._version, self._answer = 0, b""
        self._result: Any = None
        self.subscribers = 0
        self.task = asyncio.get_running_loop().create_task(self._run())

    def wake(self) -> None:
        """The chain has a new block."""
        self._is_due.set()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            started = loop.time()
            await self._ask_again()
            await asyncio.sleep(started + self._pause_seconds - loop.time())

    async def _ask_again(self) -> None:
        try:
            answer = await self._ask()
        except (ProtocolError, LocalError) as error:
            await self._publish(str(error).encode(), error)
            return
        try:
            result = msgspec.json.decode(answer)
        except msgspec.DecodeError:
            result = ServiceRefusal("The application's answer is not JSON.")
        await self._publish(answer, result)

    async def _publish(self, answer: bytes, result: Any) -> None:
        if self._version and answer == self._answer:
            return
        async with self._changed:
            self._version += 1
            self._answer, self._result = answer, result
            self._changed.notify_all()

    async def results(self) -> AsyncIterator[Any]:
        """The last result and each one that differs; an error as the exception itself."""
        seen = 0
        while True:
            async with self._changed:
                while self._version == seen:
                    await self._changed.wait()
                seen, result = self._version, self._result
            yield result


class WatchedQueries:
    """All watches of a service."""

    def __init__(self, ask: Ask, registered: Mapping[str, Registered]) -> None:
        self._ask, self._registered = ask, registered
        self._watches: dict[_Key, _Watch] = {}

    def wake(self, chain_id: ChainId) -> None:
        """A chain has a new block."""
        for key, watch in self._watches.items():
            if key[1] == chain_id:
                watch.wake()

    async def results(
        self, name: str, chain_id: ChainId, application_id: ApplicationId
    ) -> AsyncIterator[Any]:
        """The results of a registered query, as they change; `ServiceRefusal` for others.

        A failure is an item, the exception; the query is asked again at the next block.
        """
        key = (name, chain_id, application_id)
        watch = self._watches.get(key)
        if watch is None:
            watch = self._watches[key] = self._begin(key)
        watch.subscribers += 1
        try:
            async for result in watch.results():
                yield result
        finally:
            watch.subscribers -= 1
            if not watch.subscribers:
                self._watches.pop(key, None)
                watch.task.cancel()

    def _begin(self, key: _Key) -> _Watch:
        name, chain_id, application_id = key
        if not self._registered:
            raise ServiceRefusal("no subscription queries registered")
        registered = self._registered.get(name)
        if registered is None:
            raise ServiceRefusal(f"no subscription query is registered under the name {name!r}")
        if len(self._watches) >= MAX_WATCHED_QUERIES:
            raise ServiceRefusal(f"at most {MAX_WATCHED_QUERIES} queries can be watched at a time")
        return _Watch(
            lambda: self._ask(chain_id, application_id, registered.body),
            registered.pause_seconds,
        )

    async def stop(self) -> None:
        """End all watches."""
        tasks = [watch.task for watch in self._watches.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._watches.clear()
