"""The codecs: round trips of every type, and total decoders (design rule 4)."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catenula.base.codec import Codec, codec_of, parse_json, write_json
from catenula.base.codec.binary import decode_uleb, encode_uleb
from catenula.base.errors import DecodeError, InvariantViolation
from catenula.base.integers import U8, U32, Amount
from catenula.protocol.registry import codec_by_name, registered_names
from tests.strategies import damaged, values_named

NAMES = registered_names()
EXAMPLES = 12
TOTALITY_TYPES = (*NAMES, "Map<StreamId, (CryptoHash, BlockHeight)>", "Set<StreamId>")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("Fast", "User", "chain_id", "a")), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("name", NAMES)
def test_forms_round_trip(name: str) -> None:
    """Invariant B2."""
    codec = codec_by_name(name)

    @settings(max_examples=EXAMPLES)
    @given(values_named(name))
    def check(value: Any) -> None:
        assert codec.from_bcs(codec.to_bcs(value)) == value
        assert codec.from_bincode(codec.to_bincode(value)) == value
        assert codec.from_bincode(codec.to_bincode(value) + b"\x00trailing") == value
        data = codec.to_json(value)
        assert codec.from_json(data) == value
        assert codec.from_json_text(write_json(data)) == value

    check()


def decode_or_refuse(codec: Codec[Any], form: str, data: bytes) -> None:
    """Decode; what was accepted encodes to what decodes to the same value."""
    read, write = (
        (codec.from_bcs, codec.to_bcs) if form == "bcs" else (codec.from_bincode, codec.to_bincode)
    )
    try:
        value = read(data)
    except DecodeError:
        return
    assert read(write(value)) == value


@pytest.mark.parametrize("name", TOTALITY_TYPES)
def test_decoders_are_total(name: str) -> None:
    codec = codec_by_name(name)

    @settings(max_examples=EXAMPLES)
    @given(st.data())
    def check(data: Any) -> None:
        noise = data.draw(st.binary(max_size=64))
        value = data.draw(values_named(name))
        for form, valid in (("bcs", codec.to_bcs(value)), ("bincode", codec.to_bincode(value))):
            decode_or_refuse(codec, form, noise)
            decode_or_refuse(codec, form, data.draw(damaged(valid)))

    check()


@pytest.mark.parametrize("name", TOTALITY_TYPES)
def test_json_readers_are_total(name: str) -> None:
    codec = codec_by_name(name)

    def read(text: str) -> None:
        try:
            value = codec.from_json_text(text)
        except DecodeError:
            return
        assert codec.from_json(codec.to_json(value)) == value

    @settings(max_examples=EXAMPLES)
    @given(st.data())
    def check(data: Any) -> None:
        read(data.draw(st.text(max_size=20)))
        read(write_json(data.draw(JSON)))
        valid = write_json(codec.to_json(data.draw(values_named(name)))).encode()
        read(data.draw(damaged(valid)).decode(errors="replace"))

    check()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "nul",
        "NaN",
        "[Infinity]",
        "9" * 5000,
        "[" * 100_000,
        '"\ud800"',
        "[1,]",
        '{"a":1}x',
    ],
)
def test_what_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        codec_of(Amount).from_json(parse_json(text))


@pytest.mark.parametrize("name", ["Vec<u8>", "Vec<CryptoHash>", "Vec<Vec<Block>>", "bytes", "str"])
def test_huge_counts_are_refused_before_anything_is_allocated(name: str) -> None:
    codec = codec_by_name(name)
    for data in (b"\xff\xff\xff\xff\x07", b"\xff\xff\xff\xff\x0f"):
        with pytest.raises(DecodeError):
            codec.from_bcs(data)
    with pytest.raises(DecodeError):
        codec.from_bincode(b"\xff" * 8)


@given(st.integers(0, 2**32 - 1))
def test_uleb_round_trips(number: int) -> None:
    data = encode_uleb(number)
    assert decode_uleb(data, 0) == (number, len(data))


@pytest.mark.parametrize(
    "data", [b"\x80\x00", b"\xff\xff\xff\xff\x1f", b"\x80\x80\x80\x80\x80\x01", b"\x81\x80\x00"]
)
def test_uleb_in_another_than_its_shortest_form_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_uleb(data, 0)


def test_bcs_refuses_trailing_bytes_and_bincode_ignores_them() -> None:
    codec = codec_of(U8)
    assert codec.from_bincode(b"\x07\x08") == 7
    with pytest.raises(DecodeError):
        codec.from_bcs(b"\x07\x08")


def test_values_outside_of_their_type_are_not_written() -> None:
    """Invariant B1."""
    with pytest.raises(InvariantViolation):
        codec_of(U32).to_bcs(U32(2**32))
    with pytest.raises(InvariantViolation):
        codec_of(Amount).to_bincode(Amount(2**128))


@pytest.mark.parametrize("name", ["Unknown", "Vec<Unknown>", "(ChainId", "Vec<", "", "Map<str>"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(DecodeError):
        codec_by_name(name)
