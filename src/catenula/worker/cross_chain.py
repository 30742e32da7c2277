"""Handling requests between the chains of one node (spec 05 §2.4, §3.3-§3.4, 06 §5.3)."""

from catenula.base.integers import BlockHeight
from catenula.chain.mailboxes import confirm_delivery, receive_update, revert_delivery
from catenula.execution.errors import BlobsNotFound
from catenula.protocol import (
    BlobId,
    BlobType,
    ConfirmUpdatedRecipient,
    CrossChainRequest,
    CryptoHash,
    NewIncomingBundle,
    RevertConfirm,
    UpdateRecipient,
)
from catenula.worker.step import Step


def handle_cross_chain_request(step: Step, request: CrossChainRequest) -> None:
    """Apply one request to the chain that must act on it; saved when anything changed."""
    if isinstance(request, UpdateRecipient):
        _receive(step, request)
    elif isinstance(request, ConfirmUpdatedRecipient):
        _confirm(step, request)
    else:
        _revert(step, request)


def _receive(step: Step, request: UpdateRecipient) -> None:
    _activate_if_described(step)
    config = step.node.config
    received = receive_update(
        step.chain,
        request,
        trusts_all_epochs=config.allow_deprecated_epochs,
        may_revert=config.allow_revert_confirm,
    )
    if received.revert is not None:
        step.actions.cross_chain_requests.append(received.revert)
    elif received.confirmation is not None:
        step.save()
        step.actions.cross_chain_requests.append(received.confirmation)
        step.node.counters.update_received(*step.chain.inboxes.sizes(request.sender))
        latest = received.confirmation.latest_height
        step.notify(NewIncomingBundle(request.sender, latest))
    else:
        _confirm_again(step, request)


def _activate_if_described(step: Step) -> None:
    """Messages may arrive before the chain's description: then the inbox alone is kept."""
    try:
        step.activate()
    except BlobsNotFound as error:
        own = BlobId(CryptoHash(step.chain_id), BlobType.CHAIN_DESCRIPTION)
        if error.blob_ids != (own,):
            raise


def _confirm_again(step: Step, request: UpdateRecipient) -> None:
    """Repair a lost confirmation: everything below the inbox's cursor has been received.

    Sound, because the cursor is durable, and invisible outside the node (spec 05 §2.4 step 3).
    """
    next_height = step.chain.inboxes.state(request.sender).next_height_to_receive
    if request.bundles and request.bundles[0][1].height < next_height:
        latest = BlockHeight(min(next_height - 1, request.bundles[-1][1].height))
        step.actions.cross_chain_requests.append(
            ConfirmUpdatedRecipient(request.sender, request.recipient, latest)
        )


def _confirm(step: Step, request: ConfirmUpdatedRecipient) -> None:
    if confirm_delivery(step.chain, request):
        step.save()
        step.send_pending((request.recipient,))


def _revert(step: Step, request: RevertConfirm) -> None:
    if revert_delivery(step.chain, request):
        step.save()
        step.send_pending((request.recipient,))
