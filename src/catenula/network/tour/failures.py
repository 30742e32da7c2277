"""The last part of the tour: a dead validator, and a restart of everything from disk."""

import time
from collections.abc import Mapping
from statistics import median
from typing import TypeVar

from catenula.base.identifiers import AccountOwner, ChainId
from catenula.network.embedded_validator import EmbeddedValidator
from catenula.network.inspection import tips_on
from catenula.network.tour.stage import Stage

TRANSFERS_MEASURED = 40
MEASUREMENTS = 3
"""Tries before the speed is judged: other programs use this machine too."""
SLOWER_AT_MOST = 1.5
KILLED = 2

K = TypeVar("K")
Holdings = dict[tuple[ChainId, AccountOwner], int]


async def kill_a_validator(stage: Stage) -> None:
    """One of four is killed: work goes on at the same speed; it comes back and catches up."""
    network = stage.network
    await _median_transfer(stage)
    healthy = await _median_transfer(stage)
    behind = tips_on(network.validators[KILLED])
    await network.stop_validator(KILLED)
    stage.equal("validators that run", len(stage.running), len(network.validators) - 1)
    tried: list[float] = []
    while len(tried) < MEASUREMENTS and min(tried, default=healthy * 2) > healthy * SLOWER_AT_MOST:
        tried.append(await _median_transfer(stage))
    stage.claim(
        f"without it a transfer takes at most {SLOWER_AT_MOST:g} times as long",
        min(tried) <= healthy * SLOWER_AT_MOST,
        f"{healthy * 1e3:.1f} ms before, {min(tried) * 1e3:.1f} ms after (medians)",
    )
    await stage.bob.chain.receive(TRANSFERS_MEASURED)
    await network.start_validator(KILLED)
    await network.settled()
    returned, other = network.validators[KILLED], network.validators[0]
    caught_up = tips_on(returned)
    missed = sum(tip != behind.get(chain_id) for chain_id, tip in tips_on(other).items())
    stage.claim("chains that grew without it", missed > 0, str(missed))
    differing = _differing(caught_up, tips_on(other))
    stage.equal("chains on which it is not at the tip of the others", differing, [])
    await stage.keeps_the_supply()


async def _median_transfer(stage: Stage) -> float:
    """The median time of a transfer between chains, in seconds."""
    alice, bob = stage.alice.chain, stage.bob.chain
    taken = []
    for _ in range(TRANSFERS_MEASURED):
        started = time.perf_counter()
        await alice.transfer(bob, "0.01")
        taken.append(time.perf_counter() - started)
    return median(taken)


async def restart_from_disk(stage: Stage) -> None:
    """Everything stops and starts again: chains, balances and wallets are as they were."""
    await stage.network.settled()
    reference = stage.running[0]
    tips, holdings = tips_on(reference), _holdings_on(reference)
    people = {wallet.name: wallet.chain.id for wallet in (stage.alice, stage.bob, stage.carol)}
    await stage.stop()
    await stage.start()
    for name in people:
        await stage.open_wallet(name)
    found = {wallet.name: wallet.chain.id for wallet in (stage.alice, stage.bob, stage.carol)}
    stage.equal("wallets that lost their chain", _differing(found, people), [])
    await stage.on_validators(
        f"of {len(tips)} chains at other tips than before",
        lambda item: _differing(tips_on(item), tips),
        [],
    )
    await stage.on_validators(
        f"of {len(holdings)} balances different from before",
        lambda item: _differing(_holdings_on(item), holdings),
        [],
    )
    await stage.keeps_the_supply()
    before = await stage.carol.chain.balance()
    await stage.alice.chain.transfer(stage.carol.chain, 1)
    await stage.carol.chain.receive()
    await stage.holds("after another transfer, carol's chain", stage.carol.chain, before + 1)


def _holdings_on(validator: EmbeddedValidator) -> Holdings:
    """What every account holds according to a validator; empty ones are left out."""
    holdings: Holdings = {}
    for chain_id in validator.chain_ids():
        system = validator.chain(chain_id).execution.system
        holdings[chain_id, AccountOwner.CHAIN] = system.balance.get()
        for owner, amount in system.balances.items():
            holdings[chain_id, owner] = amount
    return {account: amount for account, amount in holdings.items() if amount}


def _differing(found: Mapping[K, object], expected: Mapping[K, object]) -> list[str]:
    """The keys whose values differ, with both values."""
    return [
        f"{key}: {found.get(key)} instead of {expected.get(key)}"
        for key in {**expected, **found}
        if found.get(key) != expected.get(key)
    ]
