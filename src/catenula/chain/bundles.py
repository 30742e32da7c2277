"""Message bundles: what one block sends to each recipient (spec 05 §3.2, §4).

Bundles are never stored on the sender's side; they are derived again from the certified block.
"""

from collections.abc import Iterable, Mapping

from catenula.base.identifiers import ChainId
from catenula.base.integers import U32, Epoch
from catenula.base.limits import BATCH_FILL_BYTES
from catenula.protocol import (
    Block,
    MessageBundle,
    OutgoingMessage,
    PostedMessage,
)

EpochAndBundle = tuple[Epoch, MessageBundle]


def message_bundles(block: Block) -> dict[ChainId, tuple[EpochAndBundle, ...]]:
    """The bundles of every recipient of ``block``, recipients ascending (spec 05 §4.2)."""
    gathered: dict[ChainId, list[EpochAndBundle]] = {}
    header = block.header
    first_index = 0
    for transaction_index, sent in enumerate(block.body.messages):
        for recipient, messages in _posted_messages(sent, first_index).items():
            bundle = MessageBundle(
                height=header.height,
                timestamp=header.timestamp,
                certificate_hash=block.hash,
                transaction_index=U32(transaction_index),
                messages=tuple(messages),
            )
            gathered.setdefault(recipient, []).append((header.epoch, bundle))
        first_index += len(sent)
    return {recipient: tuple(gathered[recipient]) for recipient in sorted(gathered)}


def message_bundles_for(block: Block, recipient: ChainId) -> tuple[EpochAndBundle, ...]:
    """The bundles of one recipient; empty if the block sends it nothing."""
    return message_bundles(block).get(recipient, ())


def _posted_messages(
    sent: Iterable[OutgoingMessage], first_index: int
) -> Mapping[ChainId, list[PostedMessage]]:
    """The messages of one transaction by recipient; positions count from ``first_index``."""
    posted: dict[ChainId, list[PostedMessage]] = {}
    for index, message in enumerate(sent, first_index):
        posted.setdefault(message.destination, []).append(
            PostedMessage(
                authenticated_signer=message.authenticated_signer,
                grant=message.grant,
                refund_grant_to=message.refund_grant_to,
                kind=message.kind,
                index=U32(index),
                message=message.message,
            )
        )
    return posted


def take_whole_blocks(
    blocks: Iterable[tuple[EpochAndBundle, ...]], limit: int = BATCH_FILL_BYTES
) -> tuple[EpochAndBundle, ...]:
    """Concatenate the bundles of consecutive blocks up to ``limit`` estimated bytes.

    A block is never split and the first one is always taken, however large.
    """
    taken: list[EpochAndBundle] = []
    size = 0
    for bundles in blocks:
        size += sum(bundle.estimated_size() for _, bundle in bundles)
        if taken and size > limit:
            break
        taken.extend(bundles)
    return tuple(taken)
