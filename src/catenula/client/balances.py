"""Balances as they will be once waiting messages are taken in (spec 07 §9.5)."""

from catenula.base.identifiers import AccountOwner
from catenula.base.integers import Amount
from catenula.base.limits import MAX_OVERTAKEN_ATTEMPTS
from catenula.client.context import ClientContext
from catenula.client.errors import EmptyBlock, Overdraft
from catenula.client.session import ChainSession
from catenula.client.staging import new_block, stage, staging_policy
from catenula.validator.ownership import Overtaken


async def balance_with_pending_messages(
    context: ClientContext, session: ChainSession, owner: AccountOwner
) -> Amount:
    """Stage a block of the waiting messages alone and read the balance after it.

    Zero when the chain cannot pay the fees of that block.
    """
    for _ in range(MAX_OVERTAKEN_ATTEMPTS):
        try:
            return await _staged_balance(context, session, owner)
        except Overtaken:
            # The chain has changed, or was forgotten, between staging and reading.
            continue
    raise Overtaken


async def _staged_balance(
    context: ClientContext, session: ChainSession, owner: AccountOwner
) -> Amount:
    chain_id = session.chain_id
    try:
        proposed = new_block(context, session, (), signer=session.owner)
        policy = staging_policy(context, session)
        staged = await stage(context, proposed, blobs=(), round_=None, policy=policy)
    except EmptyBlock:
        return await context.local.balance(chain_id, owner)
    except Overdraft:
        return Amount(0)
    return await context.local.balance(chain_id, owner, after=staged.block.hash)
