"""Signatures over 32-byte hashes, and their verification (spec 01 §3).

Immutable ``bytes`` in their canonical binary form, read and shown like the keys in `keys`. A value
that decodes need not verify; ``verify`` returns nothing or raises `SignatureInvalid`.
"""

from typing import Self

from catenula.base.crypto import ed25519, secp256k1
from catenula.base.crypto.errors import SignatureInvalid
from catenula.base.crypto.keys import (
    EVM_ADDRESS_BYTES,
    AccountPublicKey,
    CryptoBytes,
    Ed25519PublicKey,
    Secp256k1PublicKey,
    SignatureScheme,
    evm_address,
    without_prefix,
    wrong_length,
)
from catenula.base.errors import DecodeError
from catenula.base.hashing import keccak256
from catenula.base.identifiers import AccountOwner

_ETHEREUM_PREFIX = b"\x19Ethereum Signed Message:\n32"
_EVEN_RECOVERY_BYTE = 27
_FIRST_CHAIN_RECOVERY_BYTE = 35


class Ed25519Signature(CryptoBytes):
    """R ‖ S; any 64 bytes decode."""

    SIZE = 64

    def verify(self, public_key: Ed25519PublicKey, digest: bytes) -> None:
        """Raise `SignatureInvalid` unless the key signed the 32-byte hash (spec 01 §3.3)."""
        if not ed25519.verify(public_key, self, digest):
            raise SignatureInvalid("Ed25519", public_key)


class Secp256k1Signature(CryptoBytes):
    """r ‖ s, each in 1…n-1: the signature of a validator, or of an account."""

    SIZE = 64

    @classmethod
    def decode(cls, raw: bytes) -> Self:  # type: ignore[override]  # Hides `bytes.decode`.
        """Read 64 bytes with r and s in range; high-s decodes (and never verifies)."""
        if len(raw) != cls.SIZE:
            raise wrong_length(cls, raw)
        if not secp256k1.is_scalar(raw[:32]) or not secp256k1.is_scalar(raw[32:]):
            raise DecodeError("InvalidSignatureBytes", what=cls.__name__, bytes=bytes(raw))
        return cls(raw)

    def verify(self, public_key: Secp256k1PublicKey, digest: bytes) -> None:
        """Raise `SignatureInvalid` unless the key signed the 32-byte hash (spec 01 §3.1)."""
        if not secp256k1.verify(public_key.point(), self, digest):
            raise SignatureInvalid("Secp256k1", public_key)


class EvmSignature(CryptoBytes):
    """r ‖ s ‖ v with v 27 or 28; r and s are not checked when decoded."""

    SIZE = 65

    @classmethod
    def decode(cls, raw: bytes) -> Self:  # type: ignore[override]  # Hides `bytes.decode`.
        """Read 65 bytes; every accepted form of v becomes 27 or 28 (spec 01 §3.2)."""
        if len(raw) != cls.SIZE:
            raise wrong_length(cls, raw)
        parity = _parity(raw[64])
        if parity is None:
            raise DecodeError("InvalidRecoveryByte", what=cls.__name__, recovery_byte=raw[64])
        return cls(raw[:64] + bytes((_EVEN_RECOVERY_BYTE + parity,)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the hex of 65 bytes with an optional ``0x``."""
        return cls.from_json_hex(without_prefix(text))

    def verify(self, address: bytes, digest: bytes) -> None:
        """Raise `SignatureInvalid` unless the key of the 20-byte address signed the hash."""
        parity = self[64] - _EVEN_RECOVERY_BYTE
        coordinates = secp256k1.recover(self[:64], parity, ethereum_digest(digest))
        if coordinates is None or evm_address(coordinates) != address:
            raise SignatureInvalid("EvmSecp256k1", address)


def ethereum_digest(digest: bytes) -> bytes:
    """What an EVM wallet signs for a 32-byte message (EIP-191): 32 raw bytes, not their hex."""
    return keccak256(_ETHEREUM_PREFIX + digest)


def _parity(recovery_byte: int) -> int | None:
    if recovery_byte in (0, 27):
        return 0
    if recovery_byte in (1, 28):
        return 1
    if recovery_byte >= _FIRST_CHAIN_RECOVERY_BYTE:
        return (recovery_byte - _FIRST_CHAIN_RECOVERY_BYTE) % 2
    return None


class AccountSignature(bytes):
    """A signature with its scheme and signer; holds the BCS form of 97, 98 or 86 bytes.

    Tag byte, signature, then the public key, or the 20-byte address for EVM.
    """

    @classmethod
    def decode(cls, raw: bytes) -> Self:  # type: ignore[override]  # Hides `bytes.decode`.
        """Read the whole BCS form, else `DecodeError`."""
        if len(raw) != _ACCOUNT_SIGNATURE_BYTES.get(raw[0] if raw else -1):
            raise DecodeError("InvalidAccountSignature", bytes=bytes(raw[:1]), length=len(raw))
        scheme = raw[0]
        if scheme == SignatureScheme.ED25519:
            return cls(raw)
        if scheme == SignatureScheme.SECP256K1:
            signature = Secp256k1Signature.decode(raw[1:65])
            return cls(b"\x01" + signature + Secp256k1PublicKey.decode(raw[65:]))
        return cls(b"\x02" + EvmSignature.decode(raw[1:66]) + raw[66:])

    @property
    def scheme(self) -> SignatureScheme:
        """The signature scheme."""
        return SignatureScheme(self[0])

    def signer(self) -> AccountOwner:
        """The owner who signed, as the signature says; true once `verify` has passed."""
        if self[0] == SignatureScheme.ED25519:
            return Ed25519PublicKey(self[65:]).owner()
        if self[0] == SignatureScheme.SECP256K1:
            return Secp256k1PublicKey(self[65:]).owner()
        return AccountOwner.address20(self[66:])

    def verify(self, digest: bytes) -> None:
        """Raise `SignatureInvalid` unless the signer signed the 32-byte hash."""
        if self[0] == SignatureScheme.ED25519:
            Ed25519Signature(self[1:65]).verify(Ed25519PublicKey(self[65:]), digest)
        elif self[0] == SignatureScheme.SECP256K1:
            Secp256k1Signature(self[1:65]).verify(Secp256k1PublicKey(self[65:]), digest)
        else:
            EvmSignature(self[1:66]).verify(self[66:], digest)

    def __str__(self) -> str:
        return self.hex()

    def __repr__(self) -> str:
        return f"AccountSignature({self})"


SignedHash = tuple[bytes, bytes]
"""A 32-byte hash, and a signature in the form of `AccountSignature`, which names its signer."""


def account_signature(public_key: AccountPublicKey, signature: CryptoBytes) -> AccountSignature:
    """Join a bare signature with the key that made it."""
    if public_key[0] == SignatureScheme.EVM_SECP256K1:
        return AccountSignature(public_key[:1] + signature + public_key.owner()[1:])
    return AccountSignature(public_key[:1] + signature + public_key[1:])


_ACCOUNT_SIGNATURE_BYTES = {
    0: 1 + Ed25519Signature.SIZE + Ed25519PublicKey.SIZE,
    1: 1 + Secp256k1Signature.SIZE + Secp256k1PublicKey.SIZE,
    2: 1 + EvmSignature.SIZE + EVM_ADDRESS_BYTES,
}
