"""The swap: two owners, two tokens, one temporary chain; all or nothing, then the chain ends."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from catenula.base.identifiers import ApplicationId
from catenula.base.integers import MICROSECONDS_PER_SECOND
from catenula.client.explain import explain_refusal
from catenula.execution.errors import ExecutionError
from catenula.network import NetworkWallet
from catenula.network.chain import NetworkChain
from catenula.network.example_applications import example_module
from catenula.protocol import ApplicationPermissions, ChainOwnership, MessageAction
from catenula.testing.clock import START, ManualClock
from catenula.testing.contracts import ContractTest
from catenula.testing.execution_world import ALICE
from tests.examples.street import (
    Street,
    account,
    ask,
    balance,
    created,
    on_the_street,
    received,
    refusal,
    send,
    tell,
    token_of,
)

EXCHANGE, REFUND = "mutation { exchange }", "mutation { refund }"
EXCHANGE_OPERATION = b"\x00"
TIME_TO_PAY_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Table:
    """A swap of 60 of alice's oak for 4 of bob's elm within an hour, as both see its chain."""

    clock: ManualClock
    swap: ApplicationId
    oak: ApplicationId
    elm: ApplicationId
    alices: NetworkChain
    bobs: NetworkChain

    async def bring(self, wallet: NetworkWallet, token: ApplicationId, amount: int) -> None:
        """Somebody's tokens, sent to the swap and taken in there."""
        await self.send(wallet, token, amount)
        view = self.alices if wallet is self.alices.wallet else self.bobs
        await received(view)
        await self._see()

    async def send(self, wallet: NetworkWallet, token: ApplicationId, amount: int) -> None:
        """Somebody's tokens, on their way."""
        place = account(self.alices, self.swap.owner())
        await send(wallet.chain, token, amount, source=wallet.owner, to=place)

    async def do(self, view: NetworkChain, mutation: str) -> None:
        """What one of the two wants, and what the other then knows."""
        await tell(view, self.swap, mutation)
        await self._see()

    def is_after_the_deadline(self) -> None:
        """Let the time to pay end."""
        self.clock.advance(TIME_TO_PAY_US)

    async def _see(self) -> None:
        await self.alices.synchronize()
        await self.bobs.synchronize()


def at_the_table(test: Callable[[Street, Table], Awaitable[None]]) -> Callable[[], None]:
    """A test of a new swap, on a clock of its own."""
    clock = ManualClock()

    async def with_table(street: Street) -> None:
        await test(street, await _table(street, clock))

    return on_the_street(with_table, clock=clock)


def _side(wallet: NetworkWallet, token: ApplicationId, amount: int) -> dict[str, object]:
    home = account(wallet.chain, wallet.owner)
    return {"home": home, "token": str(token), "amount": f"{amount}."}


async def _table(street: Street, clock: ManualClock) -> Table:
    alice, bob = street.alice, street.bob
    oak, elm = await token_of(alice, "OAK", 100), await token_of(bob, "ELM", 10)
    parameters = {
        "first": _side(alice, oak, 60),
        "second": _side(bob, elm, 4),
        "deadline": clock.now() + TIME_TO_PAY_US,
    }
    swap = await created(alice.chain, "swap", parameters=parameters)
    description, _ = await alice.chain.open_chain(
        ChainOwnership.multiple((alice.owner, bob.owner)),
        permissions=ApplicationPermissions(
            execute_operations=(swap, oak, elm), close_chain=(swap,)
        ),
    )
    place = description.chain_id
    return Table(clock, swap, oak, elm, await alice.take(place), await bob.take(place))


async def _held(table: Table, wallet: NetworkWallet) -> tuple[str, str]:
    """What somebody holds of both at home, once nothing is on its way."""
    await wallet.chain.synchronize()
    await wallet.chain.process_inbox()
    oak = await balance(wallet.chain, table.oak, wallet.owner)
    return oak, await balance(wallet.chain, table.elm, wallet.owner)


@at_the_table
async def test_both_get_what_they_want_and_the_chain_is_closed(
    street: Street, table: Table
) -> None:
    promise = "{ first { owner amount homeChainId } second { token } deadline }"
    assert await ask(table.alices, table.swap, promise) == {
        "first": {
            "owner": str(street.alice.owner),
            "amount": "60.",
            "homeChainId": str(street.alice.chain.id),
        },
        "second": {"token": str(table.elm)},
        "deadline": table.clock.now() + TIME_TO_PAY_US,
    }
    await table.bring(street.alice, table.oak, 60)
    await table.bring(street.bob, table.elm, 4)
    await table.do(table.bobs, EXCHANGE)
    await street.network.settled()
    assert await _held(table, street.alice) == ("40.", "4.")
    assert await _held(table, street.bob) == ("60.", "6.")
    assert table.alices.is_closed()


@at_the_table
async def test_what_was_brought_beyond_the_price_goes_home(street: Street, table: Table) -> None:
    await table.bring(street.alice, table.oak, 75)
    await table.bring(street.bob, table.elm, 4)
    await table.do(table.alices, EXCHANGE)
    await street.network.settled()
    assert await _held(table, street.alice) == ("40.", "4.")
    assert await _held(table, street.bob) == ("60.", "6.")


@at_the_table
async def test_nothing_is_exchanged_while_something_is_missing(
    street: Street, table: Table
) -> None:
    await table.bring(street.alice, table.oak, 60)
    await table.bring(street.bob, table.elm, 3)
    said = await refusal(table.do(table.alices, EXCHANGE))
    assert "1. of 4. are still to come" in said
    assert await balance(table.alices, table.oak, table.swap.owner()) == "60."
    assert not table.alices.is_closed()


@at_the_table
async def test_before_the_deadline_nobody_takes_back(street: Street, table: Table) -> None:
    await table.bring(street.alice, table.oak, 60)
    table.clock.advance(TIME_TO_PAY_US - 1)
    said = await refusal(table.do(table.alices, REFUND))
    assert "the deadline has not passed yet" in said
    assert await balance(table.alices, table.oak, table.swap.owner()) == "60."
    assert not table.alices.is_closed()


@at_the_table
async def test_from_the_deadline_on_a_refund_brings_everything_home_once(
    street: Street, table: Table
) -> None:
    await table.bring(street.alice, table.oak, 60)
    await table.bring(street.bob, table.elm, 3)
    table.is_after_the_deadline()
    await table.do(table.alices, REFUND)
    await street.network.settled()
    assert await _held(table, street.alice) == ("100.", "0.")
    assert await _held(table, street.bob) == ("0.", "10.")
    for view in (table.alices, table.bobs):
        assert view.is_closed()
        assert "closed" in await refusal(table.do(view, REFUND))


@at_the_table
async def test_a_refund_does_not_wait_for_an_owner_who_brought_nothing(
    street: Street, table: Table
) -> None:
    await table.bring(street.alice, table.oak, 60)
    table.is_after_the_deadline()
    await table.do(table.alices, REFUND)
    await street.network.settled()
    assert await _held(table, street.alice) == ("100.", "0.")
    assert await _held(table, street.bob) == ("0.", "10.")


@at_the_table
async def test_from_the_deadline_on_nothing_is_exchanged(street: Street, table: Table) -> None:
    await table.bring(street.alice, table.oak, 60)
    await table.bring(street.bob, table.elm, 4)
    table.is_after_the_deadline()
    said = await refusal(table.do(table.bobs, EXCHANGE))
    assert "the deadline has passed" in said
    assert not table.bobs.is_closed()


@at_the_table
async def test_nothing_is_taken_back_after_the_exchange(street: Street, table: Table) -> None:
    await table.bring(street.alice, table.oak, 60)
    await table.bring(street.bob, table.elm, 4)
    await table.do(table.bobs, EXCHANGE)
    table.is_after_the_deadline()
    assert "closed" in await refusal(table.do(table.alices, REFUND))
    await street.network.settled()
    assert await _held(table, street.alice) == ("40.", "4.")
    assert await _held(table, street.bob) == ("60.", "6.")


@at_the_table
async def test_tokens_that_come_after_the_end_bounce_home(street: Street, table: Table) -> None:
    await table.bring(street.bob, table.elm, 4)
    table.is_after_the_deadline()
    await table.do(table.bobs, REFUND)
    await table.send(street.alice, table.oak, 60)
    (bundle,) = await received(table.alices)
    assert bundle.action is MessageAction.REJECT
    await street.network.settled()
    assert await _held(table, street.alice) == ("100.", "0.")


@at_the_table
async def test_nobody_takes_from_the_swap_s_account_past_the_swap(
    street: Street, table: Table
) -> None:
    await table.bring(street.alice, table.oak, 60)
    mine = account(street.bob.chain, street.bob.owner)
    owner = table.swap.owner()
    said = await refusal(send(table.bobs, table.oak, 60, source=owner, to=mine))
    assert f"only its owner may use the account of {owner}" in said


@at_the_table
async def test_nothing_else_runs_on_the_temporary_chain(street: Street, table: Table) -> None:
    counter = await created(street.alice.chain, "counter", parameters={"limit": 10}, argument=0)
    height = await table.alices.height()
    await refusal(tell(table.alices, counter, "mutation { add(amount: 1) }"))
    await refusal(table.alices.close())
    assert await table.alices.height() == height


async def _is_refused_to_a_stranger(street: Street, table: Table, mutation: str) -> None:
    carols = await street.carol.follow(table.alices.id)
    await carols.synchronize()
    await refusal(tell(carols, table.swap, mutation))
    # On a chain of her own she may run the swap, but it is not hers to end.
    said = await refusal(tell(street.carol.chain, table.swap, mutation))
    assert "only the two owners may do this" in said


@at_the_table
async def test_a_stranger_does_not_exchange(street: Street, table: Table) -> None:
    await table.bring(street.alice, table.oak, 60)
    await table.bring(street.bob, table.elm, 4)
    await _is_refused_to_a_stranger(street, table, EXCHANGE)


@at_the_table
async def test_a_stranger_takes_nothing_back(street: Street, table: Table) -> None:
    await table.bring(street.alice, table.oak, 60)
    table.is_after_the_deadline()
    await _is_refused_to_a_stranger(street, table, REFUND)


# On a chain in memory, whose clock and whose blocks' time are the test's.


def _parameters(test: ContractTest, *, deadline: int) -> dict[str, Any]:
    """A swap of two new tokens between chains of the same owner."""
    supply = {"accounts": {str(ALICE): "10."}}
    tokens = [
        test.deploy(*example_module("token"), parameters={"ticker": name}, argument=supply)
        for name in ("OAK", "ELM")
    ]
    home = {"chain_id": str(test.chain.chain_id), "owner": str(ALICE)}
    first, second = [
        {"home": home, "token": str(token.application_id), "amount": "1."} for token in tokens
    ]
    return {"first": first, "second": second, "deadline": deadline}


def test_a_swap_of_a_token_for_itself_or_for_nothing_is_not_created() -> None:
    test = ContractTest()
    parameters = _parameters(test, deadline=2**63)
    itself = {**parameters, "second": parameters["first"]}
    with pytest.raises(ExecutionError, match="the two tokens are the same"):
        test.deploy(*example_module("swap"), parameters=itself)
    nothing = {**parameters, "second": {**parameters["second"], "amount": "0."}}
    with pytest.raises(ExecutionError, match="one side brings nothing"):
        test.deploy(*example_module("swap"), parameters=nothing)


@pytest.mark.parametrize("parts_of_a_second", [1, 1_000])
def test_a_deadline_that_is_not_in_microseconds_is_refused(parts_of_a_second: int) -> None:
    test = ContractTest()
    test.set_time(START)
    tomorrow = (START // MICROSECONDS_PER_SECOND + 24 * 3600) * parts_of_a_second
    with pytest.raises(ExecutionError, match="the deadline has passed, or is not in microseconds"):
        test.deploy(*example_module("swap"), parameters=_parameters(test, deadline=tomorrow))


def test_a_block_that_is_dated_back_does_not_exchange_after_the_deadline() -> None:
    test = ContractTest()
    deadline = test.chain.timestamp + 1
    parameters = _parameters(test, deadline=deadline)
    swap = test.deploy(*example_module("swap"), parameters=parameters)
    with pytest.raises(ExecutionError, match="still to come"):
        swap.execute(EXCHANGE_OPERATION)
    test.set_time(deadline, is_backdated=True)
    assert test.chain.timestamp < deadline
    with pytest.raises(ExecutionError, match="AssertBefore") as late:
        swap.execute(EXCHANGE_OPERATION)
    told = explain_refusal(late.value, test.chain.chain_id).explanation
    assert told.what == "An application allows this only before a time that has come"
