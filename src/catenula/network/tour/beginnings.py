"""The first part of the tour: validators, wallets, transfers, messages between chains."""

from catenula.base.identifiers import AccountOwner
from catenula.network.amounts import amount_from
from catenula.network.inspection import tip_on
from catenula.network.tour.stage import VALIDATORS, Stage
from catenula.protocol import Account, Transfer

FIRST_FUNDS = 1_000
TRANSFERS_PER_BLOCK = 25


async def start_validators(stage: Stage) -> None:
    """Four validators with keys and stores of their own."""
    network = await stage.start()
    stage.equal("validators that run", len(stage.running), VALIDATORS)
    keys = {validator.keys.consensus.public_key() for validator in network.validators}
    stage.equal("different keys among them", len(keys), VALIDATORS)


async def open_wallets(stage: Stage) -> None:
    """A chain for each of three wallets."""
    alice = await stage.open_wallet("alice", FIRST_FUNDS)
    bob = await stage.open_wallet("bob", FIRST_FUNDS)
    carol = await stage.open_wallet("carol")
    chain_ids = {wallet.chain.id for wallet in (alice, bob, carol)}
    stage.equal("chains of their own", len(chain_ids), 3)
    await stage.holds("alice's chain", alice.chain, FIRST_FUNDS)
    await stage.holds("bob's chain", bob.chain, FIRST_FUNDS)
    await stage.holds("carol's chain", carol.chain, 0)
    await stage.keeps_the_supply()


async def transfer_both_ways(stage: Stage) -> None:
    """Alice pays bob, bob pays alice."""
    alice, bob = stage.alice.chain, stage.bob.chain
    await alice.transfer(bob, "12.5")
    await stage.holds("after alice sent 12.5, her chain", alice, "987.5")
    await bob.receive()
    await stage.holds("bob's chain, which took them in,", bob, "1012.5")
    await bob.transfer(alice, "2.5")
    await alice.receive()
    await stage.holds("after bob sent 2.5 back, alice's chain", alice, 990)
    await stage.holds("bob's chain", bob, 1010)


async def relay_messages(stage: Stage) -> None:
    """From A to B, from B to C, from C back to A."""
    people = (stage.alice, stage.bob, stage.carol)
    names = {wallet.chain.id: wallet.name for wallet in people}
    origins = []
    for sender, recipient in zip(people, (*people[1:], people[0]), strict=True):
        await sender.chain.transfer(recipient.chain, 7)
        for receipt in await recipient.chain.receive():
            origins += [names.get(bundle.origin, "?") for bundle in receipt.received]
    stage.equal("messages came from", ", ".join(origins), "alice, bob, carol")
    await stage.holds("alice's chain, again,", stage.alice.chain, 990)
    await stage.holds("bob's chain", stage.bob.chain, 1010)
    await stage.holds("carol's chain", stage.carol.chain, 0)


async def take_many_messages(stage: Stage) -> None:
    """Blocks of many transfers, and one block that takes them all in."""
    carol = stage.carol.chain
    payment = Transfer(AccountOwner.CHAIN, Account.chain(carol.id), amount_from("0.4"))
    for sender in (stage.alice, stage.bob):
        await sender.chain.execute(*[payment] * TRANSFERS_PER_BLOCK)
    await stage.network.settled()
    height = await carol.height()
    receipts = await carol.process_inbox()
    stage.equal("blocks that carol needed", len(receipts), 1)
    taken = sum(len(receipt.received) for receipt in receipts)
    stage.equal("message bundles in it", taken, 2 * TRANSFERS_PER_BLOCK)
    await stage.on_validators(
        "carol's chain grew by one block", lambda item: tip_on(item, carol.id)[0], height + 1
    )
    await stage.holds("carol's chain", carol, 20)
