"""Ed25519 signatures with the reference's rules of acceptance (spec 01 §3.3).

libsodium's rules differ: it refuses keys and nonce points of small order, and its newest releases
accept a signature whose equation holds only up to a point of small order. So its word counts only
where the two rules coincide:

- The key A is a canonical point of prime order. Then S·B − k·A has prime order or is the identity.
- R is not the identity. Then no R that libsodium refuses for its order could be that point.
- After the consent of such a newest release, R is a canonical point of prime order. Then R and
  S·B − k·A differ by a point that has both a small and a prime order: by nothing.

All other signatures are decided by `edwards`, a hundred times slower.
"""

from functools import lru_cache

from nacl.bindings import (
    crypto_core_ed25519_is_valid_point,
    crypto_sign,
    crypto_sign_open,
    crypto_sign_seed_keypair,
)
from nacl.exceptions import BadSignatureError

from catenula.base.crypto import edwards
from catenula.base.limits import MAX_CACHED_KEY_CLASSES

_SIGNATURE_BYTES = 64
_IDENTITY = b"\x01" + bytes(31)
_PROBE_KEY = bytes.fromhex("b862409fb5c4c4123df2abf7462b88f041ad36dd6864ce872fd5472be363c5b1")
_PROBE_SIGNATURE = bytes.fromhex(
    "c79adf3715666d06daf6a5c3fb885da5620c07bd81f43c264d12c9acf62351e4"
    "afa8153af10b59231988e3199f145e04d3346b5aa51e8e9384a2510621aade07"
)
"""Over 32 zero bytes; would be valid with another R, which differs by a point of order 8."""


def key_pair(seed: bytes) -> tuple[bytes, bytes]:
    """Public key (32 bytes) and signing key (64 bytes) of a 32-byte seed."""
    public_key, signing_key = crypto_sign_seed_keypair(seed)
    return public_key, signing_key


def sign(signing_key: bytes, digest: bytes) -> bytes:
    """R ‖ S over a message of 32 bytes; deterministic (RFC 8032)."""
    return crypto_sign(digest, signing_key)[:_SIGNATURE_BYTES]


def verify(public_key: bytes, signature: bytes, digest: bytes) -> bool:
    """Whether R ‖ S is a signature of the key over the 32-byte message. Any bytes may be given."""
    nonce_point = signature[:32]
    if nonce_point == _IDENTITY or not _has_prime_order(public_key):
        return edwards.verify(public_key, signature, digest)
    if not _library_accepts(public_key, signature, digest):
        return False
    return not _library_is_lax() or crypto_core_ed25519_is_valid_point(nonce_point)


def _library_accepts(public_key: bytes, signature: bytes, digest: bytes) -> bool:
    try:
        crypto_sign_open(signature + digest, public_key)
    except BadSignatureError:
        return False
    return True


@lru_cache(maxsize=1)
def _library_is_lax() -> bool:
    """Whether this libsodium lets R be off by a point of small order, found by trying one."""
    return _library_accepts(_PROBE_KEY, _PROBE_SIGNATURE, bytes(32))


@lru_cache(maxsize=MAX_CACHED_KEY_CLASSES)
def _has_prime_order(public_key: bytes) -> bool:
    return crypto_core_ed25519_is_valid_point(public_key)
