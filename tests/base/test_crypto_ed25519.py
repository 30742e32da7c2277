"""Ed25519 acceptance: the fast way must agree with the exact one, for any key (spec 01 §3.3)."""

from hashlib import sha512

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catenula.base.crypto import ed25519, edwards

DIGEST = bytes(range(32))
SMALL_ORDER_TEXT = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"


def torsion_point(index: int) -> edwards.Point:
    """One of the eight points whose order divides 8; index 0 is the identity."""
    generator = edwards.decompress(bytes.fromhex(SMALL_ORDER_TEXT))
    assert generator is not None
    return edwards.multiply(index, generator)


def sign_with(
    *, scalar: int, nonce: int, key_torsion: int, nonce_torsion: int
) -> tuple[bytes, bytes]:
    """Key a·B + T and signature (r·B + U) ‖ S that satisfies S·B = r·B + k·a·B exactly."""
    key_point = edwards.add(edwards.multiply(scalar, edwards.BASE), torsion_point(key_torsion))
    nonce_point = edwards.add(edwards.multiply(nonce, edwards.BASE), torsion_point(nonce_torsion))
    key, commitment = edwards.compress(key_point), edwards.compress(nonce_point)
    challenge = int.from_bytes(sha512(commitment + key + DIGEST).digest(), "little")
    response = (nonce + challenge * scalar) % edwards.GROUP_ORDER
    return key, commitment + response.to_bytes(32, "little")


def test_the_base_point_has_prime_order() -> None:
    encoded = edwards.compress(edwards.BASE)
    assert encoded.hex() == "58" + "66" * 31
    assert edwards.decompress(encoded) == edwards.BASE
    multiple = edwards.multiply(edwards.GROUP_ORDER, edwards.BASE)
    assert edwards.compress(multiple) == edwards.compress(edwards.IDENTITY)


def test_the_torsion_points_are_eight() -> None:
    assert len({edwards.compress(torsion_point(index)) for index in range(8)}) == 8
    assert edwards.compress(torsion_point(8)) == edwards.compress(edwards.IDENTITY)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
@settings(max_examples=25, deadline=None)
def test_the_exact_way_accepts_what_is_signed(seed: bytes, digest: bytes) -> None:
    key, signing_key = ed25519.key_pair(seed)
    signature = ed25519.sign(signing_key, digest)
    assert ed25519.verify(key, signature, digest)
    assert edwards.verify(key, signature, digest)
    assert not edwards.verify(key, signature, bytes(31) + bytes((digest[-1] ^ 1,)))


@given(
    scalar=st.integers(0, edwards.GROUP_ORDER - 1) | st.just(0),
    nonce=st.integers(0, edwards.GROUP_ORDER - 1) | st.just(0),
    key_torsion=st.integers(0, 7),
    nonce_torsion=st.integers(0, 7),
)
@settings(max_examples=150, deadline=None)
def test_the_fast_way_agrees_for_keys_and_nonces_of_any_order(
    scalar: int, nonce: int, key_torsion: int, nonce_torsion: int
) -> None:
    key, signature = sign_with(
        scalar=scalar, nonce=nonce, key_torsion=key_torsion, nonce_torsion=nonce_torsion
    )
    assert ed25519.verify(key, signature, DIGEST) == edwards.verify(key, signature, DIGEST)


@pytest.mark.parametrize("lax", [False, True])
def test_a_nonce_off_by_a_small_order_point_is_refused_though_a_lax_library_accepts_it(
    lax: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The newest libsodium releases are lax; with one of these the fake changes nothing.
    key, signature = sign_with(scalar=7, nonce=9, key_torsion=0, nonce_torsion=1)
    honest_key, honest = sign_with(scalar=7, nonce=9, key_torsion=0, nonce_torsion=0)
    if lax:
        monkeypatch.setattr(ed25519, "_library_is_lax", lambda: True)
        monkeypatch.setattr(ed25519, "_library_accepts", lambda *arguments: True)
    assert not ed25519.verify(key, signature, DIGEST)
    assert ed25519.verify(honest_key, honest, DIGEST)


def test_whether_the_library_is_lax_is_found_by_trying() -> None:
    key, off = ed25519._PROBE_KEY, ed25519._PROBE_SIGNATURE
    assert not edwards.verify(key, off, bytes(32))
    assert ed25519._library_is_lax() is ed25519._library_accepts(key, off, bytes(32))


def test_the_identity_as_nonce_is_accepted_though_libsodium_refuses_it() -> None:
    key, signature = sign_with(scalar=7, nonce=0, key_torsion=0, nonce_torsion=0)
    assert ed25519.verify(key, signature, DIGEST)


@pytest.mark.parametrize("torsion", range(1, 8))
def test_keys_of_mixed_order_follow_the_exact_equation(torsion: int) -> None:
    # The nonce point carries the torsion that k·T leaves: whoever made the key can find such a one.
    accepted = False
    for nonce in range(1, 200):
        key, signature = sign_with(
            scalar=7, nonce=nonce, key_torsion=torsion, nonce_torsion=nonce % 8
        )
        accepted = accepted or ed25519.verify(key, signature, DIGEST)
        if accepted:
            break
    assert accepted


def test_a_response_not_below_the_group_order_is_refused() -> None:
    key, signature = sign_with(scalar=7, nonce=9, key_torsion=0, nonce_torsion=0)
    assert ed25519.verify(key, signature, DIGEST)
    response = int.from_bytes(signature[32:], "little") + edwards.GROUP_ORDER
    raised = signature[:32] + response.to_bytes(32, "little")
    assert not ed25519.verify(key, raised, DIGEST)
    assert not edwards.verify(key, raised, DIGEST)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64))
@settings(deadline=None)
def test_random_bytes_are_no_signature(key: bytes, signature: bytes) -> None:
    assert not ed25519.verify(key, signature, DIGEST)
