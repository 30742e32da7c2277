"""Proposals, chain info, blobs, notifications and cross-chain requests in protobuf messages.

Field contents are those of spec 01 §7.2.
"""

from collections.abc import Mapping
from typing import Any

from catenula.base.codec import codec_of
from catenula.base.errors import DecodeError
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import BlockHeight, Epoch
from catenula.protocol import (
    BlobContent,
    BlobId,
    BlockProposal,
    CertificatesByHeightRequest,
    ChainInfo,
    ChainInfoQuery,
    ChainInfoResponse,
    ConfirmUpdatedRecipient,
    CrateVersion,
    CrossChainRequest,
    MessageBundle,
    NetworkDescription,
    NodeError,
    Notification,
    OriginalProposal,
    ProposalContent,
    Reason,
    RevertConfirm,
    Round,
    StreamId,
    UpdateRecipient,
    VersionInfo,
)
from catenula.transport.messages.fields import (
    ACCOUNT_OWNER,
    ACCOUNT_SIGNATURE,
    BLOB_CONTENT,
    BLOB_ID,
    BLOCK_HEIGHT,
    CHAIN_ID,
    CRYPTO_HASH,
    STREAM_ID,
    VALIDATOR_SIGNATURE,
    check_chain_id,
    put,
    put_all,
    required,
    take,
    take_all,
    take_optional,
)
from catenula.transport.messages.options import WriteOptions

_PROPOSAL_CONTENT = codec_of(ProposalContent)
_ORIGINAL_PROPOSAL = codec_of(OriginalProposal)
_CHAIN_INFO = codec_of(ChainInfo)
_NODE_ERROR = codec_of(NodeError)
_REASON = codec_of(Reason)
_BUNDLES = codec_of(tuple[tuple[Epoch, MessageBundle], ...])
_HEIGHTS = codec_of(tuple[BlockHeight, ...])
_HEIGHT_AND_ROUND = codec_of(tuple[BlockHeight, Round])

PreviousEventBlocks = Mapping[StreamId, tuple[BlockHeight, CryptoHash]]


def write_block_proposal(message: Any, proposal: BlockProposal, options: WriteOptions) -> None:
    """Write a proposal; receivers take the owner from the signature."""
    put(message.chain_id, CHAIN_ID, proposal.content.block.chain_id)
    message.content = _PROPOSAL_CONTENT.to_bincode(proposal.content)
    put(message.owner, ACCOUNT_OWNER, proposal.owner)
    put(message.signature, ACCOUNT_SIGNATURE, proposal.signature)
    if proposal.original_proposal is not None:
        message.original_proposal = _ORIGINAL_PROPOSAL.to_bincode(proposal.original_proposal)
    message.supports_aggregated_missing = options.supports_aggregated_missing


def read_block_proposal(message: Any) -> BlockProposal:
    """Read a proposal; the owner field is ignored."""
    content = _PROPOSAL_CONTENT.from_bincode(message.content)
    check_chain_id(take_optional(message, "chain_id", CHAIN_ID), content.block.chain_id)
    signature = take(message, "signature", ACCOUNT_SIGNATURE)
    if not message.HasField("original_proposal"):
        return BlockProposal(content, signature)
    original = _ORIGINAL_PROPOSAL.from_bincode(message.original_proposal)
    return BlockProposal(content, signature, original)


def write_chain_info_query(message: Any, query: ChainInfoQuery) -> None:
    """Write a query; whether validators accept it is their decision."""
    put(message.chain_id, CHAIN_ID, query.chain_id)
    if query.test_next_block_height is not None:
        put(message.test_next_block_height, BLOCK_HEIGHT, query.test_next_block_height)
    message.request_committees = query.request_committees
    message.request_pending_message_bundles = query.request_pending_message_bundles
    if query.request_received_log_excluding_first_n is not None:
        excluded = query.request_received_log_excluding_first_n
        message.request_received_log_excluding_first_n = excluded
    message.request_manager_values = query.request_manager_values
    if query.request_leader_timeout is not None:
        message.request_leader_timeout = _HEIGHT_AND_ROUND.to_bincode(query.request_leader_timeout)
    put(message.request_owner_balance, ACCOUNT_OWNER, query.request_owner_balance)
    message.request_fallback = query.request_fallback
    heights = query.request_sent_certificate_hashes_by_heights
    message.request_sent_certificate_hashes_by_heights = _HEIGHTS.to_bincode(heights)
    message.create_network_actions = query.create_network_actions


def read_chain_info_query(message: Any) -> ChainInfoQuery:
    """Read a query; one that asks for committees is refused (spec 01 §7.2)."""
    if message.request_committees:
        raise DecodeError("CommitteesAreNotServed", field="request_committees")
    excluded = leader_timeout = None
    heights: tuple[BlockHeight, ...] = ()
    if message.HasField("request_received_log_excluding_first_n"):
        excluded = message.request_received_log_excluding_first_n
    if message.HasField("request_leader_timeout"):
        leader_timeout = _HEIGHT_AND_ROUND.from_bincode(message.request_leader_timeout)
    if message.HasField("request_sent_certificate_hashes_by_heights"):
        heights = _HEIGHTS.from_bincode(message.request_sent_certificate_hashes_by_heights)
    has_choice = message.HasField("create_network_actions")
    return ChainInfoQuery(
        take(message, "chain_id", CHAIN_ID),
        test_next_block_height=take_optional(message, "test_next_block_height", BLOCK_HEIGHT),
        request_owner_balance=take(message, "request_owner_balance", ACCOUNT_OWNER),
        request_pending_message_bundles=message.request_pending_message_bundles,
        request_received_log_excluding_first_n=excluded,
        request_manager_values=message.request_manager_values,
        request_leader_timeout=leader_timeout,
        request_fallback=message.request_fallback,
        request_sent_certificate_hashes_by_heights=heights,
        create_network_actions=message.create_network_actions if has_choice else True,
    )


def write_chain_info_response(message: Any, response: ChainInfoResponse) -> None:
    """Write chain info; the signature is absent when the node has no key."""
    message.chain_info = _CHAIN_INFO.to_bincode(response.info)
    if response.signature is not None:
        put(message.signature, VALIDATOR_SIGNATURE, response.signature)
    message.SetInParent()


def read_chain_info_response(message: Any) -> ChainInfoResponse:
    """Read chain info; the caller checks the signature."""
    info = _CHAIN_INFO.from_bincode(message.chain_info)
    return ChainInfoResponse(info, take_optional(message, "signature", VALIDATOR_SIGNATURE))


def write_chain_info_result(message: Any, result: ChainInfoResponse | NodeError) -> None:
    """Write a response or an error."""
    if isinstance(result, ChainInfoResponse):
        write_chain_info_response(message.chain_info_response, result)
    else:
        message.error = _NODE_ERROR.to_bincode(result)


def read_chain_info_result(message: Any) -> ChainInfoResponse | NodeError:
    """Read a response or an error; neither is a `DecodeError`."""
    if message.WhichOneof("inner") == "error":
        return _read_error(message)
    return read_chain_info_response(required(message, "chain_info_response"))


def _read_error(message: Any) -> NodeError:
    error: NodeError = _NODE_ERROR.from_bincode(message.error)
    return error


def write_pending_blob_result(message: Any, result: BlobContent | NodeError) -> None:
    """Write a blob or an error."""
    if isinstance(result, BlobContent):
        put(message.blob, BLOB_CONTENT, result)
    else:
        message.error = _NODE_ERROR.to_bincode(result)


def read_pending_blob_result(message: Any) -> BlobContent | NodeError:
    """Read a blob or an error; neither is a `DecodeError`."""
    if message.WhichOneof("inner") == "error":
        return _read_error(message)
    blob: BlobContent = take(message, "blob", BLOB_CONTENT)
    return blob


def write_pending_blob_request(message: Any, request: tuple[ChainId, BlobId]) -> None:
    """Write a request for a pending blob."""
    put(message.chain_id, CHAIN_ID, request[0])
    put(message.blob_id, BLOB_ID, request[1])


def read_pending_blob_request(message: Any) -> tuple[ChainId, BlobId]:
    """Read a request for a pending blob."""
    return take(message, "chain_id", CHAIN_ID), take(message, "blob_id", BLOB_ID)


def write_handle_pending_blob(message: Any, request: tuple[ChainId, BlobContent]) -> None:
    """Write an upload of a pending blob."""
    put(message.chain_id, CHAIN_ID, request[0])
    put(message.blob, BLOB_CONTENT, request[1])


def read_handle_pending_blob(message: Any) -> tuple[ChainId, BlobContent]:
    """Read an upload of a pending blob."""
    return take(message, "chain_id", CHAIN_ID), take(message, "blob", BLOB_CONTENT)


def write_blob_ids(message: Any, blob_ids: tuple[BlobId, ...]) -> None:
    """Write a list of blob ids."""
    message.bytes.extend(BLOB_ID.write(blob_id) for blob_id in blob_ids)


def read_blob_ids(message: Any) -> tuple[BlobId, ...]:
    """Read a list of blob ids."""
    return tuple(BLOB_ID.read(raw) for raw in message.bytes)


def write_heights_request(message: Any, request: CertificatesByHeightRequest) -> None:
    """Write a request for certificates of a chain by heights."""
    put(message.chain_id, CHAIN_ID, request.chain_id)
    put_all(message.heights, BLOCK_HEIGHT, request.heights)


def read_heights_request(message: Any) -> CertificatesByHeightRequest:
    """Read a request for certificates of a chain by heights."""
    return CertificatesByHeightRequest(
        take(message, "chain_id", CHAIN_ID), take_all(message.heights, BLOCK_HEIGHT)
    )


def write_event_blocks_request(message: Any, request: tuple[ChainId, tuple[StreamId, ...]]) -> None:
    """Write a request for the last blocks with events of some streams."""
    put(message.chain_id, CHAIN_ID, request[0])
    put_all(message.stream_ids, STREAM_ID, request[1])


def read_event_blocks_request(message: Any) -> tuple[ChainId, tuple[StreamId, ...]]:
    """Read a request for the last blocks with events of some streams."""
    return take(message, "chain_id", CHAIN_ID), take_all(message.stream_ids, STREAM_ID)


def write_event_blocks(message: Any, blocks: PreviousEventBlocks) -> None:
    """Write the last blocks with events of some streams."""
    for stream_id, (height, block_hash) in blocks.items():
        entry = message.previous_event_blocks.add()
        put(entry.stream_id, STREAM_ID, stream_id)
        put(entry.block_height, BLOCK_HEIGHT, height)
        put(entry.crypto_hash, CRYPTO_HASH, block_hash)


def read_event_blocks(message: Any) -> PreviousEventBlocks:
    """Read the last blocks with events of some streams, streams ascending."""
    found = {
        take(entry, "stream_id", STREAM_ID): (
            take(entry, "block_height", BLOCK_HEIGHT),
            take(entry, "crypto_hash", CRYPTO_HASH),
        )
        for entry in message.previous_event_blocks
    }
    return dict(sorted(found.items()))


def write_notification(message: Any, notification: Notification | None) -> None:
    """Write a notification; None is the acknowledgement of a subscription."""
    if notification is not None:
        put(message.chain_id, CHAIN_ID, notification.chain_id)
        message.reason = _REASON.to_bincode(notification.reason)


def read_notification(message: Any) -> Notification | None:
    """Read a notification, or None for the acknowledgement of a subscription."""
    if not message.HasField("chain_id") and not message.reason:
        return None
    chain_id = take(message, "chain_id", CHAIN_ID)
    return Notification(chain_id, _REASON.from_bincode(message.reason))


def write_notifications(message: Any, notifications: tuple[Notification, ...]) -> None:
    """Write a batch of notifications."""
    for notification in notifications:
        write_notification(message.notifications.add(), notification)


def read_notifications(message: Any) -> tuple[Notification, ...]:
    """Read a batch of notifications; acknowledgements have no place in it."""
    notifications = [read_notification(item) for item in message.notifications]
    return tuple(item for item in notifications if item is not None)


def write_network_description(message: Any, description: NetworkDescription) -> None:
    """Write a network description."""
    message.name = description.name
    put(message.genesis_config_hash, CRYPTO_HASH, description.genesis_config_hash)
    message.genesis_timestamp = description.genesis_timestamp
    put(message.admin_chain_id, CHAIN_ID, description.admin_chain_id)
    committee_hash = description.genesis_committee_blob_hash
    put(message.genesis_committee_blob_hash, CRYPTO_HASH, committee_hash)


def read_network_description(message: Any) -> NetworkDescription:
    """Read a network description."""
    return NetworkDescription(
        message.name,
        take(message, "genesis_config_hash", CRYPTO_HASH),
        message.genesis_timestamp,
        take(message, "genesis_committee_blob_hash", CRYPTO_HASH),
        take(message, "admin_chain_id", CHAIN_ID),
    )


def write_version_info(message: Any, info: VersionInfo) -> None:
    """Write a version."""
    version = message.crate_version
    version.SetInParent()
    version.major = info.crate_version.major
    version.minor = info.crate_version.minor
    version.patch = info.crate_version.patch
    for name in ("git_commit", "git_dirty", "rpc_hash", "graphql_hash", "wit_hash"):
        setattr(message, name, getattr(info, name))


def read_version_info(message: Any) -> VersionInfo:
    """Read a version; absent numbers are zero."""
    version = message.crate_version
    return VersionInfo(
        CrateVersion(version.major, version.minor, version.patch),
        message.git_commit,
        message.git_dirty,
        message.rpc_hash,
        message.graphql_hash,
        message.wit_hash,
    )


def write_cross_chain_request(message: Any, request: CrossChainRequest) -> None:
    """Write a request between chains."""
    if isinstance(request, UpdateRecipient):
        inner = message.update_recipient
        inner.bundles = _BUNDLES.to_bincode(request.bundles)
        if request.previous_height is not None:
            put(inner.previous_height, BLOCK_HEIGHT, request.previous_height)
    elif isinstance(request, ConfirmUpdatedRecipient):
        inner = message.confirm_updated_recipient
        put(inner.latest_height, BLOCK_HEIGHT, request.latest_height)
    else:
        inner = message.revert_confirm
        put(inner.retransmit_from, BLOCK_HEIGHT, request.retransmit_from)
    put(inner.sender, CHAIN_ID, request.sender)
    put(inner.recipient, CHAIN_ID, request.recipient)


def read_cross_chain_request(message: Any) -> CrossChainRequest:
    """Read a request between chains."""
    branch = message.WhichOneof("inner")
    if branch is None:
        raise DecodeError("MissingField", message="CrossChainRequest", field="inner")
    inner = getattr(message, branch)
    sender, recipient = take(inner, "sender", CHAIN_ID), take(inner, "recipient", CHAIN_ID)
    if branch == "update_recipient":
        previous = take_optional(inner, "previous_height", BLOCK_HEIGHT)
        return UpdateRecipient(sender, recipient, _BUNDLES.from_bincode(inner.bundles), previous)
    if branch == "confirm_updated_recipient":
        latest = take(inner, "latest_height", BLOCK_HEIGHT)
        return ConfirmUpdatedRecipient(sender, recipient, latest)
    return RevertConfirm(sender, recipient, take(inner, "retransmit_from", BLOCK_HEIGHT))
