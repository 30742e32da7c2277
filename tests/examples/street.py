"""An embedded network with three people on it, and the example applications as they use them.

Operations are made by the applications' own services, as a web page has them made.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from catenula.base.identifiers import AccountOwner, ApplicationId
from catenula.client import ClientError
from catenula.network import Network, NetworkShape, NetworkWallet
from catenula.network.chain import NetworkChain
from catenula.network.embedded import make_network
from catenula.network.example_applications import example_module
from catenula.protocol import IncomingBundle
from catenula.validator.clock import Clock


@dataclass(frozen=True, slots=True)
class Street:
    """A network and those who live there."""

    network: Network
    alice: NetworkWallet
    bob: NetworkWallet
    carol: NetworkWallet


@asynccontextmanager
async def _street(clock: Clock | None) -> AsyncIterator[Street]:
    embedded = make_network(NetworkShape(), random_bytes=secrets.token_bytes, clock=clock)
    async with Network(embedded) as network:
        alice, bob, carol = [await network.wallet(name, 100) for name in ("alice", "bob", "carol")]
        yield Street(network, alice, bob, carol)


def on_the_street(
    test: Callable[[Street], Awaitable[None]], *, clock: Clock | None = None
) -> Callable[[], None]:
    """A test on a new network, which goes by the machine's clock or by another one."""

    async def main() -> None:
        async with _street(clock) as street:
            await test(street)

    # Not wrapped as `functools` does it: pytest would look for a fixture of the street's name.
    def run() -> None:
        asyncio.run(main())

    return run


def encoded(value: object) -> bytes:
    """JSON, as parameters, arguments and queries are written."""
    return json.dumps(value).encode()


def graphql(query: str, **variables: object) -> bytes:
    """A query to a service."""
    return encoded({"query": query, "variables": variables})


async def created(
    chain: NetworkChain, name: str, *, parameters: object = None, argument: object = None
) -> ApplicationId:
    """One of the example applications, published and created on a chain."""
    return await chain.publish_and_create(
        *example_module(name), parameters=encoded(parameters), argument=encoded(argument)
    )


async def ask(chain: NetworkChain, application: ApplicationId, query: str) -> dict[str, Any]:
    """The data that the service on a chain answers with."""
    outcome = await chain.query(application, graphql(query))
    answer = json.loads(outcome.response)
    assert "errors" not in answer, answer
    assert not outcome.operations, "a question makes no block"
    data: dict[str, Any] = answer["data"]
    return data


async def tell(
    chain: NetworkChain, application: ApplicationId, mutation: str, **variables: object
) -> None:
    """A mutation, and the block with the operation it schedules."""
    height = await chain.height()
    await chain.query_and_execute(application, graphql(mutation, **variables))
    assert await chain.height() > height, "the mutation scheduled nothing"


async def refusal(attempt: Awaitable[object]) -> str:
    """Why an attempt is refused."""
    with pytest.raises(ClientError) as caught:
        await attempt
    return caught.value.message()


async def received(chain: NetworkChain) -> list[IncomingBundle]:
    """The bundles that the chain takes in, once there are any."""
    return [bundle for receipt in await chain.receive() for bundle in receipt.received]


# The token


async def token_of(wallet: NetworkWallet, ticker: str, amount: int) -> ApplicationId:
    """A new token, all of it in the wallet's account."""
    return await created(
        wallet.chain,
        "token",
        parameters={"ticker": ticker},
        argument={"accounts": {str(wallet.owner): f"{amount}."}},
    )


def account(chain: NetworkChain, owner: AccountOwner) -> dict[str, str]:
    """An account, as the services read it."""
    return {"chain_id": str(chain.id), "owner": str(owner)}


async def balance(chain: NetworkChain, token: ApplicationId, owner: AccountOwner) -> str:
    """What an owner holds on a chain."""
    answer = await ask(chain, token, f'{{ balance(owner: "{owner}") }}')
    text: str = answer["balance"]
    return text


async def send(
    chain: NetworkChain,
    token: ApplicationId,
    amount: int,
    *,
    source: AccountOwner,
    to: dict[str, str],
) -> None:
    """Send from an account of this chain."""
    mutation = """mutation ($source: AccountOwner!, $amount: Amount!, $to: Account!) {
        transfer(owner: $source, amount: $amount, to: $to) }"""
    await tell(chain, token, mutation, source=str(source), amount=f"{amount}.", to=to)
