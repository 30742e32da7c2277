"""What a chain tells about itself: `ChainInfo` with every flag of a query (spec 06 §4.9).

Reads only, and unsigned: the worker signs. Leader time-outs, fallback votes and network actions are
requests to act and belong to the worker.
"""

from catenula.base.identifiers import CryptoHash
from catenula.base.integers import U64, Amount
from catenula.base.limits import MAX_RECEIVED_LOG_ENTRIES
from catenula.chain.chain_state import ChainState
from catenula.protocol import (
    AccountOwner,
    ChainAndHeight,
    ChainInfo,
    ChainInfoQuery,
    IncomingBundle,
    MessageAction,
)


def chain_info(chain: ChainState, query: ChainInfoQuery | None = None) -> ChainInfo:
    """The answer to ``query``, or the plain info that accompanies every reply.

    Raises `UnexpectedBlockHeight` if the query names another next height.
    """
    tip = chain.tip
    system = chain.execution.system
    if query is None:
        query = ChainInfoQuery(chain.chain_id)
        balance = None
    else:
        balance = _owner_balance(chain, query.request_owner_balance)
    if query.test_next_block_height is not None:
        tip.check_height(query.test_next_block_height)
    return ChainInfo(
        chain_id=chain.chain_id,
        epoch=system.epoch.get(),
        description=system.description.get(),
        manager=chain.manager.info(with_values=query.request_manager_values),
        chain_balance=system.balance.get(),
        block_hash=tip.block_hash,
        timestamp=system.timestamp.get(),
        next_block_height=tip.next_block_height,
        state_hash=chain.state_hash,
        requested_owner_balance=balance,
        requested_committees=system.committees.get() if query.request_committees else None,
        requested_pending_message_bundles=(
            _pending_bundles(chain) if query.request_pending_message_bundles else ()
        ),
        requested_sent_certificate_hashes=_sent_hashes(chain, query),
        count_received_log=U64(len(chain.received_log)),
        requested_received_log=_received_log(chain, query),
    )


def _owner_balance(chain: ChainState, owner: AccountOwner) -> Amount | None:
    system = chain.execution.system
    if owner == AccountOwner.CHAIN:
        return system.balance.get()
    return system.balances.get(owner)


def _pending_bundles(chain: ChainState) -> tuple[IncomingBundle, ...]:
    """What a block could take in: on a closed chain only to reject it."""
    is_closed = chain.execution.system.closed.get()
    return chain.inboxes.pending(MessageAction.REJECT if is_closed else MessageAction.ACCEPT)


def _sent_hashes(chain: ChainState, query: ChainInfoQuery) -> tuple[CryptoHash, ...]:
    """Hashes of the requested heights: executed blocks first; unknown heights are left out."""
    heights = query.request_sent_certificate_hashes_by_heights
    if not heights:
        return ()
    next_height = chain.next_block_height
    executed = [height for height in heights if height < next_height]
    others = [height for height in heights if height >= next_height]
    found = (chain.hash_at(height) for height in (*executed, *others))
    return tuple(block_hash for block_hash in found if block_hash is not None)


def _received_log(chain: ChainState, query: ChainInfoQuery) -> tuple[ChainAndHeight, ...]:
    start = query.request_received_log_excluding_first_n
    if start is None:
        return ()
    return tuple(chain.received_log.read(start, start + MAX_RECEIVED_LOG_ENTRIES))
