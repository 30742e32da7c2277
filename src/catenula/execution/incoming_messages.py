"""Incoming messages: accepting, rejecting, bouncing, refunding (spec 02 §5)."""

from catenula.base.integers import Amount
from catenula.execution.accounts import CHAIN, ZERO
from catenula.execution.errors import BlockRuleError, ExecutionError
from catenula.execution.executor import Executor, MessageContext
from catenula.execution.resources import Grant
from catenula.execution.system_messages import execute_system_message
from catenula.execution.user_actions import process_due_streams, run_message
from catenula.protocol import (
    Credit,
    IncomingBundle,
    MessageAction,
    MessageKind,
    OutgoingMessage,
    PostedMessage,
    UserMessage,
)


def receive_bundle(executor: Executor, bundle: IncomingBundle) -> None:
    """Accept or reject all messages of a bundle, in order."""
    handle = _accept if bundle.action is MessageAction.ACCEPT else _reject
    for posted in bundle.bundle.messages:
        context = MessageContext(
            bundle.origin,
            posted.kind is MessageKind.BOUNCING,
            posted.authenticated_signer,
            posted.refund_grant_to,
        )
        handle(executor, context, posted)


def _accept(executor: Executor, context: MessageContext, posted: PostedMessage) -> None:
    if executor.system.closed.get():
        raise BlockRuleError("ClosedChain", chain_id=executor.block.chain_id)
    message = posted.message
    left = posted.grant
    if isinstance(message, UserMessage):
        grant = Grant(posted.grant) if posted.grant else None
        run_message(executor, context, message, grant=grant)
        left = Amount(0 if grant is None else grant.amount)
    else:
        execute_system_message(executor, context, message)
    if executor.tracker.streams_to_process:
        process_due_streams(executor)
    _send_refund(executor, context, left)


def _reject(executor: Executor, context: MessageContext, posted: PostedMessage) -> None:
    if posted.kind is MessageKind.PROTECTED and not executor.system.closed.get():
        raise BlockRuleError(
            "CannotRejectMessage", chain_id=executor.block.chain_id, origin=context.origin
        )
    if posted.kind is MessageKind.TRACKED:
        _bounce(executor, context, posted)
    else:
        _send_refund(executor, context, posted.grant)


def _bounce(executor: Executor, context: MessageContext, posted: PostedMessage) -> None:
    executor.tracker.outgoing_messages.append(
        OutgoingMessage(
            context.origin,
            posted.authenticated_signer,
            posted.grant,
            posted.refund_grant_to if posted.grant else None,
            MessageKind.BOUNCING,
            posted.message,
        )
    )


def _send_refund(executor: Executor, context: MessageContext, amount: Amount) -> None:
    if amount == 0:
        return
    account = context.refund_grant_to
    if account is None:
        raise ExecutionError("InternalError", reason="a grant is left and nobody to refund it to")
    source = CHAIN if context.signer is None else context.signer
    executor.tracker.outgoing_messages.append(
        OutgoingMessage(
            account.chain_id,
            None,
            ZERO,
            None,
            MessageKind.TRACKED,
            Credit(account.owner, amount, source),
        )
    )
