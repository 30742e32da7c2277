"""Rounds of consensus and their order (spec 01 §4.1, spec 05 §6.2)."""

from typing import Any, ClassVar, Self

from catenula.base.codec.codec import register_scalar
from catenula.base.codec.schema import TaggedBytesNode, json_mismatch, split_variant
from catenula.base.errors import DecodeError, invariant
from catenula.base.integers import U32_MAX

_KIND_NAMES = ("Fast", "MultiLeader", "SingleLeader", "Validator")
_KIND_TEXTS = ("fast round", "multi-leader round", "single-leader round", "validator round")


class Round(bytes):
    """A round: ``Fast`` < ``MultiLeader(n)`` < ``SingleLeader(n)`` < ``Validator(n)``.

    Holds the BCS form; compares by kind and number. Make one with `Round.multi_leader` and its
    siblings; `Round.FAST` is the fast round.
    """

    FAST: ClassVar["Round"]

    PAYLOAD_BYTES: ClassVar[dict[int, int]] = {0: 0, 1: 4, 2: 4, 3: 4}

    @classmethod
    def multi_leader(cls, number: int) -> Self:
        """``MultiLeader(number)``: any owner may propose."""
        return cls(b"\x01" + _number_bytes(number))

    @classmethod
    def single_leader(cls, number: int) -> Self:
        """``SingleLeader(number)``: one chosen owner may propose."""
        return cls(b"\x02" + _number_bytes(number))

    @classmethod
    def validator(cls, number: int) -> Self:
        """``Validator(number)``: one chosen validator may propose."""
        return cls(b"\x03" + _number_bytes(number))

    @property
    def kind(self) -> int:
        """0 Fast, 1 MultiLeader, 2 SingleLeader, 3 Validator."""
        return self[0]

    @property
    def number(self) -> int:
        """The number within the kind; 0 for the fast round."""
        return int.from_bytes(self[1:], "little")

    @property
    def is_fast(self) -> bool:
        """Whether this is the fast round."""
        return not self[0]

    @property
    def is_multi_leader(self) -> bool:
        """Whether any owner may propose in this round."""
        return self[0] == 1

    @property
    def is_single_leader(self) -> bool:
        """Whether one owner leads this round."""
        return self[0] == 2

    @property
    def is_validator(self) -> bool:
        """Whether a validator leads this round."""
        return self[0] == 3

    def order_key(self) -> tuple[int, int]:
        """Sort key: kind, then number."""
        return (self[0], int.from_bytes(self[1:], "little"))

    # Most rounds that are compared are equal, which is known at once.

    def __lt__(self, other: bytes) -> bool:
        return self != other and self.order_key() < _key(other)

    def __le__(self, other: bytes) -> bool:
        return self == other or self.order_key() < _key(other)

    def __gt__(self, other: bytes) -> bool:
        return self != other and self.order_key() > _key(other)

    def __ge__(self, other: bytes) -> bool:
        return self == other or self.order_key() > _key(other)

    def __str__(self) -> str:
        return f"{_KIND_TEXTS[self[0]]} {self.number}" if self[0] else _KIND_TEXTS[0]

    def __repr__(self) -> str:
        return f"{_KIND_NAMES[self[0]]}({self.number})" if self[0] else "Fast"


Round.FAST = Round(b"\x00")


def _number_bytes(number: int) -> bytes:
    invariant(0 <= number <= U32_MAX, "B1", round_number=number)
    return number.to_bytes(4, "little")


def _key(other: bytes) -> tuple[int, int]:
    return (other[0], int.from_bytes(other[1:], "little"))


def _round_to_json(value: Round) -> Any:
    return {_KIND_NAMES[value[0]]: value.number} if value[0] else "Fast"


def _round_from_json(data: Any) -> Round:
    name, payload = split_variant(data)
    if name not in _KIND_NAMES:
        raise DecodeError("UnknownVariant", enum="Round", text=name)
    if name == "Fast":
        if payload is not None:
            raise json_mismatch("Fast without content", data)
        return Round.FAST
    if type(payload) is not int or not 0 <= payload <= U32_MAX:
        raise json_mismatch("a u32", payload)
    return Round(bytes((_KIND_NAMES.index(name),)) + _number_bytes(payload))


class _RoundNode(TaggedBytesNode):
    def order_key(self) -> Any:
        return Round.order_key


register_scalar(
    Round,
    _RoundNode(
        Round, Round.PAYLOAD_BYTES, validating=False, json=(_round_to_json, _round_from_json)
    ),
)
