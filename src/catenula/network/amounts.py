"""Token amounts as people write them, for the API of the local network."""

from decimal import Decimal

from catenula.base.errors import DecodeError
from catenula.base.integers import AMOUNT_DECIMALS, Amount, parse_amount

Tokens = str | int | Decimal
"""A number of tokens: ``"1.5"``, ``2`` or a decimal; never a float, which cannot be exact."""


def amount_from(tokens: Tokens) -> Amount:
    """The amount in attotokens; `DecodeError` for what is not an exact number of tokens."""
    if isinstance(tokens, bool) or not isinstance(tokens, str | int | Decimal):
        raise DecodeError(
            "InvalidAmount", text=repr(tokens), expected='tokens as "1.5", 2 or a Decimal'
        )
    if isinstance(tokens, Decimal):
        return parse_amount(f"{tokens:f}")
    return parse_amount(str(tokens))


def tokens_of(amount: int) -> Decimal:
    """The amount as an exact decimal number of tokens."""
    return Decimal(amount).scaleb(-AMOUNT_DECIMALS)
