"""The curve secp256k1: points, ECDSA over a 32-byte prehash, key recovery (spec 01 §3.1-§3.2).

Works on raw bytes; the value types are in `keys` and `signatures`. Goes to libsecp256k1 below the
classes of coincurve, which parse the key and a DER signature on every call. Parsed points are kept
in one bounded cache per process: it holds nothing but what is computed from a point's own bytes.
"""

from functools import lru_cache
from typing import Any, NamedTuple

from coincurve import _libsecp256k1
from coincurve.context import GLOBAL_CONTEXT

from catenula.base.errors import invariant
from catenula.base.limits import MAX_CACHED_POINTS

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Number of points of the curve, the modulus of r and s."""

_HASH_BYTES = 32
_SCALAR_BYTES = 32
_SIGNATURE_BYTES = 64
_COMPRESSED_BYTES = 33
_UNCOMPRESSED_BYTES = 65
_EVEN_Y, _UNCOMPRESSED, _COMPACT = 0x02, 0x04, 0x05

_ZERO = bytes(_SCALAR_BYTES)
_ORDER_BYTES = ORDER.to_bytes(_SCALAR_BYTES, "big")
_HALF_ORDER_BYTES = (ORDER // 2).to_bytes(_SCALAR_BYTES, "big")

_ffi, _lib = _libsecp256k1.ffi, _libsecp256k1.lib
_CONTEXT = GLOBAL_CONTEXT.ctx
_POINT = _ffi.typeof("secp256k1_pubkey *")
_SIGNATURE = _ffi.typeof("secp256k1_ecdsa_signature *")
_RECOVERABLE = _ffi.typeof("secp256k1_ecdsa_recoverable_signature *")
_OUTPUT_64 = _ffi.typeof("unsigned char[64]")
_OUTPUT_65 = _ffi.typeof("unsigned char[65]")
_SIZE = _ffi.typeof("size_t *")
_INT = _ffi.typeof("int *")
_NULL = _ffi.NULL


class CurvePoint(NamedTuple):
    """A point of the curve other than the identity, parsed."""

    compressed: bytes
    """33 bytes: 02 or 03, then X."""
    coordinates: bytes
    """64 bytes: X, then Y, big-endian."""
    handle: Any
    """The library's own form."""


def is_scalar(raw: bytes) -> bool:
    """Whether 32 big-endian bytes are in 1…n-1."""
    return _ZERO < raw < _ORDER_BYTES and len(raw) == _SCALAR_BYTES


@lru_cache(maxsize=MAX_CACHED_POINTS)
def load_point(compressed: bytes) -> CurvePoint | None:
    """The point with this canonical compressed form (02 or 03, 33 bytes), or None."""
    if len(compressed) != _COMPRESSED_BYTES:
        return None
    handle = _ffi.new(_POINT)
    if not _lib.secp256k1_ec_pubkey_parse(_CONTEXT, handle, compressed, _COMPRESSED_BYTES):
        return None
    return CurvePoint(bytes(compressed), _coordinates(handle), handle)


def parse_compressed(raw: bytes) -> CurvePoint | None:
    """Read 33 bytes of SEC1; tag 05 (compact) means even Y. None when they are not a point."""
    if raw[:1] == b"\x05":
        raw = b"\x02" + raw[1:]
    return load_point(raw)


def parse_sec1(raw: bytes) -> CurvePoint | None:
    """Read 33 bytes as `parse_compressed` does, or 65 uncompressed bytes (not the hybrid form)."""
    if len(raw) != _UNCOMPRESSED_BYTES:
        return parse_compressed(raw)
    handle = _ffi.new(_POINT)
    if raw[0] != _UNCOMPRESSED:
        return None
    if not _lib.secp256k1_ec_pubkey_parse(_CONTEXT, handle, raw, _UNCOMPRESSED_BYTES):
        return None
    return load_point(_compress(raw[1:]))


def point_of_secret(secret: bytes) -> CurvePoint:
    """The public point of a secret scalar; ``secret`` must satisfy `is_scalar`."""
    handle = _ffi.new(_POINT)
    invariant(is_scalar(secret), "B1", reason="a secret scalar is out of range")
    _lib.secp256k1_ec_pubkey_create(_CONTEXT, handle, secret)
    point = load_point(_compress(_coordinates(handle)))
    invariant(point is not None, "B2", reason="a computed point does not parse")
    return point  # type: ignore[return-value]  # The invariant excludes None.


def sign(secret: bytes, digest: bytes) -> bytes:
    """Deterministic low-s signature r ‖ s over a 32-byte prehash."""
    _check_digest(digest)
    signature = _ffi.new(_SIGNATURE)
    signed = _lib.secp256k1_ecdsa_sign(_CONTEXT, signature, digest, secret, _NULL, _NULL)
    invariant(signed, "B1", reason="a secret scalar is out of range")
    output = _ffi.new(_OUTPUT_64)
    _lib.secp256k1_ecdsa_signature_serialize_compact(_CONTEXT, output, signature)
    return bytes(_ffi.buffer(output))


def sign_recoverable(secret: bytes, digest: bytes) -> tuple[bytes, int]:
    """As `sign`, with the parity of the nonce point's Y."""
    _check_digest(digest)
    signature = _ffi.new(_RECOVERABLE)
    signed = _lib.secp256k1_ecdsa_sign_recoverable(
        _CONTEXT, signature, digest, secret, _NULL, _NULL
    )
    invariant(signed, "B1", reason="a secret scalar is out of range")
    output, recovery = _ffi.new(_OUTPUT_64), _ffi.new(_INT)
    _lib.secp256k1_ecdsa_recoverable_signature_serialize_compact(
        _CONTEXT, output, recovery, signature
    )
    return bytes(_ffi.buffer(output)), recovery[0] & 1


def verify(point: CurvePoint, signature: bytes, digest: bytes) -> bool:
    """Whether r ‖ s is a signature over the prehash; high-s never is (spec 01 §3.1)."""
    _check_digest(digest)
    if len(signature) != _SIGNATURE_BYTES:
        return False
    parsed = _ffi.new(_SIGNATURE)
    if not _lib.secp256k1_ecdsa_signature_parse_compact(_CONTEXT, parsed, signature):
        return False
    return bool(_lib.secp256k1_ecdsa_verify(_CONTEXT, parsed, digest, point.handle))


def recover(signature: bytes, parity: int, digest: bytes) -> bytes | None:
    """X ‖ Y of the key that made r ‖ s over the prehash, or None.

    High-s counts as its low-s twin of the other parity (spec 01 §3.2).
    """
    _check_digest(digest)
    r, s = signature[:_SCALAR_BYTES], signature[_SCALAR_BYTES:]
    if not is_scalar(r) or not is_scalar(s):
        return None
    if s > _HALF_ORDER_BYTES:
        low = ORDER - int.from_bytes(s, "big")
        signature, parity = r + low.to_bytes(_SCALAR_BYTES, "big"), 1 - parity
    parsed, handle = _ffi.new(_RECOVERABLE), _ffi.new(_POINT)
    _lib.secp256k1_ecdsa_recoverable_signature_parse_compact(_CONTEXT, parsed, signature, parity)
    if not _lib.secp256k1_ecdsa_recover(_CONTEXT, handle, parsed, digest):
        return None
    return _coordinates(handle)


def _check_digest(digest: bytes) -> None:
    # The library reads 32 bytes whatever it is given.
    if len(digest) != _HASH_BYTES:
        invariant(False, "B1", reason="a signed hash has 32 bytes", length=len(digest))


def _coordinates(handle: Any) -> bytes:
    output, size = _ffi.new(_OUTPUT_65), _ffi.new(_SIZE, _UNCOMPRESSED_BYTES)
    uncompressed = _lib.SECP256K1_EC_UNCOMPRESSED
    _lib.secp256k1_ec_pubkey_serialize(_CONTEXT, output, size, handle, uncompressed)
    return bytes(_ffi.buffer(output))[1:]


def _compress(coordinates: bytes) -> bytes:
    return bytes((_EVEN_Y + (coordinates[-1] & 1),)) + coordinates[:_SCALAR_BYTES]
