"""Application permissions: which operations and bundles a block may hold (spec 02 §7)."""

from collections.abc import Iterable

from catenula.base.identifiers import ApplicationId
from catenula.execution.errors import BlockRuleError
from catenula.execution.policy import PolicyFacts
from catenula.protocol import (
    ApplicationPermissions,
    ExecuteOperation,
    IncomingBundle,
    MessageAction,
    Operation,
    ProcessNewEpoch,
    ProcessRemovedEpoch,
    Transaction,
    UpdateStreams,
    UserMessage,
    UserOperation,
)

EXEMPT_OPERATIONS = frozenset({ProcessNewEpoch, ProcessRemovedEpoch, UpdateStreams})
"""Always allowed, and they lift the duty to serve the mandatory applications."""


def check_permissions(
    permissions: ApplicationPermissions, transactions: Iterable[Transaction], facts: PolicyFacts
) -> None:
    """Check a block against the permissions in force before it, else `BlockRuleError`."""
    if permissions.execute_operations is None and not permissions.mandatory_applications:
        return
    mandatory = set(permissions.mandatory_applications)
    for transaction in transactions:
        if isinstance(transaction, ExecuteOperation):
            operation = transaction.operation
            if type(operation) in EXEMPT_OPERATIONS:
                mandatory.clear()
                continue
            _check_operation(permissions, operation)
            if type(operation) is UserOperation:
                mandatory.discard(operation.application_id)
        else:
            _discard_served(mandatory, transaction.bundle, facts)
    if mandatory:
        raise BlockRuleError("MissingMandatoryApplications", applications=tuple(sorted(mandatory)))


def _check_operation(permissions: ApplicationPermissions, operation: Operation) -> None:
    allowed = permissions.execute_operations
    if allowed is None:
        return
    if type(operation) is not UserOperation or operation.application_id not in allowed:
        raise BlockRuleError("AuthorizedApplications", applications=allowed)


def _discard_served(
    mandatory: set[ApplicationId], bundle: IncomingBundle, facts: PolicyFacts
) -> None:
    if facts.mandatory_needs_accepted and bundle.action is not MessageAction.ACCEPT:
        return
    for posted in bundle.bundle.messages:
        if type(posted.message) is UserMessage:
            mandatory.discard(posted.message.application_id)


def is_permitted(listed: tuple[ApplicationId, ...] | None, application_id: ApplicationId) -> bool:
    """Whether an optional list of applications names this one; no list permits all."""
    return listed is None or application_id in listed
