"""Secret keys of accounts and validators (spec 01 §3).

Signing is deterministic. A secret leaves an object only through ``to_json``: never through
``repr``, ``str``, pickling, or the fields and causes of an error.
"""

import re
from collections.abc import Callable, Mapping
from typing import ClassVar, NoReturn, Self

from catenula.base.crypto import ed25519, secp256k1
from catenula.base.crypto.keys import (
    AccountPublicKey,
    CryptoBytes,
    Ed25519PublicKey,
    EvmPublicKey,
    Secp256k1PublicKey,
    SignatureScheme,
)
from catenula.base.crypto.signatures import (
    AccountSignature,
    Ed25519Signature,
    EvmSignature,
    Secp256k1Signature,
    account_signature,
    ethereum_digest,
)
from catenula.base.errors import DecodeError, LocalError
from catenula.base.identifiers import AccountOwner
from catenula.base.limits import MAX_GENERATION_ATTEMPTS

SECRET_BYTES = 32
MINIMUM_SCALAR_BYTES = 24
"""Shorter scalars are refused; from here to 31 bytes they are filled with zeros on the left."""

_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*")
_EVEN_RECOVERY_BYTE = 27

RandomBytes = Callable[[int], bytes]
"""A source of that many unpredictable bytes, such as `secrets.token_bytes`."""


def _invalid(what: str, reason: str) -> DecodeError:
    return DecodeError("InvalidSecretKey", what=what, reason=reason)


def _read_hex(text: object, what: str) -> bytes:
    """The bytes of a secret's hex; unlike the general reader, never shows the text."""
    if not isinstance(text, str) or not _HEX.fullmatch(text):
        raise _invalid(what, "not a hex string")
    return bytes.fromhex(text)


def _read_scalar(text: object, what: str) -> bytes:
    raw = _read_hex(text, what)
    if not MINIMUM_SCALAR_BYTES <= len(raw) <= SECRET_BYTES:
        raise _invalid(what, "wrong length")
    scalar = raw.rjust(SECRET_BYTES, b"\0")
    if not secp256k1.is_scalar(scalar):
        raise _invalid(what, "out of range")
    return scalar


def _generate_scalar(random_bytes: RandomBytes) -> bytes:
    for _ in range(MAX_GENERATION_ATTEMPTS):
        candidate = random_bytes(SECRET_BYTES)
        if secp256k1.is_scalar(candidate):
            return candidate
    raise LocalError("the source of random bytes gives no usable secret", retryable=False)


class _Secret:
    """A secret that does not show itself."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is not pickled: it would spread the secret")


class ValidatorSecretKey(_Secret):
    """The key with which a validator signs votes and chain infos."""

    __slots__ = ("_public_key",)

    def __init__(self, secret: bytes) -> None:
        """``secret``: 32 bytes, a scalar in 1…n-1 big-endian, else `DecodeError`."""
        if not secp256k1.is_scalar(secret):
            raise _invalid("ValidatorSecretKey", "out of range")
        super().__init__(bytes(secret))
        self._public_key = Secp256k1PublicKey(secp256k1.point_of_secret(self._secret).compressed)

    @classmethod
    def generate(cls, random_bytes: RandomBytes) -> Self:
        """A new key from a source of random bytes."""
        return cls(_generate_scalar(random_bytes))

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read the JSON form, a hex string."""
        return cls(_read_scalar(data, "ValidatorSecretKey"))

    def to_json(self) -> str:
        """The JSON form: the secret itself in hex."""
        return self._secret.hex()

    def public_key(self) -> Secp256k1PublicKey:
        """The validator's public key."""
        return self._public_key

    def sign(self, digest: bytes) -> Secp256k1Signature:
        """Sign a 32-byte hash. The caller has made the vote durable."""
        return Secp256k1Signature(secp256k1.sign(self._secret, digest))

    def __repr__(self) -> str:
        return f"ValidatorSecretKey(public key {self._public_key})"


class AccountSecretKey(_Secret):
    """The key of an account owner. Made by `generate` and `from_json`."""

    __slots__ = ("_public_key",)

    SCHEME: ClassVar[SignatureScheme]

    def __init__(self, secret: bytes, public_key: AccountPublicKey) -> None:
        super().__init__(secret)
        self._public_key = public_key

    @classmethod
    def generate(cls, scheme: SignatureScheme, random_bytes: RandomBytes) -> "AccountSecretKey":
        """A new key of a scheme from a source of random bytes."""
        if scheme == SignatureScheme.ED25519:
            return Ed25519SecretKey(random_bytes(SECRET_BYTES))
        return _CURVE_CLASSES[scheme](_generate_scalar(random_bytes))

    @classmethod
    def from_json(cls, data: object) -> "AccountSecretKey":
        """Read the JSON form ``{"<scheme>": "<hex>"}``, given as a mapping or as pairs."""
        entries = list(data.items()) if isinstance(data, Mapping) else data
        if not isinstance(entries, list) or len(entries) != 1:
            raise _invalid("AccountSecretKey", "not an object with one field")
        name, text = entries[0]
        if name == SignatureScheme.ED25519.json_name:
            return Ed25519SecretKey(_read_seed(text))
        for scheme, secret_class in _CURVE_CLASSES.items():
            if name == scheme.json_name:
                return secret_class(_read_scalar(text, secret_class.__name__))
        raise _invalid("AccountSecretKey", "unknown scheme")

    def to_json(self) -> dict[str, str]:
        """The JSON form: the secret itself in hex."""
        return {self.SCHEME.json_name: self._secret[:SECRET_BYTES].hex()}

    def public_key(self) -> AccountPublicKey:
        """The public key."""
        return self._public_key

    def owner(self) -> AccountOwner:
        """The account owner this key controls."""
        return self._public_key.owner()

    def sign(self, digest: bytes) -> AccountSignature:
        """Sign a 32-byte hash."""
        return account_signature(self._public_key, self._sign(digest))

    def _sign(self, digest: bytes) -> CryptoBytes:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}(owner {self.owner()})"


class Ed25519SecretKey(AccountSecretKey):
    """An Ed25519 account key."""

    __slots__ = ()
    SCHEME = SignatureScheme.ED25519

    def __init__(self, seed: bytes) -> None:
        public_key, signing_key = ed25519.key_pair(seed)
        super().__init__(signing_key, AccountPublicKey.of(Ed25519PublicKey(public_key)))

    def _sign(self, digest: bytes) -> Ed25519Signature:
        return Ed25519Signature(ed25519.sign(self._secret, digest))


class Secp256k1SecretKey(AccountSecretKey):
    """A secp256k1 account key."""

    __slots__ = ()
    SCHEME = SignatureScheme.SECP256K1

    def __init__(self, scalar: bytes) -> None:
        key = Secp256k1PublicKey(secp256k1.point_of_secret(scalar).compressed)
        super().__init__(scalar, AccountPublicKey.of(key))

    def _sign(self, digest: bytes) -> Secp256k1Signature:
        return Secp256k1Signature(secp256k1.sign(self._secret, digest))


class EvmSecretKey(AccountSecretKey):
    """The key of an EVM account; signs as an EVM wallet does (EIP-191)."""

    __slots__ = ()
    SCHEME = SignatureScheme.EVM_SECP256K1

    def __init__(self, scalar: bytes) -> None:
        key = EvmPublicKey(secp256k1.point_of_secret(scalar).compressed)
        super().__init__(scalar, AccountPublicKey.of(key))

    def _sign(self, digest: bytes) -> EvmSignature:
        signature, parity = secp256k1.sign_recoverable(self._secret, ethereum_digest(digest))
        return EvmSignature(signature + bytes((_EVEN_RECOVERY_BYTE + parity,)))


def _read_seed(text: object) -> bytes:
    seed = _read_hex(text, "Ed25519SecretKey")
    if len(seed) != SECRET_BYTES:
        raise _invalid("Ed25519SecretKey", "wrong length")
    return seed


_CURVE_CLASSES: dict[SignatureScheme, type[Secp256k1SecretKey] | type[EvmSecretKey]] = {
    SignatureScheme.SECP256K1: Secp256k1SecretKey,
    SignatureScheme.EVM_SECP256K1: EvmSecretKey,
}
