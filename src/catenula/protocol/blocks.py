"""Proposed blocks, execution outcomes and blocks with their hashes (spec 01 §6.1-§6.2)."""

from collections.abc import Iterator, Mapping
from typing import Any, NewType, Self

from catenula.base.codec import MemoRecord, Record, codec_of, declare_enum, newtype
from catenula.base.hashing import typed_hash
from catenula.base.identifiers import AccountOwner, ChainId, CryptoHash
from catenula.base.integers import BlockHeight, Epoch, Timestamp
from catenula.base.memo import cached_property
from catenula.protocol.blobs import Blob, BlobContent
from catenula.protocol.chains import ApplicationDescription, ChainDescription
from catenula.protocol.identifiers import BlobId, BlobType, Event, EventId, StreamId
from catenula.protocol.messages import IncomingBundle, MessageAction, OutgoingMessage
from catenula.protocol.operations import Operation, published_blob_ids
from catenula.protocol.oracles import OracleBlob, OracleResponse

OperationResult = NewType("OperationResult", bytes)
"""Bytes returned by an operation; empty for system operations."""


class ReceiveMessages(Record, frozen=True):
    """Take a bundle from the inbox."""

    bundle: IncomingBundle


class ExecuteOperation(Record, frozen=True):
    """Execute an operation."""

    operation: Operation


Transaction = ReceiveMessages | ExecuteOperation
declare_enum("Transaction", Transaction, newtype(ReceiveMessages), newtype(ExecuteOperation))


class ProposedBlock(MemoRecord, frozen=True):
    """What a proposer asks validators to execute."""

    chain_id: ChainId
    epoch: Epoch
    transactions: tuple[Transaction, ...]
    height: BlockHeight
    timestamp: Timestamp
    authenticated_signer: AccountOwner | None
    previous_block_hash: CryptoHash | None

    def operations(self) -> Iterator[Operation]:
        """The operations in order."""
        for transaction in self.transactions:
            if type(transaction) is ExecuteOperation:
                yield transaction.operation

    def incoming_bundles(self) -> Iterator[IncomingBundle]:
        """The incoming bundles in order."""
        for transaction in self.transactions:
            if type(transaction) is ReceiveMessages:
                yield transaction.bundle

    @cached_property
    def published_blob_ids(self) -> frozenset[BlobId]:
        """Blobs published by the operations."""
        return frozenset(
            blob_id for operation in self.operations() for blob_id in published_blob_ids(operation)
        )

    def has_only_rejected_messages(self) -> bool:
        """Whether every transaction is a rejected bundle (closed chains, spec 02 §12.1)."""
        return all(
            type(transaction) is ReceiveMessages
            and transaction.bundle.action is MessageAction.REJECT
            for transaction in self.transactions
        )


class BlockExecutionOutcome(Record, frozen=True):
    """What executing a proposed block resulted in; lists hold one entry per transaction."""

    messages: tuple[tuple[OutgoingMessage, ...], ...]
    previous_message_blocks: Mapping[ChainId, tuple[CryptoHash, BlockHeight]]
    previous_event_blocks: Mapping[StreamId, tuple[CryptoHash, BlockHeight]]
    state_hash: CryptoHash
    oracle_responses: tuple[tuple[OracleResponse, ...], ...]
    events: tuple[tuple[Event, ...], ...]
    blobs: tuple[tuple[Blob, ...], ...]
    operation_results: tuple[OperationResult, ...]


class BlockHeader(Record, frozen=True):
    """The seven serialized header fields."""

    chain_id: ChainId
    epoch: Epoch
    height: BlockHeight
    timestamp: Timestamp
    state_hash: CryptoHash
    previous_block_hash: CryptoHash | None
    authenticated_signer: AccountOwner | None


class BlockBody(Record, frozen=True):
    """Transactions and what they resulted in."""

    transactions: tuple[Transaction, ...]
    messages: tuple[tuple[OutgoingMessage, ...], ...]
    previous_message_blocks: Mapping[ChainId, tuple[CryptoHash, BlockHeight]]
    previous_event_blocks: Mapping[StreamId, tuple[CryptoHash, BlockHeight]]
    oracle_responses: tuple[tuple[OracleResponse, ...], ...]
    events: tuple[tuple[Event, ...], ...]
    blobs: tuple[tuple[Blob, ...], ...]
    operation_results: tuple[OperationResult, ...]


class Block(MemoRecord, frozen=True):
    """A block: the same value whether validated or confirmed."""

    header: BlockHeader
    body: BlockBody

    @classmethod
    def of(cls, proposed: ProposedBlock, outcome: BlockExecutionOutcome) -> Self:
        """The block of a proposal and its outcome."""
        header = BlockHeader(
            proposed.chain_id,
            proposed.epoch,
            proposed.height,
            proposed.timestamp,
            outcome.state_hash,
            proposed.previous_block_hash,
            proposed.authenticated_signer,
        )
        body = BlockBody(
            proposed.transactions,
            outcome.messages,
            outcome.previous_message_blocks,
            outcome.previous_event_blocks,
            outcome.oracle_responses,
            outcome.events,
            outcome.blobs,
            outcome.operation_results,
        )
        return cls(header, body)

    @cached_property
    def hash(self) -> CryptoHash:
        """The block hash: Keccak over header and body."""
        return typed_hash("Block", self.bcs)

    @property
    def chain_id(self) -> ChainId:
        """The block's chain."""
        return self.header.chain_id

    @property
    def height(self) -> BlockHeight:
        """The block's height."""
        return self.header.height

    @property
    def epoch(self) -> Epoch:
        """The epoch whose committee certifies the block."""
        return self.header.epoch

    @cached_property
    def proposed(self) -> ProposedBlock:
        """The proposal this block came from."""
        header = self.header
        return ProposedBlock(
            header.chain_id,
            header.epoch,
            self.body.transactions,
            header.height,
            header.timestamp,
            header.authenticated_signer,
            header.previous_block_hash,
        )

    @cached_property
    def outcome(self) -> BlockExecutionOutcome:
        """The outcome part of the block."""
        body = self.body
        return BlockExecutionOutcome(
            body.messages,
            body.previous_message_blocks,
            body.previous_event_blocks,
            self.header.state_hash,
            body.oracle_responses,
            body.events,
            body.blobs,
            body.operation_results,
        )

    @cached_property
    def created_blobs(self) -> dict[BlobId, BlobContent]:
        """Blobs created by executing the block, by id."""
        return {blob.id: blob for blobs in self.body.blobs for blob in blobs}

    def created_chains(self) -> list[ChainDescription]:
        """Descriptions of the chains this block created, in order."""
        return [
            ChainDescription.from_bcs(blob.bytes)
            for blobs in self.body.blobs
            for blob in blobs
            if blob.blob_type is BlobType.CHAIN_DESCRIPTION
        ]

    def created_applications(self) -> list[ApplicationDescription]:
        """Descriptions of the applications this block created, in order of their indices."""
        found = [
            ApplicationDescription.from_bcs(blob.bytes)
            for blobs in self.body.blobs
            for blob in blobs
            if blob.blob_type is BlobType.APPLICATION_DESCRIPTION
        ]
        return sorted(found, key=lambda description: description.application_index)

    @property
    def published_blob_ids(self) -> frozenset[BlobId]:
        """Blobs published by operations."""
        return self.proposed.published_blob_ids

    @cached_property
    def oracle_blob_ids(self) -> frozenset[BlobId]:
        """Blobs recorded as used for the first time."""
        return frozenset(
            response.blob_id
            for responses in self.body.oracle_responses
            for response in responses
            if type(response) is OracleBlob
        )

    @cached_property
    def required_blob_ids(self) -> frozenset[BlobId]:
        """All blobs a node needs for this block: published, created, used, and at height 0 the
        description of its chain (spec 05 §9.1).
        """
        ids = self.published_blob_ids | self.oracle_blob_ids | self.created_blobs.keys()
        if self.header.height == 0:
            own = BlobId(CryptoHash(self.header.chain_id), BlobType.CHAIN_DESCRIPTION)
            return frozenset(ids | {own})
        return frozenset(ids)

    @cached_property
    def recipients(self) -> tuple[ChainId, ...]:
        """Chains this block sent messages to, ascending."""
        return tuple(
            sorted({message.destination for group in self.body.messages for message in group})
        )

    def event_ids(self) -> tuple[EventId, ...]:
        """Ids of all events, in order."""
        chain_id = self.header.chain_id
        return tuple(event.id(chain_id) for events in self.body.events for event in events)

    def has_oracle_responses(self) -> bool:
        """Whether any transaction recorded an oracle response (spec 05 §5, step 17)."""
        return any(self.body.oracle_responses)

    def header_hashes(self) -> dict[str, CryptoHash]:
        """The eight hashes that exist in memory and in GraphQL only (spec 01 §6.2)."""
        body = self.body
        return {
            "transactions_hash": _list_hash("Transaction", Transaction, body.transactions),
            "messages_hash": _lists_hash("OutgoingMessage", OutgoingMessage, body.messages),
            "previous_message_blocks_hash": _map_hash(
                "PreviousMessageBlocksMap", ChainId, body.previous_message_blocks
            ),
            "previous_event_blocks_hash": _map_hash(
                "PreviousEventBlocksMap", StreamId, body.previous_event_blocks
            ),
            "oracle_responses_hash": _lists_hash(
                "OracleResponse", OracleResponse, body.oracle_responses
            ),
            "events_hash": _lists_hash("Event", Event, body.events),
            "blobs_hash": _lists_hash("BlobContent", BlobContent, body.blobs),
            "operation_results_hash": _list_hash("OperationResult", bytes, body.operation_results),
        }


def _vector_hash(hashes: tuple[CryptoHash, ...]) -> CryptoHash:
    return typed_hash("CryptoHashVec", codec_of(tuple[CryptoHash, ...]).to_bcs(hashes))


def _list_hash(name: str, annotation: Any, values: tuple[Any, ...]) -> CryptoHash:
    codec = codec_of(annotation)
    return _vector_hash(tuple(typed_hash(name, codec.to_bcs(value)) for value in values))


def _lists_hash(name: str, annotation: Any, lists: tuple[Any, ...]) -> CryptoHash:
    return _vector_hash(tuple(_list_hash(name, annotation, values) for values in lists))


def _map_hash(name: str, key: Any, entries: Mapping[Any, Any]) -> CryptoHash:
    codec = codec_of(Mapping[key, tuple[CryptoHash, BlockHeight]])
    return typed_hash(name, codec.to_bcs(entries))


class Timeout(MemoRecord, frozen=True):
    """What validators sign when a round has timed out."""

    chain_id: ChainId
    height: BlockHeight
    epoch: Epoch

    @cached_property
    def hash(self) -> CryptoHash:
        """Keccak of ``Timeout``."""
        return typed_hash("Timeout", self.bcs)
