"""The swap: two owners, two tokens, one temporary chain; all or nothing, then the chain ends."""

from dataclasses import dataclass

from catenula.base.identifiers import ApplicationId
from catenula.network import NetworkWallet
from catenula.network.chain import NetworkChain
from catenula.protocol import ApplicationPermissions, ChainOwnership, MessageAction
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

EXCHANGE, CANCEL = "mutation { exchange }", "mutation { cancel }"


@dataclass(frozen=True, slots=True)
class Table:
    """A swap of 60 of alice's oak for 4 of bob's elm, as both see its chain."""

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

    async def _see(self) -> None:
        await self.alices.synchronize()
        await self.bobs.synchronize()


async def _table(street: Street) -> Table:
    alice, bob = street.alice, street.bob
    oak, elm = await token_of(alice, "OAK", 100), await token_of(bob, "ELM", 10)
    parameters = {
        "first": {"home": account(alice.chain, alice.owner), "token": str(oak), "amount": "60."},
        "second": {"home": account(bob.chain, bob.owner), "token": str(elm), "amount": "4."},
    }
    swap = await created(alice.chain, "swap", parameters=parameters)
    description, _ = await alice.chain.open_chain(
        ChainOwnership.multiple((alice.owner, bob.owner)),
        permissions=ApplicationPermissions(
            execute_operations=(swap, oak, elm), close_chain=(swap,)
        ),
    )
    place = description.chain_id
    return Table(swap, oak, elm, await alice.take(place), await bob.take(place))


async def _held(table: Table, wallet: NetworkWallet) -> tuple[str, str]:
    """What somebody holds of both at home, once nothing is on its way."""
    await wallet.chain.synchronize()
    await wallet.chain.process_inbox()
    oak = await balance(wallet.chain, table.oak, wallet.owner)
    return oak, await balance(wallet.chain, table.elm, wallet.owner)


def test_both_get_what_they_want_and_the_chain_is_closed() -> None:
    async def show(street: Street) -> None:
        table = await _table(street)
        promise = "{ first { owner amount homeChainId } second { token } }"
        assert await ask(table.alices, table.swap, promise) == {
            "first": {
                "owner": str(street.alice.owner),
                "amount": "60.",
                "homeChainId": str(street.alice.chain.id),
            },
            "second": {"token": str(table.elm)},
        }
        await table.bring(street.alice, table.oak, 60)
        await table.bring(street.bob, table.elm, 4)
        await table.do(table.bobs, EXCHANGE)
        await street.network.settled()
        assert await _held(table, street.alice) == ("40.", "4.")
        assert await _held(table, street.bob) == ("60.", "6.")
        assert table.alices.is_closed()
        assert "closed" in await refusal(table.do(table.alices, CANCEL))

    on_the_street(show)


def test_what_was_brought_beyond_the_price_goes_home() -> None:
    async def show(street: Street) -> None:
        table = await _table(street)
        await table.bring(street.alice, table.oak, 75)
        await table.bring(street.bob, table.elm, 4)
        await table.do(table.alices, EXCHANGE)
        await street.network.settled()
        assert await _held(table, street.alice) == ("40.", "4.")
        assert await _held(table, street.bob) == ("60.", "6.")

    on_the_street(show)


def test_nothing_is_exchanged_while_something_is_missing() -> None:
    async def show(street: Street) -> None:
        table = await _table(street)
        await table.bring(street.alice, table.oak, 60)
        await table.bring(street.bob, table.elm, 3)
        said = await refusal(table.do(table.alices, EXCHANGE))
        assert "1. of 4. are still to come" in said
        assert await balance(table.alices, table.oak, table.swap.owner()) == "60."
        assert not table.alices.is_closed()

    on_the_street(show)


def test_either_may_cancel_and_both_get_back_what_they_brought() -> None:
    async def show(street: Street) -> None:
        table = await _table(street)
        await table.bring(street.alice, table.oak, 60)
        await table.bring(street.bob, table.elm, 3)
        await table.do(table.bobs, CANCEL)
        await street.network.settled()
        assert await _held(table, street.alice) == ("100.", "0.")
        assert await _held(table, street.bob) == ("0.", "10.")
        assert table.alices.is_closed()

    on_the_street(show)


def test_tokens_that_come_after_the_end_bounce_home() -> None:
    async def show(street: Street) -> None:
        table = await _table(street)
        await table.bring(street.bob, table.elm, 4)
        await table.do(table.bobs, CANCEL)
        await table.send(street.alice, table.oak, 60)
        (bundle,) = await received(table.alices)
        assert bundle.action is MessageAction.REJECT
        await street.network.settled()
        assert await _held(table, street.alice) == ("100.", "0.")

    on_the_street(show)


def test_nobody_takes_from_the_swap_s_account_past_the_swap() -> None:
    async def show(street: Street) -> None:
        table = await _table(street)
        await table.bring(street.alice, table.oak, 60)
        mine = account(street.bob.chain, street.bob.owner)
        owner = table.swap.owner()
        said = await refusal(send(table.bobs, table.oak, 60, source=owner, to=mine))
        assert f"only its owner may use the account of {owner}" in said

    on_the_street(show)


def test_nothing_else_runs_on_the_temporary_chain() -> None:
    async def show(street: Street) -> None:
        table = await _table(street)
        counter = await created(street.alice.chain, "counter", parameters={"limit": 10}, argument=0)
        height = await table.alices.height()
        await refusal(tell(table.alices, counter, "mutation { add(amount: 1) }"))
        await refusal(table.alices.close())
        assert await table.alices.height() == height

    on_the_street(show)


def test_a_stranger_neither_exchanges_nor_cancels() -> None:
    async def show(street: Street) -> None:
        table = await _table(street)
        # On a chain of her own she may run the swap, but it is not hers to end.
        said = await refusal(tell(street.carol.chain, table.swap, CANCEL))
        assert "only the two owners may do this" in said

    on_the_street(show)


def test_a_swap_of_a_token_for_itself_is_not_created() -> None:
    async def show(street: Street) -> None:
        alice = street.alice
        oak = await token_of(alice, "OAK", 100)
        side = {"home": account(alice.chain, alice.owner), "token": str(oak), "amount": "1."}
        said = await refusal(
            created(alice.chain, "swap", parameters={"first": side, "second": side})
        )
        assert "the two tokens are the same" in said

    on_the_street(show)
