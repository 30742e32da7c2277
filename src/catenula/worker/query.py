"""Questions: about a chain (spec 06 §4.9), and to an application on it (spec 04 §5)."""

from catenula.base.identifiers import ApplicationId, CryptoHash
from catenula.chain.errors import NoFallbackMode
from catenula.execution import queries
from catenula.execution.live_services import LiveServices
from catenula.protocol import BlockHeight, CertificateKind, ChainInfoQuery, ChainInfoResponse, Round
from catenula.worker.step import Step


def handle_chain_info_query(step: Step, query: ChainInfoQuery) -> ChainInfoResponse:
    """Answer a question about a chain; may create a timeout vote and send pending messages."""
    if query.request_leader_timeout is not None:
        _vote_for_timeout(step, *query.request_leader_timeout)
    if query.request_fallback:
        raise NoFallbackMode
    step.activate()
    response = step.reply(query)
    _count(step, query, response)
    if query.create_network_actions:
        step.send_pending()
    return response


def _count(step: Step, query: ChainInfoQuery, response: ChainInfoResponse) -> None:
    info = response.info
    inboxes = log_entries = None
    if query.request_pending_message_bundles:
        inboxes = len({item.origin for item in info.requested_pending_message_bundles})
    if query.request_received_log_excluding_first_n is not None:
        log_entries = len(info.requested_received_log)
    step.node.counters.chain_queried(inboxes, log_entries)


def _vote_for_timeout(step: Step, height: BlockHeight, round_: Round) -> None:
    """Sign that the current round has timed out, once per round (spec 05 §6.6)."""
    chain = step.chain
    chain.tip.check_height(height)
    voted = chain.manager.create_timeout_vote(
        chain.chain_id, chain.epoch, round=round_, now=step.now, key=step.node.secret
    )
    if voted:
        step.node.counters.voted(CertificateKind.TIMEOUT)
        step.save()


def query_application(
    step: Step,
    application_id: ApplicationId,
    query: bytes,
    *,
    after: CryptoHash | None = None,
    living: LiveServices | None = None,
) -> queries.QueryOutcome:
    """Ask a service on the last executed state, or on that after a block staged here.

    ``after`` is that block's hash; when its outcome is not at hand any more, the last executed
    state answers. ``living`` services answer for the last executed state, where there are any.
    Nothing is changed. Raises `ExecutionError`.
    """
    step.activate()
    chain = step.chain
    is_staged = after is not None and chain.restore_executed_state(after)
    inputs = queries.QueryInputs(chain.next_block_height, step.now, chain.environment, step.oracles)
    if living is not None and not is_staged:
        return living.query(chain.execution, application_id, query, inputs=inputs)
    try:
        return queries.query_application(chain.execution, application_id, query, inputs=inputs)
    finally:
        if is_staged:
            chain.rollback()
