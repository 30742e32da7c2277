"""Messages between chains and the bundles that carry them (spec 02 §4-§5, 05 §4)."""

from catenula.base.codec import (
    MemoRecord,
    Record,
    VariantEnum,
    VariantSpec,
    declare_enum,
    transparent,
)
from catenula.base.identifiers import AccountOwner, ApplicationId, ChainId, CryptoHash
from catenula.base.integers import U32, Amount, BlockHeight, Timestamp
from catenula.base.memo import cached_property
from catenula.protocol.identifiers import Account

BUNDLE_BASE_SIZE = 60
MESSAGE_BASE_SIZE = 96
SYSTEM_MESSAGE_SIZE = 256
USER_MESSAGE_BASE_SIZE = 64


class Credit(Record, frozen=True):
    """Credit ``target``; when it bounces, ``source`` gets the amount back."""

    target: AccountOwner
    amount: Amount
    source: AccountOwner


class Withdraw(Record, frozen=True):
    """Debit ``owner`` on the receiving chain in favour of ``recipient``."""

    owner: AccountOwner
    amount: Amount
    recipient: Account


SystemMessage = Credit | Withdraw
declare_enum("SystemMessage", SystemMessage, Credit, Withdraw)


class UserMessage(Record, frozen=True):
    """A message of an application, opaque to the system."""

    application_id: ApplicationId
    bytes: bytes


Message = Credit | Withdraw | UserMessage
declare_enum(
    "Message",
    Message,
    transparent("System", SystemMessage),
    VariantSpec("User", "struct", UserMessage),
)


class MessageKind(VariantEnum):
    """How a message may be skipped, rejected and bounced (spec 02 §5)."""

    SIMPLE = 0
    PROTECTED = 1
    TRACKED = 2
    BOUNCING = 3


class MessageAction(VariantEnum):
    """What the receiving block does with a bundle."""

    ACCEPT = 0
    REJECT = 1


class OutgoingMessage(Record, frozen=True):
    """A message as its sender's block holds it."""

    destination: ChainId
    authenticated_signer: AccountOwner | None
    grant: Amount
    refund_grant_to: Account | None
    kind: MessageKind
    message: Message


class PostedMessage(Record, frozen=True):
    """A message in a bundle; ``index`` counts all outgoing messages of the sending block."""

    authenticated_signer: AccountOwner | None
    grant: Amount
    refund_grant_to: Account | None
    kind: MessageKind
    index: U32
    message: Message

    def is_skippable(self) -> bool:
        """Whether the receiver may pass over it without a trace (spec 05 §4.3)."""
        return not self.grant and self.kind in (MessageKind.SIMPLE, MessageKind.BOUNCING)

    def is_protected(self) -> bool:
        """Whether it may not be rejected while the chain is open."""
        return self.kind is MessageKind.PROTECTED

    def estimated_size(self) -> int:
        """Estimate in bytes used to cut cross-chain requests (spec 05 §3.2)."""
        if type(self.message) is UserMessage:
            return MESSAGE_BASE_SIZE + USER_MESSAGE_BASE_SIZE + len(self.message.bytes)
        return MESSAGE_BASE_SIZE + SYSTEM_MESSAGE_SIZE


class MessageBundle(MemoRecord, frozen=True):
    """The messages of one transaction of a block to one recipient."""

    height: BlockHeight
    timestamp: Timestamp
    certificate_hash: CryptoHash
    transaction_index: U32
    messages: tuple[PostedMessage, ...]

    @cached_property
    def is_skippable(self) -> bool:
        """Whether all messages are skippable."""
        return all(message.is_skippable() for message in self.messages)

    @cached_property
    def is_protected(self) -> bool:
        """Whether any message is protected."""
        return any(message.is_protected() for message in self.messages)

    def estimated_size(self) -> int:
        """Estimate in bytes used to cut cross-chain requests (spec 05 §3.2)."""
        return BUNDLE_BASE_SIZE + sum(message.estimated_size() for message in self.messages)


class IncomingBundle(Record, frozen=True):
    """A bundle as a block takes it from its inbox."""

    origin: ChainId
    bundle: MessageBundle
    action: MessageAction
