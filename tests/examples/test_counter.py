"""The counter: a number on every chain, moved by messages, with a limit."""

from catenula.base.identifiers import ApplicationId
from catenula.network.chain import NetworkChain
from catenula.protocol import MessageAction, MessageKind
from tests.examples.street import Street, ask, created, on_the_street, received, refusal, tell

PARAMETERS = {"limit": 10}


async def _value(chain: NetworkChain, counter: ApplicationId) -> int:
    value: int = (await ask(chain, counter, "{ value }"))["value"]
    return value


async def _move(
    source: NetworkChain, counter: ApplicationId, amount: int, to: NetworkChain
) -> None:
    await tell(source, counter, f'mutation {{ moveTo(amount: {amount}, chainId: "{to.id}") }}')


@on_the_street
async def test_every_chain_counts_for_itself_up_to_the_limit(street: Street) -> None:
    alice, bob = street.alice.chain, street.bob.chain
    counter = await created(alice, "counter", parameters=PARAMETERS, argument=7)
    assert await ask(alice, counter, "{ value limit }") == {"value": 7, "limit": 10}
    await tell(alice, counter, "mutation { add(amount: 3) }")
    await tell(bob, counter, "mutation { add(amount: 1) }")
    assert (await _value(alice, counter), await _value(bob, counter)) == (10, 1)
    height = await alice.height()
    said = await refusal(tell(alice, counter, "mutation { add(amount: 1) }"))
    assert "the number would exceed its limit of 10" in said
    assert (await alice.height(), await _value(alice, counter)) == (height, 10)


@on_the_street
async def test_a_counter_that_starts_beyond_its_limit_is_not_created(street: Street) -> None:
    said = await refusal(created(street.alice.chain, "counter", parameters=PARAMETERS, argument=11))
    assert "the number would exceed its limit of 10" in said


@on_the_street
async def test_a_part_is_moved_to_another_chain(street: Street) -> None:
    alice, bob = street.alice.chain, street.bob.chain
    counter = await created(alice, "counter", parameters=PARAMETERS, argument=9)
    await _move(alice, counter, 4, bob)
    (bundle,) = await received(bob)
    assert bundle.action is MessageAction.ACCEPT
    assert (await _value(alice, counter), await _value(bob, counter)) == (5, 4)
    assert "there is less here" in await refusal(_move(alice, counter, 6, bob))


@on_the_street
async def test_what_would_exceed_the_limit_there_comes_back(street: Street) -> None:
    alice, bob = street.alice.chain, street.bob.chain
    counter = await created(alice, "counter", parameters=PARAMETERS, argument=9)
    await tell(bob, counter, "mutation { add(amount: 8) }")
    await _move(alice, counter, 4, bob)
    # While it is on its way the limit leaves room for others.
    await tell(alice, counter, "mutation { add(amount: 5) }")
    (bundle,) = await received(bob)
    assert bundle.action is MessageAction.REJECT
    assert await _value(bob, counter) == 8
    (bundle,) = await received(alice)
    assert bundle.bundle.messages[0].kind is MessageKind.BOUNCING
    # It was here before, so it is taken back whatever the limit says.
    assert await _value(alice, counter) == 14
