"""The third part of the tour: what is refused, and how that reads."""

from decimal import Decimal

from catenula.base.identifiers import AccountOwner, ChainId
from catenula.base.integers import Amount, BlockHeight
from catenula.network.tour.forgery import payment, refused_by_all, verdicts
from catenula.network.tour.stage import Stage
from catenula.protocol import (
    ChainOwnership,
    Credit,
    IncomingBundle,
    MessageAction,
    ReceiveMessages,
)


async def close_a_chain(stage: Stage) -> None:
    """A closed chain refuses blocks; messages to it bounce home."""
    alice, bob = stage.alice, stage.bob
    held = await alice.chain.balance()
    description, _ = await bob.chain.open_chain(ChainOwnership.single(bob.owner), 1)
    shop = await bob.take(description.chain_id)
    await shop.close()
    await stage.refused("no transfer leaves it", shop.transfer(bob.chain, 1), "ChainClosed")
    said = await verdicts(stage, bob, shop.id, transactions=[payment(bob.chain, 1)])
    stage.claim("validators refuse it too", *refused_by_all(said, "ClosedChain"))
    await alice.chain.transfer(shop, 30)
    await stage.holds("alice's chain, after sending 30 to the closed one,", alice.chain, held - 30)
    await shop.receive()
    receipts = await alice.chain.receive()
    stage.equal("bundles that came home", sum(len(item.received) for item in receipts), 1)
    await stage.holds("alice's chain, again,", alice.chain, held)
    await stage.holds("the closed chain", shop, 1)


async def overdraw(stage: Stage) -> None:
    """More than there is cannot be spent."""
    alice, bob = stage.alice, stage.bob
    held = await alice.chain.balance()
    more = held + Decimal("0.1")
    await stage.refused(
        "alice cannot send more than she has", alice.chain.transfer(bob.chain, more), "Overdraft"
    )
    said = await verdicts(stage, alice, alice.chain.id, transactions=[payment(bob.chain, more)])
    stage.claim("validators refuse it too", *refused_by_all(said, "balance"))
    await stage.holds("alice's chain, as before,", alice.chain, held)


async def forge_messages(stage: Stage) -> None:
    """A message that nobody sent, or that says something else, is not taken in."""
    alice, carol = stage.alice, stage.carol
    held = await carol.chain.balance()
    await alice.chain.transfer(carol.chain, 1)
    await stage.network.settled()
    inbox = stage.running[0].chain(carol.chain.id).inboxes
    real = inbox.pending(MessageAction.ACCEPT)[0]
    invented = _invented(real, stage.bob.chain.id)
    for text, word, forged in (
        ("a message whose amount was raised is not taken in", "UnexpectedMessage", _richer(real)),
        ("a message that nobody sent is not taken in", "MissingCrossChainUpdate", invented),
    ):
        said = await verdicts(stage, carol, carol.chain.id, transactions=[ReceiveMessages(forged)])
        stage.claim(text, *refused_by_all(said, word))
    await stage.holds("carol's chain, as before,", carol.chain, held)
    await carol.chain.receive()
    await stage.holds("carol's chain, with the real message,", carol.chain, held + 1)


def _richer(real: IncomingBundle) -> IncomingBundle:
    posted = real.bundle.messages[0]
    credit = Credit(AccountOwner.CHAIN, Amount(10**24), AccountOwner.CHAIN)
    forged = real.bundle.replace(messages=(posted.replace(message=credit),))
    return real.replace(bundle=forged)


def _invented(real: IncomingBundle, origin: ChainId) -> IncomingBundle:
    later = BlockHeight(real.bundle.height + 1_000)
    return real.replace(origin=origin, bundle=real.bundle.replace(height=later))
