"""Two user chains in a world without fees."""

import pytest

from catenula.protocol import ChainOwnership
from catenula.testing.execution_world import ALICE, BOB, Chain, World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def alice(world: World) -> Chain:
    return world.open_root(ChainOwnership.single(ALICE), 1000)


@pytest.fixture
def bob(world: World) -> Chain:
    return world.open_root(ChainOwnership.single(BOB), 1000)
