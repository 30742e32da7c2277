"""Registers identifiers, keys and signatures with the codec (spec 01 §3, §4)."""

from typing import Any

from catenula.base import crypto, identifiers
from catenula.base.codec.codec import register_scalar
from catenula.base.codec.schema import (
    FixedBytesNode,
    TaggedBytesNode,
    collect_fields,
    is_byte_list,
    json_mismatch,
    split_variant,
)


def _text(value: Any) -> Any:
    return str(value)


def _owner_from_json(data: Any) -> identifiers.AccountOwner:
    if type(data) is not str:
        raise json_mismatch("an owner as a string", data)
    return identifiers.AccountOwner.parse(data)


def _application_to_json(value: identifiers.GenericApplicationId) -> Any:
    return {"User": value[1:].hex()} if value[0] else "System"


def _application_from_json(data: Any) -> identifiers.GenericApplicationId:
    name, payload = split_variant(data)
    if name == "System" and payload is None:
        return identifiers.GenericApplicationId.SYSTEM
    if name == "User" and type(payload) is str:
        return identifiers.GenericApplicationId.user(identifiers.ApplicationId.parse(payload))
    raise json_mismatch("System or User", data)


_SCHEMES = ("Ed25519", "Secp256k1", "EvmSecp256k1")
_KEY_CLASSES: tuple[Any, ...] = (
    crypto.Ed25519PublicKey,
    crypto.Secp256k1PublicKey,
    crypto.EvmPublicKey,
)
_SIGNATURE_CLASSES: tuple[Any, ...] = (
    crypto.Ed25519Signature,
    crypto.Secp256k1Signature,
    crypto.EvmSignature,
)
_SIGNATURE_BYTES = (64, 64, 65)


def _key_to_json(value: crypto.AccountPublicKey) -> Any:
    return {_SCHEMES[value[0]]: value[1:].hex()}


def _scheme_of(data: Any) -> tuple[int, Any]:
    name, payload = split_variant(data)
    if name not in _SCHEMES or payload is None:
        raise json_mismatch("a key scheme with content", data)
    return _SCHEMES.index(name), payload


def _key_from_json(data: Any) -> crypto.AccountPublicKey:
    scheme, payload = _scheme_of(data)
    if type(payload) is not str:
        raise json_mismatch("a public key as a string", payload)
    return crypto.AccountPublicKey(bytes((scheme,)) + _KEY_CLASSES[scheme].from_json_hex(payload))


def _signature_to_json(value: crypto.AccountSignature) -> Any:
    scheme, size = value[0], _SIGNATURE_BYTES[value[0]]
    signature, rest = value[1 : 1 + size], value[1 + size :]
    if scheme == 2:
        return {"EvmSecp256k1": {"signature": signature.hex(), "address": list(rest)}}
    return {_SCHEMES[scheme]: {"signature": signature.hex(), "public_key": rest.hex()}}


def _signature_from_json(data: Any) -> crypto.AccountSignature:
    scheme, payload = _scheme_of(data)
    names = ("signature", "address" if scheme == 2 else "public_key")
    if type(payload) is list and len(payload) == 2:
        found = dict(zip(names, payload, strict=True))
    else:
        found = collect_fields(payload, set(names))
    if len(found) != 2 or type(found["signature"]) is not str:
        raise json_mismatch("a signature", payload)
    signature = _SIGNATURE_CLASSES[scheme].from_json_hex(found["signature"])
    signer = _signer_from_json(scheme, found[names[1]])
    return crypto.AccountSignature.decode(bytes((scheme,)) + signature + signer)


def _signer_from_json(scheme: int, data: Any) -> bytes:
    if scheme == 2:
        if is_byte_list(data) and len(data) == identifiers.EVM_ADDRESS_BYTES:
            return bytes(data)
        raise json_mismatch("an address of 20 numbers", data)
    if type(data) is not str:
        raise json_mismatch("a public key as a string", data)
    key: bytes = _KEY_CLASSES[scheme].from_json_hex(data)
    return key


class _AccountKeyNode(TaggedBytesNode):
    def order_key(self) -> Any:
        return _key_order


def _key_order(value: crypto.AccountPublicKey) -> tuple[int, bytes]:
    """Scheme, then the order of that scheme's keys."""
    key = value.key
    if isinstance(key, crypto.Ed25519PublicKey):
        return (value[0], key)
    return (value[0], key.order_key())


def _register() -> None:
    for hash_class in (identifiers.CryptoHash, identifiers.ChainId, identifiers.ApplicationId):
        node = FixedBytesNode(hash_class, identifiers.HASH_BYTES, validating=False)
        register_scalar(hash_class, node)
    fixed: tuple[tuple[Any, int, Any], ...] = (
        (crypto.Ed25519PublicKey, 32, None),
        (crypto.Ed25519Signature, 64, None),
        (crypto.Secp256k1PublicKey, 33, crypto.Secp256k1PublicKey.order_key),
        (crypto.Secp256k1Signature, 64, None),
        (crypto.EvmPublicKey, 33, crypto.EvmPublicKey.order_key),
        (crypto.EvmSignature, 65, None),
    )
    for cls, size, order in fixed:
        register_scalar(cls, FixedBytesNode(cls, size, validating=True, order=order))
    register_scalar(
        identifiers.AccountOwner,
        TaggedBytesNode(
            identifiers.AccountOwner,
            identifiers.AccountOwner.PAYLOAD_BYTES,
            validating=False,
            json=(_text, _owner_from_json),
        ),
    )
    register_scalar(
        identifiers.GenericApplicationId,
        TaggedBytesNode(
            identifiers.GenericApplicationId,
            identifiers.GenericApplicationId.PAYLOAD_BYTES,
            validating=False,
            json=(_application_to_json, _application_from_json),
        ),
    )
    register_scalar(
        crypto.AccountPublicKey,
        _AccountKeyNode(
            crypto.AccountPublicKey,
            {0: 32, 1: 33, 2: 33},
            validating=True,
            json=(_key_to_json, _key_from_json),
        ),
    )
    register_scalar(
        crypto.AccountSignature,
        TaggedBytesNode(
            crypto.AccountSignature,
            {0: 96, 1: 97, 2: 85},
            validating=True,
            json=(_signature_to_json, _signature_from_json),
        ),
    )


_register()
