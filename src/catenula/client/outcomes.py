"""What a command on a chain leads to (spec 07 §1)."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from catenula.protocol import BlockHeight, ConfirmedBlockCertificate, Round, Timestamp

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Committed(Generic[T_co]):
    """The command's block is final; ``value`` is what the command is about."""

    value: T_co


@dataclass(frozen=True, slots=True)
class WaitForTimeout:
    """Nothing can be proposed until ``timestamp``; a block that was staged stays pending."""

    timestamp: Timestamp
    current_round: Round
    next_block_height: BlockHeight


@dataclass(frozen=True, slots=True)
class Conflict:
    """Another block than the command's took the height; nothing of the command was executed."""

    certificate: ConfirmedBlockCertificate


Outcome = Committed[T_co] | WaitForTimeout | Conflict
