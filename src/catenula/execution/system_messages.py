"""System messages: crediting and withdrawing (spec 02 §4)."""

from catenula.execution import accounts
from catenula.execution.executor import Executor, MessageContext
from catenula.protocol import Credit, SystemMessage


def execute_system_message(
    executor: Executor, context: MessageContext, message: SystemMessage
) -> None:
    """Execute an accepted system message; a bouncing ``Credit`` returns to its source."""
    if isinstance(message, Credit):
        owner = message.source if context.is_bouncing else message.target
        accounts.credit(executor.system, owner, message.amount)
        return
    accounts.debit(executor.system, message.owner, message.amount)
    outgoing = accounts.credit_or_send(
        executor.system, message.owner, recipient=message.recipient, amount=message.amount
    )
    if outgoing is not None:
        executor.tracker.outgoing_messages.append(outgoing)
