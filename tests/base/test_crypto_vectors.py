"""Keys, signatures and owners against everything the reference recorded about them."""

import json
from typing import Any

import pytest

from catenula.base import crypto
from catenula.base.crypto.keys import CryptoBytes, evm_address
from catenula.base.crypto.signatures import ethereum_digest
from catenula.base.errors import DecodeError
from catenula.base.hashing import typed_hash
from catenula.base.identifiers import AccountOwner
from tests.vectors import Entry, cases

KEYS: dict[str, Any] = {
    "Ed25519": crypto.Ed25519PublicKey,
    "Secp256k1": crypto.Secp256k1PublicKey,
    "EvmSecp256k1": crypto.EvmPublicKey,
    "Validator": crypto.Secp256k1PublicKey,
}
TEXT_TYPES: dict[str, Any] = {
    "AccountOwner": AccountOwner,
    "AccountPublicKey": crypto.AccountPublicKey,
    "Ed25519PublicKey": crypto.Ed25519PublicKey,
    "Secp256k1PublicKey": crypto.Secp256k1PublicKey,
    "EvmPublicKey": crypto.EvmPublicKey,
    "EvmSignature": crypto.EvmSignature,
}


def verifies(signature: Any, *arguments: bytes) -> bool:
    try:
        signature.verify(*arguments)
    except crypto.SignatureInvalid:
        return False
    return True


def decodes(read: Any, raw: object) -> bool:
    try:
        read(raw)
    except DecodeError:
        return False
    return True


@pytest.mark.parametrize("entry", cases("types/keys.json", lambda e: "owner_bcs" in e))
def test_account_keys_derive_owners_and_sign(entry: Entry) -> None:
    secret = crypto.AccountSecretKey.from_json(entry["secret_json"])
    account_key = secret.public_key()
    key = KEYS[entry["scheme"]].decode(bytes.fromhex(entry["public_key_raw"]))

    assert secret.to_json() == entry["secret_json"]
    assert account_key.hex() == entry["bcs"] == str(account_key) == entry["display"]
    assert account_key == crypto.AccountPublicKey.of(key)
    assert account_key.key == key
    assert type(account_key.key) is type(key)
    assert str(key) == entry["public_key_json"]
    assert typed_hash(entry["public_key_hash_name"], key).hex() == entry["public_key_hash"]
    assert str(account_key.owner()) == entry["owner"] == str(secret.owner())
    assert account_key.owner().hex() == entry["owner_bcs"]
    for signed in entry["signatures"]:
        check_account_signature(secret, signed)


def check_account_signature(secret: crypto.AccountSecretKey, signed: Entry) -> None:
    digest = bytes.fromhex(signed["hash"])
    signature = secret.sign(digest)
    assert signature.hex() == signed["bcs"]
    assert crypto.AccountSignature.decode(signature) == signature
    assert str(signature.signer()) == signed["owner"]
    signature.verify(digest)
    if "eip191_digest" in signed:
        assert ethereum_digest(digest).hex() == signed["eip191_digest"]


@pytest.mark.parametrize("entry", cases("types/keys.json", lambda e: "uncompressed" in e))
def test_the_order_of_keys_is_that_of_their_coordinates(entry: Entry) -> None:
    uncompressed = bytes.fromhex(entry["uncompressed"])
    key = KEYS[entry["scheme"]].from_sec1(uncompressed)
    assert key.hex() == entry["public_key_raw"]
    assert key.order_key() == uncompressed[1:]
    if "evm_address" in entry:
        assert evm_address(key.order_key()).hex() == entry["evm_address"]


@pytest.mark.parametrize(
    "entry", cases("types/keys.json", lambda e: e.get("scheme") == "Validator")
)
def test_validator_keys_sign(entry: Entry) -> None:
    secret = crypto.ValidatorSecretKey.from_json(entry["secret_json"])
    assert secret.to_json() == entry["secret_json"]
    assert str(secret.public_key()) == entry["json"] == entry["display"]
    assert typed_hash(entry["hash_name"], secret.public_key()).hex() == entry["hash"]
    for signed in entry["signatures"]:
        signature = secret.sign(bytes.fromhex(signed["hash"]))
        assert signature.hex() == signed["raw"] == signed["bcs"]
        assert str(signature) == signed["json"]
        signature.verify(secret.public_key(), bytes.fromhex(signed["hash"]))


@pytest.mark.parametrize("entry", cases("types/keys.json", lambda e: "json_text" in e))
def test_secrets_in_json(entry: Entry) -> None:
    data = json.loads(entry["json_text"])
    assert decodes(crypto.AccountSecretKey.from_json, data) == entry["accepted"]
    if entry["accepted"]:
        assert str(crypto.AccountSecretKey.from_json(data).owner()) == entry["owner"]


@pytest.mark.parametrize(
    "entry", cases("types/signature_checks.json", lambda e: e["type"] == "AccountSignature")
)
def test_account_signatures(entry: Entry) -> None:
    raw = bytes.fromhex(entry["signature_bcs"])
    assert decodes(crypto.AccountSignature.decode, raw) == entry["decodes"]
    if not entry["decodes"]:
        return
    signature = crypto.AccountSignature.decode(raw)
    text = entry["signed_text"].encode()
    digest = typed_hash("TestString", bytes((len(text),)) + text)
    assert digest.hex() == entry["hash"]
    assert signature.hex() == entry["reencoded"]
    assert str(signature.signer()) == entry["owner"]
    assert verifies(signature, digest) == entry["verifies"]


@pytest.mark.parametrize(
    "entry", cases("types/signature_checks.json", lambda e: e["type"] == "ValidatorSignature")
)
def test_validator_signatures(entry: Entry) -> None:
    raw, key = bytes.fromhex(entry["signature_raw"]), bytes.fromhex(entry["public_key"])
    assert decodes(crypto.Secp256k1Signature.decode, raw) == entry["decodes"]
    if entry["decodes"]:
        signature = crypto.Secp256k1Signature.decode(raw)
        digest = bytes.fromhex(entry["hash"])
        public_key = crypto.Secp256k1PublicKey.decode(key)
        assert verifies(signature, public_key, digest) == entry["verifies"]


@pytest.mark.parametrize(
    "entry", cases("types/signature_checks.json", lambda e: e["type"] == "Secp256k1PublicKey")
)
def test_what_counts_as_a_curve_key(entry: Entry) -> None:
    raw, key = bytes.fromhex(entry["bytes"]), crypto.Secp256k1PublicKey
    # BCS takes the 33 bytes it needs; the codec refuses what remains of a longer string.
    assert decodes(key.decode, raw) == entry["from_bcs"] == entry["from_bincode"]
    assert decodes(key.from_sec1, raw) == entry["from_bytes"]
    assert decodes(key.from_json_hex, entry["bytes"]) == entry["from_json_hex"]
    evm_accepts = decodes(crypto.EvmPublicKey.from_json_hex, entry["bytes"])
    assert evm_accepts == entry["evm_from_json_hex"]
    if entry["from_bytes"]:
        assert key.from_sec1(raw).hex() == entry["reencoded"]
    if entry["from_bcs"]:
        assert key.decode(raw).hex() == entry["reencoded_bcs"]


@pytest.mark.parametrize(
    "entry", cases("types/text.json", lambda e: "text" in e and e["type"] in TEXT_TYPES)
)
def test_text_forms(entry: Entry) -> None:
    cls = TEXT_TYPES[entry["type"]]
    assert decodes(cls.parse, entry["text"]) == entry["accepted"]
    if entry["accepted"]:
        assert cls.parse(entry["text"]).hex() == entry["bcs"]


@pytest.mark.parametrize(
    "entry", cases("types/text.json", lambda e: "json_text" in e and e["type"] == "EvmSignature")
)
def test_json_forms(entry: Entry) -> None:
    text, cls = json.loads(entry["json_text"]), crypto.EvmSignature
    assert decodes(cls.from_json_hex, text) == entry["accepted"]
    if entry["accepted"]:
        assert str(cls.from_json_hex(text)) == entry["json"]


@pytest.mark.parametrize(
    "entry", cases("types/identifiers.json", lambda e: e["type"] == "AccountOwner")
)
def test_owners(entry: Entry) -> None:
    owner = AccountOwner.parse(entry["json"])
    assert owner.hex() == entry["bcs"]
    assert str(owner) == entry["display"]


@pytest.mark.parametrize(
    "entry", cases("types/identifiers.json", lambda e: e["type"] == "bytes32_to_owner")
)
def test_owners_of_raw_bytes(entry: Entry) -> None:
    assert str(AccountOwner.from_bytes32(bytes.fromhex(entry["bytes"]))) == entry["owner"]


@pytest.mark.parametrize(
    "entry",
    cases(
        "types/decode.json",
        lambda e: e["codec"] == "bcs" and e["type"] in ("AccountPublicKey", "AccountSignature"),
    ),
)
def test_decoders(entry: Entry) -> None:
    cls: Any = getattr(crypto, entry["type"])
    raw = bytes.fromhex(entry["bytes"])
    assert decodes(cls.decode, raw) == entry["accepted"]
    if entry["accepted"]:
        assert cls.decode(raw).hex() == entry.get("reencoded", entry["bytes"])


def test_every_value_type_shows_its_hex() -> None:
    for cls in (*KEYS.values(), crypto.Ed25519Signature, crypto.EvmSignature):
        value: CryptoBytes = cls(bytes(cls.SIZE))
        assert str(value) == "00" * cls.SIZE
        assert repr(value) == f"{cls.__name__}({value})"
