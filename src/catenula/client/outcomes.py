"""What a command on a chain leads to (spec 07 §1)."""

from typing import Generic, TypeVar

from msgspec import Struct

from catenula.protocol import BlockHeight, ConfirmedBlockCertificate, Round, Timestamp

T_co = TypeVar("T_co", covariant=True)


class Committed(Struct, Generic[T_co], frozen=True):
    """The command's block is final; ``value`` is what the command is about."""

    value: T_co


class WaitForTimeout(Struct, frozen=True):
    """Nothing can be proposed until ``timestamp``; a block that was staged stays pending."""

    timestamp: Timestamp
    current_round: Round
    next_block_height: BlockHeight


class Conflict(Struct, frozen=True):
    """Another block than the command's took the height; nothing of the command was executed."""

    certificate: ConfirmedBlockCertificate


Outcome = Committed[T_co] | WaitForTimeout | Conflict
