"""Hash functions against the golden constants of spec 01 §10."""

from catenula.base.hashing import keccak256, sha3_256, typed_hash

EMPTY_KECCAK = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
EMPTY_SHA3 = "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a"


def test_keccak_has_the_original_padding() -> None:
    assert keccak256(b"").hex() == EMPTY_KECCAK


def test_sha3_is_the_standard_one() -> None:
    assert sha3_256(b"").hex() == EMPTY_SHA3


def test_a_typed_hash_covers_the_name_and_the_bcs_form() -> None:
    hello = "678c4efd128e376aa1d345347c9a9dcdbe9a1ed052ed1da6345d9b393f61f67e"
    burn = "6eba9557fa0b60de4c720edfbcb4cdd6e3d98df145bf69c061e632a4d1a94701"
    assert str(typed_hash("TestString", b"\x05hello")) == hello
    assert str(typed_hash("TestString", b"\x04burn")) == burn
    foo = "4338c9329faf1ea667aefaca6ca7eeee95e8b9086369522369206c71476f644a"
    assert str(typed_hash("BlobContent", b"\x00\x03foo")) == foo
