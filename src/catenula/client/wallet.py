"""The wallet: rows in the client's store, each written alone (spec 07 §14.2 has the file form).

One row per chain, per key, per pending proposal. Rows are read when asked for and kept, so that a
wallet of many chains costs nothing per block and no command rewrites it. Invariants kept: K3
(a proposal is stored before it is sent) together with `catenula.client.propose`, K7.
"""

import json
from typing import TYPE_CHECKING, TypeVar

from catenula.base.codec import Codec, Record, codec_of, parse_json
from catenula.base.crypto import AccountSecretKey
from catenula.base.errors import DecodeError, LocalError, invariant
from catenula.base.identifiers import AccountOwner, ChainId, CryptoHash
from catenula.base.integers import BlockHeight, Epoch, Timestamp
from catenula.base.limits import MAX_WALLET_ROWS_IN_MEMORY
from catenula.protocol import Blob, ProposedBlock, Round
from catenula.storage.batch import Batch
from catenula.storage.engine import Store
from catenula.views.base import damaged_row, decode_stored

if TYPE_CHECKING:
    from catenula.validator.committer import Committer

WALLET_ROOT = b"\x40wallet"

_CHAIN = b"c"
_PROPOSAL = b"p"
_KEY = b"k"
_DEFAULT = b"d"


class WalletChain(Record, frozen=True):
    """A chain of the wallet; without an owner it is only followed.

    Hash and height are a lower bound of what the local node must know before it proposes.
    """

    owner: AccountOwner | None = None
    block_hash: CryptoHash | None = None
    next_block_height: BlockHeight = BlockHeight(0)
    timestamp: Timestamp = Timestamp(0)
    epoch: Epoch = Epoch(0)


class PendingProposal(Record, frozen=True):
    """A block in flight; ``round`` is the first one it was submitted in."""

    block: ProposedBlock
    blobs: tuple[Blob, ...]
    round: Round | None


class SignedProposal(Record, frozen=True):
    """The last proposal a key of this wallet signed for a chain (invariant K2)."""

    height: BlockHeight
    round: Round
    content_hash: CryptoHash


class ProposalRow(Record, frozen=True):
    """What must survive a crash while a block is in flight."""

    pending: PendingProposal | None = None
    signed: SignedProposal | None = None


_CHAINS: Codec[WalletChain] = codec_of(WalletChain)
_PROPOSALS: Codec[ProposalRow] = codec_of(ProposalRow)
_NO_PROPOSAL = ProposalRow()


_T = TypeVar("_T")


def _remember(rows: dict[ChainId, _T], chain_id: ChainId, row: _T) -> None:
    rows.pop(chain_id, None)
    rows[chain_id] = row
    if len(rows) > MAX_WALLET_ROWS_IN_MEMORY:
        del rows[next(iter(rows))]


class Wallet:
    """The rows of one store."""

    def __init__(self, store: Store, committer: "Committer") -> None:
        self._partition = store.partition(WALLET_ROOT)
        self._committer = committer
        self._chains: dict[ChainId, WalletChain | None] = {}
        self._proposals: dict[ChainId, ProposalRow] = {}
        self._default: ChainId | None = None

    # Chains

    def chain(self, chain_id: ChainId) -> WalletChain | None:
        """The row of a chain, or None."""
        if chain_id in self._chains:
            return self._chains[chain_id]
        key = _CHAIN + chain_id
        raw = self._partition.get(key)
        found = None if raw is None else decode_stored(_CHAINS, raw, key)
        _remember(self._chains, chain_id, found)
        return found

    def chain_ids(self) -> list[ChainId]:
        """All chains, ascending; their rows are not read."""
        return [ChainId(key) for key in self._partition.scan_keys(_CHAIN)]

    async def put_chain(self, chain_id: ChainId, row: WalletChain) -> None:
        """Insert or replace a chain; the first one with an owner becomes the default."""
        await self.put_chains({chain_id: row})

    async def put_chains(self, rows: dict[ChainId, WalletChain]) -> None:
        """As `put_chain`, for many chains in one write."""
        batch = Batch()
        default = self.default_chain()
        for chain_id, row in rows.items():
            known = self.chain(chain_id)
            invariant(
                known is None or row.next_block_height >= known.next_block_height,
                "K7",
                chain_id=chain_id,
            )
            batch.put(_CHAIN + chain_id, _CHAINS.to_bcs(row))
            if default is None and row.owner is not None:
                default = chain_id
                batch.put(_DEFAULT, chain_id)
        await self._commit(batch)
        for chain_id, row in rows.items():
            _remember(self._chains, chain_id, row)
        self._default = default

    async def forget_chain(self, chain_id: ChainId) -> None:
        """Remove a chain; keys stay, and so does the default (spec 07 §14.2)."""
        batch = Batch()
        batch.delete(_CHAIN + chain_id)
        await self._commit(batch)
        self._chains[chain_id] = None

    def default_chain(self) -> ChainId | None:
        """The chain that commands use when none is named."""
        if self._default is None:
            raw = self._partition.get(_DEFAULT)
            self._default = None if raw is None else ChainId(raw)
        return self._default

    async def set_default_chain(self, chain_id: ChainId) -> None:
        """Choose the default; `LocalError` unless the wallet has the chain."""
        if self.chain(chain_id) is None:
            raise LocalError(f"the wallet has no chain {chain_id}", retryable=False)
        batch = Batch()
        batch.put(_DEFAULT, chain_id)
        await self._commit(batch)
        self._default = chain_id

    # Proposals

    def proposal(self, chain_id: ChainId) -> ProposalRow:
        """What is in flight for a chain."""
        found = self._proposals.get(chain_id)
        if found is None:
            key = _PROPOSAL + chain_id
            raw = self._partition.get(key)
            found = _NO_PROPOSAL if raw is None else decode_stored(_PROPOSALS, raw, key)
            _remember(self._proposals, chain_id, found)
        return found

    async def put_proposal(self, chain_id: ChainId, row: ProposalRow) -> None:
        """Store what is about to be sent; durable when this returns."""
        batch = Batch()
        batch.put(_PROPOSAL + chain_id, _PROPOSALS.to_bcs(row))
        await self._commit(batch)
        _remember(self._proposals, chain_id, row)

    def forget_pending(self, chain_id: ChainId) -> None:
        """Drop a pending block from memory once its height is decided.

        The stored row is replaced by the chain's next proposal; until then it is recognised as
        stale by its height, so that no write is needed.
        """
        row = self._proposals.get(chain_id)
        if row is not None and row.pending is not None:
            self._proposals[chain_id] = ProposalRow(None, row.signed)

    # Keys

    def key(self, owner: AccountOwner) -> AccountSecretKey | None:
        """The secret key of an owner, or None."""
        raw = self._partition.get(_KEY + owner)
        if raw is None:
            return None
        try:
            return AccountSecretKey.from_json(parse_json(raw))
        except DecodeError as error:
            raise damaged_row(_KEY + owner) from error

    def key_owners(self) -> list[AccountOwner]:
        """The owners whose keys are stored, ascending."""
        return [AccountOwner(key) for key in self._partition.scan_keys(_KEY)]

    async def put_key(self, secret: AccountSecretKey) -> None:
        """Store a key."""
        batch = Batch()
        batch.put(_KEY + secret.owner(), json.dumps(secret.to_json()).encode())
        await self._commit(batch)

    async def _commit(self, batch: Batch) -> None:
        groups = [(WALLET_ROOT, batch)]
        if self._committer.inline:
            self._committer.commit_now(groups)
        else:
            await self._committer.commit(groups)
