"""What must be known of a chain before a block of it is made (spec 07 §6.4)."""

from catenula.chain.ownership_rules import is_super_owner_without_regular_owners
from catenula.client.context import ClientContext
from catenula.client.errors import Explanation, WalletAhead
from catenula.client.events import synchronize_publishers
from catenula.client.received import find_received_certificates
from catenula.client.session import ChainSession
from catenula.client.synchronize import (
    fetch_chain_info,
    synchronize_admin_chain,
    synchronize_chain,
)
from catenula.protocol import ChainOwnership


async def prepare_chain(context: ClientContext, session: ChainSession) -> None:
    """Have everything the next block builds on.

    A chain that only this wallet's owner can extend is taken as it is here; should it have been
    extended from elsewhere, the validators say so and the proposal is made again. Others are
    synchronized first. Raises `WalletAhead`, `UnknownChain`, `NoQuorum`.
    """
    if not context.local.chain(session.chain_id).is_described:
        await fetch_chain_info(context, session.chain_id)
    await _reach_wallet_height(context, session)
    ownership = context.local.chain(session.chain_id).execution.system.ownership.get()
    if not _is_only_proposer(session, ownership):
        await synchronize_chain(context, session.chain_id, with_consensus=session.owner is not None)
    if context.local.chain(session.chain_id).epoch > context.committees.highest_epoch():
        await synchronize_admin_chain(context)


def _is_only_proposer(session: ChainSession, ownership: ChainOwnership) -> bool:
    owner = session.owner
    if owner is None:
        return False
    if is_super_owner_without_regular_owners(ownership, owner):
        return True
    return (
        not ownership.super_owners
        and not ownership.open_multi_leader_rounds
        and tuple(ownership.owners) == (owner,)
    )


async def _reach_wallet_height(context: ClientContext, session: ChainSession) -> None:
    """The local node must have what the wallet says; an imported wallet may know more."""
    row = context.wallet.chain(session.chain_id)
    if row is None or not row.next_block_height:
        return
    if context.local.chain(session.chain_id).next_block_height < row.next_block_height:
        await synchronize_chain(context, session.chain_id)
    tip = context.local.chain(session.chain_id).tip
    place = Explanation(
        "The wallet lists more blocks of the chain than the validators have",
        session.chain_id,
        row.next_block_height,
        who=session.owner,
        next_step="check that the wallet belongs to this network, then synchronize",
    )
    if tip.next_block_height < row.next_block_height:
        raise WalletAhead(place)
    if tip.next_block_height == row.next_block_height and tip.block_hash != row.block_hash:
        raise WalletAhead(place)


async def synchronize_from_validators(context: ClientContext, session: ChainSession) -> None:
    """Everything validators know about the chain: blocks, publishers, received messages."""
    if session.owner is None:
        await synchronize_chain(context, session.chain_id)
        return
    await prepare_chain(context, session)
    await synchronize_publishers(context, session)
    await find_received_certificates(context, session.chain_id)
