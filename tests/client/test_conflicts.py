"""Two wallets propose at once on a chain that both own, over validators of different distance."""

import asyncio
from typing import Any

import pytest

from catenula.client import Client
from catenula.protocol import Account, ChainOwnership
from tests.client.world import World, asynchronous, owner

ROUNDS = 5


class Distant:
    """A validator that hears of proposals some turns of the event loop later."""

    def __init__(self, node: Any, turns: int) -> None:
        self._node, self._turns = node, turns

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._node, name)
        if name != "handle_block_proposal":
            return method

        async def call(*arguments: Any) -> Any:
            for _ in range(self._turns):
                await asyncio.sleep(0)
            return await method(*arguments)

        return call


def distant_client(world: World, number: int, distances: tuple[int, ...]) -> Client:
    """A client of owner ``number`` whose validators are at these distances."""
    near = dict(world.network.nodes())
    nodes = zip(near.items(), distances, strict=True)
    world._nodes = {key: Distant(node, turns) for (key, node), turns in nodes}
    return world.client(number)


@pytest.mark.parametrize(
    ("distances", "others"),
    [((2, 12, 15, 37), (26, 10, 7, 28)), ((4, 10, 37, 28), (37, 9, 38, 16))],
    ids=["votes split", "votes split again"],
)
@asynchronous
async def test_wallets_that_outbid_each_other_both_come_to_an_end(
    distances: tuple[int, ...], others: tuple[int, ...]
) -> None:
    world = World()
    ownership = ChainOwnership.multiple((owner(1), owner(2))).replace(multi_leader_rounds=ROUNDS)
    chain_id = await world.open(ownership)
    alice = await distant_client(world, 1, distances).assign(owner(1), chain_id)
    await alice.synchronize()
    bob = await distant_client(world, 2, others).assign(owner(2), chain_id)
    await bob.synchronize()
    # Neither raises: every attempt ends with a block, a conflict or a time to wait for.
    await asyncio.gather(
        alice.transfer(Account.chain(world.root), "1"),
        bob.transfer(Account.chain(world.root), "1"),
    )
    await world.settled()
