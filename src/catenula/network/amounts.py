"""Token amounts as people write them, for the API of the local network."""

from decimal import Decimal

from catenula.base.errors import DecodeError
from catenula.base.integers import AMOUNT_DECIMALS, Amount, parse_amount
from catenula.client.errors import Explanation, InvalidAmount, Reason

Tokens = str | int | Decimal
"""A number of tokens: ``"1.5"``, ``2`` or a decimal; never a float, which cannot be exact."""

_EXACT = (str, int, Decimal)


def amount_from(tokens: Tokens) -> Amount:
    """The amount in attotokens; `InvalidAmount` for what is not an exact number of tokens."""
    if type(tokens) not in _EXACT:
        raise _invalid(tokens, f"a {type(tokens).__name__} is not an exact number of tokens")
    try:
        return parse_amount(f"{tokens:f}" if isinstance(tokens, Decimal) else str(tokens))
    except DecodeError as error:
        raise _invalid(tokens, error.message()) from error


def _invalid(tokens: object, reason: str) -> InvalidAmount:
    return InvalidAmount(
        Explanation(
            f"{tokens!r} is not an amount of tokens",
            reasons=(Reason(reason),),
            next_step='write tokens as "1.5", 2 or a Decimal, with at most 18 decimals',
        )
    )


def tokens_of(amount: int) -> Decimal:
    """The amount as an exact decimal number of tokens, without trailing zeros."""
    whole, fraction = divmod(amount, 10**AMOUNT_DECIMALS)
    return Decimal(f"{whole}.{fraction:0{AMOUNT_DECIMALS}d}".rstrip("0").rstrip("."))
