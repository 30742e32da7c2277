"""Compression against recorded zstd input and output (spec 01 §8)."""

import types
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catenula.base import compression
from catenula.base.errors import DecodeError, LocalError
from catenula.base.hashing import sha3_256
from tests.vectors import Entry, cases

LIMIT = 1 << 24


@pytest.mark.parametrize("entry", cases("types/blobs.json", lambda e: e["type"] == "decompress"))
def test_odd_input(entry: Entry) -> None:
    compressed = bytes.fromhex(entry["compressed"])
    if entry["accepted"]:
        assert compression.decompress(compressed, LIMIT).hex() == entry["bytes"]
    else:
        with pytest.raises(DecodeError):
            compression.decompress(compressed, LIMIT)
    for check in entry["size_checks"]:
        check_size(compressed, check)


def check_size(compressed: bytes, check: Entry) -> None:
    if "error" in check:
        with pytest.raises(DecodeError):
            compression.decompressed_size_at_most(compressed, check["limit"])
    else:
        at_most = compression.decompressed_size_at_most(compressed, check["limit"])
        assert at_most == check["at_most"]


@pytest.mark.parametrize(
    "entry", cases("types/blobs.json", lambda e: e["type"] == "CompressedBytecode")
)
def test_recorded_bytecode(entry: Entry) -> None:
    compressed = bytes(entry["json"]["compressed_bytes"])
    content = compression.decompress(compressed, LIMIT)
    assert len(content) == entry["decompressed_length"]
    assert sha3_256(content).hex() == entry["decompressed_sha3"]
    # Made by the reference on a native machine, whose bytes a contract must reproduce.
    assert compression.compress(content) == compressed


@pytest.mark.parametrize(
    "entry", cases("types/blobs.json", lambda e: e["name"].startswith(("contract/", "service/")))
)
def test_recorded_modules(entry: Entry) -> None:
    compressed = bytes(entry["json"]["bytes"])
    assert compression.compress(compression.decompress(compressed, LIMIT)) == compressed


@given(st.binary(max_size=300), st.integers(0, 310))
@settings(max_examples=25, deadline=None)
def test_the_limit_is_the_greatest_size_allowed(content: bytes, limit: int) -> None:
    compressed = compression.compress(content)
    assert compression.decompressed_size_at_most(compressed, limit) == (len(content) <= limit)
    if len(content) <= limit:
        assert compression.decompress(compressed, limit) == content
    else:
        with pytest.raises(compression.DecompressedTooLarge):
            compression.decompress(compressed, limit)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda b: b"\x28\xb5\x2f\xfd" + b))
def test_any_bytes_decompress_or_are_refused(compressed: bytes) -> None:
    try:
        content = compression.decompress(compressed, LIMIT)
    except (DecodeError, compression.DecompressedTooLarge):
        return
    assert compression.decompressed_size_at_most(compressed, len(content))


def test_content_larger_than_one_portion_is_whole() -> None:
    content = b"".join(index.to_bytes(4, "little") for index in range(200_000))
    compressed = compression.compress(content) + compression.compress(content[:5])
    assert compression.decompress(compressed, LIMIT) == content + content[:5]
    for cut in (100_000, len(compressed) - 1):
        with pytest.raises(DecodeError):
            compression.decompress(compressed[:cut], LIMIT)


def test_the_work_on_a_bomb_is_bounded_by_the_limit() -> None:
    bomb = compression.compress(bytes(LIMIT)) * 1000
    assert not compression.decompressed_size_at_most(bomb, LIMIT)


def test_another_release_of_the_library_is_refused_by_name(monkeypatch: Any) -> None:
    monkeypatch.setattr(compression, "ZSTD_VERSION", (1, 5, 6))
    monkeypatch.setattr(compression, "_library", compression._library.__wrapped__)
    with pytest.raises(LocalError, match=r"libzstd 1\.5\.7.*libzstd 1\.5\.6"):
        compression.compress(b"")


def test_tests_see_the_release_that_consensus_needs() -> None:
    import zstandard

    assert isinstance(zstandard, types.ModuleType)
    assert zstandard.ZSTD_VERSION == compression.ZSTD_VERSION
