"""Composite identifiers: accounts, blobs, modules, streams, events (spec 01 §4)."""

from typing import ClassVar, NewType, Self

from catenula.base.codec import Record, VariantEnum
from catenula.base.errors import DecodeError
from catenula.base.identifiers import (
    AccountOwner,
    ApplicationId,
    ChainId,
    CryptoHash,
    GenericApplicationId,
    decode_hex,
)
from catenula.base.integers import U32, BlockHeight

StreamName = NewType("StreamName", bytes)
"""Name of an event stream, at most 64 bytes where contracts use it (spec 02 §11)."""

EPOCH_STREAM_NAME = StreamName(b"\x00")
REMOVED_EPOCH_STREAM_NAME = StreamName(b"\x01")


class Account(Record, frozen=True):
    """An owner's account on a chain; text form ``<owner>@<chain>``."""

    chain_id: ChainId
    owner: AccountOwner

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``<owner>@<chain>``, or ``<chain>`` alone for the chain's own account."""
        owner, separator, chain = text.partition("@")
        if not separator:
            return cls(ChainId.parse(text), AccountOwner.CHAIN)
        return cls(ChainId.parse(chain), AccountOwner.parse(owner))

    @classmethod
    def chain(cls, chain_id: ChainId) -> Self:
        """The chain's own account."""
        return cls(chain_id, AccountOwner.CHAIN)

    def __str__(self) -> str:
        return f"{self.owner}@{self.chain_id}"


class BlobType(VariantEnum):
    """What a blob contains (spec 01 §8)."""

    DATA = 0
    CONTRACT_BYTECODE = 1
    SERVICE_BYTECODE = 2
    EVM_BYTECODE = 3
    APPLICATION_DESCRIPTION = 4
    COMMITTEE = 5
    CHAIN_DESCRIPTION = 6


class BlobId(Record, frozen=True):
    """Hash and type of a blob; text form ``Type:hash``. Ordered by type, then hash."""

    TEXT_JSON: ClassVar[bool] = True

    hash: CryptoHash
    blob_type: BlobType

    def order_key(self) -> tuple[int, bytes]:
        """Sort key of the value order: type index, then hash (spec 02 §12.3)."""
        return (self.blob_type, self.hash)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``Type:<64 hex>``."""
        kind, separator, digits = text.partition(":")
        if not separator:
            raise DecodeError("InvalidBlobId", text=text, expected="Type:hash")
        return cls(CryptoHash.parse(digits), BlobType.parse(kind))

    def __str__(self) -> str:
        return f"{self.blob_type}:{self.hash.hex()}"


class VmRuntime(VariantEnum):
    """The virtual machine of a module."""

    WASM = 0
    EVM = 1

    @classmethod
    def parse_text(cls, text: str) -> Self:
        """Read the lower-case text form ``wasm`` or ``evm``."""
        if text not in ("wasm", "evm"):
            raise DecodeError("InvalidVmRuntime", text=text, expected="wasm or evm")
        return cls[text.upper()]


class ModuleId(Record, frozen=True):
    """Hashes of a module's bytecode blobs and its virtual machine; text form is hex of the BCS."""

    TEXT_JSON: ClassVar[bool] = True

    contract_blob_hash: CryptoHash
    service_blob_hash: CryptoHash
    vm_runtime: VmRuntime

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the hex of the BCS form."""
        return cls.from_bcs(decode_hex(text, "ModuleId"))

    def bytecode_blob_ids(self) -> tuple[BlobId, ...]:
        """Blobs that hold the module's bytecode (spec 01 §4.2)."""
        if self.vm_runtime is VmRuntime.EVM:
            return (BlobId(self.contract_blob_hash, BlobType.EVM_BYTECODE),)
        return (
            BlobId(self.contract_blob_hash, BlobType.CONTRACT_BYTECODE),
            BlobId(self.service_blob_hash, BlobType.SERVICE_BYTECODE),
        )

    def order_key(self) -> tuple[bytes, bytes, int]:
        """Sort key of the value order."""
        return (self.contract_blob_hash, self.service_blob_hash, self.vm_runtime)

    def __str__(self) -> str:
        return self.to_bcs().hex()


class StreamId(Record, frozen=True, order=True):
    """An event stream; text form ``System:<hex>`` or ``User:<app>:<hex>``."""

    TEXT_JSON: ClassVar[bool] = True

    application_id: GenericApplicationId
    stream_name: StreamName

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form, split at the last colon."""
        application, separator, name = text.rpartition(":")
        if not separator:
            raise DecodeError("InvalidStreamId", text=text, expected="application:name")
        return cls(
            GenericApplicationId.parse(application),
            StreamName(decode_hex(name, "StreamName")),
        )

    @classmethod
    def system(cls, name: StreamName) -> Self:
        """A stream of the system application."""
        return cls(GenericApplicationId.SYSTEM, name)

    @classmethod
    def user(cls, application_id: ApplicationId, name: StreamName) -> Self:
        """A stream of a user application."""
        return cls(GenericApplicationId.user(application_id), name)

    def __str__(self) -> str:
        return f"{self.application_id}:{self.stream_name.hex()}"


class EventId(Record, frozen=True, order=True):
    """One event: its publishing chain, stream and index."""

    chain_id: ChainId
    stream_id: StreamId
    index: U32

    def __str__(self) -> str:
        return f"{self.chain_id}:{self.stream_id}:{self.index}"


def epoch_event_id(admin_chain_id: ChainId, epoch: int) -> EventId:
    """The event of the admin chain that announces the committee of ``epoch`` (spec 02 §8)."""
    return EventId(admin_chain_id, StreamId.system(EPOCH_STREAM_NAME), U32(epoch))


def removed_epoch_event_id(admin_chain_id: ChainId, epoch: int) -> EventId:
    """The event of the admin chain that announces the removal of ``epoch`` (spec 02 §8)."""
    return EventId(admin_chain_id, StreamId.system(REMOVED_EPOCH_STREAM_NAME), U32(epoch))


class Event(Record, frozen=True):
    """An event emitted by a block."""

    stream_id: StreamId
    index: U32
    value: bytes

    def id(self, chain_id: ChainId) -> EventId:
        """The event's id, given its publishing chain."""
        return EventId(chain_id, self.stream_id, self.index)


class ChainAndHeight(Record, frozen=True):
    """A block by chain and height (received logs)."""

    chain_id: ChainId
    height: BlockHeight
