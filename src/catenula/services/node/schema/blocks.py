"""Blocks, their messages and events as clients see them (spec 08 §2.2)."""

from functools import cached_property
from typing import Any

from catenula.base.codec import codec_of
from catenula.base.identifiers import CryptoHash
from catenula.protocol import (
    Block,
    ConfirmedBlockCertificate,
    Credit,
    ExecuteOperation,
    IncomingBundle,
    Message,
    OracleResponse,
    ReceiveMessages,
    Transaction,
    UserMessage,
    Withdraw,
)
from catenula.protocol.blocks import BlockBody
from catenula.services.node.schema.declaring import (
    Field,
    attribute,
    json_of,
    read,
    record,
    text_of,
)
from catenula.services.node.schema.shared import (
    AMOUNT,
    OWNER,
    RECIPIENT,
    amount_of,
    of_kind,
    user_or_system,
)

_MESSAGE = codec_of(Message)
_ORACLE = codec_of(OracleResponse)


class HeaderView:
    """A block's header with the hashes that are not part of its bytes."""

    def __init__(self, block: Block) -> None:
        self.block, self.header = block, block.header

    @cached_property
    def hashes(self) -> dict[str, CryptoHash]:
        """The hashes of the parts of the block's body."""
        return self.block.header_hashes()


# Headers


def _of_header(name: str) -> Any:
    return read(lambda view: getattr(view.header, name))


def _text_of_header(name: str) -> Any:
    def show(view: HeaderView) -> str | None:
        value = getattr(view.header, name)
        return None if value is None else str(value)

    return read(show)


def _part(field: str, name: str, what: str) -> Field:
    about = f"The hash of its {what}."
    return Field(field, "CryptoHash!", about, read(lambda view: str(view.hashes[name])))


_HEADER = record(
    "BlockHeader",
    "What a block is about.",
    Field("chainId", "ChainId!", "Its chain.", _text_of_header("chain_id")),
    Field("epoch", "Epoch!", "The term of the committee.", _text_of_header("epoch")),
    Field("height", "BlockHeight!", "Its position in the chain.", _of_header("height")),
    Field("timestamp", "Timestamp!", "When it was proposed.", _of_header("timestamp")),
    Field(
        "stateHash", "CryptoHash!", "The chain's state behind it.", _text_of_header("state_hash")
    ),
    Field(
        "previousBlockHash",
        "CryptoHash",
        "The block before it.",
        _text_of_header("previous_block_hash"),
    ),
    Field(
        "authenticatedSigner",
        "AccountOwner",
        "In whose name it acts.",
        _text_of_header("authenticated_signer"),
    ),
    _part("transactionsHash", "transactions_hash", "transactions"),
    _part("messagesHash", "messages_hash", "messages"),
    _part("previousMessageBlocksHash", "previous_message_blocks_hash", "earlier senders"),
    _part("previousEventBlocksHash", "previous_event_blocks_hash", "earlier publishers"),
    _part("oracleResponsesHash", "oracle_responses_hash", "oracle responses"),
    _part("eventsHash", "events_hash", "events"),
    _part("blobsHash", "blobs_hash", "created blobs"),
    _part("operationResultsHash", "operation_results_hash", "results"),
)


# Bodies


def _oracle_responses(body: BlockBody) -> list[list[Any]]:
    return [[_ORACLE.to_json(each) for each in group] for group in body.oracle_responses]


_BODY = record(
    "BlockBody",
    "What a block does.",
    Field(
        "messages",
        "[[OutgoingMessage!]!]!",
        "What it sends, by transaction.",
        attribute("messages"),
    ),
    Field(
        "previousMessageBlocks",
        "JSONObject!",
        "The block before that sent something, by recipient.",
        read(lambda body: _pairs(body.previous_message_blocks)),
    ),
    Field(
        "previousEventBlocks",
        "JSONObject!",
        "The block before with an event, by stream.",
        read(lambda body: _pairs(body.previous_event_blocks)),
    ),
    Field(
        "oracleResponses",
        "[[OracleResponse!]!]!",
        "What it learned from outside, by transaction.",
        read(_oracle_responses),
    ),
    Field("events", "[[Event!]!]!", "What it publishes, by transaction.", attribute("events")),
    Field(
        "blobs",
        "[[Blob!]!]!",
        "The blobs it creates, by transaction.",
        read(lambda body: [[blob.bytes.hex() for blob in group] for group in body.blobs]),
    ),
    Field(
        "operationResults",
        "[OperationResult!]!",
        "What its operations answered.",
        read(lambda body: [list(result) for result in body.operation_results]),
    ),
    Field(
        "transactionMetadata",
        "[TransactionMetadata!]!",
        "Its transactions.",
        attribute("transactions"),
    ),
)


def _pairs(found: Any) -> dict[str, list[Any]]:
    return {str(key): [str(hash_), height] for key, (hash_, height) in found.items()}


def _operation(transaction: Transaction) -> Any:
    return transaction.operation if isinstance(transaction, ExecuteOperation) else None


def _bundle(transaction: Transaction) -> IncomingBundle | None:
    return transaction.bundle if isinstance(transaction, ReceiveMessages) else None


_TRANSACTION = record(
    "TransactionMetadata",
    "A step of a block.",
    Field(
        "transactionType",
        "String!",
        "`ReceiveMessages` or `ExecuteOperation`.",
        read(lambda transaction: type(transaction).__name__),
    ),
    Field("incomingBundle", "IncomingBundle", "What it receives.", read(_bundle)),
    Field("operation", "Operation", "What it does.", read(_operation)),
)


# Messages


_COMMON = (
    Field(
        "authenticatedSigner",
        "AccountOwner",
        "In whose name it acts.",
        text_of("authenticated_signer"),
    ),
    Field("grant", "Amount!", "Tokens for its execution.", amount_of("grant")),
    Field("refundGrantTo", "Account", "Who gets what is left of them.", json_of("refund_grant_to")),
    Field(
        "kind", "MessageKind!", "How it may be refused.", read(lambda message: str(message.kind))
    ),
)
_CONTENT = Field(
    "message", "Message!", "Its content.", read(lambda message: _MESSAGE.to_json(message.message))
)


_MESSAGES = (
    record(
        "OutgoingMessage",
        "A message that a block sends.",
        Field("destination", "ChainId!", "Whom it is for.", text_of("destination")),
        *_COMMON,
        _CONTENT,
    ),
    record(
        "PostedMessage",
        "A message that arrives.",
        *_COMMON,
        Field(
            "index", "Int!", "Its position among all the sender's block sent.", attribute("index")
        ),
        _CONTENT,
        Field(
            "messageMetadata", "MessageMetadata!", "Its content, in parts.", attribute("message")
        ),
    ),
    record(
        "MessageBundle",
        "What one transaction sent to one chain.",
        Field("height", "BlockHeight!", "The sending block's height.", attribute("height")),
        Field("timestamp", "Timestamp!", "The sending block's time.", attribute("timestamp")),
        Field("certificateHash", "CryptoHash!", "The sending block.", text_of("certificate_hash")),
        Field(
            "transactionIndex", "Int!", "The sending transaction.", attribute("transaction_index")
        ),
        Field("messages", "[PostedMessage!]!", "The messages.", attribute("messages")),
    ),
    record(
        "IncomingBundle",
        "A bundle that a block receives.",
        Field("origin", "ChainId!", "Who sent it.", text_of("origin")),
        Field("bundle", "MessageBundle!", "The bundle.", attribute("bundle")),
        Field(
            "action",
            "MessageAction!",
            "Whether it was taken.",
            read(lambda incoming: str(incoming.action)),
        ),
    ),
    record(
        "MessageMetadata",
        "The content of a message, in parts.",
        *user_or_system(
            UserMessage,
            Field("systemMessage", "SystemMessageMetadata", "What the protocol itself gets."),
            application="The application it is for.",
            content="What the application gets, in hexadecimal digits.",
        ),
    ),
    record(
        "SystemMessageMetadata",
        "A message for the protocol itself.",
        Field(
            "systemMessageType",
            "String!",
            "`Credit` or `Withdraw`.",
            read(lambda message: type(message).__name__),
        ),
        Field("credit", "CreditMessageMetadata", "Tokens that arrive.", of_kind(Credit)),
        Field(
            "withdraw", "WithdrawMessageMetadata", "Tokens that are asked for.", of_kind(Withdraw)
        ),
    ),
    record(
        "CreditMessageMetadata",
        "Tokens that arrive.",
        Field("target", "AccountOwner!", "Who gets them.", text_of("target")),
        AMOUNT,
        Field(
            "source", "AccountOwner!", "Who gets them back if they are refused.", text_of("source")
        ),
    ),
    record("WithdrawMessageMetadata", "Tokens that are asked for.", OWNER, AMOUNT, RECIPIENT),
)


# Blocks


def _hash(certificate: ConfirmedBlockCertificate) -> str:
    return str(certificate.block.hash)


BLOCKS = (
    record(
        "ConfirmedBlock",
        "A block that is final.",
        Field("block", "Block!", "The block.", attribute("block")),
        Field("status", "String!", "Always `confirmed`.", read(lambda _: "confirmed")),
        Field("hash", "CryptoHash!", "Its hash.", read(_hash)),
    ),
    record(
        "Block",
        "A block.",
        Field("header", "BlockHeader!", "What it is about.", read(HeaderView)),
        Field("body", "BlockBody!", "What it does.", attribute("body")),
    ),
    _HEADER,
    _BODY,
    _TRANSACTION,
    record(
        "Event",
        "Something that a block publishes.",
        Field("streamId", "StreamId!", "Its stream.", attribute("stream_id")),
        Field("index", "Int!", "Its position in the stream.", attribute("index")),
        Field("value", "[Int!]!", "Its content.", read(lambda event: list(event.value))),
    ),
    *_MESSAGES,
)
"""All types of this part of the interface."""
