"""A chain and its mailboxes: consuming, receiving, sending, confirming (spec 05 §2-3).

Every function stages changes on one chain and returns what is to be sent once they are saved.
Requests between chains stay inside one validator or client node and are trusted.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from catenula.base.errors import ArithmeticOverflow
from catenula.base.identifiers import ChainId
from catenula.base.integers import BlockHeight
from catenula.base.limits import BATCH_FILL_BYTES
from catenula.chain.bundles import EpochAndBundle, take_whole_blocks
from catenula.chain.chain_state import ChainState
from catenula.chain.errors import (
    CannotSkipMessage,
    CorruptedChainState,
    InboxError,
    InboxGapDetected,
    IncorrectBundleTimestamp,
    IncorrectMessageOrder,
    IncorrectOrder,
    InvalidCrossChainRequest,
    MissingCrossChainUpdates,
    UnexpectedMessage,
    UnskippableBundle,
)
from catenula.protocol import (
    ChainAndHeight,
    ConfirmUpdatedRecipient,
    IncomingBundle,
    ProposedBlock,
    RevertConfirm,
    UpdateRecipient,
)

# Consuming the bundles of a block (spec 05 §2.5)


def remove_bundles_from_inboxes(
    chain: ChainState, block: ProposedBlock, *, must_be_present: bool
) -> None:
    """Take the bundles of ``block`` out of the inboxes.

    Raises `IncorrectBundleTimestamp`, `IncorrectMessageOrder`, `CannotSkipMessage`,
    `UnexpectedMessage`; with ``must_be_present`` also `MissingCrossChainUpdates`.
    """
    incoming = tuple(block.incoming_bundles())
    if not incoming:
        return
    for item in incoming:
        if item.bundle.timestamp > block.timestamp:
            raise IncorrectBundleTimestamp(
                chain_id=chain.chain_id,
                origin=item.origin,
                bundle_timestamp=item.bundle.timestamp,
                block_timestamp=block.timestamp,
            )
    missing = [
        (item.origin, item.bundle.height)
        for item in sorted(incoming, key=_origin)
        if not _remove_bundle(chain, item)
    ]
    if must_be_present and missing:
        raise MissingCrossChainUpdates(chain_id=chain.chain_id, bundles=tuple(missing))


def _origin(item: IncomingBundle) -> ChainId:
    """Sort key; sorting is stable, so the order within one origin is the block's."""
    return item.origin


def _remove_bundle(chain: ChainState, item: IncomingBundle) -> bool:
    try:
        return chain.inboxes.remove_bundle(item.origin, item.bundle)
    except InboxError as error:
        kind: type[IncorrectMessageOrder] | type[CannotSkipMessage] | type[UnexpectedMessage]
        if isinstance(error, IncorrectOrder):
            kind = IncorrectMessageOrder
        elif isinstance(error, UnskippableBundle):
            kind = CannotSkipMessage
        else:
            kind = UnexpectedMessage
        raise kind(chain_id=chain.chain_id, origin=item.origin, **error.fields) from error


# Receiving (spec 05 §2.4)


class UpdateSelection(NamedTuple):
    """Which bundles of an update are applied: those from ``skipped`` to before ``trusted``."""

    skipped: int
    trusted: int


class ReceivedUpdate(NamedTuple):
    """What a cross-chain update led to; at most one of the two replies is sent, after the save."""

    confirmation: ConfirmUpdatedRecipient | None = None
    revert: RevertConfirm | None = None


def select_update(
    chain: ChainState,
    origin: ChainId,
    bundles: Sequence[EpochAndBundle],
    *,
    trusts_all_epochs: bool,
) -> UpdateSelection:
    """The part of an update that is new and comes from trusted blocks (spec 05 §2.4 step 3).

    Raises `InvalidCrossChainRequest` if heights decrease.
    """
    next_height = chain.inboxes.state(origin).next_height_to_receive
    anticipated = chain.inboxes.anticipated_height(origin)
    chain_epoch = chain.epoch
    skipped = trusted = 0
    last_height = BlockHeight(0)
    for count, (epoch, bundle) in enumerate(bundles, 1):
        height = bundle.height
        if height < last_height:
            raise InvalidCrossChainRequest(origin=origin, height=height, previous=last_height)
        last_height = height
        if height < next_height:
            skipped = count
        if (
            trusts_all_epochs
            or (anticipated is not None and height <= anticipated)
            or epoch >= chain_epoch
            or chain.environment.committee(epoch) is not None
        ):
            trusted = count
    return UpdateSelection(skipped, trusted)


def receive_update(
    chain: ChainState,
    request: UpdateRecipient,
    *,
    trusts_all_epochs: bool,
    may_revert: bool,
) -> ReceivedUpdate:
    """Apply a cross-chain update to the inbox of its sender; the caller has tried to activate.

    Nothing new means neither changes nor replies. Raises `InboxGapDetected` where reverting is
    not allowed, `InvalidCrossChainRequest`, `CorruptedChainState`.
    """
    origin, bundles = request.sender, request.bundles
    next_height = chain.inboxes.state(origin).next_height_to_receive
    previous = request.previous_height
    if previous is not None and previous >= next_height:
        if may_revert:
            return ReceivedUpdate(revert=RevertConfirm(origin, chain.chain_id, next_height))
        first_height = bundles[0][1].height if bundles else None
        raise InboxGapDetected(origin=origin, expected_height=previous, actual_height=first_height)
    selection = select_update(chain, origin, bundles, trusts_all_epochs=trusts_all_epochs)
    applied = bundles[selection.skipped : selection.trusted]
    if not applied:
        return ReceivedUpdate()
    last_logged: BlockHeight | None = None
    for _, bundle in applied:
        try:
            chain.inboxes.add_bundle(origin, bundle)
        except (InboxError, ArithmeticOverflow) as error:
            raise CorruptedChainState(
                reason="a delivered bundle contradicts the inbox",
                origin=origin,
                height=bundle.height,
                transaction_index=bundle.transaction_index,
            ) from error
        if bundle.height != last_logged:
            last_logged = bundle.height
            chain.received_log.push(ChainAndHeight(origin, last_logged))
    latest = applied[-1][1].height
    return ReceivedUpdate(ConfirmUpdatedRecipient(origin, chain.chain_id, latest))


# Sending and its acknowledgements (spec 05 §3.2-3.4)


def cross_chain_requests(
    chain: ChainState,
    targets: Iterable[ChainId] | None = None,
    *,
    size_limit: int = BATCH_FILL_BYTES,
) -> list[UpdateRecipient]:
    """One request per target with queued blocks: all tracked targets, or the given ones.

    Idempotent. Raises `ReadCertificatesError` if a known block is not stored.
    """
    if targets is None:
        targets = chain.outboxes.nonempty_targets()
    requests = (_request_for(chain, target, size_limit) for target in targets)
    return [request for request in requests if request is not None]


def _request_for(chain: ChainState, target: ChainId, size_limit: int) -> UpdateRecipient | None:
    """The whole unconfirmed prefix for one target, up to the size limit.

    A queued height without a known hash ends the prefix; it follows once its block is known.
    """
    hashes = []
    for height in chain.outboxes.queue(target) if chain.outboxes.is_tracked(target) else ():
        block_hash = chain.hash_at(height)
        if block_hash is None:
            break
        hashes.append(block_hash)
    if not hashes:
        return None
    bundles = take_whole_blocks(
        (chain.bundles(block_hash, target) for block_hash in hashes), size_limit
    )
    previous = chain.block(hashes[0]).body.previous_message_blocks.get(target)
    return UpdateRecipient(
        sender=chain.chain_id,
        recipient=target,
        bundles=bundles,
        previous_height=None if previous is None else previous[1],
    )


def confirm_delivery(chain: ChainState, request: ConfirmUpdatedRecipient) -> bool:
    """Forget what the recipient has received; whether anything was still queued.

    Afterwards the next chunk for this recipient is to be sent, and those waiting for delivery are
    to be woken if `Outboxes.is_delivered_up_to` the confirmed height.
    """
    return chain.outboxes.confirm(request.recipient, request.latest_height)


def revert_delivery(chain: ChainState, request: RevertConfirm) -> bool:
    """Queue again what a recipient lost; whether any block was not queued (spec 05 §3.4).

    Follows the recipient's chain of message-bearing blocks backwards from the last executed one.
    """
    recipient = request.recipient
    heights: list[BlockHeight] = []
    previous = chain.outboxes.previous_message_block(recipient)
    while previous is not None and previous[1] >= request.retransmit_from:
        block_hash, height = previous
        heights.append(height)
        previous = chain.block(block_hash).body.previous_message_blocks.get(recipient)
        if previous is not None and previous[1] >= height:
            raise CorruptedChainState(
                reason="a block points forward to an earlier message", height=height
            )
    return chain.outboxes.requeue(recipient, heights)
