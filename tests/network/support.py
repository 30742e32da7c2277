"""Running asynchronous tests, and what all validators of a network say."""

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from functools import wraps
from typing import Any

from catenula.base.identifiers import AccountOwner, ChainId
from catenula.base.integers import TimeDelta
from catenula.network import Network
from catenula.network.amounts import tokens_of
from catenula.network.inspection import balance_on, supply_on, tips_on
from catenula.protocol import ChainOwnership, TimeoutConfig

PATIENCE_SECONDS = 60.0
SHORT_ROUND = TimeDelta(150_000)
PUBLIC = ChainOwnership(
    timeout_config=TimeoutConfig(
        base_timeout=SHORT_ROUND, timeout_increment=SHORT_ROUND, fallback_duration=TimeDelta(0)
    )
)


def asynchronous(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an asynchronous test in an event loop of its own; it fails rather than hangs."""

    @wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*arguments, **named), PATIENCE_SECONDS))

    return run


def balances(
    network: Network, chain_id: ChainId, owner: AccountOwner = AccountOwner.CHAIN
) -> set[Decimal]:
    """What running validators say an account holds; one value if they agree."""
    return {
        tokens_of(balance_on(validator, chain_id, owner))
        for validator in network.validators
        if validator.is_running
    }


async def agree(network: Network) -> None:
    """All validators run, are at the same tips, and no token was made or lost."""
    await network.settled()
    assert all(validator.is_running for validator in network.validators)
    reference = tips_on(network.validators[0])
    genesis = sum(chain.config.balance for chain in network.embedded.genesis.chains)
    for validator in network.validators:
        assert tips_on(validator) == reference, validator.name
        assert supply_on(validator) == genesis, validator.name
