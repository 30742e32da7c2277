"""Exact Ed25519 verification with plain integers (spec 01 §3.3): slow, for unusual keys only.

Points are in extended coordinates (X, Y, Z, T) with x = X/Z, y = Y/Z and T = XY/Z. Nothing here
handles secrets, so nothing needs constant time.
"""

from hashlib import sha512

GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
"""ℓ, the order of the base point."""

_FIELD = 2**255 - 19
_D = -121665 * pow(121666, -1, _FIELD) % _FIELD
_TWICE_D = 2 * _D % _FIELD
_SQRT_MINUS_ONE = pow(2, (_FIELD - 1) // 4, _FIELD)
_SIGN_BIT = 1 << 255

Point = tuple[int, int, int, int]

IDENTITY: Point = (0, 1, 1, 0)
_BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
_BASE_Y = 46316835694926478169428394003475163141307993866256225615783033603165251855960
BASE: Point = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _FIELD)
"""B, the generator of the prime-order subgroup; y = 4/5."""


def verify(public_key: bytes, signature: bytes, digest: bytes) -> bool:
    """Whether the bytes R are exactly the encoding of S·B − k·A, with S < ℓ.

    No cofactor, no check for small order; A may be non-canonical, R may not.
    """
    key = decompress(public_key)
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or scalar >= GROUP_ORDER:
        return False
    challenge = sha512(signature[:32] + public_key + digest).digest()
    factor = int.from_bytes(challenge, "little") % GROUP_ORDER
    return compress(_combine(scalar, factor, negate(key))) == signature[:32]


def decompress(raw: bytes) -> Point | None:
    """The point of a 32-byte encoding; y is reduced, and x = 0 with the sign bit set is taken."""
    encoded = int.from_bytes(raw, "little")
    y = (encoded & (_SIGN_BIT - 1)) % _FIELD
    numerator, denominator = (y * y - 1) % _FIELD, (_D * y * y + 1) % _FIELD
    x = _square_root(numerator, denominator)
    if x is None:
        return None
    if x & 1 != encoded >> 255:
        x = -x % _FIELD
    return x, y, 1, x * y % _FIELD


def compress(point: Point) -> bytes:
    """The canonical 32-byte encoding."""
    inverse = pow(point[2], -1, _FIELD)
    x, y = point[0] * inverse % _FIELD, point[1] * inverse % _FIELD
    return (y | (x & 1) << 255).to_bytes(32, "little")


def negate(point: Point) -> Point:
    """The inverse of a point."""
    return -point[0] % _FIELD, point[1], point[2], -point[3] % _FIELD


def add(left: Point, right: Point) -> Point:
    """The sum of two points; the formula is complete, so also for equal ones."""
    a = (left[1] - left[0]) * (right[1] - right[0]) % _FIELD
    b = (left[1] + left[0]) * (right[1] + right[0]) % _FIELD
    c = left[3] * _TWICE_D * right[3] % _FIELD
    d = 2 * left[2] * right[2] % _FIELD
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _FIELD, g * h % _FIELD, f * g % _FIELD, e * h % _FIELD


def multiply(factor: int, point: Point) -> Point:
    """``factor`` times ``point``."""
    result = IDENTITY
    for bit in f"{factor:b}":
        result = add(result, result)
        if bit == "1":
            result = add(result, point)
    return result


def _combine(scalar: int, factor: int, point: Point) -> Point:
    """scalar·B + factor·point, both factors below 2^253, in one pass over their bits."""
    choices = (None, BASE, point, add(BASE, point))
    result = IDENTITY
    for position in range(252, -1, -1):
        result = add(result, result)
        choice = choices[(scalar >> position & 1) | (factor >> position & 1) << 1]
        if choice is not None:
            result = add(result, choice)
    return result


def _square_root(numerator: int, denominator: int) -> int | None:
    """A root of numerator / denominator, or None when there is none."""
    cubed = denominator**3 % _FIELD
    seventh = cubed * cubed * denominator % _FIELD
    power = pow(numerator * seventh, (_FIELD - 5) // 8, _FIELD)
    root = numerator * cubed * power % _FIELD
    square = denominator * root * root % _FIELD
    if square == numerator:
        return root
    if square == -numerator % _FIELD:
        return root * _SQRT_MINUS_ONE % _FIELD
    return None
