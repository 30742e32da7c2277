"""Keys, secrets and signatures: fields of key entries, and the entries of signature checks."""

from typing import Any

from catenula.base.codec import codec_of, parse_json
from catenula.base.crypto import (
    AccountPublicKey,
    AccountSecretKey,
    AccountSignature,
    Ed25519PublicKey,
    EvmPublicKey,
    Secp256k1PublicKey,
    Secp256k1Signature,
    ValidatorSecretKey,
)
from catenula.base.crypto.keys import evm_address
from catenula.base.crypto.signatures import ethereum_digest
from catenula.base.errors import DecodeError
from catenula.base.hashing import typed_hash
from catenula.base.identifiers import CryptoHash
from catenula.conformance.entries import Entry
from catenula.conformance.value_fields import Fields, shown, verifies
from catenula.protocol.registry import codec_by_name

_ACCOUNT_SIGNATURE = codec_of(AccountSignature)
_VALIDATOR_SIGNATURE = codec_of(Secp256k1Signature)
_KEY = codec_of(Secp256k1PublicKey)
_VALIDATOR_SCHEME = "Validator"


def _coordinates(value: AccountPublicKey) -> bytes:
    key = value.key
    if isinstance(key, Ed25519PublicKey):
        raise DecodeError("NoCurvePoint", key=value)
    return key.point().coordinates


def _key_json(value: AccountPublicKey) -> Any:
    return codec_by_name(type(value.key).__name__).to_json(value.key)


def _check_key_hash(entry: Entry, value: AccountPublicKey) -> None:
    entry.expect("public_key_hash_name", type(value.key).__name__)
    found = typed_hash(entry["public_key_hash_name"], value.key)
    entry.expect("public_key_hash", str(found))


def _check_account_signatures(entry: Entry, value: AccountPublicKey) -> None:
    """The secret of the entry has the entry's key and makes the recorded signatures."""
    secret = AccountSecretKey.from_json(entry["secret_json"])
    entry.compare("secret_json → key", str(value), str(secret.public_key()))
    entry.compare("secret_json → JSON", entry["secret_json"], secret.to_json())
    for case in entry.parts("signatures"):
        with case.step("signature"):
            _check_account_signature(case, value, secret)


def _check_account_signature(case: Entry, key: AccountPublicKey, secret: AccountSecretKey) -> None:
    digest = CryptoHash.parse(case["hash"])
    signature = secret.sign(digest)
    size = 65 if isinstance(key.key, EvmPublicKey) else 64
    case.expect("raw", signature[1 : 1 + size].hex())
    case.expect("json", _ACCOUNT_SIGNATURE.to_json(signature))
    case.expect("bcs", _ACCOUNT_SIGNATURE.to_bcs(signature).hex())
    case.expect("bincode", _ACCOUNT_SIGNATURE.to_bincode(signature).hex())
    if "owner" in case:
        case.expect("owner", str(signature.signer()))
    if "eip191_digest" in case:
        case.expect("eip191_digest", ethereum_digest(digest).hex())
    signature.verify(digest)


def _check_validator_signatures(entry: Entry, value: Secp256k1PublicKey) -> None:
    secret = ValidatorSecretKey.from_json(entry["secret_json"])
    entry.compare("secret_json → key", str(value), str(secret.public_key()))
    entry.compare("secret_json → JSON", entry["secret_json"], secret.to_json())
    for case in entry.parts("signatures"):
        with case.step("signature"):
            digest = CryptoHash.parse(case["hash"])
            signature = secret.sign(digest)
            case.expect("raw", signature.hex())
            case.expect("json", _VALIDATOR_SIGNATURE.to_json(signature))
            case.expect("bcs", _VALIDATOR_SIGNATURE.to_bcs(signature).hex())
            case.expect("bincode", _VALIDATOR_SIGNATURE.to_bincode(signature).hex())
            signature.verify(value, digest)


def _used_elsewhere(entry: Entry, value: Any) -> None:
    """The field is used by the check of another one."""


KEY_FIELDS: dict[str, Fields] = {
    "AccountPublicKey": {
        "scheme": shown("scheme", lambda value: value.scheme.json_name),
        "secret_json": _used_elsewhere,
        "signatures": _check_account_signatures,
        "public_key_raw": shown("public_key_raw", lambda value: value.key.hex()),
        "public_key_json": shown("public_key_json", _key_json),
        "public_key_hash_name": _used_elsewhere,
        "public_key_hash": _check_key_hash,
        "owner": shown("owner", lambda value: str(value.owner())),
        "owner_bcs": shown("owner_bcs", lambda value: value.owner().hex()),
        "uncompressed": shown("uncompressed", lambda value: (b"\x04" + _coordinates(value)).hex()),
        "evm_address": shown("evm_address", lambda value: evm_address(_coordinates(value)).hex()),
    },
    "Secp256k1PublicKey": {
        "scheme": shown("scheme", lambda value: _VALIDATOR_SCHEME),
        "secret_json": _used_elsewhere,
        "signatures": _check_validator_signatures,
    },
}
"""Checks by type and field."""


def run_account_signature_entry(entry: Entry) -> None:
    """Decode a signature and verify it over the hash of the signed text."""
    digest = _signed_digest(entry)
    entry.ignore("decode_error", "verify_error")
    try:
        signature = _ACCOUNT_SIGNATURE.from_bcs(entry.raw("signature_bcs"))
    except DecodeError:
        entry.expect("decodes", False)
        return
    entry.expect("decodes", True)
    if not entry["decodes"]:
        return
    entry.expect("reencoded", _ACCOUNT_SIGNATURE.to_bcs(signature).hex())
    entry.expect("owner", str(signature.signer()))
    entry.expect("verifies", verifies(lambda: signature.verify(digest)))


def run_validator_signature_entry(entry: Entry) -> None:
    """Decode a bare signature and verify it with a key over the hash of the signed text."""
    digest = _signed_digest(entry)
    entry.ignore("decode_error", "verify_error")
    key = Secp256k1PublicKey.parse(entry["public_key"])
    try:
        signature = Secp256k1Signature.decode(entry.raw("signature_raw"))
    except DecodeError:
        entry.expect("decodes", False)
        return
    entry.expect("decodes", True)
    if entry["decodes"]:
        entry.expect("verifies", verifies(lambda: signature.verify(key, digest)))


def _signed_digest(entry: Entry) -> CryptoHash:
    digest = typed_hash("TestString", codec_of(str).to_bcs(entry["signed_text"]))
    entry.expect("hash", str(digest))
    return digest


def run_public_key_entry(entry: Entry) -> None:
    """Offer byte strings as validator keys to every reader of keys."""
    raw, text = entry.raw("bytes"), entry["bytes"]
    entry.ignore("error", "bcs_error")
    readers = (
        ("from_bytes", lambda: Secp256k1PublicKey.from_sec1(raw), "reencoded"),
        ("from_bcs", lambda: _KEY.from_bcs(raw), "reencoded_bcs"),
        ("from_bincode", lambda: _KEY.from_bincode(raw), None),
        ("from_json_hex", lambda: _KEY.from_json(text), None),
        ("evm_from_json_hex", lambda: codec_of(EvmPublicKey).from_json(text), None),
    )
    for field, read, reencoded in readers:
        try:
            key = read()
        except DecodeError:
            entry.expect(field, False)
            continue
        entry.expect(field, True)
        if reencoded is not None:
            entry.expect(reencoded, key.hex())


def run_secret_key_entry(entry: Entry) -> None:
    """Read the JSON form of a secret key."""
    entry.ignore("error")
    try:
        secret = AccountSecretKey.from_json(parse_json(entry["json_text"]))
    except DecodeError:
        entry.expect("accepted", False)
        return
    entry.expect("accepted", True)
    if entry["accepted"]:
        entry.expect("owner", str(secret.owner()))
