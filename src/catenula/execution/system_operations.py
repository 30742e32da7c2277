"""System operations: one function per operation, found by its class (spec 02 §3)."""

from collections.abc import Callable
from typing import Any

from catenula.execution import accounts, blobs, epochs, streams
from catenula.execution.accounts import Authority
from catenula.execution.chain_creation import open_chain
from catenula.execution.executor import Executor
from catenula.execution.user_actions import run_instantiate
from catenula.protocol import (
    Account,
    BlobId,
    BlobType,
    ChangeApplicationPermissions,
    ChangeOwnership,
    Claim,
    CloseChain,
    CreateApplication,
    CreateCommittee,
    OpenChain,
    ProcessNewEpoch,
    ProcessRemovedEpoch,
    PublishCommitteeBlob,
    PublishDataBlob,
    PublishModule,
    RemoveCommittee,
    SystemOperation,
    Transfer,
    UpdateStreams,
    VerifyBlob,
)


def _transfer(executor: Executor, operation: Transfer) -> None:
    message = accounts.transfer(
        executor.system,
        Authority(executor.block.signer),
        source=operation.owner,
        recipient=operation.recipient,
        amount=operation.amount,
    )
    if message is not None:
        executor.tracker.outgoing_messages.append(message)


def _claim(executor: Executor, operation: Claim) -> None:
    message = accounts.claim(
        executor.system,
        Authority(executor.block.signer),
        source=Account(operation.target_id, operation.owner),
        recipient=operation.recipient,
        amount=operation.amount,
    )
    if message is not None:
        executor.tracker.outgoing_messages.append(message)


def _open_chain(executor: Executor, operation: OpenChain) -> None:
    open_chain(executor, operation.config)


def _close_chain(executor: Executor, operation: CloseChain) -> None:
    executor.system.closed.set(True)


def _change_ownership(executor: Executor, operation: ChangeOwnership) -> None:
    executor.system.ownership.set(operation.ownership())


def _change_permissions(executor: Executor, operation: ChangeApplicationPermissions) -> None:
    executor.system.application_permissions.set(operation.permissions)


def _publish_module(executor: Executor, operation: PublishModule) -> None:
    for blob_id in operation.module_id.bytecode_blob_ids():
        blobs.publish_blob(executor, blob_id)


def _publish_data_blob(executor: Executor, operation: PublishDataBlob) -> None:
    blobs.publish_blob(executor, BlobId(operation.blob_hash, BlobType.DATA))


def _verify_blob(executor: Executor, operation: VerifyBlob) -> None:
    blobs.verify_blob(executor, operation.blob_id)


def _create_application(executor: Executor, operation: CreateApplication) -> None:
    application_id = blobs.create_application(
        executor,
        operation.module_id,
        parameters=operation.parameters,
        required_application_ids=operation.required_application_ids,
    )
    run_instantiate(executor, application_id, operation.instantiation_argument)


_HANDLERS: dict[type, Callable[[Executor, Any], None]] = {
    Transfer: _transfer,
    Claim: _claim,
    OpenChain: _open_chain,
    CloseChain: _close_chain,
    ChangeOwnership: _change_ownership,
    ChangeApplicationPermissions: _change_permissions,
    PublishModule: _publish_module,
    PublishDataBlob: _publish_data_blob,
    VerifyBlob: _verify_blob,
    CreateApplication: _create_application,
    PublishCommitteeBlob: epochs.publish_committee_blob,
    CreateCommittee: epochs.create_committee,
    RemoveCommittee: epochs.remove_committee,
    ProcessNewEpoch: epochs.process_new_epoch,
    ProcessRemovedEpoch: epochs.process_removed_epoch,
    UpdateStreams: streams.update_streams,
}


def execute_system_operation(executor: Executor, operation: SystemOperation) -> None:
    """Execute one system operation; `ExecutionError` when its preconditions do not hold."""
    _HANDLERS[type(operation)](executor, operation)
