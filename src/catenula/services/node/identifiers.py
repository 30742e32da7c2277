"""Identifiers in requests; what is wrong with them in the words clients of the reference know."""

from typing import TypeVar

from catenula.base.errors import DecodeError
from catenula.base.identifiers import HASH_BYTES, CryptoHash

_Hash = TypeVar("_Hash", bound=CryptoHash)
_DIGITS = frozenset("0123456789abcdefABCDEF")


class BadDigits(DecodeError):
    """A text that is not the digits of such a value; the code is the text for the client."""

    def message(self) -> str:
        """The exact text."""
        return self.code


def hexadecimal(text: str, length: int) -> bytes:
    """``length`` bytes from their digits; `BadDigits` names what is wrong with others."""
    if len(text) == 2 * length and _DIGITS.issuperset(text):
        return bytes.fromhex(text)
    if len(text) % 2:
        raise BadDigits("Odd number of digits")
    for position, letter in enumerate(text):
        if letter not in _DIGITS:
            raise BadDigits(f"Invalid character {letter!r} at position {position}")
    raise BadDigits(f"Invalid string length: {len(text)}, expected {2 * length}")


def parse_hash(kind: type[_Hash], text: str) -> _Hash:
    """A hash from its 64 digits; raises `BadDigits`."""
    return kind(hexadecimal(text, HASH_BYTES))
