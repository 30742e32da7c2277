"""The state of a chain as clients see it (spec 08 §2.6).

Everything is read from the local copy when it is asked for, in one go: nothing here waits.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from catenula.base.codec import codec_of
from catenula.base.identifiers import AccountOwner, ChainId
from catenula.base.integers import BlockHeight, format_amount
from catenula.chain.chain_state import ChainState
from catenula.chain.inbox import InboxState
from catenula.chain.manager import ChainManager
from catenula.chain.ownership_rules import fallback_owners
from catenula.chain.pending_blobs import PendingHead
from catenula.execution.state import SystemState
from catenula.protocol import BlobContent, BlobId, Round, StreamId
from catenula.services.node.schema.containers import (
    Entries,
    Key,
    Value,
    entries_view,
    inputs_of,
    log_view,
    queue_view,
    set_view,
)
from catenula.services.node.schema.declaring import (
    Declared,
    Field,
    attribute,
    read,
    record,
    taken,
    text_of,
)

_ROUND = codec_of(Round)


class InboxView(NamedTuple):
    """An inbox of a chain."""

    chain: ChainState
    origin: ChainId
    state: InboxState


class OutboxView(NamedTuple):
    """An outbox of a chain."""

    chain: ChainState
    target: ChainId


class PendingView(NamedTuple):
    """Blobs that a block waits for; ``owner`` proposed it, None when it is validated already."""

    head: PendingHead
    blobs: Mapping[BlobId, BlobContent | None]


def _mapping(found: Mapping[Any, Any]) -> Entries:
    return Entries(lambda: list(found), found.get)


def _balances(system: SystemState) -> Entries:
    return Entries(system.balances.keys, system.balances.get)


def _committees(system: SystemState) -> Any:
    return {str(epoch): each.to_json() for epoch, each in system.committees.get().items()}


def _register(name: str, show: Any) -> Any:
    return read(lambda system: show(getattr(system, name).get()))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _json(value: Any) -> Any:
    return None if value is None else value.to_json()


def _same(value: Any) -> Any:
    return value


_SYSTEM = record(
    "SystemExecutionStateView",
    "What the protocol itself knows of a chain.",
    Field("description", "ChainDescription", "How it began.", _register("description", _json)),
    Field("epoch", "Epoch!", "The term of its committee.", _register("epoch", str)),
    Field("adminChainId", "ChainId", "The admin chain.", _register("admin_chain_id", _text)),
    Field("committees", "JSONObject!", "Committees it trusts, by epoch.", read(_committees)),
    Field("ownership", "ChainOwnership!", "Who may propose.", _register("ownership", _json)),
    Field("balance", "Amount!", "The chain's own tokens.", _register("balance", format_amount)),
    Field(
        "balances",
        "MapView_AccountOwner_Amount_11ef1379!",
        "The tokens of owners on this chain.",
        read(_balances),
    ),
    Field("timestamp", "Timestamp!", "Time of the last block.", _register("timestamp", _same)),
)
_EXECUTION = record(
    "ExecutionStateView",
    "What blocks of a chain have led to.",
    Field(
        "system",
        "SystemExecutionStateView!",
        "The part of the protocol itself.",
        read(lambda chain: chain.execution.system),
    ),
)
_TIP = record(
    "ChainTipState",
    "Where a chain stands.",
    Field("blockHash", "CryptoHash", "Its last block.", text_of("block_hash")),
    Field(
        "nextBlockHeight",
        "BlockHeight!",
        "The height of its next block.",
        attribute("next_block_height"),
    ),
    Field("numIncomingBundles", "Int!", "Bundles taken so far.", attribute("num_incoming_bundles")),
    Field("numOperations", "Int!", "Operations so far.", attribute("num_operations")),
    Field(
        "numOutgoingMessages", "Int!", "Messages sent so far.", attribute("num_outgoing_messages")
    ),
)


# Consensus


def _fallback_owners(manager: ChainManager) -> dict[str, int]:
    committee = manager.rules.committee
    found = {} if committee is None else fallback_owners(committee)
    return {str(owner): votes for owner, votes in found.items()}


_MANAGER_BLOBS = "MapView_BlobId_Blob_3711e760!"
_MANAGER = record(
    "ChainManager",
    "Consensus about the next block of a chain.",
    Field(
        "ownership",
        "ChainOwnership!",
        "Who may propose it.",
        read(lambda manager: manager.rules.ownership.to_json()),
    ),
    Field(
        "seed",
        "Int!",
        "What leaders are drawn with.",
        read(lambda manager: manager.rules.height),
    ),
    Field(
        "proposedBlobs",
        _MANAGER_BLOBS,
        "Blobs of the proposed block.",
        read(lambda manager: _mapping(manager.proposed_blobs())),
    ),
    Field(
        "lockingBlobs",
        _MANAGER_BLOBS,
        "Blobs of the block that may not be replaced lightly.",
        read(lambda manager: _mapping(manager.locking_blobs())),
    ),
    Field("roundTimeout", "Timestamp", "When the round is over.", attribute("round_deadline")),
    Field(
        "fallbackOwners",
        "JSONObject!",
        "Accounts of validators, who propose when no owner does, with their votes.",
        read(_fallback_owners),
    ),
    Field(
        "currentRound",
        "Round!",
        "The round that goes on.",
        read(lambda manager: _ROUND.to_json(manager.current_round)),
    ),
)
_PENDING = record(
    "PendingBlobsView",
    "Blobs that a block waits for.",
    Field(
        "round", "Round!", "The block's round.", read(lambda view: _ROUND.to_json(view.head.round))
    ),
    Field(
        "validated", "Boolean!", "Whether it is validated.", read(lambda view: view.head.validated)
    ),
    Field(
        "pendingBlobs",
        "MapView_BlobId_Blob_9f0b41f3!",
        "All its blobs; null for those that are not here yet.",
        read(lambda view: _mapping(view.blobs)),
    ),
)


def _pending(chain: ChainState, owner: AccountOwner | None) -> PendingView:
    pending = chain.pending_blobs
    head = pending.validated() if owner is None else pending.proposed(owner)
    return PendingView(head, pending.contents(owner))


def _pending_proposed(chain: ChainState) -> Entries:
    return Entries(chain.pending_blobs.owners, lambda owner: _pending(chain, owner))


# Mailboxes


def _inboxes(chain: ChainState) -> Entries:
    def inbox(origin: ChainId) -> InboxView:
        return InboxView(chain, origin, chain.inboxes.state(origin))

    return Entries(chain.inboxes.origins, inbox)


def _outboxes(chain: ChainState) -> Entries:
    return Entries(chain.outboxes.nonempty_targets, lambda target: OutboxView(chain, target))


def _next_to_schedule(view: OutboxView) -> BlockHeight:
    return view.chain.outboxes.recipient(view.target).next_height_to_schedule


def _counters(chain: ChainState) -> dict[str, int]:
    return {str(height): count for height, count in chain.outboxes.counters().items()}


def _cursor(cursor: tuple[int, int]) -> dict[str, int]:
    return {"height": cursor[0], "index": cursor[1]}


_CURSOR = record(
    "Cursor",
    "A position among the bundles of one origin.",
    Field("height", "BlockHeight!", "The sending block's height."),
    Field("index", "Int!", "The sending transaction's position in it."),
)
_INBOX = record(
    "InboxStateView",
    "What one chain sent to another.",
    Field(
        "nextCursorToAdd",
        "Cursor!",
        "What arrives next is not before this.",
        read(lambda inbox: _cursor(inbox.state.next_cursor_to_add)),
    ),
    Field(
        "nextCursorToRemove",
        "Cursor!",
        "What is taken next is not before this.",
        read(lambda inbox: _cursor(inbox.state.next_cursor_to_remove)),
    ),
    Field(
        "addedBundles",
        "QueueView_MessageBundle_f4399f0b!",
        "What has arrived and waits to be taken.",
        read(lambda inbox: inbox.chain.inboxes.queued(inbox.origin)),
    ),
    Field(
        "removedBundles",
        "QueueView_MessageBundle_f4399f0b!",
        "What was taken before it arrived here.",
        read(lambda inbox: inbox.chain.inboxes.anticipated(inbox.origin)),
    ),
)
_OUTBOX = record(
    "OutboxStateView",
    "What a chain has to send to another.",
    Field(
        "nextHeightToSchedule",
        "BlockHeight!",
        "All blocks below are in the queue or delivered.",
        read(_next_to_schedule),
    ),
    Field(
        "queue",
        "BucketQueueView_BlockHeight_e824a938!",
        "Heights of blocks that are to be delivered.",
        read(lambda view: view.chain.outboxes.queue(view.target)),
    ),
)
_BUNDLE_IN_INBOX = record(
    "BundleInInbox",
    "A bundle by its sender and position.",
    Field("origin", "ChainId!", "The sender."),
    Field("cursor", "Cursor!", "Its position."),
)
_TIMESTAMPED = record(
    "TimestampedBundleInInbox",
    "A bundle and when it came.",
    Field("entry", "BundleInInbox!", "The bundle."),
    Field("seen", "Timestamp!", "When it came."),
)


# Keys of containers


def _ask_stream(asked: Mapping[str, Any]) -> StreamId:
    return StreamId(asked["applicationId"], asked["streamName"])


_OWNER = Key("AccountOwner", "AccountOwner", "AccountOwner_d6668c53")
_CHAIN = Key("ChainId", "ChainId", "ChainId_37f83aa9")
_BLOB = Key("BlobId", "BlobId", "BlobId_4d2a0555")
_HEIGHT = Key("BlockHeight", "BlockHeight", "BlockHeight_e824a938", _same)
_STREAM = Key("StreamId", "StreamIdInput", "StreamIdInput_b7c3909d", _same, _ask_stream)


def _blob_json(blob: BlobContent) -> str:
    return blob.bytes.hex()


def _generic_json(stream: StreamId) -> Any:
    application_id = stream.application_id.application_id
    return "System" if application_id is None else {"User": str(application_id)}


_STREAM_TYPES = (
    record(
        "StreamId",
        "A stream of events.",
        Field("applicationId", "GenericApplicationId!", "Who publishes.", read(_generic_json)),
        Field(
            "streamName", "StreamName!", "Its name.", read(lambda stream: list(stream.stream_name))
        ),
    ),
    taken(
        "StreamIdInput",
        "A stream of events.",
        Field("applicationId", "GenericApplicationId!", "Who publishes."),
        Field("streamName", "StreamName!", "Its name."),
    ),
)
_MAPS = (
    (_OWNER, Value("Amount", format_amount), "11ef1379", "aaf96548"),
    (_BLOB, Value("Blob", _blob_json), "3711e760", "9f0b41f3"),
    (_BLOB, Value("Blob", _blob_json), "9f0b41f3", "50b95aa1"),
    (_HEIGHT, Value("CryptoHash", str), "1bae6d76", "74e16b71"),
    (_CHAIN, Value("BlockHeight"), "f2e56e12", "2fe78645"),
    (_STREAM, Value("BlockHeight"), "e6657ad9", "50cd702e"),
    (_STREAM, Value("Int"), "3d7f5335", "459c4ec3"),
)
_COLLECTIONS = (
    (_OWNER, Value("PendingBlobsView!"), "c7f51b33", "27889bdf"),
    (_CHAIN, Value("InboxStateView!"), "1a7dccb2", "1352ee45"),
    (_CHAIN, Value("OutboxStateView!"), "1aed8f3a", "d43a9885"),
)
"""Keys, values, and what the names of the view and of its entries end with."""


def _entries_views(rows: Any, kind: str, *, is_collection: bool) -> Iterator[Declared]:
    for key, value, view, entry in rows:
        of = f"{key.shown}_{value.kind.removesuffix('!')}"
        names = f"{kind}_{of}_{view}", f"Entry_{of}_{entry}"
        yield from entries_view(*names, key, value=value, is_collection=is_collection)


_CONTAINERS: tuple[Declared, ...] = (
    *(each for key in (_OWNER, _CHAIN, _BLOB, _HEIGHT, _STREAM) for each in inputs_of(key)),
    *_entries_views(_MAPS, "MapView", is_collection=False),
    *_entries_views(_COLLECTIONS, "ReentrantCollectionView", is_collection=True),
    log_view("LogView_CryptoHash_87fbb60c", "CryptoHash", str),
    log_view("LogView_ChainAndHeight_7af83576", "ChainAndHeight"),
    queue_view("QueueView_MessageBundle_f4399f0b", "MessageBundle"),
    queue_view("BucketQueueView_BlockHeight_e824a938", "BlockHeight"),
    queue_view("BucketQueueView_TimestampedBundleInInbox_5a630c55", "TimestampedBundleInInbox"),
    set_view("SetView_BundleInInbox_092a4377", "BundleInInbox"),
)


# The chain


def _trackers(chain: ChainState) -> dict[str, int]:
    trackers = chain.received_certificate_trackers
    return {str(validator): count for validator, count in trackers.items()}


def _previous_event_blocks(chain: ChainState) -> Entries:
    known = chain.streams.all().items()
    return _mapping({stream: s.previous_block[1] for stream, s in known if s.previous_block})


def _next_expected(chain: ChainState) -> Entries:
    known = chain.streams.all().items()
    return _mapping({stream: state.next_expected_index for stream, state in known})


def _no_bundles(_chain: ChainState) -> tuple[()]:
    return ()


_MAILBOX_FIELDS = (
    Field(
        "inboxes",
        "ReentrantCollectionView_ChainId_InboxStateView_1a7dccb2!",
        "What others sent, by sender.",
        read(_inboxes),
    ),
    Field(
        "unskippableBundles",
        "BucketQueueView_TimestampedBundleInInbox_5a630c55!",
        "Not kept by this server: always empty.",
        read(_no_bundles),
    ),
    Field(
        "removedUnskippableBundles",
        "SetView_BundleInInbox_092a4377!",
        "Not kept by this server: always empty.",
        read(_no_bundles),
    ),
    Field(
        "previousMessageBlocks",
        "MapView_ChainId_BlockHeight_f2e56e12!",
        "The last block that sent something, by recipient.",
        read(lambda chain: _mapping(chain.outboxes.previous_message_blocks())),
    ),
    Field(
        "previousEventBlocks",
        "MapView_StreamId_BlockHeight_e6657ad9!",
        "The last block with an event, by stream.",
        read(_previous_event_blocks),
    ),
    Field(
        "outboxes",
        "ReentrantCollectionView_ChainId_OutboxStateView_1aed8f3a!",
        "What is to be delivered, by recipient.",
        read(_outboxes),
    ),
    Field(
        "outboxCounters",
        "JSONObject!",
        "How many recipients await the block of each height.",
        read(_counters),
    ),
    Field(
        "nonemptyOutboxes",
        "[ChainId!]!",
        "Recipients that await something.",
        read(lambda chain: [str(target) for target in chain.outboxes.nonempty_targets()]),
    ),
)

_CHAIN_VIEW = record(
    "ChainStateExtendedView",
    "Everything this server knows of a chain.",
    Field("chainId", "ChainId!", "The chain.", text_of("chain_id")),
    Field(
        "executionState",
        "ExecutionStateView!",
        "What its blocks led to.",
        read(lambda chain: chain),
    ),
    Field("executionStateHash", "CryptoHash", "The hash of that.", text_of("state_hash")),
    Field("tipState", "ChainTipState!", "Where it stands.", attribute("tip")),
    Field("manager", "ChainManager!", "Consensus about its next block.", attribute("manager")),
    Field(
        "pendingValidatedBlobs",
        "PendingBlobsView!",
        "Blobs that a validated block waits for.",
        read(lambda chain: _pending(chain, None)),
    ),
    Field(
        "pendingProposedBlobs",
        "ReentrantCollectionView_AccountOwner_PendingBlobsView_c7f51b33!",
        "Blobs that proposed blocks wait for, by proposer.",
        read(_pending_proposed),
    ),
    Field(
        "confirmedLog",
        "LogView_CryptoHash_87fbb60c!",
        "The hashes of all its blocks.",
        attribute("confirmed_log"),
    ),
    Field(
        "receivedLog",
        "LogView_ChainAndHeight_7af83576!",
        "The blocks that sent it something, as they came.",
        attribute("received_log"),
    ),
    Field(
        "receivedCertificateTrackers",
        "JSONObject!",
        "How much of each validator's such log is known here.",
        read(_trackers),
    ),
    *_MAILBOX_FIELDS,
    Field(
        "preprocessedBlocks",
        "MapView_BlockHeight_CryptoHash_1bae6d76!",
        "Blocks that are known and not executed.",
        read(lambda chain: _mapping(chain.preprocessed_blocks())),
    ),
    Field(
        "nextExpectedEvents",
        "MapView_StreamId_Int_3d7f5335!",
        "The event that comes next, by stream.",
        read(_next_expected),
    ),
    Field(
        "nonemptyInboxes",
        "[ChainId!]",
        "Senders of what waits to be taken.",
        read(lambda chain: [str(origin) for origin in chain.inboxes.nonempty_origins()]),
    ),
    Field(
        "blockZeroExecutedAt",
        "Timestamp!",
        "When its first block was executed here.",
        attribute("block_zero_executed_at"),
    ),
    Field(
        "outboxIndexTrackedHash",
        "CryptoHash",
        "Names the set of chains that this server delivers to.",
        read(lambda chain: _digits(chain.outboxes.tracked_hash)),
    ),
)


def _digits(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


CHAIN_VIEW = (
    _CHAIN_VIEW,
    _EXECUTION,
    _SYSTEM,
    _TIP,
    _MANAGER,
    _PENDING,
    _INBOX,
    _OUTBOX,
    _CURSOR,
    _BUNDLE_IN_INBOX,
    _TIMESTAMPED,
    record(
        "ChainAndHeight",
        "A block by its chain and height.",
        Field("chainId", "ChainId!", "The chain.", text_of("chain_id")),
        Field("height", "BlockHeight!", "The height.", attribute("height")),
    ),
    *_STREAM_TYPES,
    *_CONTAINERS,
)
"""All types of this part of the interface."""
