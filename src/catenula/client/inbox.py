"""Choosing which waiting messages go into the next block (spec 07 §7.1)."""

from catenula.chain.chain_state import ChainState
from catenula.client.options import ClientOptions
from catenula.client.session import ChainSession
from catenula.protocol import IncomingBundle, MessageAction


def select_bundles(
    chain: ChainState,
    session: ChainSession,
    options: ClientOptions,
) -> list[IncomingBundle]:
    """The bundles the message policy lets in: prioritised origins first, then by time, limited.

    The order within one origin is kept, since sorting is stable and time does not run backwards.
    """
    policy = session.policy
    if policy.ignores_messages:
        return []
    is_closed = chain.execution.system.closed.get()
    waiting = chain.inboxes.pending(MessageAction.REJECT if is_closed else MessageAction.ACCEPT)
    if not waiting:
        return []
    if is_closed:
        chosen = list(waiting)
    else:
        judged = (policy.apply(bundle) for bundle in waiting)
        chosen = [bundle for bundle in judged if bundle is not None]
    chosen = [bundle for bundle in chosen if bundle.origin not in session.skipped_origins]
    first = frozenset(options.priority_origins)
    chosen.sort(key=lambda bundle: (bundle.origin not in first, bundle.bundle.timestamp))
    return chosen[: options.max_pending_message_bundles]
