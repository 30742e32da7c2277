"""Messages that hold one value in one field, and access to them inside other messages.

Their bytes are raw, BCS or bincode, as spec 01 §7.2 says for each. Every reader raises only
`DecodeError`.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from catenula.base.codec import codec_of
from catenula.base.crypto import (
    AccountPublicKey,
    AccountSignature,
    Secp256k1PublicKey,
    Secp256k1Signature,
)
from catenula.base.errors import DecodeError
from catenula.base.identifiers import AccountOwner, ChainId, CryptoHash
from catenula.base.integers import BlockHeight
from catenula.protocol import BlobContent, BlobId, EventId, StreamId


class ValueField(NamedTuple):
    """How a message's only field holds a value."""

    name: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


def _bincode(annotation: Any) -> ValueField:
    codec = codec_of(annotation)
    return ValueField("bytes", codec.to_bincode, codec.from_bincode)


def _bcs(name: str, annotation: Any) -> ValueField:
    codec = codec_of(annotation)
    return ValueField(name, codec.to_bcs, codec.from_bcs)


CHAIN_ID = ValueField("bytes", _same, ChainId.decode)
CRYPTO_HASH = ValueField("bytes", _same, CryptoHash.decode)
ACCOUNT_OWNER = _bincode(AccountOwner)
BLOB_ID = _bincode(BlobId)
BLOB_CONTENT = _bincode(BlobContent)
STREAM_ID = _bincode(StreamId)
BLOCK_HEIGHT = ValueField("height", _same, _same)
ACCOUNT_SIGNATURE = ValueField("bytes", _same, AccountSignature.decode)
ACCOUNT_PUBLIC_KEY = ValueField("bytes", _same, AccountPublicKey.decode)
VALIDATOR_SIGNATURE = ValueField("bytes", _same, Secp256k1Signature.decode)
VALIDATOR_PUBLIC_KEY = ValueField("bytes", _same, Secp256k1PublicKey.from_sec1)
EVENT_IDS = _bcs("event_ids", tuple[EventId, ...])
EVENT_HEIGHTS = _bcs("heights", tuple[BlockHeight | None, ...])

VALUE_FIELDS: dict[str, ValueField] = {
    "ChainId": CHAIN_ID,
    "CryptoHash": CRYPTO_HASH,
    "AccountOwner": ACCOUNT_OWNER,
    "BlobId": BLOB_ID,
    "BlobContent": BLOB_CONTENT,
    "StreamId": STREAM_ID,
    "BlockHeight": BLOCK_HEIGHT,
    "AccountSignature": ACCOUNT_SIGNATURE,
    "AccountPublicKey": ACCOUNT_PUBLIC_KEY,
    "ValidatorSignature": VALIDATOR_SIGNATURE,
    "ValidatorPublicKey": VALIDATOR_PUBLIC_KEY,
    "EventBlockHeightsRequest": EVENT_IDS,
    "EventBlockHeightsResponse": EVENT_HEIGHTS,
}
"""By message name."""


def put(message: Any, field: ValueField, value: Any) -> None:
    """Write ``value`` into the sub-message ``message``, which becomes present."""
    setattr(message, field.name, field.write(value))
    message.SetInParent()


def put_all(messages: Any, field: ValueField, values: Iterable[Any]) -> None:
    """Append one sub-message per value to a repeated field."""
    name, write = field.name, field.write
    for value in values:
        setattr(messages.add(), name, write(value))


def take(message: Any, name: str, field: ValueField) -> Any:
    """Read a required sub-message; `DecodeError` when it is absent."""
    return field.read(getattr(required(message, name), field.name))


def take_optional(message: Any, name: str, field: ValueField) -> Any:
    """Read a sub-message, or None when it is absent."""
    return take(message, name, field) if message.HasField(name) else None


def take_all(messages: Any, field: ValueField) -> tuple[Any, ...]:
    """Read a repeated field of sub-messages."""
    name, read = field.name, field.read
    return tuple(read(getattr(message, name)) for message in messages)


def required(message: Any, name: str) -> Any:
    """A sub-message that must be present, else `DecodeError`."""
    if not message.HasField(name):
        raise DecodeError("MissingField", message=message.DESCRIPTOR.name, field=name)
    return getattr(message, name)


def check_chain_id(outer: Any, inner: ChainId) -> None:
    """The chain a request is addressed to must be the chain it is about, else `DecodeError`."""
    if outer != inner:
        raise DecodeError("InconsistentChainId", outer=outer, inner=inner)
