"""``wallet.json``: the chains of a user, in the reference's form (spec 07 §14.2).

The file is read in one pass that leaves the genesis and pending proposals as text, because most
commands need neither. What a command changed is merged into what the file holds by then: owners and
the default of whoever changed them, heights never downwards (K7), so that several processes may use
one wallet at a time.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import msgspec

from catenula.base.codec import codec_of, parse_json
from catenula.base.errors import DecodeError, LocalError, ProtocolError
from catenula.base.identifiers import AccountOwner, ChainId, CryptoHash, decode_hex
from catenula.base.integers import U32_MAX, BlockHeight, Epoch, Timestamp, parse_unsigned
from catenula.client.files.atomic import locked, read_file, write_atomically
from catenula.client.wallet import PendingProposal, WalletChain
from catenula.protocol import BlobContent, GenesisConfig, ProposedBlock, Round

_CHAIN_ID = re.compile("[0-9a-f]{64}")

NOTHING = msgspec.Raw(b"null")

_ADVICE = "make one with `catenula wallet init`, or name another one with --wallet"


class ChainEntry(msgspec.Struct, frozen=True):
    """A chain as the file has it; ``pending_proposal`` stays text until it is asked for."""

    owner: str | None
    block_hash: str | None
    next_block_height: int
    timestamp: int
    pending_proposal: msgspec.Raw = NOTHING
    epoch: str = "0"

    @classmethod
    def of(cls, row: WalletChain, pending: PendingProposal | None = None) -> Self:
        """The entry of a row; a pending proposal is kept only if it was made in the fast round."""
        return cls(
            None if row.owner is None else str(row.owner),
            None if row.block_hash is None else str(row.block_hash),
            row.next_block_height,
            row.timestamp,
            _pending_text(pending),
            str(row.epoch),
        )

    def row(self) -> WalletChain:
        """The row of an entry; `DecodeError` when it is not one."""
        return WalletChain(
            None if self.owner is None else AccountOwner.parse(self.owner),
            None if self.block_hash is None else CryptoHash.parse(self.block_hash),
            BlockHeight(self.next_block_height),
            Timestamp(self.timestamp),
            Epoch(parse_unsigned(self.epoch, U32_MAX)),
        )

    def with_owner(self, owner: AccountOwner | None) -> "ChainEntry":
        """The entry for another owner."""
        return msgspec.structs.replace(self, owner=None if owner is None else str(owner))

    @property
    def has_pending(self) -> bool:
        """Whether a block of the fast round is in flight."""
        return bytes(self.pending_proposal) != b"null"

    def pending(self) -> PendingProposal | None:
        """The block in flight; `DecodeError` when the text is not one."""
        if not self.has_pending:
            return None
        data = dict(parse_json(bytes(self.pending_proposal)))
        try:
            block, blobs, round_ = data["block"], data["blobs"], data.get("round")
        except KeyError as error:
            raise DecodeError("InvalidPendingProposal", missing=str(error)) from error
        return PendingProposal(
            codec_of(ProposedBlock).from_json(block),
            tuple(codec_of(BlobContent).from_bcs(decode_hex(blob, "blob")) for blob in blobs),
            None if round_ is None else codec_of(Round).from_json(round_),
        )


def _pending_text(pending: PendingProposal | None) -> msgspec.Raw:
    if pending is None or pending.round is None or not pending.round.is_fast:
        return NOTHING
    data = {
        "block": codec_of(ProposedBlock).to_json(pending.block),
        "blobs": [codec_of(BlobContent).to_bcs(blob).hex() for blob in pending.blobs],
        "round": codec_of(Round).to_json(pending.round),
    }
    return msgspec.Raw(msgspec.json.encode(data))


class WalletContent(msgspec.Struct, frozen=True):
    """What the file holds at one moment."""

    chains: dict[str, ChainEntry]
    default: str | None
    genesis_config: msgspec.Raw

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Read the file's text; `DecodeError` when it is not a wallet."""
        try:
            content = msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError as error:
            raise DecodeError("InvalidWallet", reason=str(error)) from error
        for name in content.chains:
            if not _CHAIN_ID.fullmatch(name):
                raise DecodeError("InvalidWallet", reason=f"{name!r} is not a chain id")
        return content

    def text(self) -> bytes:
        """The file's text, chains in ascending order."""
        ordered = dict(sorted(self.chains.items()))
        data = WalletContent(ordered, self.default, self.genesis_config)
        return msgspec.json.format(msgspec.json.encode(data), indent=2)

    def chain_ids(self) -> list[ChainId]:
        """All chains; the file was refused if one of them is none."""
        return [ChainId(bytes.fromhex(text)) for text in self.chains]

    def entry(self, chain_id: ChainId) -> ChainEntry | None:
        """The entry of a chain, or None."""
        return self.chains.get(str(chain_id))

    def default_chain(self) -> ChainId | None:
        """The chain that commands use when none is named."""
        return None if self.default is None else ChainId.parse(self.default)

    def genesis(self) -> GenesisConfig:
        """The genesis of the network; `DecodeError` when it is not one."""
        return codec_of(GenesisConfig).from_json_text(  # type: ignore[no-any-return]  # Codec[Any].
            bytes(self.genesis_config)
        )

    # Changes

    def with_chain(self, chain_id: ChainId, entry: ChainEntry) -> "WalletContent":
        """The chain inserted or replaced; the first one with an owner becomes the default."""
        default = self.default
        if default is None and entry.owner is not None:
            default = str(chain_id)
        chains = {**self.chains, str(chain_id): entry}
        return msgspec.structs.replace(self, chains=chains, default=default)

    def without_chain(self, chain_id: ChainId) -> "WalletContent":
        """The chain removed; the default stays what it is (spec 07 §14.2)."""
        chains = {name: entry for name, entry in self.chains.items() if name != str(chain_id)}
        return msgspec.structs.replace(self, chains=chains)

    def with_default(self, chain_id: ChainId) -> "WalletContent":
        """Another default chain."""
        return msgspec.structs.replace(self, default=str(chain_id))


def merged(base: WalletContent, mine: WalletContent, theirs: WalletContent) -> WalletContent:
    """What the file shall hold: ``theirs`` with what ``mine`` changed since ``base``."""
    chains = dict(theirs.chains)
    for name in base.chains.keys() | mine.chains.keys():
        before, after = base.chains.get(name), mine.chains.get(name)
        if before is after or before == after:
            continue
        if after is None:
            chains.pop(name, None)
        else:
            chains[name] = _merged_entry(before, after, theirs.chains.get(name))
    default = theirs.default if mine.default == base.default else mine.default
    return WalletContent(chains, default, theirs.genesis_config)


def _merged_entry(
    before: ChainEntry | None, mine: ChainEntry, theirs: ChainEntry | None
) -> ChainEntry:
    if theirs is None or theirs == before:
        return mine
    ahead = theirs if theirs.next_block_height > mine.next_block_height else mine
    owner = theirs.owner if before is not None and mine.owner == before.owner else mine.owner
    return msgspec.structs.replace(ahead, owner=owner)


class WalletFile:
    """One ``wallet.json``: what it held when it was read, and what it shall hold."""

    def __init__(self, path: Path, content: WalletContent) -> None:
        self.path = path
        self._base = self.content = content

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read an existing wallet; `LocalError` when there is none or it is damaged."""
        return cls(path, _read(path))

    @classmethod
    def create(
        cls, path: Path, genesis_text: bytes, chains: Mapping[ChainId, ChainEntry] | None = None
    ) -> Self:
        """Make a wallet, with these chains if any; `LocalError` when there is one already.

        The first chain that has an owner becomes the default.
        """
        content = WalletContent({}, None, msgspec.Raw(genesis_text.strip()))
        for chain_id, entry in (chains or {}).items():
            content = content.with_chain(chain_id, entry)
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path):
            if path.exists() and path.stat().st_size:
                raise LocalError(
                    f"the wallet {path} exists already; remove it, or name another one with "
                    "--wallet",
                    retryable=False,
                )
            write_atomically(path, content.text())
        return cls(path, content)

    @property
    def is_changed(self) -> bool:
        """Whether `save` has anything to write."""
        return self.content is not self._base and self.content != self._base

    def save(self) -> None:
        """Merge the changes into the file; does nothing when there are none."""
        if not self.is_changed:
            return
        with locked(self.path):
            theirs = _read(self.path)
            result = merged(self._base, self.content, theirs)
            if result != theirs:
                write_atomically(self.path, result.text())
        self._base = self.content = result


def _read(path: Path) -> WalletContent:
    text = read_file(path, "wallet", _ADVICE)
    try:
        return WalletContent.parse(text)
    except ProtocolError as error:
        raise LocalError(
            f"the wallet {path} is damaged or not a wallet; restore it, or make a new one with "
            "`catenula wallet init`",
            retryable=False,
        ) from error
