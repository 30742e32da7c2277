"""Committees and epochs: creating, following and retiring them (spec 02 §8).

System streams of the admin chain announce epochs; their events never enter
``stream_event_counts``. The change of epoch takes effect with the next block.
"""

from catenula.base.errors import DecodeError
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import U32, U32_MAX, Epoch
from catenula.execution.blobs import blob_used, stored_blob
from catenula.execution.errors import EventsNotFound, ExecutionError
from catenula.execution.executor import Executor
from catenula.protocol import (
    EPOCH_STREAM_NAME,
    REMOVED_EPOCH_STREAM_NAME,
    BlobId,
    BlobType,
    Committee,
    CreateCommittee,
    Event,
    EventId,
    OracleEvent,
    OracleResponse,
    ProcessNewEpoch,
    ProcessRemovedEpoch,
    PublishCommitteeBlob,
    RemoveCommittee,
    StreamId,
    epoch_event_id,
    removed_epoch_event_id,
)

EPOCH_STREAM = StreamId.system(EPOCH_STREAM_NAME)
REMOVED_EPOCH_STREAM = StreamId.system(REMOVED_EPOCH_STREAM_NAME)


def require_admin_chain(executor: Executor) -> None:
    """Admin operations run on the admin chain only."""
    admin = executor.system.admin_chain_id.get()
    if admin != executor.block.chain_id:
        raise ExecutionError("AdminOperationOnNonAdminChain", admin_chain_id=admin)


def publish_committee_blob(executor: Executor, operation: PublishCommitteeBlob) -> None:
    """Publish the blob of a future committee."""
    require_admin_chain(executor)
    blob_id = BlobId(operation.blob_hash, BlobType.COMMITTEE)
    executor.system.used_blobs.insert(blob_id)
    executor.tracker.published_blobs.add(blob_id)


def create_committee(executor: Executor, operation: CreateCommittee) -> None:
    """Make a stored committee the committee of the next epoch and announce it."""
    require_admin_chain(executor)
    _check_next_epoch(executor, operation.epoch)
    committee = _use_committee(executor, operation.blob_hash)
    _enter_epoch(executor, operation.epoch, committee)
    executor.tracker.events.append(
        Event(EPOCH_STREAM, U32(operation.epoch), bytes(operation.blob_hash))
    )


def remove_committee(executor: Executor, operation: RemoveCommittee) -> None:
    """Retire an epoch and announce it."""
    require_admin_chain(executor)
    _forget_epoch(executor, operation.epoch)
    executor.tracker.events.append(Event(REMOVED_EPOCH_STREAM, U32(operation.epoch), b""))


def process_new_epoch(executor: Executor, operation: ProcessNewEpoch) -> None:
    """Follow the admin chain into its next epoch."""
    _check_next_epoch(executor, operation.epoch)
    event_id = epoch_event_id(_admin_chain_id(executor), operation.epoch)
    value = event_value(executor, event_id)
    try:
        blob_hash = CryptoHash.decode(value)
    except DecodeError as error:
        raise ExecutionError("BcsError", what="committee hash of an epoch event") from error
    committee = _use_committee(executor, blob_hash)
    _enter_epoch(executor, operation.epoch, committee)


def process_removed_epoch(executor: Executor, operation: ProcessRemovedEpoch) -> None:
    """Follow the admin chain in retiring an epoch."""
    _forget_epoch(executor, operation.epoch)
    event_value(executor, removed_epoch_event_id(_admin_chain_id(executor), operation.epoch))


def event_value(executor: Executor, event_id: EventId) -> bytes:
    """The value of an event through the oracle, else `EventsNotFound`."""

    def read() -> OracleResponse:
        value = executor.environment.event(event_id)
        if value is None:
            raise EventsNotFound((event_id,))
        return OracleEvent(event_id, value)

    response = executor.tracker.oracle(read)
    if type(response) is not OracleEvent or response.event_id != event_id:
        raise ExecutionError("OracleResponseMismatch", expected=event_id, recorded=response)
    return response.value


def _admin_chain_id(executor: Executor) -> ChainId:
    admin = executor.system.admin_chain_id.get()
    if admin is None:
        raise ExecutionError("InactiveChain", chain_id=executor.block.chain_id)
    return admin


def _check_next_epoch(executor: Executor, epoch: Epoch) -> None:
    current = executor.system.epoch.get()
    if current >= U32_MAX or epoch != current + 1:
        raise ExecutionError("InvalidCommitteeEpoch", expected=current + 1, provided=epoch)


def _use_committee(executor: Executor, blob_hash: CryptoHash) -> Committee:
    blob_id = BlobId(blob_hash, BlobType.COMMITTEE)
    content = stored_blob(executor, blob_id)
    try:
        committee = Committee.from_bcs(content)
    except DecodeError as error:
        raise ExecutionError("BcsError", what="Committee") from error
    blob_used(executor, blob_id)
    return committee


def _enter_epoch(executor: Executor, epoch: Epoch, committee: Committee) -> None:
    committees = dict(executor.system.committees.get())
    committees[epoch] = committee
    executor.system.committees.set(committees)
    executor.system.epoch.set(epoch)


def _forget_epoch(executor: Executor, epoch: Epoch) -> None:
    committees = dict(executor.system.committees.get())
    if committees.pop(epoch, None) is None:
        raise ExecutionError("InvalidCommitteeRemoval", epoch=epoch)
    executor.system.committees.set(committees)
