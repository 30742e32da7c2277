"""What validators themselves hold, for tests, the tour and curious people; reads only."""

from collections.abc import Iterator

from catenula.base.identifiers import AccountOwner, ChainId, CryptoHash
from catenula.base.integers import Amount, BlockHeight
from catenula.chain.chain_state import ChainState
from catenula.network.embedded_validator import EmbeddedValidator
from catenula.protocol import Credit, MessageAction

Tip = tuple[BlockHeight, CryptoHash | None]
"""The number of blocks of a chain and the hash of the last one."""


def balance_on(
    validator: EmbeddedValidator, chain_id: ChainId, owner: AccountOwner = AccountOwner.CHAIN
) -> Amount:
    """What an account holds according to a validator."""
    system = validator.chain(chain_id).execution.system
    if owner == AccountOwner.CHAIN:
        return system.balance.get()
    return system.balances.get(owner) or Amount(0)


def tip_on(validator: EmbeddedValidator, chain_id: ChainId) -> Tip:
    """Where a chain stands according to a validator."""
    tip = validator.chain(chain_id).tip
    return tip.next_block_height, tip.block_hash


def tips_on(validator: EmbeddedValidator) -> dict[ChainId, Tip]:
    """Where every chain with a block stands according to a validator."""
    tips = {chain_id: tip_on(validator, chain_id) for chain_id in validator.chain_ids()}
    return {chain_id: tip for chain_id, tip in tips.items() if tip[0]}


def supply_on(validator: EmbeddedValidator) -> Amount:
    """All tokens according to a validator: accounts of all chains, and credits in their inboxes.

    Constant on a network without fees, except while messages are between two chains.
    """
    total = 0
    for chain_id in validator.chain_ids():
        chain = validator.chain(chain_id)
        system = chain.execution.system
        total += system.balance.get() + sum(amount for _, amount in system.balances.items())
        total += sum(_credits_waiting(chain))
    return Amount(total)


def _credits_waiting(chain: ChainState) -> Iterator[int]:
    for incoming in chain.inboxes.pending(MessageAction.ACCEPT):
        for posted in incoming.bundle.messages:
            if isinstance(posted.message, Credit):
                yield posted.message.amount
