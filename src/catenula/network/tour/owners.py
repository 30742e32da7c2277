"""The second part of the tour: chains with several owners, with any, with others, with none."""

from collections.abc import Callable

from catenula.base.identifiers import ChainId
from catenula.network.chain import NetworkChain
from catenula.network.embedded_validator import EmbeddedValidator
from catenula.network.tour.forgery import payment, refused_by_all, verdicts
from catenula.network.tour.stage import Stage
from catenula.protocol import Account, ChainOwnership


async def hold_an_escrow(stage: Stage) -> None:
    """A permissioned chain of two owners holds money for them, then is closed."""
    alice, bob, carol = stage.alice, stage.bob, stage.carol
    alices, bobs = await alice.chain.balance(), await bob.chain.balance()
    ownership = ChainOwnership.multiple((alice.owner, bob.owner))
    description, _ = await alice.chain.open_chain(ownership)
    escrow = await alice.take(description.chain_id)
    bobs_view = await bob.take(description.chain_id)
    await stage.refused(
        "carol is no owner and cannot use the chain",
        carol.take(description.chain_id),
        "NotAnOwner",
    )
    await alice.chain.transfer(escrow, 100)
    await escrow.receive()
    await stage.holds("the escrow", escrow, 100)
    await bobs_view.transfer(bob.chain, 60)
    await escrow.transfer(alice.chain, 40)
    await bob.chain.receive()
    await alice.chain.receive()
    await stage.holds("bob's chain, paid by himself from the escrow,", bob.chain, bobs + 60)
    await stage.holds("alice's chain, paid back what was left,", alice.chain, alices - 60)
    await bobs_view.close()
    await stage.on_validators("the escrow is closed", _is_closed(escrow.id), expected=True)


async def let_anyone_propose(stage: Stage) -> None:
    """A chain in whose multi-leader rounds anybody may propose."""
    alice, bob, carol = stage.alice, stage.bob, stage.carol
    held = await carol.chain.balance()
    board = await _new_chain_of_alice(stage, 5)
    await board.change_owners([alice.owner], open_to_all=True)
    await stage.on_validators(
        "its rounds are open to all",
        lambda item: _ownership(item, board.id).open_multi_leader_rounds,
        expected=True,
    )
    await bob.chain.transfer(Account(board.id, carol.owner), 10)
    carols_view = await carol.take(board.id)
    receipts = await carols_view.receive()
    stage.equal("blocks by carol, who is no owner", len(receipts), 1)
    await stage.holds("carol's account there", board.id, 10, owner=carol.owner)
    await carols_view.transfer(carol.chain, 4, owner=carol.owner)
    await carol.chain.receive()
    await stage.holds("after she took out 4, it", board.id, 6, owner=carol.owner)
    await stage.holds("carol's own chain", carol.chain, held + 4)
    await stage.refused(
        "the chain's own account stays out of her reach",
        carols_view.transfer(carol.chain, 1),
        "WrongOwner",
    )


async def hand_over(stage: Stage) -> None:
    """Control of a chain passes to another owner."""
    alice, bob = stage.alice, stage.bob
    held = await bob.chain.balance()
    house = await _new_chain_of_alice(stage, 50)
    await house.change_owners([bob.owner])
    await stage.on_validators(
        "bob is the only owner",
        lambda item: _ownership(item, house.id) == ChainOwnership.single(bob.owner),
        expected=True,
    )
    await stage.refused(
        "alice cannot spend from it any more", house.transfer(alice.chain, 1), "NotAnOwner"
    )
    said = await verdicts(stage, alice, house.id, transactions=[payment(alice.chain, 1)])
    stage.claim("validators refuse it too", *refused_by_all(said, "InvalidOwner"))
    bobs_house = await bob.take(house.id)
    await bobs_house.transfer(bob.chain, 50)
    await bob.chain.receive()
    await stage.holds("the chain, emptied by bob,", house.id, 0)
    await stage.holds("bob's chain", bob.chain, held + 50)


async def deactivate(stage: Stage) -> None:
    """A chain without owners takes no block ever again."""
    alice = stage.alice
    lost = await _new_chain_of_alice(stage, 0)
    await lost.change_owners([])
    await stage.on_validators(
        "nobody can propose any more",
        lambda item: not _ownership(item, lost.id).is_active(),
        expected=True,
    )
    await stage.refused("its last owner is refused", lost.transfer(alice.chain, 1), "InactiveChain")
    said = await verdicts(stage, alice, lost.id, transactions=[payment(alice.chain, 1)])
    stage.claim("validators refuse it too", *refused_by_all(said, "InvalidOwner"))


async def _new_chain_of_alice(stage: Stage, tokens: int) -> NetworkChain:
    alice = stage.alice
    description, _ = await alice.chain.open_chain(ChainOwnership.single(alice.owner), tokens)
    return await alice.take(description.chain_id)


def _is_closed(chain_id: ChainId) -> Callable[[EmbeddedValidator], bool]:
    def read(validator: EmbeddedValidator) -> bool:
        return validator.chain(chain_id).execution.system.closed.get()

    return read


def _ownership(validator: EmbeddedValidator, chain_id: ChainId) -> ChainOwnership:
    return validator.chain(chain_id).execution.system.ownership.get()
