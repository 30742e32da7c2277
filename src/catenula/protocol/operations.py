"""Operations of blocks (spec 02 §3). `Operation` values are the system operations themselves."""

from catenula.base.codec import Record, VariantSpec, declare_enum, newtype, transparent
from catenula.base.identifiers import AccountOwner, ApplicationId, ChainId, CryptoHash
from catenula.base.integers import U32, U64, Amount, Epoch
from catenula.protocol.chains import OpenChainConfig
from catenula.protocol.identifiers import Account, BlobId, BlobType, ModuleId, StreamId
from catenula.protocol.ownership import ApplicationPermissions, ChainOwnership, TimeoutConfig


class Transfer(Record, frozen=True):
    """Move ``amount`` from ``owner``'s balance on this chain to ``recipient``."""

    owner: AccountOwner
    recipient: Account
    amount: Amount


class Claim(Record, frozen=True):
    """Move ``amount`` from ``owner``'s balance on chain ``target_id`` to ``recipient``."""

    owner: AccountOwner
    target_id: ChainId
    recipient: Account
    amount: Amount


class OpenChain(Record, frozen=True):
    """Create a child chain."""

    config: OpenChainConfig


class CloseChain(Record, frozen=True):
    """Close this chain."""


class ChangeOwnership(Record, frozen=True):
    """Replace the ownership of this chain; unlike `ChainOwnership` the lists keep their order."""

    super_owners: tuple[AccountOwner, ...]
    owners: tuple[tuple[AccountOwner, U64], ...]
    multi_leader_rounds: U32
    open_multi_leader_rounds: bool
    timeout_config: TimeoutConfig

    def ownership(self) -> ChainOwnership:
        """The resulting ownership; the last weight of a repeated owner wins."""
        weights = dict(self.owners)
        return ChainOwnership(
            super_owners=tuple(sorted(set(self.super_owners))),
            owners={owner: weights[owner] for owner in sorted(weights)},
            multi_leader_rounds=self.multi_leader_rounds,
            open_multi_leader_rounds=self.open_multi_leader_rounds,
            timeout_config=self.timeout_config,
        )


def change_ownership_to(ownership: ChainOwnership) -> ChangeOwnership:
    """The operation that installs ``ownership``."""
    return ChangeOwnership(
        ownership.super_owners,
        tuple(ownership.owners.items()),
        ownership.multi_leader_rounds,
        ownership.open_multi_leader_rounds,
        ownership.timeout_config,
    )


class ChangeApplicationPermissions(Record, frozen=True):
    """Replace the application permissions of this chain."""

    permissions: ApplicationPermissions


class PublishModule(Record, frozen=True):
    """Publish the bytecode blobs of a module."""

    module_id: ModuleId


class PublishDataBlob(Record, frozen=True):
    """Publish a data blob."""

    blob_hash: CryptoHash


class VerifyBlob(Record, frozen=True):
    """Require that a blob exists."""

    blob_id: BlobId


class CreateApplication(Record, frozen=True):
    """Create an application from a module."""

    module_id: ModuleId
    parameters: bytes
    instantiation_argument: bytes
    required_application_ids: tuple[ApplicationId, ...]


class PublishCommitteeBlob(Record, frozen=True):
    """Admin chain: publish the blob of a committee."""

    blob_hash: CryptoHash


class CreateCommittee(Record, frozen=True):
    """Admin chain: make a published committee the committee of the next epoch."""

    epoch: Epoch
    blob_hash: CryptoHash


class RemoveCommittee(Record, frozen=True):
    """Admin chain: retire an epoch."""

    epoch: Epoch


AdminOperation = PublishCommitteeBlob | CreateCommittee | RemoveCommittee
declare_enum(
    "AdminOperation", AdminOperation, PublishCommitteeBlob, CreateCommittee, RemoveCommittee
)


class ProcessNewEpoch(Record, frozen=True):
    """Follow the admin chain into its next epoch."""

    epoch: Epoch


class ProcessRemovedEpoch(Record, frozen=True):
    """Follow the admin chain in retiring an epoch."""

    epoch: Epoch


class UpdateStreams(Record, frozen=True):
    """Process new events of subscribed streams up to the given next indices."""

    updates: tuple[tuple[ChainId, StreamId, U32], ...]


SystemOperation = (
    Transfer
    | Claim
    | OpenChain
    | CloseChain
    | ChangeOwnership
    | ChangeApplicationPermissions
    | PublishModule
    | PublishDataBlob
    | VerifyBlob
    | CreateApplication
    | PublishCommitteeBlob
    | CreateCommittee
    | RemoveCommittee
    | ProcessNewEpoch
    | ProcessRemovedEpoch
    | UpdateStreams
)
declare_enum(
    "SystemOperation",
    SystemOperation,
    Transfer,
    Claim,
    newtype(OpenChain),
    CloseChain,
    ChangeOwnership,
    newtype(ChangeApplicationPermissions),
    PublishModule,
    PublishDataBlob,
    VerifyBlob,
    CreateApplication,
    transparent("Admin", AdminOperation),
    newtype(ProcessNewEpoch),
    newtype(ProcessRemovedEpoch),
    newtype(UpdateStreams),
)


class UserOperation(Record, frozen=True):
    """An operation of an application, opaque to the system."""

    application_id: ApplicationId
    bytes: bytes


Operation = SystemOperation | UserOperation
declare_enum(
    "Operation",
    Operation,
    transparent("System", SystemOperation),
    VariantSpec("User", "struct", UserOperation),
)


def published_blob_ids(operation: Operation) -> tuple[BlobId, ...]:
    """Blobs that a block with this operation must carry (spec 02 §3)."""
    if type(operation) is PublishModule:
        return operation.module_id.bytecode_blob_ids()
    if type(operation) is PublishDataBlob:
        return (BlobId(operation.blob_hash, BlobType.DATA),)
    if type(operation) is PublishCommitteeBlob:
        return (BlobId(operation.blob_hash, BlobType.COMMITTEE),)
    return ()
