"""Genesis configuration, network description, version information (spec 01 §9, 06 §8)."""

from typing import Any, ClassVar, Self

from catenula.base.codec import MemoRecord, Record
from catenula.base.codec.schema import RecordNode
from catenula.base.errors import DecodeError
from catenula.base.hashing import typed_hash
from catenula.base.identifiers import ChainId, CryptoHash
from catenula.base.integers import U32, U32_MAX, Timestamp, parse_unsigned
from catenula.base.memo import cached_property
from catenula.protocol.blobs import BlobContent
from catenula.protocol.chains import ChainDescription
from catenula.protocol.committee import Committee
from catenula.protocol.identifiers import BlobType


class NetworkDescription(Record, frozen=True):
    """What identifies a network."""

    name: str
    genesis_config_hash: CryptoHash
    genesis_timestamp: Timestamp
    genesis_committee_blob_hash: CryptoHash
    admin_chain_id: ChainId


class GenesisConfig(MemoRecord, frozen=True):
    """How a network starts; ``chains[0]`` is the admin chain."""

    committee: Committee
    timestamp: Timestamp
    chains: tuple[ChainDescription, ...]
    network_name: str

    @cached_property
    def hash(self) -> CryptoHash:
        """Keccak of ``GenesisConfig``."""
        return typed_hash("GenesisConfig", self.bcs)

    @cached_property
    def committee_blob(self) -> BlobContent:
        """The genesis committee as a blob."""
        return BlobContent(BlobType.COMMITTEE, self.committee.bcs)

    @property
    def admin_chain_id(self) -> ChainId:
        """The id of the first chain; `DecodeError` when there is none."""
        if not self.chains:
            raise DecodeError("NoGenesisChains", network_name=self.network_name)
        return self.chains[0].chain_id

    def network_description(self) -> NetworkDescription:
        """The description that nodes store and compare."""
        return NetworkDescription(
            self.network_name,
            self.hash,
            self.timestamp,
            self.committee_blob.hash,
            self.admin_chain_id,
        )


class CrateVersion(Record, frozen=True):
    """A version of three numbers; text and JSON ``major.minor.patch``."""

    TEXT_JSON: ClassVar[bool] = True

    major: U32
    minor: U32
    patch: U32

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``major.minor.patch``."""
        parts = text.split(".")
        if len(parts) != 3:
            raise DecodeError("InvalidVersion", text=text, expected="major.minor.patch")
        return cls(*(U32(parse_unsigned(part, U32_MAX)) for part in parts))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


class VersionInfo(Record, frozen=True):
    """The version a validator reports (spec 06 §8.6); its JSON leaves out empty texts."""

    JSON_DEFAULTS: ClassVar[dict[str, Any]] = dict.fromkeys(
        ("git_commit", "rpc_hash", "graphql_hash", "wit_hash"), ""
    )

    crate_version: CrateVersion
    git_commit: str
    git_dirty: bool
    rpc_hash: str
    graphql_hash: str
    wit_hash: str

    def to_json_form(self, node: RecordNode) -> Any:
        """An object without the texts that are empty."""
        return {name: data for name, data in node.fields_to_json(self).items() if data != ""}
