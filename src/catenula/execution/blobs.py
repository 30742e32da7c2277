"""Blobs a chain uses, publishes and creates, and the applications they describe (spec 02 §9).

The first use of a blob on a chain is recorded as an oracle response and in ``used_blobs``. Which
of the current transaction, the current block and storage a step looks at is part of the protocol.
"""

from functools import lru_cache

from catenula.base.compression import decompressed_size_at_most
from catenula.base.errors import DecodeError
from catenula.base.identifiers import ApplicationId
from catenula.base.integers import U32
from catenula.base.limits import MAX_CACHED_DESCRIPTIONS
from catenula.execution.errors import BlobsNotFound, ExecutionError
from catenula.execution.executor import Executor
from catenula.protocol import (
    ApplicationDescription,
    BlobContent,
    BlobId,
    BlobType,
    ModuleId,
    OracleBlob,
    ResourceControlPolicy,
)

BYTECODE_TYPES = frozenset(
    {BlobType.CONTRACT_BYTECODE, BlobType.SERVICE_BYTECODE, BlobType.EVM_BYTECODE}
)


def stored_blob(executor: Executor, blob_id: BlobId) -> bytes:
    """The content of a stored blob, else `BlobsNotFound`."""
    content = executor.environment.blob(blob_id)
    if content is None:
        raise BlobsNotFound((blob_id,))
    return content


def require_stored(executor: Executor, blob_id: BlobId) -> None:
    """`BlobsNotFound` unless the blob is stored."""
    if not executor.environment.has_blob(blob_id):
        raise BlobsNotFound((blob_id,))


def blob_used(executor: Executor, blob_id: BlobId) -> bool:
    """Record the use of a blob; True when it is the first on this chain."""
    if executor.system.used_blobs.contains(blob_id):
        return False
    if executor.is_query:
        # A query leaves no trace in the state, or validation and replay would part ways.
        return False
    executor.system.used_blobs.insert(blob_id)
    executor.tracker.record_or_match(OracleBlob(blob_id))
    return True


# Data blobs


def _charge_blob_read(executor: Executor, size: int) -> None:
    # Paid from the real accounts, never from a grant (spec 02 §14.1).
    controller = executor.controller
    controller.tracker.blobs_read += 1
    controller.tracker.blob_bytes_read += size
    policy = controller.policy
    controller.charge(executor.system, policy.blob_read + size * policy.blob_byte_read)


def verify_blob(executor: Executor, blob_id: BlobId) -> None:
    """The ``VerifyBlob`` operation."""
    require_stored(executor, blob_id)
    _charge_blob_read(executor, 0)
    blob_used(executor, blob_id)


def read_data_blob(executor: Executor, blob_id: BlobId) -> bytes:
    """A data blob for an application: free when created in this block."""
    created = executor.tracker.blob_of_block(blob_id)
    if created is not None:
        return created.bytes
    content = stored_blob(executor, blob_id)
    _charge_blob_read(executor, len(content))
    blob_used(executor, blob_id)
    return content


def assert_data_blob_exists(executor: Executor, blob_id: BlobId) -> None:
    """Check a stored data blob; the first use is recorded twice, as the reference does."""
    require_stored(executor, blob_id)
    _charge_blob_read(executor, 0)
    if blob_used(executor, blob_id):
        executor.tracker.record_or_match(OracleBlob(blob_id))


def publish_blob(executor: Executor, blob_id: BlobId) -> None:
    """Mark a blob carried by the block as published by this transaction."""
    executor.system.used_blobs.insert(blob_id)
    executor.tracker.published_blobs.add(blob_id)


# Applications


def description_blob_id(application_id: ApplicationId) -> BlobId:
    """The blob that describes an application."""
    return BlobId(application_id, BlobType.APPLICATION_DESCRIPTION)


@lru_cache(maxsize=MAX_CACHED_DESCRIPTIONS)
def _decode_description(content: bytes) -> ApplicationDescription:
    try:
        return ApplicationDescription.from_bcs(content)
    except DecodeError as error:
        raise ExecutionError("BcsError", what="ApplicationDescription") from error


def describe_application(
    executor: Executor, application_id: ApplicationId, described: set[ApplicationId]
) -> None:
    """Use an application's description, bytecode and, depth first, its requirements.

    ``described`` holds applications that were described before in this action: doing it again
    records nothing.
    """
    stack = [application_id]
    while stack:
        next_id = stack.pop()
        if next_id in described:
            continue
        described.add(next_id)
        description = _use_description(executor, next_id)
        stack.extend(reversed(description.required_application_ids))


def _use_description(executor: Executor, application_id: ApplicationId) -> ApplicationDescription:
    blob_id = description_blob_id(application_id)
    created = executor.tracker.created_blobs.get(blob_id)
    content = stored_blob(executor, blob_id) if created is None else created.bytes
    blob_used(executor, blob_id)
    description = _decode_description(content)
    _use_bytecode(executor, description.module_id)
    return description


def _use_bytecode(executor: Executor, module_id: ModuleId) -> None:
    blob_ids = module_id.bytecode_blob_ids()
    created = executor.tracker.created_blobs
    missing = [
        blob_id
        for blob_id in blob_ids
        if blob_id not in created and not executor.environment.has_blob(blob_id)
    ]
    if missing:
        raise BlobsNotFound(missing)
    for blob_id in blob_ids:
        blob_used(executor, blob_id)


def loaded_description(
    executor: Executor, application_id: ApplicationId, described: set[ApplicationId]
) -> ApplicationDescription:
    """The description for running an application; one created in this block needs no oracle."""
    blob_id = description_blob_id(application_id)
    created = executor.tracker.blob_of_block(blob_id)
    if created is not None:
        return _decode_description(created.bytes)
    describe_application(executor, application_id, described)
    return _decode_description(stored_blob(executor, blob_id))


def read_description(executor: Executor, application_id: ApplicationId) -> ApplicationDescription:
    """The description for an application that asks; marks the description blob only."""
    blob_id = description_blob_id(application_id)
    created = executor.tracker.blob_of_block(blob_id)
    if created is not None:
        return _decode_description(created.bytes)
    content = stored_blob(executor, blob_id)
    blob_used(executor, blob_id)
    return _decode_description(content)


def bytecode(executor: Executor, blob_id: BlobId) -> bytes:
    """A bytecode blob created in this block or stored, else `BlobsNotFound`."""
    created = executor.tracker.blob_of_block(blob_id)
    return stored_blob(executor, blob_id) if created is None else created.bytes


def create_application(
    executor: Executor,
    module_id: ModuleId,
    *,
    parameters: bytes,
    required_application_ids: tuple[ApplicationId, ...],
) -> ApplicationId:
    """Create an application from a module; the caller instantiates it."""
    index = executor.tracker.take_application_index()
    _use_bytecode(executor, module_id)
    description = ApplicationDescription(
        module_id,
        executor.block.chain_id,
        executor.block.height,
        U32(index),
        parameters,
        required_application_ids,
    )
    described: set[ApplicationId] = set()
    for required in required_application_ids:
        describe_application(executor, required, described)
    executor.system.used_blobs.insert(description.blob.id)
    executor.tracker.add_created_blob(description.blob)
    return description.application_id


# Sizes


def check_blob_size(content: BlobContent, policy: ResourceControlPolicy) -> None:
    """The size limits of a published or created blob (spec 02 §14.3, spec 01 §8)."""
    if len(content.bytes) > policy.maximum_blob_size:
        raise ExecutionError(
            "BlobTooLarge", size=len(content.bytes), maximum=policy.maximum_blob_size
        )
    if content.blob_type in BYTECODE_TYPES:
        _check_decompressed_size(content.bytes, policy.maximum_bytecode_size)


def _check_decompressed_size(compressed: bytes, maximum: int) -> None:
    try:
        is_small_enough = decompressed_size_at_most(compressed, maximum)
    except DecodeError as error:
        raise ExecutionError("InvalidCompressedBytecode") from error
    if not is_small_enough:
        raise ExecutionError("BytecodeTooLarge", maximum=maximum)
