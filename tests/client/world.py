"""A network of four validators in memory and clients on it, under a clock that tests move."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from random import Random
from typing import Any, TypeVar

from catenula.base.crypto import Secp256k1PublicKey
from catenula.base.identifiers import AccountOwner, ChainId
from catenula.base.integers import Amount, tokens
from catenula.client import (
    ChainClient,
    Client,
    ClientOptions,
    ClientSetup,
    Committed,
    InMemorySigner,
    Outcome,
)
from catenula.client.options import DEFAULT_OPTIONS
from catenula.network.configuration import NetworkShape
from catenula.network.embedded import EmbeddedNetwork, make_network
from catenula.protocol import ChainOwnership, ResourceControlPolicy
from catenula.protocol.policy import NO_FEES
from catenula.storage.engine import Store
from catenula.storage.memory import MemoryStore
from catenula.testing.clock import ManualClock
from catenula.testing.keys import account_key, predictable_bytes
from catenula.transport.validator_node import ValidatorNode
from tests.loops import to_its_end

T = TypeVar("T")
TEN = tokens(10)


def asynchronous(
    test: Callable[..., Coroutine[Any, Any, None]],
) -> Callable[..., None]:
    """Run an asynchronous test in an event loop of its own."""

    @wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(to_its_end(test(*arguments, **named)))

    return run


class World:
    """Four validators, a root chain, and hands to make clients."""

    def __init__(self, policy: ResourceControlPolicy = NO_FEES, validators: int = 4) -> None:
        self.clock = ManualClock()
        self.network: EmbeddedNetwork = make_network(
            NetworkShape(validators=validators, policy=policy),
            random_bytes=predictable_bytes("network"),
            clock=self.clock,
        )
        self.root_key = self.network.configuration.root_key
        self.root: ChainId = self.network.genesis.admin_chain_id
        self._nodes: dict[Secp256k1PublicKey, ValidatorNode] = dict(self.network.nodes())
        self._admin: Client | None = None

    def connect(self, validator: Secp256k1PublicKey, address: str) -> ValidatorNode:
        """See `NodeProvider`."""
        return self._nodes[validator]

    def client(
        self,
        *keys: int,
        options: ClientOptions = DEFAULT_OPTIONS,
        store: Store | None = None,
        signer: InMemorySigner | None = None,
    ) -> Client:
        """A client that holds the keys of these owners."""
        signer = signer or InMemorySigner([account_key(number) for number in keys])
        return Client(
            ClientSetup(
                store if store is not None else MemoryStore("memory:"),
                self.network.genesis,
                self,
                signer,
                options,
                self.clock,
                Random(7),
            )
        )

    async def root_chain(self) -> ChainClient:
        """The root chain, in a client of its own."""
        if self._admin is None:
            self._admin = self.client(signer=InMemorySigner([self.root_key]))
            await self._admin.assign(self.root_key.owner(), self.root)
        return self._admin.chain(self.root)

    async def open(self, ownership: ChainOwnership, balance: Amount = TEN) -> ChainId:
        """A new child of the root chain."""
        root = await self.root_chain()
        return committed(await root.open_chain(ownership, balance)).chain_id

    async def user(self, number: int, options: ClientOptions = DEFAULT_OPTIONS) -> ChainClient:
        """A client of owner ``number`` with a chain of its own."""
        chain_id = await self.open(ChainOwnership.single(owner(number)))
        return await self.client(number, options=options).assign(owner(number), chain_id)

    async def settled(self) -> None:
        """Nothing is under way any more."""
        if self._admin is not None:
            await self._admin.settled()
        await self.network.settled()


async def awaited(clock: ManualClock) -> None:
    """Return when somebody sleeps until the clock is moved."""
    for _ in range(10_000):
        if clock.sleepers:
            return
        await asyncio.sleep(0)
    raise AssertionError("nobody waits for the clock")


def owner(number: int) -> AccountOwner:
    """Owner ``number``."""
    return account_key(number).owner()


def committed(outcome: Outcome[T]) -> T:
    """What a command committed; fails otherwise."""
    assert isinstance(outcome, Committed), outcome
    return outcome.value
