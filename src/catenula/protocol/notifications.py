"""Notifications of validators (spec 06 §6)."""

from catenula.base.codec import Record, SetOf, declare_enum
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import BlockHeight
from catenula.protocol.identifiers import StreamId
from catenula.protocol.rounds import Round


class NewBlock(Record, frozen=True):
    """A block was executed."""

    height: BlockHeight
    hash: CryptoHash
    event_streams: SetOf[StreamId]


class NewIncomingBundle(Record, frozen=True):
    """Bundles of ``origin`` up to ``height`` are in the inbox."""

    origin: ChainId
    height: BlockHeight


class NewRound(Record, frozen=True):
    """The current round rose."""

    height: BlockHeight
    round: Round


class BlockExecuted(Record, frozen=True):
    """A client's own node executed a block."""

    height: BlockHeight
    hash: CryptoHash


class NewEvents(Record, frozen=True):
    """Streams advanced without a gap."""

    height: BlockHeight
    hash: CryptoHash
    event_streams: SetOf[StreamId]


Reason = NewBlock | NewIncomingBundle | NewRound | BlockExecuted | NewEvents
declare_enum("Reason", Reason, NewBlock, NewIncomingBundle, NewRound, BlockExecuted, NewEvents)


class Notification(Record, frozen=True):
    """Something happened on a chain."""

    chain_id: ChainId
    reason: Reason
