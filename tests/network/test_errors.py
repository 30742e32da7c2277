"""What people read when something goes wrong: what, where, why, who, and what to do next."""

from collections.abc import Awaitable, Callable

import pytest

from catenula.base.identifiers import AccountOwner, ChainId
from catenula.client import ClientError
from catenula.network import Network, NetworkWallet
from tests.network.support import asynchronous

Attempt = Callable[[Network, NetworkWallet, NetworkWallet], Awaitable[object]]


async def overdraw(network: Network, alice: NetworkWallet, bob: NetworkWallet) -> object:
    return await alice.chain.transfer(bob.chain, 11)


async def spend_from_another(network: Network, alice: NetworkWallet, bob: NetworkWallet) -> object:
    return await alice.chain.transfer(bob.chain, 1, owner=bob.owner)


async def use_a_foreign_chain(network: Network, alice: NetworkWallet, bob: NetworkWallet) -> object:
    return await bob.take(alice.chain.id)


async def use_an_unknown_chain(
    network: Network, alice: NetworkWallet, bob: NetworkWallet
) -> object:
    return await alice.take(ChainId(bytes(range(32))))


async def use_a_closed_chain(network: Network, alice: NetworkWallet, bob: NetworkWallet) -> object:
    await alice.chain.close()
    return await alice.chain.transfer(bob.chain, 1)


async def use_a_deactivated_chain(
    network: Network, alice: NetworkWallet, bob: NetworkWallet
) -> object:
    await alice.chain.change_owners([])
    return await alice.chain.transfer(bob.chain, 1)


async def use_a_followed_chain(
    network: Network, alice: NetworkWallet, bob: NetworkWallet
) -> object:
    return await (await bob.follow(alice.chain.id)).transfer(bob.chain, 1)


async def send_nothing(network: Network, alice: NetworkWallet, bob: NetworkWallet) -> object:
    return await alice.chain.transfer(bob.chain, 0)


async def send_a_word(network: Network, alice: NetworkWallet, bob: NetworkWallet) -> object:
    return await alice.chain.transfer(bob.chain, "1,5")


async def send_a_float(network: Network, alice: NetworkWallet, bob: NetworkWallet) -> object:
    return await alice.chain.transfer(bob.chain, 1.5)  # type: ignore[arg-type]  # What is tested.


async def send_to_a_word(network: Network, alice: NetworkWallet, bob: NetworkWallet) -> object:
    return await alice.chain.transfer("bob", 1)


async def have_no_quorum(network: Network, alice: NetworkWallet, bob: NetworkWallet) -> object:
    await network.stop_validator(1)
    await network.stop_validator(2)
    return await alice.chain.transfer(bob.chain, 1)


ALICE_CHAIN = "chain {alice.chain.id}"
ALICE = "owner {alice.owner}"
CASES: list[tuple[Attempt, str, tuple[str, ...]]] = [
    (overdraw, "Overdraft", ("holds 10 tokens", ALICE_CHAIN, "height 0", ALICE, "send less")),
    (
        spend_from_another,
        "WrongOwner",
        ("does not control the account", ALICE_CHAIN, "{bob.owner}", ALICE, "sign with an owner"),
    ),
    (
        use_a_foreign_chain,
        "NotAnOwner",
        ("may not propose", ALICE_CHAIN, "owner {bob.owner}", "choose one of its owners"),
    ),
    (use_an_unknown_chain, "UnknownChain", ("00010203", "check the chain id")),
    (use_a_closed_chain, "ChainClosed", ("is closed", ALICE_CHAIN, "height 1", "another chain")),
    (
        use_a_deactivated_chain,
        "InactiveChain",
        ("no owners", ALICE_CHAIN, "height 1", "another chain"),
    ),
    (use_a_followed_chain, "NoOwnerConfigured", (ALICE_CHAIN, "next:")),
    (send_nothing, "InvalidAmount", ("more than zero", ALICE_CHAIN, ALICE, "positive amount")),
    (send_a_word, "InvalidAmount", ("'1,5' is not an amount", "why:", 'write tokens as "1.5"')),
    (send_a_float, "InvalidAmount", ("1.5 is not an amount", "float", 'write tokens as "1.5"')),
    (send_to_a_word, "UnknownChain", ("'bob' is neither", "why:", "OWNER@CHAIN")),
    (
        have_no_quorum,
        "NoQuorum",
        (
            ALICE_CHAIN,
            "height 0",
            "267 are needed",
            "validator 2 is not running",
            "validator 3 is not running",
            "check the validators named above",
        ),
    ),
]


@pytest.mark.parametrize(
    ("attempt", "code", "parts"), CASES, ids=[case[0].__name__ for case in CASES]
)
@asynchronous
async def test_error_tells_what_where_why_who_and_next(
    attempt: Attempt, code: str, parts: tuple[str, ...]
) -> None:
    async with await Network.start() as network:
        alice, bob = await network.wallet("alice", 10), await network.wallet("bob")
        with pytest.raises(ClientError) as caught:
            await attempt(network, alice, bob)
        message = caught.value.message()
        assert caught.value.code == code, message
        for part in parts:
            assert part.format(alice=alice, bob=bob) in message, message


@asynchronous
async def test_refused_command_leaves_the_chain_usable() -> None:
    async with await Network.start() as network:
        alice = await network.wallet("alice", 10)
        with pytest.raises(ClientError):
            await alice.chain.transfer(alice.chain, 11)
        await alice.chain.transfer(alice.chain, 10)
        assert await alice.chain.balance(AccountOwner.CHAIN) == 10
