"""Waiting until a block can be proposed again (spec 07 §9.4).

Nothing can be proposed before a time; but another owner's block, or validators that leave the
round, may come earlier. Whoever waits therefore listens too.
"""

import asyncio

from catenula.base.identifiers import ChainId
from catenula.client.context import ClientContext
from catenula.client.notifications import Listener
from catenula.client.outcomes import WaitForTimeout
from catenula.protocol import NewBlock, NewEvents, NewRound, Notification


async def wait_for_round(
    context: ClientContext, chain_id: ChainId, waiting: WaitForTimeout
) -> None:
    """Return when the time has come, or the chain has got another block or round."""
    listener = Listener(context)
    news = asyncio.ensure_future(_hear(context, chain_id, waiting))
    timer = asyncio.ensure_future(context.clock.sleep_until(waiting.timestamp))
    try:
        listener.follow([chain_id])
        await asyncio.wait((news, timer), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (news, timer):
            task.cancel()
        await asyncio.gather(news, timer, return_exceptions=True)
        await listener.stop()


async def _hear(context: ClientContext, chain_id: ChainId, waiting: WaitForTimeout) -> None:
    """Return when the local node, which follows the validators, tells of something new."""
    async for notification in context.local.driver.subscribe((chain_id,)):
        if _ends_wait(notification, waiting):
            return


def _ends_wait(notification: Notification, waiting: WaitForTimeout) -> bool:
    reason = notification.reason
    if isinstance(reason, NewBlock | NewEvents):
        return reason.height >= waiting.next_block_height
    return isinstance(reason, NewRound) and reason.round > waiting.current_round
