"""The execution state of a chain: what its state hash covers (spec 02 §1, spec 03).

Views in the reference's layout. Reads never stage anything; every write access is part of the
HISTORICAL hash, so a step writes exactly what spec 03 §4.3 lists, no more.
"""

from collections.abc import Mapping
from typing import TypeVar

from catenula.base.codec import Codec, Record, SetOf, codec_of
from catenula.base.hashing import keccak256
from catenula.base.identifiers import AccountOwner, ApplicationId, ChainId, CryptoHash
from catenula.base.integers import U32, Amount, Epoch, Timestamp
from catenula.execution.environment import CommitteeSource
from catenula.execution.policy import HashMode, policy_facts
from catenula.protocol import (
    ApplicationPermissions,
    BlobId,
    ChainDescription,
    ChainOwnership,
    Committee,
    StreamId,
)
from catenula.storage.batch import Batch
from catenula.views import (
    Context,
    HashedMapView,
    HashedReentrantCollectionView,
    HashedRegisterView,
    HashedSetView,
    KeyValueStoreView,
    LazyRegisterView,
    MapView,
    RegisterView,
    StructView,
    chain_step,
    content_digest,
)

ZERO_STATE_HASH = CryptoHash(bytes(32))
STATE_HASH_PREFIX = b"ExecutionStateViewHash::"

T = TypeVar("T")


class EventSubscriptions(Record, frozen=True):
    """What a chain knows of a stream and which applications follow it."""

    next_index: U32
    applications: SetOf[ApplicationId]


NO_SUBSCRIPTIONS = EventSubscriptions(U32(0), ())


_DESCRIPTION: Codec[ChainDescription | None] = codec_of(ChainDescription | None)
_EPOCH: Codec[Epoch] = codec_of(Epoch)
_CHAIN_ID: Codec[ChainId | None] = codec_of(ChainId | None)
_COMMITTEES: Codec[Mapping[Epoch, Committee]] = codec_of(Mapping[Epoch, Committee])
_OWNERSHIP: Codec[ChainOwnership] = codec_of(ChainOwnership)
_AMOUNT: Codec[Amount] = codec_of(Amount)
_OWNER: Codec[AccountOwner] = codec_of(AccountOwner)
_TIMESTAMP: Codec[Timestamp] = codec_of(Timestamp)
_FLAG: Codec[bool] = codec_of(bool)
_PERMISSIONS: Codec[ApplicationPermissions] = codec_of(ApplicationPermissions)
_BLOB_ID: Codec[BlobId] = codec_of(BlobId)
_STREAM: Codec[tuple[ChainId, StreamId]] = codec_of(tuple[ChainId, StreamId])
_SUBSCRIPTIONS: Codec[EventSubscriptions] = codec_of(EventSubscriptions)
_APPLICATION_ID: Codec[ApplicationId] = codec_of(ApplicationId)
_STREAM_ID: Codec[StreamId] = codec_of(StreamId)
_COUNT: Codec[U32] = codec_of(U32)
_ROLLING: Codec[CryptoHash | None] = codec_of(CryptoHash | None)


class HashedLazyRegisterView(LazyRegisterView[T]):
    """A register with a memo that is read only when somebody asks for it."""

    __slots__ = ()
    HASHED = True


class SystemState(StructView):
    """The system application's state, in declaration order (spec 02 §1.2)."""

    __slots__ = (
        "admin_chain_id",
        "application_permissions",
        "balance",
        "balances",
        "chain_id",
        "closed",
        "committees",
        "description",
        "epoch",
        "event_subscriptions",
        "ownership",
        "timestamp",
        "used_blobs",
    )

    def __init__(self, context: Context, chain_id: ChainId) -> None:
        super().__init__(context)
        self.chain_id = chain_id
        place = context.field
        self.description: HashedRegisterView[ChainDescription | None] = HashedRegisterView(
            place(0), _DESCRIPTION, None
        )
        self.epoch = HashedRegisterView(place(1), _EPOCH, Epoch(0))
        self.admin_chain_id: HashedRegisterView[ChainId | None] = HashedRegisterView(
            place(2), _CHAIN_ID, None
        )
        no_committees: Mapping[Epoch, Committee] = {}
        self.committees = HashedLazyRegisterView(place(3), _COMMITTEES, no_committees)
        self.ownership = HashedRegisterView(place(4), _OWNERSHIP, ChainOwnership())
        self.balance = HashedRegisterView(place(5), _AMOUNT, Amount(0))
        self.balances = HashedMapView(place(6), _OWNER, _AMOUNT, default=Amount(0))
        self.timestamp = HashedRegisterView(place(7), _TIMESTAMP, Timestamp(0))
        self.closed = HashedRegisterView(place(8), _FLAG, False)
        self.application_permissions = HashedRegisterView(
            place(9), _PERMISSIONS, ApplicationPermissions()
        )
        self.used_blobs = HashedSetView(place(10), _BLOB_ID)
        self.event_subscriptions = HashedMapView(
            place(11), _STREAM, _SUBSCRIPTIONS, default=NO_SUBSCRIPTIONS
        )
        self.set_fields(
            self.description,
            self.epoch,
            self.admin_chain_id,
            self.committees,
            self.ownership,
            self.balance,
            self.balances,
            self.timestamp,
            self.closed,
            self.application_permissions,
            self.used_blobs,
            self.event_subscriptions,
        )


class ExecutionState(StructView):
    """System state, application stores, stream counts and the rolling hash (spec 02 §1.1)."""

    __slots__ = ("chain_id", "historical_hash", "stream_event_counts", "system", "users")

    def __init__(self, context: Context, chain_id: ChainId) -> None:
        super().__init__(context)
        self.chain_id = chain_id
        self.system = SystemState(context.field(0), chain_id)
        self.users: HashedReentrantCollectionView[ApplicationId, KeyValueStoreView] = (
            HashedReentrantCollectionView(context.field(1), _APPLICATION_ID, KeyValueStoreView)
        )
        self.stream_event_counts = MapView(context.field(2), _STREAM_ID, _COUNT, default=U32(0))
        self.historical_hash: RegisterView[CryptoHash | None] = RegisterView(
            context.field(3), _ROLLING, None
        )
        self.set_fields(self.system, self.users, self.stream_event_counts, self.historical_hash)

    def content_hash(self) -> bytes:
        """The content hash of spec 03 §2.2, without the rolling hash."""
        return content_digest(
            self.system.content_hash()
            + self.users.content_hash()
            + self.stream_event_counts.content_hash()
        )

    def pending_batch(self) -> Batch:
        """The writes that are pending, in the order that is hashed (spec 03 §4.3)."""
        batch = Batch()
        self.system.write_pending(batch)
        self.users.write_pending(batch)
        self.stream_event_counts.write_pending(batch)
        return batch

    def state_hash(self, mode: HashMode) -> CryptoHash:
        """The state hash after a block, maintaining the rolling hash (spec 03 §1).

        To be called once per block, after its last write.
        """
        rolling = self.historical_hash.get()
        if mode <= HashMode.ZERO:
            if rolling is not None:
                self.historical_hash.set(None)
            return ZERO_STATE_HASH if mode is HashMode.ZERO else _wrap(self.content_hash())
        if rolling is None:
            following = self.content_hash()
        else:
            following = chain_step(rolling, self.pending_batch())
        self.historical_hash.set(CryptoHash(following))
        return ZERO_STATE_HASH if mode is HashMode.SHADOW else _wrap(following)

    def current_committee(self, committees: CommitteeSource) -> Committee | None:
        """The committee of the chain's epoch; one created in this very block counts too."""
        epoch = self.system.epoch.get()
        committee = committees.committee(epoch)
        return self.system.committees.get().get(epoch) if committee is None else committee

    def hash_mode(self, committees: CommitteeSource) -> HashMode:
        """The hash mode of the epoch in force now; LEGACY when its committee is unknown."""
        committee = self.current_committee(committees)
        return HashMode.LEGACY if committee is None else policy_facts(committee).hash_mode


def _wrap(digest: bytes) -> CryptoHash:
    return CryptoHash(keccak256(STATE_HASH_PREFIX + digest))
