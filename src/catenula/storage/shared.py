"""What all chains of a node share: certificates, blobs, blob states, events, the height index.

The stored bytes are those of spec 06 §7.1, one root per kind. All values but blob states are
immutable, so positive answers are cached and absence never is (spec 06 §7.3). Writes are staged in
a `SharedOverlay` and committed with the chain that causes them; only `SharedOverlay.publish`, after
the commit, makes them known to the caches of others.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from catenula.base.codec import Codec, Record, codec_of
from catenula.base.counting import Counter, Told, plain
from catenula.base.errors import DecodeError, LocalError, ProtocolError
from catenula.base.identifiers import HASH_BYTES, ChainId, CryptoHash
from catenula.base.integers import BlockHeight, Epoch
from catenula.base.limits import (
    MAX_CACHED_BLOB_BYTES,
    MAX_CACHED_BLOCK_HASHES,
    MAX_CACHED_CERTIFICATE_BYTES,
    MAX_CACHED_ENTRIES,
    MAX_CACHED_EVENT_BYTES,
)
from catenula.protocol import (
    BlobContent,
    BlobId,
    Block,
    ConfirmedBlockCertificate,
    EventId,
    LiteCertificate,
    NetworkDescription,
    StreamId,
    confirmed_from_lite,
)
from catenula.storage.batch import Batch
from catenula.storage.bounded_cache import BoundedCache
from catenula.storage.engine import DamagedStore, Group, Store

T = TypeVar("T")

CHAIN_TAG = b"\x00"
CONFIRMED_ROOT = b"\x01"
BLOB_ROOT = b"\x02"
EVENT_ROOT = b"\x03"
NETWORK_ROOT = b"\x05"
HEIGHT_ROOT = b"\x07"

_LITE_TAG = bytes((91,))
_BLOCK_TAG = bytes((221,))
_BLOB_TAG = bytes((42,))
_BLOB_STATE_TAG = bytes((49,))
_NETWORK_KEY = bytes((119,))


class BlobState(Record, frozen=True):
    """Where a blob was used last (spec 06 §7.1)."""

    last_used_by: CryptoHash | None
    chain_id: ChainId
    block_height: BlockHeight
    epoch: Epoch | None

    def is_replaced_by(self, other: "BlobState") -> bool:
        """Whether ``other`` has a strictly higher epoch; none is below any."""
        if other.epoch is None:
            return False
        return self.epoch is None or self.epoch < other.epoch


_LITE: Codec[LiteCertificate] = codec_of(LiteCertificate)
_BLOCK: Codec[Block] = codec_of(Block)
_BLOB_ID: Codec[BlobId] = codec_of(BlobId)
_BLOB_STATE: Codec[BlobState] = codec_of(BlobState)
_STREAM_ID: Codec[StreamId] = codec_of(StreamId)
_NETWORK: Codec[NetworkDescription] = codec_of(NetworkDescription)


def chain_root(chain_id: ChainId) -> bytes:
    """The root of a chain's state."""
    return CHAIN_TAG + chain_id


def event_key(event_id: EventId) -> bytes:
    """The key of an event below `EVENT_ROOT`."""
    stream = _STREAM_ID.to_bcs(event_id.stream_id)
    return event_id.chain_id + stream + event_id.index.to_bytes(4, "little")


def height_key(chain_id: ChainId, height: int) -> bytes:
    """The key of a block hash below `HEIGHT_ROOT`."""
    return chain_id + height.to_bytes(8, "little")


class SharedStore:
    """Reading access to the shared data of a store, from any thread."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._confirmed = store.partition(CONFIRMED_ROOT)
        self._blobs = store.partition(BLOB_ROOT)
        self._events = store.partition(EVENT_ROOT)
        self._heights = store.partition(HEIGHT_ROOT)
        self._network: NetworkDescription | None = None
        self._reads = Counter("what", "source")
        self.event_changes = 0
        """How often events may have been written through this object."""
        self.written = Counter("what")
        self._certificate_cache: BoundedCache[CryptoHash, ConfirmedBlockCertificate] = BoundedCache(
            MAX_CACHED_ENTRIES, MAX_CACHED_CERTIFICATE_BYTES
        )
        self._blob_cache: BoundedCache[BlobId, bytes] = BoundedCache(
            MAX_CACHED_ENTRIES, MAX_CACHED_BLOB_BYTES
        )
        self._event_cache: BoundedCache[EventId, bytes] = BoundedCache(
            MAX_CACHED_ENTRIES, MAX_CACHED_EVENT_BYTES
        )
        self._height_cache: BoundedCache[bytes, CryptoHash] = BoundedCache(
            MAX_CACHED_BLOCK_HASHES, MAX_CACHED_BLOCK_HASHES * 32
        )

    # Certificates and blocks

    def certificate(self, block_hash: CryptoHash) -> ConfirmedBlockCertificate | None:
        """The certificate of a confirmed block, or None."""
        found = self._certificate_cache.get(block_hash)
        self._reads.add("read_certificate", "db" if found is None else "cache")
        if found is None:
            raw = self.raw_certificate(block_hash)
            if raw is None:
                return None
            found = self._join(block_hash, *raw)
            self.remember_certificate(found)
        return found

    def certificates(self, hashes: Iterable[CryptoHash]) -> list[ConfirmedBlockCertificate | None]:
        """The certificates of ``hashes``, in their order."""
        return [self.certificate(block_hash) for block_hash in hashes]

    def has_certificate(self, block_hash: CryptoHash) -> bool:
        """Whether the block's certificate is stored."""
        is_cached = block_hash in self._certificate_cache
        self._reads.add("contains_certificate", "cache" if is_cached else "db")
        if is_cached:
            return True
        return self._confirmed.get(block_hash + _LITE_TAG) is not None

    def raw_certificate(self, block_hash: CryptoHash) -> tuple[bytes, bytes] | None:
        """BCS of the lite certificate and of the block, or None."""
        keys = [block_hash + _LITE_TAG, block_hash + _BLOCK_TAG]
        lite, block = self._confirmed.get_many(keys)
        return None if lite is None or block is None else (lite, block)

    def block_hash_at(self, chain_id: ChainId, height: int) -> CryptoHash | None:
        """The hash of a chain's confirmed block at ``height``, or None."""
        key = height_key(chain_id, height)
        found = self._height_cache.get(key)
        self._reads.add("read_block_hash_by_height", "db" if found is None else "cache")
        if found is None:
            raw = self._heights.get(key)
            if raw is None:
                return None
            found = self._hash(raw)
            self._height_cache.add(key, found, len(found))
        return found

    def block_hashes_at(self, chain_id: ChainId, heights: Sequence[int]) -> list[CryptoHash | None]:
        """`block_hash_at` for many heights, in one call to the store."""
        raws = self._heights.get_many([height_key(chain_id, height) for height in heights])
        return [None if raw is None else self._hash(raw) for raw in raws]

    # Blobs

    def blob(self, blob_id: BlobId) -> bytes | None:
        """The content bytes of a blob, or None."""
        found = self._blob_cache.get(blob_id)
        self._reads.add("read_blob", "db" if found is None else "cache")
        if found is None:
            found = self._blobs.get(_BLOB_ID.to_bcs(blob_id) + _BLOB_TAG)
            if found is not None:
                self._blob_cache.add(blob_id, found, len(found))
        return found

    def has_blob(self, blob_id: BlobId) -> bool:
        """Whether the blob is stored."""
        is_cached = blob_id in self._blob_cache
        self._reads.add("contains_blob", "cache" if is_cached else "db")
        return is_cached or self.blob(blob_id) is not None

    def missing_blobs(self, blob_ids: Iterable[BlobId]) -> list[BlobId]:
        """Those of ``blob_ids`` that are not stored, in order."""
        return [blob_id for blob_id in blob_ids if not self.has_blob(blob_id)]

    def blob_state(self, blob_id: BlobId) -> BlobState | None:
        """Where the blob was used last, or None."""
        self._reads.add("read_blob_state", "db")
        raw = self._blobs.get(_BLOB_ID.to_bcs(blob_id) + _BLOB_STATE_TAG)
        return None if raw is None else self._decode(_BLOB_STATE, raw)

    # Events and the network

    def event(self, event_id: EventId) -> bytes | None:
        """The value of an event, or None."""
        found = self._event_cache.get(event_id)
        self._reads.add("read_event", "db" if found is None else "cache")
        if found is None:
            found = self._events.get(event_key(event_id))
            if found is not None:
                self._event_cache.add(event_id, found, len(found))
        return found

    def has_event(self, event_id: EventId) -> bool:
        """Whether the event is stored."""
        is_cached = event_id in self._event_cache
        self._reads.add("contains_event", "cache" if is_cached else "db")
        return is_cached or self.event(event_id) is not None

    def events_from(
        self, chain_id: ChainId, stream_id: StreamId, start_index: int
    ) -> list[tuple[int, bytes]]:
        """The stored events of a stream from an index on: (index, value), ascending."""
        stream = _STREAM_ID.to_bcs(stream_id)
        found = (
            (int.from_bytes(key, "little"), value)
            for key, value in self._events.scan(chain_id + stream)
        )
        return sorted(entry for entry in found if entry[0] >= start_index)

    def network_description(self) -> NetworkDescription | None:
        """What network this store belongs to, or None before initialisation."""
        if self._network is None:
            raw = self.store.partition(NETWORK_ROOT).get(_NETWORK_KEY)
            if raw is not None:
                self._network = self._decode(_NETWORK, raw)
        return self._network

    def chain_ids(self) -> list[ChainId]:
        """The chains with a stored state, ascending."""
        return [ChainId(root[1:]) for root in self.store.roots(CHAIN_TAG)]

    def told(self) -> Told:
        """How often what was read and written, by the names of spec 06 §9."""
        found: Told = {}
        for (what, source), number in tuple(self._reads.values.items()):
            row = found.setdefault(what, {"labels": ["source"], "counted": []})
            row["counted"].append([[source], number])
        for (what,), number in tuple(self.written.values.items()):
            found[what] = plain(number)
        return found

    # Writing

    def overlay(self) -> "SharedOverlay":
        """A new overlay to stage writes in."""
        return SharedOverlay(self)

    def commit(self, overlay: "SharedOverlay") -> None:
        """Commit an overlay by itself and publish it."""
        self.store.commit(overlay.groups())
        overlay.publish()

    def remember_certificate(self, certificate: ConfirmedBlockCertificate) -> None:
        """Cache a stored certificate."""
        weight = len(certificate.value.bcs)
        self._certificate_cache.add(certificate.hash, certificate, weight)

    def remember_blob(self, blob_id: BlobId, content: bytes) -> None:
        """Cache a stored blob."""
        self._blob_cache.add(blob_id, content, len(content))

    def remember_event(self, event_id: EventId, value: bytes) -> None:
        """Cache a stored event."""
        self._event_cache.add(event_id, value, len(value))

    def _join(self, block_hash: CryptoHash, lite: bytes, block: bytes) -> ConfirmedBlockCertificate:
        try:
            found = confirmed_from_lite(_LITE.from_bcs(lite), _BLOCK.from_bcs(block))
        except ProtocolError as error:
            raise self._damaged(f"the certificate of block {block_hash}") from error
        if found.hash != block_hash:
            raise self._damaged(f"the certificate of block {block_hash}")
        return found

    def _hash(self, raw: bytes) -> CryptoHash:
        if len(raw) != HASH_BYTES:
            raise self._damaged("a block's hash in the height index")
        return CryptoHash(raw)

    def _decode(self, codec: Codec[T], raw: bytes) -> T:
        try:
            return codec.from_bcs(raw)
        except DecodeError as error:
            raise self._damaged(f"a stored {codec.name}") from error

    def _damaged(self, what: str) -> LocalError:
        return DamagedStore(
            self.store.name,
            f"{what} cannot be read",
            "restore it from a copy, or remove it and synchronise from the other validators",
        )


class SharedOverlay:
    """Shared data with the writes one handler has staged on top.

    It reads its own writes first. `groups` gives them in the order of spec 06 §7.2, to be committed
    with the chain; `publish` after that commit. An overlay that is dropped leaves no trace.
    """

    __slots__ = (
        "_blob_states",
        "_blobs",
        "_certificates",
        "_events",
        "_hashes",
        "_network",
        "shared",
    )

    def __init__(self, shared: SharedStore) -> None:
        self.shared = shared
        self._certificates: dict[CryptoHash, ConfirmedBlockCertificate] = {}
        self._hashes: dict[bytes, CryptoHash] = {}
        self._blobs: dict[BlobId, bytes] = {}
        self._events: dict[EventId, bytes] = {}
        self._blob_states: dict[BlobId, BlobState] = {}
        self._network: NetworkDescription | None = None

    # Staging

    def stage_certificate(self, certificate: ConfirmedBlockCertificate) -> None:
        """Stage a certificate, its block and their entry in the height index."""
        block = certificate.value
        self._certificates[block.hash] = certificate
        self._hashes[height_key(block.chain_id, block.height)] = block.hash

    def stage_blob(self, blob: BlobContent) -> None:
        """Stage a blob's content."""
        self._blobs[blob.id] = blob.bytes

    def stage_event(self, event_id: EventId, value: bytes) -> None:
        """Stage an event's value."""
        self._events[event_id] = value

    def stage_events_of(self, block: Block) -> None:
        """Stage all events of a block."""
        chain_id = block.chain_id
        for events in block.body.events:
            for event in events:
                self._events[event.id(chain_id)] = event.value

    def stage_blob_state(self, blob_id: BlobId, state: BlobState) -> bool:
        """Stage a state unless one of the same or a higher epoch is known; whether it was."""
        known = self.blob_state(blob_id)
        if known is not None and not known.is_replaced_by(state):
            return False
        self._blob_states[blob_id] = state
        return True

    def stage_network_description(self, description: NetworkDescription) -> None:
        """Stage what network this store belongs to."""
        self._network = description

    def is_empty(self) -> bool:
        """Whether nothing is staged."""
        return not (
            self._certificates
            or self._blobs
            or self._events
            or self._blob_states
            or self._network is not None
        )

    def groups(self) -> list[Group]:
        """The staged writes, in the order of spec 06 §7.2."""
        groups: list[Group] = []
        if self._blobs:
            groups.append((BLOB_ROOT, self._blob_batch()))
        if self._certificates:
            groups.append((CONFIRMED_ROOT, self._certificate_batch()))
            groups.append((HEIGHT_ROOT, self._height_batch()))
        if self._events:
            groups.append((EVENT_ROOT, self._event_batch()))
        if self._blob_states:
            groups.append((BLOB_ROOT, self._blob_state_batch()))
        if self._network is not None:
            batch = Batch()
            batch.put(_NETWORK_KEY, _NETWORK.to_bcs(self._network))
            groups.append((NETWORK_ROOT, batch))
        return groups

    def publish(self) -> None:
        """Make the committed values known to the caches; empties the overlay."""
        if self.is_empty():
            return
        shared, written = self.shared, self.shared.written
        for certificate in self._certificates.values():
            written.add("write_certificate")
            shared.remember_certificate(certificate)
        for blob_id, content in self._blobs.items():
            written.add("write_blob")
            shared.remember_blob(blob_id, content)
        for event_id, value in self._events.items():
            written.add("write_event")
            shared.remember_event(event_id, value)
        self.discard()

    def discard(self) -> None:
        """Forget what is staged."""
        if self._events:
            self.shared.event_changes += 1
        self._certificates, self._hashes = {}, {}
        self._blobs, self._events, self._blob_states = {}, {}, {}
        self._network = None

    # Reading, own writes first

    def certificate(self, block_hash: CryptoHash) -> ConfirmedBlockCertificate | None:
        """As `SharedStore.certificate`."""
        return self._certificates.get(block_hash) or self.shared.certificate(block_hash)

    def has_certificate(self, block_hash: CryptoHash) -> bool:
        """As `SharedStore.has_certificate`."""
        return block_hash in self._certificates or self.shared.has_certificate(block_hash)

    def block_hash_at(self, chain_id: ChainId, height: int) -> CryptoHash | None:
        """As `SharedStore.block_hash_at`."""
        staged = self._hashes.get(height_key(chain_id, height)) if self._hashes else None
        return staged or self.shared.block_hash_at(chain_id, height)

    def blob(self, blob_id: BlobId) -> bytes | None:
        """As `SharedStore.blob`."""
        staged = self._blobs.get(blob_id)
        return self.shared.blob(blob_id) if staged is None else staged

    def has_blob(self, blob_id: BlobId) -> bool:
        """As `SharedStore.has_blob`."""
        return blob_id in self._blobs or self.shared.has_blob(blob_id)

    def missing_blobs(self, blob_ids: Iterable[BlobId]) -> list[BlobId]:
        """As `SharedStore.missing_blobs`."""
        return [blob_id for blob_id in blob_ids if not self.has_blob(blob_id)]

    def blob_state(self, blob_id: BlobId) -> BlobState | None:
        """As `SharedStore.blob_state`."""
        return self._blob_states.get(blob_id) or self.shared.blob_state(blob_id)

    def event(self, event_id: EventId) -> bytes | None:
        """As `SharedStore.event`."""
        staged = self._events.get(event_id)
        return self.shared.event(event_id) if staged is None else staged

    def has_event(self, event_id: EventId) -> bool:
        """As `SharedStore.has_event`."""
        return event_id in self._events or self.shared.has_event(event_id)

    def network_description(self) -> NetworkDescription | None:
        """As `SharedStore.network_description`."""
        return self._network or self.shared.network_description()

    def _blob_batch(self) -> Batch:
        batch = Batch()
        for blob_id, content in self._blobs.items():
            batch.put(_BLOB_ID.to_bcs(blob_id) + _BLOB_TAG, content)
        return batch

    def _certificate_batch(self) -> Batch:
        batch = Batch()
        for block_hash, certificate in self._certificates.items():
            batch.put(block_hash + _LITE_TAG, _LITE.to_bcs(certificate.lite()))
            batch.put(block_hash + _BLOCK_TAG, certificate.value.bcs)
        return batch

    def _height_batch(self) -> Batch:
        batch = Batch()
        for key, block_hash in self._hashes.items():
            batch.put(key, block_hash)
        return batch

    def _event_batch(self) -> Batch:
        batch = Batch()
        for event_id, value in self._events.items():
            batch.put(event_key(event_id), value)
        return batch

    def _blob_state_batch(self) -> Batch:
        batch = Batch()
        for blob_id, state in self._blob_states.items():
            batch.put(_BLOB_ID.to_bcs(blob_id) + _BLOB_STATE_TAG, _BLOB_STATE.to_bcs(state))
        return batch
