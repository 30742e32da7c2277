"""Certificates, blobs, states and events: staged apart, visible to others after the commit."""

from typing import Any

import pytest

from catenula.base.errors import LocalError
from catenula.base.identifiers import ChainId, CryptoHash, GenericApplicationId
from catenula.base.integers import U32, BlockHeight, Epoch, Timestamp
from catenula.protocol import (
    BlobContent,
    BlobId,
    BlobType,
    ConfirmedBlockCertificate,
    EventId,
    NetworkDescription,
    StreamId,
    StreamName,
    data_blob,
)
from catenula.storage import PUT, Batch
from catenula.storage.bounded_cache import BoundedCache
from catenula.storage.memory import MemoryStore
from catenula.storage.shared import (
    BLOB_ROOT,
    CONFIRMED_ROOT,
    EVENT_ROOT,
    HEIGHT_ROOT,
    BlobState,
    SharedStore,
    chain_root,
)
from tests.vectors import cases

CHAIN = ChainId(bytes([7]) * 32)
HASH = CryptoHash(bytes([9]) * 32)
CERTIFICATES = cases(
    "types/certificates.json", lambda entry: entry.get("type") == "ConfirmedBlockCertificate"
)


def state(epoch: int | None) -> BlobState:
    return BlobState(HASH, CHAIN, BlockHeight(3), None if epoch is None else Epoch(epoch))


@pytest.fixture
def shared() -> SharedStore:
    return SharedStore(MemoryStore())


@pytest.mark.parametrize("entry", CERTIFICATES)
def test_a_certificate_comes_back_with_its_bytes(shared: SharedStore, entry: Any) -> None:
    """Invariant S5."""
    certificate = ConfirmedBlockCertificate.from_bcs(bytes.fromhex(entry["bcs"]))
    block = certificate.value
    overlay = shared.overlay()
    overlay.stage_certificate(certificate)
    overlay.stage_events_of(block)
    assert overlay.certificate(block.hash) is certificate
    assert overlay.block_hash_at(block.chain_id, block.height) == block.hash
    assert shared.certificate(block.hash) is None
    shared.commit(overlay)
    assert shared.certificate(block.hash) is certificate

    again = SharedStore(shared.store)
    found = again.certificate(block.hash)
    assert found == certificate
    assert found is not None
    assert found.to_bcs() == certificate.to_bcs()
    assert again.raw_certificate(block.hash) == (certificate.lite().bcs, block.bcs)
    assert again.block_hash_at(block.chain_id, block.height) == block.hash
    assert again.block_hashes_at(block.chain_id, [block.height, 10**9]) == [block.hash, None]
    for events in block.body.events:
        for event in events:
            assert again.event(event.id(block.chain_id)) == event.value


def test_unknown_things_are_none(shared: SharedStore) -> None:
    event_id = EventId(CHAIN, StreamId(GenericApplicationId.SYSTEM, StreamName(b"s")), U32(0))
    blob_id = data_blob(b"x").id
    assert shared.certificate(HASH) is None
    assert shared.block_hash_at(CHAIN, 0) is None
    assert (shared.blob(blob_id), shared.blob_state(blob_id)) == (None, None)
    assert (shared.event(event_id), shared.has_event(event_id)) == (None, False)
    assert shared.network_description() is None
    assert shared.missing_blobs([blob_id]) == [blob_id]


def test_what_is_staged_is_seen_only_through_its_overlay(shared: SharedStore) -> None:
    blob = data_blob(b"content")
    overlay = shared.overlay()
    overlay.stage_blob(blob)
    assert overlay.blob(blob.id) == b"content"
    assert not shared.has_blob(blob.id)
    assert not shared.overlay().has_blob(blob.id)
    overlay.discard()
    assert overlay.is_empty()
    assert not overlay.has_blob(blob.id)


def test_an_empty_event_is_an_event(shared: SharedStore) -> None:
    event_id = EventId(CHAIN, StreamId(GenericApplicationId.SYSTEM, StreamName(b"s")), U32(1))
    overlay = shared.overlay()
    overlay.stage_event(event_id, b"")
    assert overlay.event(event_id) == b""
    shared.commit(overlay)
    assert SharedStore(shared.store).has_event(event_id)


@pytest.mark.parametrize(
    ("old", "new", "replaced"),
    [
        (None, None, False),
        (None, 0, True),
        (1, 1, False),
        (1, 2, True),
        (2, 1, False),
        (0, None, 0),
    ],
)
def test_a_blob_state_yields_to_a_higher_epoch_only(
    shared: SharedStore, old: int | None, new: int | None, replaced: bool
) -> None:
    blob_id = BlobId(HASH, BlobType.DATA)
    overlay = shared.overlay()
    assert overlay.stage_blob_state(blob_id, state(old))
    shared.commit(overlay)
    assert overlay.stage_blob_state(blob_id, state(new)) == bool(replaced)
    shared.commit(overlay)
    assert shared.blob_state(blob_id) == state(new if replaced else old)


def test_groups_follow_the_order_of_the_protocol(shared: SharedStore) -> None:
    overlay = shared.overlay()
    overlay.stage_blob_state(BlobId(HASH, BlobType.DATA), state(1))
    event_id = EventId(CHAIN, StreamId(GenericApplicationId.SYSTEM, StreamName(b"s")), U32(1))
    overlay.stage_event(event_id, b"e")
    overlay.stage_blob(data_blob(b"x"))
    assert [root for root, _ in overlay.groups()] == [BLOB_ROOT, EVENT_ROOT, BLOB_ROOT]
    assert CONFIRMED_ROOT != HEIGHT_ROOT


def test_the_network_description_is_kept(shared: SharedStore) -> None:
    description = NetworkDescription("net", HASH, Timestamp(5), HASH, CHAIN)
    overlay = shared.overlay()
    overlay.stage_network_description(description)
    assert overlay.network_description() == description
    shared.commit(overlay)
    assert SharedStore(shared.store).network_description() == description


def test_a_damaged_certificate_is_refused(shared: SharedStore) -> None:
    writes = Batch([(PUT, HASH + bytes([91]), b"\x00"), (PUT, HASH + bytes([221]), b"\x00")])
    shared.store.commit([(CONFIRMED_ROOT, writes)])
    with pytest.raises(LocalError, match=HASH.hex()):
        shared.certificate(HASH)


def test_chains_with_state_are_listed(shared: SharedStore) -> None:
    shared.store.commit([(chain_root(CHAIN), Batch([(PUT, b"k", b"v")]))])
    assert shared.chain_ids() == [CHAIN]


def test_a_blob_of_any_kind_is_kept_under_its_own_id(shared: SharedStore) -> None:
    overlay = shared.overlay()
    blobs = [BlobContent(kind, b"same") for kind in (BlobType.DATA, BlobType.COMMITTEE)]
    for blob in blobs:
        overlay.stage_blob(blob)
    shared.commit(overlay)
    other = SharedStore(shared.store)
    assert [other.blob(blob.id) for blob in blobs] == [b"same", b"same"]
    assert other.blob(BlobId(blobs[0].hash, BlobType.COMMITTEE)) is None


def test_the_cache_forgets_the_least_recently_used() -> None:
    cache: BoundedCache[str, int] = BoundedCache(3, 800)
    for number, name in enumerate("abc"):
        cache.add(name, number, 10)
    assert cache.get("a") == 0
    cache.add("d", 3, 10)
    assert [name in cache for name in "abcd"] == [True, False, True, True]
    cache.add("big", 5, 101)
    assert "big" not in cache
    for number in range(100):
        cache.add(str(number), number, 100)
    assert len(cache) <= 3
