"""Recorded runs of a network: its genesis, its blocks in causal order, its final chain states.

The format is that of ``vectors/network/README.md``. Certificates and blobs stay raw until they are
replayed, so that a damaged one fails by itself and names its block.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

from msgspec import Struct

from catenula.base.codec import codec_of
from catenula.base.errors import DecodeError, LocalError
from catenula.base.identifiers import ChainId, CryptoHash, decode_hex
from catenula.base.integers import BlockHeight
from catenula.conformance.differences import Difference, differences
from catenula.conformance.recordings import find_recording, read_recording, recording_name
from catenula.protocol import (
    BlobContent,
    BlobType,
    Block,
    ConfirmedBlockCertificate,
    GenesisConfig,
    LiteCertificate,
    confirmed_from_lite,
)

_HISTORY, _GENESIS, _CHAINS = "history", "genesis", "chains"

_DESCRIPTION = ("hash", "chain_id", "height", "epoch", "state_hash", "timestamp")
"""What a recorder says about a block and a block says itself."""

FinalState = dict[str, Any]
"""What ``chains.json`` says about a chain: its description and the network's last answer."""


class RecordedBlob(Struct, frozen=True):
    """A blob of the network; ``origin`` says when it became known (see the format)."""

    blob_id: str
    type_name: str
    content_hex: str
    origin: str

    @classmethod
    def read(cls, entry: dict[str, Any]) -> Self:
        """From an entry of ``blobs``."""
        return cls(entry["id"], entry["type"], entry["bytes"], entry["origin"])

    def content(self) -> BlobContent:
        """The blob; `DecodeError` if it is not the blob of its id."""
        kind: BlobType = codec_of(BlobType).from_json(self.type_name)
        blob = BlobContent(kind, decode_hex(self.content_hex, "blob"))
        if str(blob.id) != self.blob_id:
            raise DecodeError("UnexpectedBlob", expected=self.blob_id, found=blob.id)
        return blob


class RecordedBlock(Struct, frozen=True):
    """A certified block of the network; ``described`` is what the recorder said about it."""

    number: int
    chain_id: ChainId
    height: BlockHeight
    described: dict[str, Any]
    lite_certificate_hex: str
    block_hex: str

    @classmethod
    def read(cls, entry: dict[str, Any]) -> Self:
        """From an entry of ``certificates``."""
        return cls(
            number=entry["n"],
            chain_id=ChainId.parse(entry["chain_id"]),
            height=BlockHeight(entry["height"]),
            described={name: entry[name] for name in _DESCRIPTION if name in entry},
            lite_certificate_hex=entry["lite_certificate"],
            block_hex=entry["confirmed_block"],
        )

    @property
    def hash(self) -> CryptoHash:
        """The hash of the block, as the recorder says."""
        return CryptoHash.parse(self.described["hash"])

    @property
    def origin(self) -> str:
        """How blobs that this block publishes name their origin."""
        return f"published {self.chain_id} {self.height}"

    def block(self) -> Block:
        """The block; `DecodeError` when its bytes are not one."""
        return Block.from_bcs(decode_hex(self.block_hex, "block"))

    def certificate(self) -> ConfirmedBlockCertificate:
        """The block with its certificate, which is not verified.

        Raises `ProtocolError` when the bytes are not a certificate of this block.
        """
        lite = LiteCertificate.from_bcs(decode_hex(self.lite_certificate_hex, "certificate"))
        return confirmed_from_lite(lite, self.block())

    def mismatches(self) -> list[Difference]:
        """Where the block is not the one that the recorder describes."""
        header, described = self.block().header, self.described
        found = {
            "hash": str(self.block().hash),
            "chain_id": str(header.chain_id),
            "height": header.height,
            "epoch": header.epoch,
            "state_hash": str(header.state_hash),
            "timestamp": header.timestamp,
        }
        return [
            difference
            for name in described
            for difference in differences(f"recorded {name}", found[name], described[name])
        ]


class RecordedRun(Struct, frozen=True):
    """One network from its genesis to its end."""

    name: str
    genesis: GenesisConfig
    blobs: tuple[RecordedBlob, ...]
    blocks: tuple[RecordedBlock, ...]
    final_states: dict[ChainId, FinalState]

    def blobs_of(self, origin: str) -> list[RecordedBlob]:
        """The blobs with this origin."""
        return [blob for blob in self.blobs if blob.origin == origin]

    def is_complete(self) -> bool:
        """Whether every block of every chain is there, which a part of a recording has not."""
        recorded = Counter(block.chain_id for block in self.blocks)
        return all(
            recorded[chain_id] == final["final_info"]["next_block_height"]
            for chain_id, final in self.final_states.items()
        )


def find_runs(paths: Iterable[Path]) -> list[Path]:
    """The history files that are meant by paths to them, to runs, or to folders of runs.

    Raises `LocalError` for a path with no history.
    """
    found: list[Path] = []
    for path in paths:
        histories = _histories_at(path)
        if not histories:
            raise LocalError(f"there is no recorded history at {path}", retryable=False)
        found.extend(histories)
    return found


def _histories_at(path: Path) -> Sequence[Path]:
    if path.is_file():
        return (path,)
    own = find_recording(path, _HISTORY)
    if own is not None:
        return (own,)
    if not path.is_dir():
        return ()
    children = (child for child in sorted(path.iterdir()) if child.is_dir())
    return [history for child in children for history in _histories_at(child)]


def read_run(history: Path) -> RecordedRun:
    """Read a history file, and the genesis and final states that lie beside it.

    Raises `LocalError` for files that cannot be read, `DecodeError` for a wrong genesis.
    """
    genesis = find_recording(history.parent, _GENESIS)
    if genesis is None:
        raise LocalError(f"no genesis file lies beside {history}", retryable=False)
    recorded = read_recording(history)
    try:
        return RecordedRun(
            name=_run_name(history),
            genesis=codec_of(GenesisConfig).from_json(read_recording(genesis)),
            blobs=tuple(RecordedBlob.read(entry) for entry in recorded["blobs"]),
            blocks=tuple(RecordedBlock.read(entry) for entry in recorded["certificates"]),
            final_states=_read_final_states(history.parent),
        )
    except (KeyError, TypeError) as error:
        raise LocalError(f"{history} is not a recorded history", retryable=False) from error


def _run_name(history: Path) -> str:
    name = recording_name(history)
    return history.resolve().parent.name if name == _HISTORY else name


def _read_final_states(folder: Path) -> dict[ChainId, FinalState]:
    path = find_recording(folder, _CHAINS)
    recorded = read_recording(path) if path is not None else {}
    return {
        ChainId.parse(chain_id): entry
        for chain_id, entry in recorded.items()
        if entry.get("final_info") is not None
    }
