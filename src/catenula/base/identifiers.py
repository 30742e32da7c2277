"""Identifiers that are made of bytes: hashes, chain and application ids, owners.

Each is an immutable ``bytes`` subclass holding the binary (BCS) form, so that it hashes, compares
and sorts at the speed of bytes and encodes without work; ``str()`` gives the protocol's text form
(spec 01 §4.1). The byte order of these types is the protocol's value order (spec 01 §1.3).
"""

from typing import ClassVar, Self

from catenula.base.errors import DecodeError

HASH_BYTES = 32
EVM_ADDRESS_BYTES = 20
EVM_ID_ZERO_BYTES = bytes(12)


def decode_hex(text: str, what: str) -> bytes:
    """The bytes of a hex text without prefix, any case; `DecodeError` otherwise."""
    if not text.isascii() or len(text) % 2 or not _HEX_DIGITS.issuperset(text):
        raise DecodeError("InvalidHex", what=what, text=text)
    return bytes.fromhex(text)


_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


class CryptoHash(bytes):
    """A 32-byte Keccak-256 value; text form 64 hex digits."""

    @classmethod
    def decode(cls, raw: bytes) -> Self:  # type: ignore[override]  # Not text: the wire form.
        """Take exactly 32 bytes, else `DecodeError`."""
        if len(raw) != HASH_BYTES:
            raise DecodeError("InvalidLength", what=cls.__name__, length=len(raw), expected=32)
        return cls(raw)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read 64 hex digits (any case), else `DecodeError`."""
        return cls.decode(decode_hex(text, cls.__name__))

    def __str__(self) -> str:
        return self.hex()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.hex()})"


class ChainId(CryptoHash):
    """The hash of a chain's description blob."""


class ApplicationId(CryptoHash):
    """The hash of an application's description blob (last 12 bytes zero for EVM, spec 01 §4.2)."""

    def is_evm(self) -> bool:
        """Whether this application runs on the EVM."""
        return self[EVM_ADDRESS_BYTES:] == EVM_ID_ZERO_BYTES

    def owner(self) -> "AccountOwner":
        """The account owner that stands for this application."""
        return AccountOwner.address32(self)


class AccountOwner(bytes):
    """The owner of an account: ``Reserved(u8)``, ``Address32`` or ``Address20`` (spec 01 §4.1).

    Holds the BCS form: tag byte 0, 1 or 2 and 1, 32 or 20 bytes.
    """

    CHAIN: ClassVar["AccountOwner"]
    """The chain's own balance, ``0x00``."""

    PAYLOAD_BYTES: ClassVar[dict[int, int]] = {0: 1, 1: HASH_BYTES, 2: EVM_ADDRESS_BYTES}

    @classmethod
    def reserved(cls, number: int) -> "AccountOwner":
        """A reserved owner, 0…255."""
        return cls(bytes((0, number)))

    @classmethod
    def address32(cls, address: bytes) -> "AccountOwner":
        """The owner of a 32-byte address (a key hash or an application id)."""
        return cls(b"\x01" + address)

    @classmethod
    def address20(cls, address: bytes) -> "AccountOwner":
        """The owner of a 20-byte EVM address."""
        return cls(b"\x02" + address)

    @classmethod
    def from_bytes32(cls, raw: bytes) -> "AccountOwner":
        """Convert a raw 32-byte value: 12 leading zero bytes mean an EVM address (spec 01 §4.1)."""
        if len(raw) != HASH_BYTES:
            raise DecodeError("InvalidLength", what="AccountOwner", length=len(raw), expected=32)
        if raw[:12] == EVM_ID_ZERO_BYTES:
            return cls.address20(raw[12:])
        return cls.address32(raw)

    @classmethod
    def parse(cls, text: str) -> "AccountOwner":
        """Read ``0x`` and 2, 40 or 64 hex digits, else `DecodeError`."""
        if not text.startswith("0x"):
            raise DecodeError("InvalidOwner", text=text, expected="0x and 2, 40 or 64 hex digits")
        tag = {2: b"\x00", 64: b"\x01", 40: b"\x02"}.get(len(text) - 2)
        if tag is None:
            raise DecodeError("InvalidOwner", text=text, expected="0x and 2, 40 or 64 hex digits")
        return cls(tag + decode_hex(text[2:], "AccountOwner"))

    @property
    def size(self) -> int:
        """Number of payload bytes: 1, 32 or 20."""
        return len(self) - 1

    def __str__(self) -> str:
        return "0x" + self[1:].hex()

    def __repr__(self) -> str:
        return f"AccountOwner({self})"


AccountOwner.CHAIN = AccountOwner.reserved(0)


class GenericApplicationId(bytes):
    """``System`` or ``User(application id)``; holds the BCS form."""

    SYSTEM: ClassVar["GenericApplicationId"]

    PAYLOAD_BYTES: ClassVar[dict[int, int]] = {0: 0, 1: HASH_BYTES}

    @classmethod
    def user(cls, application_id: ApplicationId) -> "GenericApplicationId":
        """The generic id of a user application."""
        return cls(b"\x01" + application_id)

    @property
    def application_id(self) -> ApplicationId | None:
        """The user application, or None for the system application."""
        return ApplicationId(self[1:]) if self[0] else None

    @classmethod
    def parse(cls, text: str) -> "GenericApplicationId":
        """Read ``System`` or ``User:<64 hex>``, else `DecodeError`."""
        if text == "System":
            return cls.SYSTEM
        prefix, _, digits = text.partition(":")
        if prefix != "User":
            raise DecodeError("InvalidApplicationId", text=text, expected="System or User:<id>")
        return cls.user(ApplicationId.parse(digits))

    def __str__(self) -> str:
        return f"User:{self[1:].hex()}" if self[0] else "System"

    def __repr__(self) -> str:
        return f"GenericApplicationId({self})"


GenericApplicationId.SYSTEM = GenericApplicationId(b"\x00")
