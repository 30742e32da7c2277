"""Debits, credits, transfers and claims between accounts (spec 02 §2).

An owner's account that is debited to zero disappears; credits saturate. Whether an account entry
exists is part of the state hash.
"""

from typing import TYPE_CHECKING

from catenula.base.identifiers import AccountOwner, ApplicationId
from catenula.base.integers import U128_MAX, Amount
from catenula.execution.errors import ExecutionError
from catenula.protocol import Account, Credit, MessageKind, OutgoingMessage, Withdraw

if TYPE_CHECKING:
    from catenula.execution.state import SystemState

CHAIN = AccountOwner.CHAIN
ZERO = Amount(0)


def debit(system: "SystemState", owner: AccountOwner, amount: Amount) -> None:
    """Take ``amount`` from an account, else `ExecutionError` ``InsufficientBalance``."""
    if owner == CHAIN:
        balance = system.balance.get()
        if balance < amount:
            raise _insufficient(system, owner, balance, amount)
        system.balance.set(Amount(balance - amount))
        return
    held = system.balances.get(owner)
    if held is None or held < amount:
        raise _insufficient(system, owner, held or ZERO, amount)
    if held == amount:
        system.balances.remove(owner)
    else:
        system.balances.insert(owner, Amount(held - amount))


def _insufficient(
    system: "SystemState", owner: AccountOwner, balance: Amount, amount: Amount
) -> ExecutionError:
    return ExecutionError(
        "InsufficientBalance",
        balance=balance,
        amount=amount,
        account=owner,
        chain_id=system.chain_id,
    )


def credit(system: "SystemState", owner: AccountOwner, amount: Amount) -> None:
    """Add ``amount`` to an account, saturating; the account is created when absent."""
    if owner == CHAIN:
        system.balance.set(Amount(min(system.balance.get() + amount, U128_MAX)))
    else:
        held = system.balances.get(owner) or 0
        system.balances.insert(owner, Amount(min(held + amount, U128_MAX)))


def credit_or_send(
    system: "SystemState", source: AccountOwner, *, recipient: Account, amount: Amount
) -> OutgoingMessage | None:
    """Credit a local recipient, or return the ``Credit`` message for a remote one."""
    if recipient.chain_id == system.chain_id:
        credit(system, recipient.owner, amount)
        return None
    return OutgoingMessage(
        recipient.chain_id,
        None,
        ZERO,
        None,
        MessageKind.TRACKED,
        Credit(recipient.owner, amount, source),
    )


class Authority:
    """Who asks for a transfer or claim: the visible signer and the calling application."""

    __slots__ = ("application_owner", "signer")

    def __init__(
        self, signer: AccountOwner | None, application_id: ApplicationId | None = None
    ) -> None:
        self.signer = signer
        self.application_owner = None if application_id is None else application_id.owner()

    def controls(self, source: AccountOwner) -> bool:
        """Whether ``source`` is the signer's or the calling application's account."""
        return source in (self.signer, self.application_owner)


def transfer(
    system: "SystemState",
    authority: Authority,
    *,
    source: AccountOwner,
    recipient: Account,
    amount: Amount,
) -> OutgoingMessage | None:
    """Move ``amount``; returns the message to send when the recipient is on another chain."""
    if source == CHAIN:
        signer = authority.signer
        if signer is None or not system.ownership.get().is_owner(signer):
            raise ExecutionError("UnauthenticatedTransferOwner", owner=source, signer=signer)
    elif not authority.controls(source):
        raise ExecutionError("UnauthenticatedTransferOwner", owner=source, signer=authority.signer)
    if amount == 0:
        raise ExecutionError("IncorrectTransferAmount", amount=amount)
    debit(system, source, amount)
    return credit_or_send(system, source, recipient=recipient, amount=amount)


def claim(
    system: "SystemState",
    authority: Authority,
    *,
    source: Account,
    recipient: Account,
    amount: Amount,
) -> OutgoingMessage | None:
    """Withdraw from an account that may be on another chain; returns the message to send."""
    owner = source.owner
    if not authority.controls(owner):
        raise ExecutionError("UnauthenticatedClaimOwner", owner=owner, signer=authority.signer)
    if amount == 0:
        raise ExecutionError("IncorrectClaimAmount", amount=amount)
    if source.chain_id == system.chain_id:
        debit(system, owner, amount)
        return credit_or_send(system, owner, recipient=recipient, amount=amount)
    return OutgoingMessage(
        source.chain_id,
        authority.signer,
        ZERO,
        None,
        MessageKind.SIMPLE,
        Withdraw(owner, amount, recipient),
    )
