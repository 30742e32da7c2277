"""Public keys: immutable ``bytes`` in their canonical binary form (spec 01 §3).

``decode`` takes what the reference's BCS and bincode decoders take, ``from_json_hex`` what its JSON
reader takes, ``parse`` what its text parser takes; each gives the canonical value or a
`DecodeError`. The constructors check nothing.
"""

from enum import IntEnum
from typing import ClassVar, Self

from catenula.base.crypto import secp256k1
from catenula.base.errors import DecodeError
from catenula.base.hashing import keccak256, typed_hash
from catenula.base.identifiers import AccountOwner, decode_hex

EVM_ADDRESS_BYTES = 20


class SignatureScheme(IntEnum):
    """The signature schemes of accounts, numbered as in `AccountPublicKey`."""

    ED25519 = 0
    SECP256K1 = 1
    EVM_SECP256K1 = 2

    @property
    def json_name(self) -> str:
        """The name of the variant in JSON."""
        return _JSON_NAMES[self]


_JSON_NAMES = ("Ed25519", "Secp256k1", "EvmSecp256k1")


class CryptoBytes(bytes):
    """Bytes of a key or a signature; text form hex."""

    SIZE: ClassVar[int]
    """Number of bytes of the binary form."""

    @classmethod
    def decode(cls, raw: bytes) -> Self:  # type: ignore[override]  # Hides `bytes.decode`.
        """The value with this binary form, else `DecodeError`."""
        if len(raw) != cls.SIZE:
            raise wrong_length(cls, raw)
        return cls(raw)

    @classmethod
    def from_json_hex(cls, text: str) -> Self:
        """Read the hex string of the JSON form (no ``0x``), else `DecodeError`."""
        return cls.decode(decode_hex(text, cls.__name__))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form, else `DecodeError`."""
        return cls.from_json_hex(text)

    def __str__(self) -> str:
        return self.hex()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.hex()})"


def wrong_length(cls: type[CryptoBytes], raw: bytes) -> DecodeError:
    """The error of a value of the wrong size."""
    return DecodeError("InvalidLength", what=cls.__name__, length=len(raw), expected=cls.SIZE)


def without_prefix(text: str) -> str:
    """Drop the ``0x`` that the text parsers of EVM keys and signatures allow."""
    return text.removeprefix("0x")


class Ed25519PublicKey(CryptoBytes):
    """An Ed25519 public key; any 32 bytes decode."""

    SIZE = 32

    def owner(self) -> AccountOwner:
        """The account owner this key controls."""
        return AccountOwner.address32(typed_hash("Ed25519PublicKey", self))


class _CurveKey(CryptoBytes):
    """A point of secp256k1, 33 bytes compressed."""

    SIZE = 33

    @classmethod
    def decode(cls, raw: bytes) -> Self:  # type: ignore[override]  # Hides `bytes.decode`.
        """Read 33 bytes of SEC1: tag 02 or 03, or 05 for an even Y (spec 01 §3.1)."""
        if len(raw) != cls.SIZE:
            raise wrong_length(cls, raw)
        return cls._of_point(secp256k1.parse_compressed(raw), raw)

    @classmethod
    def from_sec1(cls, raw: bytes) -> Self:
        """Read 33 bytes as `decode` does, or 65 uncompressed bytes (raw protobuf fields, hex)."""
        if len(raw) not in (cls.SIZE, 65):
            raise wrong_length(cls, raw)
        return cls._of_point(secp256k1.parse_sec1(raw), raw)

    @classmethod
    def from_json_hex(cls, text: str) -> Self:
        """Read the hex of 33 or 65 bytes (no ``0x``)."""
        return cls.from_sec1(decode_hex(text, cls.__name__))

    @classmethod
    def _of_point(cls, point: secp256k1.CurvePoint | None, raw: bytes) -> Self:
        if point is None:
            raise DecodeError("InvalidPublicKey", what=cls.__name__, bytes=bytes(raw))
        return cls(point.compressed)

    def order_key(self) -> bytes:
        """X ‖ Y, by which keys are ordered as values (spec 01 §3.1); 64 bytes."""
        return self.point().coordinates

    def point(self) -> secp256k1.CurvePoint:
        """The parsed point; cached by the process."""
        point = secp256k1.load_point(self)
        if point is None:
            raise DecodeError("InvalidPublicKey", what=type(self).__name__, bytes=bytes(self))
        return point


class Secp256k1PublicKey(_CurveKey):
    """The key of a validator, or of an account; compressed, tag 02 or 03."""

    def owner(self) -> AccountOwner:
        """The account owner this key controls."""
        return AccountOwner.address32(typed_hash("Secp256k1PublicKey", self))


class EvmPublicKey(_CurveKey):
    """The key of an EVM account; compressed, tag 02 or 03."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the hex of 33 or 65 bytes with an optional ``0x``."""
        return cls.from_json_hex(without_prefix(text))

    def owner(self) -> AccountOwner:
        """The account owner this key controls: its EVM address."""
        return AccountOwner.address20(evm_address(self.point().coordinates))


def evm_address(coordinates: bytes) -> bytes:
    """The 20-byte EVM address of a key given as X ‖ Y."""
    return keccak256(coordinates)[-EVM_ADDRESS_BYTES:]


PublicKey = Ed25519PublicKey | Secp256k1PublicKey | EvmPublicKey

_KEY_CLASSES: tuple[type[PublicKey], ...] = (Ed25519PublicKey, Secp256k1PublicKey, EvmPublicKey)


class AccountPublicKey(bytes):
    """A public key with its scheme; holds the BCS form: tag byte and key."""

    @classmethod
    def of(cls, key: PublicKey) -> Self:
        """The account key of a key of one of the schemes."""
        return cls(bytes((_KEY_CLASSES.index(type(key)),)) + key)

    @classmethod
    def decode(cls, raw: bytes) -> Self:  # type: ignore[override]  # Hides `bytes.decode`.
        """Read the whole BCS form, else `DecodeError`."""
        if not raw or raw[0] >= len(_KEY_CLASSES):
            raise DecodeError("InvalidVariant", what=cls.__name__, bytes=bytes(raw[:1]))
        return cls(raw[:1] + _KEY_CLASSES[raw[0]].decode(raw[1:]))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the hex of the BCS form (no ``0x``)."""
        return cls.decode(decode_hex(text, cls.__name__))

    @property
    def scheme(self) -> SignatureScheme:
        """The key's signature scheme."""
        return SignatureScheme(self[0])

    @property
    def key(self) -> PublicKey:
        """The key without its tag."""
        return _KEY_CLASSES[self[0]](self[1:])

    def owner(self) -> AccountOwner:
        """The account owner this key controls."""
        return self.key.owner()

    def __str__(self) -> str:
        return self.hex()

    def __repr__(self) -> str:
        return f"AccountPublicKey({self})"
