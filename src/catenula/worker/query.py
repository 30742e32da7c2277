"""Handling a chain info query (spec 06 §4.9)."""

from catenula.chain.errors import NoFallbackMode
from catenula.protocol import BlockHeight, ChainInfoQuery, ChainInfoResponse, Round
from catenula.worker.step import Step


def handle_chain_info_query(step: Step, query: ChainInfoQuery) -> ChainInfoResponse:
    """Answer a question about a chain; may create a timeout vote and send pending messages."""
    if query.request_leader_timeout is not None:
        _vote_for_timeout(step, *query.request_leader_timeout)
    if query.request_fallback:
        raise NoFallbackMode
    step.activate()
    response = step.reply(query)
    if query.create_network_actions:
        step.send_pending()
    return response


def _vote_for_timeout(step: Step, height: BlockHeight, round_: Round) -> None:
    """Sign that the current round has timed out, once per round (spec 05 §6.6)."""
    chain = step.chain
    chain.tip.check_height(height)
    voted = chain.manager.create_timeout_vote(
        chain.chain_id, chain.epoch, round=round_, now=step.now, key=step.node.secret
    )
    if voted:
        step.save()
