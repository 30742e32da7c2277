"""Keys that are the same in every run; never to be used outside of tests."""

from catenula.base.crypto import AccountSecretKey, SignatureScheme, ValidatorSecretKey
from catenula.base.crypto.secret_keys import RandomBytes
from catenula.base.hashing import sha3_256


def predictable_bytes(label: str) -> RandomBytes:
    """A source of bytes that depends on ``label`` only; each call goes on where the last ended."""
    calls = 0

    def next_bytes(count: int) -> bytes:
        nonlocal calls
        calls += 1
        blocks = range(count // 32 + 1)
        return b"".join(sha3_256(f"{label}/{calls}/{block}".encode()) for block in blocks)[:count]

    return next_bytes


def account_key(number: int, scheme: SignatureScheme = SignatureScheme.ED25519) -> AccountSecretKey:
    """The key of owner ``number``."""
    return AccountSecretKey.generate(scheme, predictable_bytes(f"account {number}"))


def validator_key(number: int) -> ValidatorSecretKey:
    """The consensus key of validator ``number``."""
    return ValidatorSecretKey.generate(predictable_bytes(f"validator {number}"))
