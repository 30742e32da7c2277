"""Fixed-width integers of the protocol and the amount type.

Every domain integer is a `NewType` over ``int``: it costs nothing at run time, the type checker
keeps heights, epochs and amounts apart, and the codec checks the range on every way in and out.
Arithmetic that may leave the range goes through the ``checked_*`` and ``saturating_*`` functions.
"""

from typing import NewType, TypeVar

from catenula.base.errors import ArithmeticOverflow, DecodeError

U8 = NewType("U8", int)
U16 = NewType("U16", int)
U32 = NewType("U32", int)
U64 = NewType("U64", int)
U128 = NewType("U128", int)
BlockHeight = NewType("BlockHeight", int)
"""Position of a block in its chain, u64, counting from 0."""
Epoch = NewType("Epoch", int)
"""Number of a committee, u32."""
Amount = NewType("Amount", int)
"""Attotokens, u128; one token is 10^18 attotokens (spec 01 §5)."""
Timestamp = NewType("Timestamp", int)
"""Microseconds since the Unix epoch, u64."""
TimeDelta = NewType("TimeDelta", int)
"""A duration in microseconds, u64."""

U32_MAX = 2**32 - 1
U64_MAX = 2**64 - 1
U128_MAX = 2**128 - 1
ATTOS_PER_TOKEN = 10**18
AMOUNT_DECIMALS = 18
MICROSECONDS_PER_SECOND = 1_000_000

_Integer = TypeVar("_Integer", bound=int)


def checked_add(left: _Integer, right: int, maximum: int = U64_MAX) -> _Integer:
    """``left + right`` of ``left``'s type, or `ArithmeticOverflow` above ``maximum``."""
    result = left + right
    if result > maximum:
        raise ArithmeticOverflow("add", left=left, right=right)
    return result  # type: ignore[return-value]  # The NewType is erased by int addition.


def saturating_add(left: _Integer, right: int, maximum: int = U64_MAX) -> _Integer:
    """``left + right``, at most ``maximum``."""
    return min(left + right, maximum)  # type: ignore[return-value]  # The NewType is erased by min.


def tokens(count: int) -> Amount:
    """The amount of ``count`` whole tokens."""
    return Amount(count * ATTOS_PER_TOKEN)


def format_amount(amount: int) -> str:
    """The decimal text of an amount; the point is always printed: ``1.``, ``1.5`` (spec 01 §5)."""
    whole, fraction = divmod(amount, ATTOS_PER_TOKEN)
    if not fraction:
        return f"{whole}."
    return f"{whole}.{fraction:018d}".rstrip("0")


def parse_amount(text: str) -> Amount:
    """Read a decimal token amount (spec 01 §5); `DecodeError` when it is not one."""
    digits = text.strip(_WHITESPACE)
    if digits.startswith("+"):
        digits = digits[1:]
    whole, point, fraction = digits.replace("_", "").partition(".")
    if not _is_ascii_digits(whole) or not _is_ascii_digits(fraction):
        raise DecodeError("InvalidAmount", text=text, expected="a decimal number of tokens")
    if point and len(fraction) > AMOUNT_DECIMALS:
        raise DecodeError("InvalidAmount", text=text, expected="at most 18 digits after the point")
    if len(whole) > _AMOUNT_DIGITS_LIMIT and whole.strip("0") != "":
        whole = whole.lstrip("0")
    if len(whole) > _AMOUNT_DIGITS_LIMIT:
        raise DecodeError("InvalidAmount", text=text, expected="less than 2^128 attotokens")
    value = int(whole or "0") * ATTOS_PER_TOKEN + int(fraction.ljust(AMOUNT_DECIMALS, "0"))
    if value > U128_MAX:
        raise DecodeError("InvalidAmount", text=text, expected="less than 2^128 attotokens")
    return Amount(value)


_AMOUNT_DIGITS_LIMIT = 60
"""More significant digits than any amount has; bounds the work on hostile input."""

_WHITESPACE = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""The Unicode White_Space property, which trimming removes at both ends."""


def _is_ascii_digits(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit())


def parse_unsigned(text: str, maximum: int) -> int:
    """Read an unsigned decimal integer: ASCII digits after one optional ``+``."""
    digits = text[1:] if text.startswith("+") else text
    if not digits or not _is_ascii_digits(digits):
        raise DecodeError("InvalidInteger", text=text, expected="an unsigned decimal number")
    significant = digits.lstrip("0")
    if len(significant) > _AMOUNT_DIGITS_LIMIT or int(significant or "0") > maximum:
        raise DecodeError("InvalidInteger", text=text, expected=f"at most {maximum}")
    return int(significant or "0")
