"""Making a chain active: from its description to its first state (spec 02 §1.3)."""

from catenula.base.errors import DecodeError, LocalError
from catenula.base.identifiers import CryptoHash
from catenula.base.integers import Epoch
from catenula.base.limits import MAX_ACTIVE_EPOCHS
from catenula.execution.environment import Environment
from catenula.execution.errors import BlobsNotFound, EventsNotFound, ExecutionError
from catenula.execution.state import ExecutionState
from catenula.protocol import (
    BlobId,
    BlobType,
    ChainDescription,
    Committee,
    NetworkDescription,
    epoch_event_id,
)


def is_initialized(state: ExecutionState) -> bool:
    """Whether the chain's description is known to its state."""
    return state.system.description.get() is not None


def initialize_chain(state: ExecutionState, environment: Environment) -> CryptoHash | None:
    """Set up the state from the chain's description; a no-op (None) when that was done before.

    Returns the state hash, which is kept locally and seeds the rolling hash. Raises `BlobsNotFound`
    for the description, `EventsNotFound` for a committee; then nothing has been changed.
    """
    if is_initialized(state):
        return None
    description = _description(state, environment)
    network = environment.network_description()
    if network is None:
        raise LocalError("this node does not know its network", retryable=False)
    config = description.config
    committees = _committees(environment, network, config.min_active_epoch, config.max_active_epoch)
    system = state.system
    system.timestamp.set(description.timestamp)
    system.description.set(description)
    system.epoch.set(config.epoch)
    system.committees.set(committees)
    system.admin_chain_id.set(network.admin_chain_id)
    system.ownership.set(config.ownership)
    system.balance.set(config.balance)
    system.application_permissions.set(config.application_permissions)
    return state.state_hash(state.hash_mode(environment))


def is_active(state: ExecutionState, environment: Environment) -> bool:
    """Whether blocks can be proposed: described, owned, and governed by a known committee."""
    system = state.system
    return (
        is_initialized(state)
        and system.ownership.get().is_active()
        and system.admin_chain_id.get() is not None
        and state.current_committee(environment) is not None
    )


def _description(state: ExecutionState, environment: Environment) -> ChainDescription:
    blob_id = BlobId(CryptoHash(state.chain_id), BlobType.CHAIN_DESCRIPTION)
    content = environment.blob(blob_id)
    if content is None:
        raise BlobsNotFound((blob_id,))
    try:
        return ChainDescription.from_bcs(content)
    except DecodeError as error:
        raise ExecutionError("BcsError", what="ChainDescription") from error


def _committees(
    environment: Environment, network: NetworkDescription, first: Epoch, last: Epoch
) -> dict[Epoch, Committee]:
    if last - first >= MAX_ACTIVE_EPOCHS:
        raise ExecutionError("InvalidEpochRange", first=first, last=last)
    committees: dict[Epoch, Committee] = {}
    missing = []
    for number in range(first, last + 1):
        epoch = Epoch(number)
        committee = environment.committee(epoch)
        if committee is None:
            missing.append(epoch_event_id(network.admin_chain_id, epoch))
        else:
            committees[epoch] = committee
    if missing:
        raise EventsNotFound(missing)
    return committees
