"""Batches keep every write in order and have the BCS form that the historical hash covers."""

import pytest

from catenula.storage import Batch, prefix_end
from catenula.storage.batch import uleb128
from catenula.storage.memory import MemoryStore
from catenula.storage.overlay import OverlayPartition


def test_bcs_form() -> None:
    batch = Batch()
    batch.delete(b"\x01")
    batch.delete_prefix(b"")
    batch.put(b"\x02", b"\x03\x04")
    assert batch.to_bcs().hex() == "03" + "000101" + "0100" + "0201020203" + "04"


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "00"), (127, "7f"), (128, "8001"), (16384, "808001")]
)
def test_lengths(number: int, expected: str) -> None:
    assert uleb128(number).hex() == expected


@pytest.mark.parametrize(
    ("prefix", "end"), [(b"", None), (b"\xff\xff", None), (b"a", b"b"), (b"a\xff", b"b")]
)
def test_prefix_end(prefix: bytes, end: bytes | None) -> None:
    assert prefix_end(prefix) == end


def test_an_overlay_shows_what_is_staged() -> None:
    store = MemoryStore()
    base = Batch()
    for key in (b"a1", b"a2", b"b1"):
        base.put(key, b"old")
    store.commit([(b"r", base)])
    overlay = OverlayPartition(store.partition(b"r"))
    staged = Batch()
    staged.put(b"a3", b"gone")
    staged.delete_prefix(b"a")
    staged.put(b"a4", b"new")
    staged.delete(b"b1")
    overlay.stage(staged)
    assert overlay.scan(b"") == [(b"a4", b"new")]
    assert overlay.get(b"a1") is None
    assert overlay.get_many([b"a4", b"b1"]) == [b"new", None]
    assert store.partition(b"r").scan_keys(b"") == [b"a1", b"a2", b"b1"]
    store.commit([(b"r", staged)])
    overlay.settle()
    assert overlay.scan(b"") == store.partition(b"r").scan(b"")
