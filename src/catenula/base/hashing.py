"""The protocol's hash functions (spec 01 §2).

Only bytes go in: what is hashed is the BCS form of a value, computed or received elsewhere.
"""

import hashlib

from sha3 import keccak_256 as _keccak_256

from catenula.base.identifiers import CryptoHash

_PREFIXES: dict[str, bytes] = {}
"""``name::`` per hash name. Names are constants of this program, so there are a few dozen."""


def keccak256(data: bytes) -> bytes:
    """Keccak-256 with the original padding 0x01 (not SHA3), 32 bytes."""
    digest: bytes = _keccak_256(data).digest()
    return digest


def sha3_256(data: bytes) -> bytes:
    """SHA3-256 of the standard, 32 bytes; used by the hashes of storage views (spec 03)."""
    return hashlib.sha3_256(data).digest()


def typed_hash(name: str, bcs: bytes) -> CryptoHash:
    """The hash of a value: Keccak of its type's ``name``, ``::`` and its BCS form."""
    prefix = _PREFIXES.get(name)
    if prefix is None:
        prefix = _PREFIXES[name] = name.encode("ascii") + b"::"
    return CryptoHash(_keccak_256(prefix + bcs).digest())
