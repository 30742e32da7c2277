"""Chain and application descriptions (spec 01 §4.2)."""

from catenula.base.codec import MemoRecord, Record, declare_enum, newtype
from catenula.base.identifiers import ApplicationId, ChainId
from catenula.base.integers import U32, Amount, BlockHeight, Epoch, Timestamp
from catenula.base.memo import cached_property
from catenula.protocol.blobs import BlobContent
from catenula.protocol.identifiers import BlobType, ModuleId
from catenula.protocol.ownership import ApplicationPermissions, ChainOwnership


class Root(Record, frozen=True):
    """Origin of a genesis chain: its position in the genesis configuration."""

    index: U32


class Child(Record, frozen=True):
    """Origin of a chain created by a block."""

    parent: ChainId
    block_height: BlockHeight
    chain_index: U32


ChainOrigin = Root | Child
declare_enum("ChainOrigin", ChainOrigin, newtype(Root), Child)


class InitialChainConfig(Record, frozen=True):
    """State a chain starts with."""

    ownership: ChainOwnership
    epoch: Epoch
    min_active_epoch: Epoch
    max_active_epoch: Epoch
    balance: Amount
    application_permissions: ApplicationPermissions


class ChainDescription(MemoRecord, frozen=True):
    """Where a chain comes from and how it starts; its blob hash is the chain id."""

    origin: ChainOrigin
    timestamp: Timestamp
    config: InitialChainConfig

    @cached_property
    def blob(self) -> BlobContent:
        """The description as a blob."""
        return BlobContent(BlobType.CHAIN_DESCRIPTION, self.bcs)

    @cached_property
    def chain_id(self) -> ChainId:
        """The id of the described chain."""
        return ChainId(self.blob.hash)


class OpenChainConfig(Record, frozen=True):
    """What the creator of a chain chooses."""

    ownership: ChainOwnership
    balance: Amount
    application_permissions: ApplicationPermissions = ApplicationPermissions()


class ApplicationDescription(MemoRecord, frozen=True):
    """An application: its module, creator, parameters and required applications."""

    module_id: ModuleId
    creator_chain_id: ChainId
    block_height: BlockHeight
    application_index: U32
    parameters: bytes
    required_application_ids: tuple[ApplicationId, ...]

    @cached_property
    def blob(self) -> BlobContent:
        """The description as a blob."""
        return BlobContent(BlobType.APPLICATION_DESCRIPTION, self.bcs)

    @cached_property
    def application_id(self) -> ApplicationId:
        """The blob hash; for EVM modules its last 12 bytes are zero."""
        return ApplicationId(self.blob.id.hash)
