"""The token: accounts of owners on any chain, messages between them, claims, authority."""

from catenula.base.identifiers import ApplicationId
from catenula.network import NetworkWallet
from catenula.network.chain import NetworkChain
from catenula.protocol import MessageAction
from tests.examples.street import (
    Street,
    account,
    ask,
    balance,
    on_the_street,
    received,
    refusal,
    send,
    tell,
    token_of,
)


async def _claim(
    chain: NetworkChain, token: ApplicationId, amount: int, **ends: dict[str, str]
) -> None:
    mutation = """mutation ($source: Account!, $amount: Amount!, $to: Account!) {
        claim(from: $source, amount: $amount, to: $to) }"""
    await tell(chain, token, mutation, amount=f"{amount}.", **ends)


async def _send_to(
    sender: NetworkWallet, token: ApplicationId, amount: int, to: NetworkWallet
) -> None:
    place = account(to.chain, to.owner)
    await send(sender.chain, token, amount, source=sender.owner, to=place)


@on_the_street
async def test_tokens_move_within_a_chain_and_between_chains(street: Street) -> None:
    alice, bob = street.alice, street.bob
    token = await token_of(alice, "OAK", 100)
    await send(alice.chain, token, 30, source=alice.owner, to=account(alice.chain, bob.owner))
    listed = await ask(alice.chain, token, "{ ticker accounts { owner balance } }")
    assert listed["ticker"] == "OAK"
    assert {item["owner"]: item["balance"] for item in listed["accounts"]} == {
        str(alice.owner): "70.",
        str(bob.owner): "30.",
    }
    await _send_to(alice, token, 20, bob)
    await received(bob.chain)
    assert await balance(bob.chain, token, bob.owner) == "20."
    assert await balance(alice.chain, token, alice.owner) == "50."


@on_the_street
async def test_an_empty_account_is_not_kept(street: Street) -> None:
    alice, bob = street.alice, street.bob
    token = await token_of(alice, "OAK", 100)
    await _send_to(alice, token, 100, bob)
    assert (await ask(alice.chain, token, "{ accounts { owner } }"))["accounts"] == []


@on_the_street
async def test_only_the_owner_may_use_an_account_and_only_what_is_in_it(street: Street) -> None:
    alice, bob = street.alice, street.bob
    token = await token_of(alice, "OAK", 100)
    place = account(bob.chain, bob.owner)
    said = await refusal(send(bob.chain, token, 1, source=alice.owner, to=place))
    assert f"only its owner may use the account of {alice.owner}" in said
    said = await refusal(_send_to(alice, token, 101, bob))
    assert f"{alice.owner} has 100., not 101." in said


async def _thirty_for_bob(street: Street) -> tuple[ApplicationId, dict[str, str], dict[str, str]]:
    """A token, 30 of it in bob's account on alice's chain; that account, and his one at home."""
    alice, bob = street.alice, street.bob
    token = await token_of(alice, "OAK", 100)
    there, home = account(alice.chain, bob.owner), account(bob.chain, bob.owner)
    await send(alice.chain, token, 30, source=alice.owner, to=there)
    return token, there, home


@on_the_street
async def test_an_owner_claims_from_a_chain_of_somebody_else(street: Street) -> None:
    alice, bob = street.alice, street.bob
    token, there, home = await _thirty_for_bob(street)
    await _claim(bob.chain, token, 25, source=there, to=home)
    (request,) = await received(alice.chain)
    assert request.action is MessageAction.ACCEPT
    await received(bob.chain)
    assert await balance(alice.chain, token, bob.owner) == "5."
    assert await balance(bob.chain, token, bob.owner) == "25."


@on_the_street
async def test_a_claim_of_more_than_there_is_is_rejected_and_changes_nothing(
    street: Street,
) -> None:
    alice, bob = street.alice, street.bob
    token, there, home = await _thirty_for_bob(street)
    await _claim(bob.chain, token, 31, source=there, to=home)
    (request,) = await received(alice.chain)
    assert request.action is MessageAction.REJECT
    assert await balance(alice.chain, token, bob.owner) == "30."


@on_the_street
async def test_nobody_claims_from_the_account_of_somebody_else(street: Street) -> None:
    alice, bob = street.alice, street.bob
    token, _, home = await _thirty_for_bob(street)
    hers = account(alice.chain, alice.owner)
    said = await refusal(_claim(bob.chain, token, 1, source=hers, to=home))
    assert f"only its owner may use the account of {alice.owner}" in said


@on_the_street
async def test_tokens_sent_to_a_closed_chain_come_back(street: Street) -> None:
    alice, bob = street.alice, street.bob
    token = await token_of(alice, "OAK", 100)
    await bob.chain.close()
    await _send_to(alice, token, 40, bob)
    assert await balance(alice.chain, token, alice.owner) == "60."
    (bundle,) = await received(bob.chain)
    assert bundle.action is MessageAction.REJECT
    await received(alice.chain)
    assert await balance(alice.chain, token, alice.owner) == "100."
