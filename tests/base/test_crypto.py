"""Rules of keys and signatures that recorded values do not show, and fuzzing of the decoders."""

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from catenula.base.crypto import (
    AccountPublicKey,
    AccountSecretKey,
    AccountSignature,
    Ed25519PublicKey,
    Ed25519Signature,
    EvmPublicKey,
    EvmSignature,
    Secp256k1PublicKey,
    Secp256k1Signature,
    SignatureInvalid,
    SignatureScheme,
    ValidatorSecretKey,
    secp256k1,
)
from catenula.base.errors import DecodeError, InvariantViolation, LocalError
from catenula.base.hashing import typed_hash
from catenula.base.identifiers import AccountOwner, CryptoHash

VALUE_TYPES: list[Any] = [
    AccountPublicKey,
    AccountSignature,
    Ed25519PublicKey,
    Ed25519Signature,
    EvmPublicKey,
    EvmSignature,
    Secp256k1PublicKey,
    Secp256k1Signature,
]
EVM_SECRET = "f77a21701522a03b01c111ad2d2cdaf2b8403b47507ee0aec3c2e52b765d7a66"
HELLO = CryptoHash.parse("678c4efd128e376aa1d345347c9a9dcdbe9a1ed052ed1da6345d9b393f61f67e")
SECRETS = [AccountSecretKey.from_json({scheme.json_name: EVM_SECRET}) for scheme in SignatureScheme]


def with_raw(types: list[Any]) -> st.SearchStrategy[tuple[Any, bytes]]:
    """Types with byte strings of about their size, often starting with a plausible tag."""
    tagged = st.builds(
        lambda tag, rest: bytes((tag,)) + rest,
        st.integers(0, 6),
        st.binary(min_size=30, max_size=98),
    )
    return st.tuples(st.sampled_from(types), st.one_of(st.binary(max_size=100), tagged))


@given(with_raw(VALUE_TYPES))
@settings(max_examples=400)
def test_any_bytes_decode_to_a_canonical_value_or_are_refused(case: tuple[Any, bytes]) -> None:
    cls, raw = case
    try:
        value = cls.decode(raw)
    except DecodeError:
        return
    assert type(value) is cls
    assert cls.decode(value) == value
    assert cls.decode(bytes.fromhex(str(value))) == value


@given(st.sampled_from(VALUE_TYPES), st.text(max_size=140))
def test_any_text_parses_or_is_refused(cls: Any, text: str) -> None:
    for read in (getattr(cls, "parse", None), getattr(cls, "from_json_hex", None)):
        if read is not None:
            refuses_or_reads(read, text)


def refuses_or_reads(read: Callable[[str], object], text: str) -> None:
    try:
        read(text)
    except DecodeError:
        return


@given(st.sampled_from(SECRETS), st.binary(min_size=32, max_size=32))
@settings(max_examples=50)
def test_what_is_signed_verifies_and_nothing_else(secret: AccountSecretKey, digest: bytes) -> None:
    signature = secret.sign(digest)
    signature.verify(digest)
    assert signature.signer() == secret.owner() == secret.public_key().owner()
    assert AccountSignature.decode(signature) == signature
    with pytest.raises(SignatureInvalid):
        signature.verify(bytes((digest[0] ^ 1,)) + digest[1:])


@given(st.integers(0, 2), st.binary(min_size=97, max_size=97), st.binary(min_size=32, max_size=32))
def test_random_signatures_are_refused(scheme: int, rest: bytes, digest: bytes) -> None:
    # With S = 0 and an Ed25519 key of small order a signature can be guessed (spec 01 §3.3).
    assume(any(rest[32:64]))
    size = (96, 97, 85)[scheme]
    try:
        signature = AccountSignature.decode(bytes((scheme,)) + rest[:size])
    except DecodeError:
        return
    with pytest.raises(SignatureInvalid):
        signature.verify(digest)


def test_golden_constants() -> None:
    key = Ed25519PublicKey(bytes(range(1, 33)))
    owner = "0xeacee5344cbec9569e836f95029d476c700f4f5bc007c71c0752c73fba149043"
    assert str(key.owner()) == owner
    evm = AccountSecretKey.from_json({"EvmSecp256k1": EVM_SECRET})
    assert str(evm.owner()) == "0x6e0ab7f37b667b7228d3a03116ca21be83213823"
    digest = bytes.fromhex("c520e2b24b05e70c39c36d4aa98e9129ac0079ea002d4c382e6996ea11946d1e")
    assert evm.sign(digest)[1:66].hex() == (
        "e257048813b851f812ba6e508e972d8bb09504824692b027ca95d31301dbe8c7"
        "103a2f35ce9950d031d260f412dcba09c24027288872a67abe261c0a3e55c9121b"
    )
    proposal = bytes.fromhex(
        "81b13a97d9da39cb48fbff6316d02886ad353139e51763c5f5f459fbe1d061e7"
        "0b000000000b00000000000000802b530b000000000000020b00000000"
    )
    assert evm.sign(typed_hash("ProposalContent", proposal))[1:66].hex() == (
        "d69d31203f59be441fd02cdf68b2504cbcdd7215905c9b7dc3a7ccbf09afe145"
        "503c93b391810ce9edd6ee36b1e817b2d0e9dabdf4a098da8c2f670ef4198e8a1b"
    )
    ed25519 = AccountSecretKey.from_json({"Ed25519": bytes(range(1, 33)).hex()})
    assert ed25519.sign(HELLO)[1:65].hex() == (
        "6d3d69ca804489d6ad00f668f2a7343656b864c626abc5045de5be1184408c68"
        "2764f0ba90acdf8d332fc791b61f3850b0ed11ac55623fdc3e6f79d9d0d54906"
    )
    vote = bytes.fromhex("6c97bcb243d249652a15c48bba6ee2ec3714e304b7dceb239dbb6995e3f859bd")
    assert ValidatorSecretKey.from_json(EVM_SECRET).sign(vote).hex() == (
        "308df8182f94a574253646e2a9186048b3fb78eecd4ad29333229239469e7f1d"
        "36b3eca1af0325e28a0f01d408454cb6907c5ad1d469fac778b0598aad7eed01"
    )


def test_keys_are_ordered_by_coordinates_not_by_compressed_bytes() -> None:
    one, eleven = (
        ValidatorSecretKey(number.to_bytes(32, "big")).public_key() for number in (1, 11)
    )
    assert one < eleven
    assert eleven.order_key() < one.order_key()


def test_a_scalar_is_between_zero_and_the_order() -> None:
    edges = {0: False, 1: True, secp256k1.ORDER - 1: True, secp256k1.ORDER: False}
    for number, expected in edges.items():
        assert secp256k1.is_scalar(number.to_bytes(32, "big")) is expected
    assert not secp256k1.is_scalar(b"\x01" * 31)
    assert not secp256k1.is_scalar(b"\x01" * 33)


def test_half_the_order_is_the_greatest_s_that_may_verify() -> None:
    secret = ValidatorSecretKey.from_json(EVM_SECRET)
    signature = secret.sign(HELLO)
    high = secp256k1.ORDER - int.from_bytes(signature[32:], "big")
    twin = Secp256k1Signature.decode(signature[:32] + high.to_bytes(32, "big"))
    with pytest.raises(SignatureInvalid):
        twin.verify(secret.public_key(), HELLO)


@pytest.mark.parametrize("size", [23, 24, 31, 32, 33])
def test_short_secret_scalars_are_filled_on_the_left(size: int) -> None:
    data = {"EvmSecp256k1": "ab" * size}
    if size in (23, 33):
        with pytest.raises(DecodeError):
            AccountSecretKey.from_json(data)
    else:
        secret = AccountSecretKey.from_json(data)
        assert secret.to_json() == {"EvmSecp256k1": ("ab" * size).rjust(64, "0")}


def test_secrets_do_not_show_themselves() -> None:
    validator = ValidatorSecretKey.from_json(EVM_SECRET)
    for secret in (validator, *SECRETS):
        assert EVM_SECRET[:16] not in repr(secret) + str(secret)
        with pytest.raises(TypeError):
            pickle.dumps(secret)
    with pytest.raises(DecodeError) as refusal:
        AccountSecretKey.from_json({"Ed25519": EVM_SECRET + "zz"})
    shown = f"{refusal.value} {refusal.value.fields} {refusal.value.__context__}"
    assert EVM_SECRET[:16] not in shown


def test_generated_secrets_come_from_the_given_bytes() -> None:
    for scheme in SignatureScheme:
        secret = AccountSecretKey.generate(scheme, lambda size: b"\x07" * size)
        assert secret.to_json() == {scheme.json_name: "07" * 32}
        assert secret.public_key().scheme is scheme
    with pytest.raises(LocalError):
        ValidatorSecretKey.generate(bytes)


@pytest.mark.parametrize("data", [None, "Ed25519", {}, {"Ed448": "00"}, {"Secp256k1": 7}, [1, 2]])
def test_other_json_is_no_secret(data: object) -> None:
    with pytest.raises(DecodeError):
        AccountSecretKey.from_json(data)


def test_a_hash_of_another_size_is_never_signed_or_verified() -> None:
    secret = ValidatorSecretKey.from_json(EVM_SECRET)
    with pytest.raises(InvariantViolation):
        secret.sign(b"short")
    with pytest.raises(InvariantViolation):
        secret.sign(HELLO).verify(secret.public_key(), bytes(33))


def test_the_signer_of_an_evm_signature_is_its_address() -> None:
    signature = AccountSignature(b"\x02" + bytes(65) + b"\xaa" * 20)
    assert signature.signer() == AccountOwner.address20(b"\xaa" * 20)
