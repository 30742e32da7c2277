"""The wallet: rows in the client's store, each written alone (spec 07 §14.2 has the file form).

One row per chain, per key, per pending proposal. Rows are read when asked for and kept, so that a
wallet of many chains costs nothing per block and no command rewrites it. Where several processes
share the store, rows that another one has written are read again, and a write that is based on rows
which have changed since is made again or refused. Invariants kept: K3 (a proposal is stored before
it is sent) together with `catenula.client.propose`, K7, K8.
"""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from catenula.base.codec import Codec, Record, codec_of, parse_json
from catenula.base.crypto import AccountSecretKey
from catenula.base.errors import DecodeError, LocalError, invariant
from catenula.base.identifiers import AccountOwner, ChainId, CryptoHash
from catenula.base.integers import BlockHeight, Epoch, Timestamp
from catenula.base.limits import MAX_OVERTAKEN_ATTEMPTS, MAX_WALLET_ROWS_IN_MEMORY
from catenula.protocol import Blob, ProposedBlock, Round
from catenula.storage.batch import Batch
from catenula.storage.engine import Fence, StaleFence, Store
from catenula.validator.ownership import (
    Overtaken,
    SharedOwnership,
    partition_of,
    partition_of_scope,
    scope_of,
)
from catenula.views.base import damaged_row, decode_stored

if TYPE_CHECKING:
    from catenula.validator.committer import Committer

WALLET_ROOT = b"\x40wallet"

WALLET_SCOPE = b"wallet"
"""The fence of chains and default, where the store is shared; proposals have their partition's."""

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
    """The rows of one store, which other processes use too when there is an ``ownership``."""

    def __init__(
        self, store: Store, committer: "Committer", ownership: SharedOwnership | None = None
    ) -> None:
        self._partition = store.partition(WALLET_ROOT)
        self._committer, self._ownership = committer, ownership
        self._chains: dict[ChainId, WalletChain | None] = {}
        self._proposals: dict[ChainId, ProposalRow] = {}
        self._default: ChainId | None = None
        if ownership is not None:
            ownership.forgetters.append(self._forget)

    def _forget(self, scope: bytes) -> None:
        """Another process has written to a scope."""
        partition = partition_of_scope(scope)
        if scope == WALLET_SCOPE:
            self._chains.clear()
            self._default = None
        elif partition is not None:
            for chain_id in [item for item in self._proposals if partition_of(item) == partition]:
                del self._proposals[chain_id]

    def _look_at_list(self) -> None:
        if self._ownership is not None:
            self._ownership.look_at(WALLET_SCOPE)

    # Chains

    def chain(self, chain_id: ChainId) -> WalletChain | None:
        """The row of a chain, or None."""
        self._look_at_list()
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
        written: dict[ChainId, WalletChain] = {}
        default: ChainId | None = None

        def make() -> Batch:
            nonlocal default
            batch = Batch()
            default = self.default_chain()
            for chain_id, row in rows.items():
                written[chain_id] = self._not_back(chain_id, row)
                batch.put(_CHAIN + chain_id, _CHAINS.to_bcs(written[chain_id]))
                if default is None and row.owner is not None:
                    default = chain_id
                    batch.put(_DEFAULT, chain_id)
            return batch

        await self._commit_list(make)
        for chain_id, row in written.items():
            _remember(self._chains, chain_id, row)
        self._default = default

    def _not_back(self, chain_id: ChainId, row: WalletChain) -> WalletChain:
        """The row, unless another process has meanwhile written a greater height (K7)."""
        known = self.chain(chain_id)
        if known is None or row.next_block_height >= known.next_block_height:
            return row
        invariant(self._ownership is not None, "K7", chain_id=chain_id)
        return known.replace(owner=row.owner)

    async def forget_chain(self, chain_id: ChainId) -> None:
        """Remove a chain; keys stay, and so does the default (spec 07 §14.2)."""

        def make() -> Batch:
            batch = Batch()
            batch.delete(_CHAIN + chain_id)
            return batch

        await self._commit_list(make)
        self._chains[chain_id] = None

    def default_chain(self) -> ChainId | None:
        """The chain that commands use when none is named."""
        self._look_at_list()
        if self._default is None:
            raw = self._partition.get(_DEFAULT)
            self._default = None if raw is None else ChainId(raw)
        return self._default

    async def set_default_chain(self, chain_id: ChainId) -> None:
        """Choose the default; `LocalError` unless the wallet has the chain."""

        def make() -> Batch:
            if self.chain(chain_id) is None:
                raise LocalError(f"the wallet has no chain {chain_id}", retryable=False)
            batch = Batch()
            batch.put(_DEFAULT, chain_id)
            return batch

        await self._commit_list(make)
        self._default = chain_id

    # Proposals

    @property
    def stores_in_background(self) -> bool:
        """Whether something can be done while a row is stored, which only the disk can refuse."""
        return self._ownership is None and not self._committer.inline

    def proposal(self, chain_id: ChainId) -> ProposalRow:
        """What is in flight for a chain."""
        if self._ownership is not None:
            self._ownership.look(chain_id)
        found = self._proposals.get(chain_id)
        if found is None:
            key = _PROPOSAL + chain_id
            raw = self._partition.get(key)
            found = _NO_PROPOSAL if raw is None else decode_stored(_PROPOSALS, raw, key)
            _remember(self._proposals, chain_id, found)
        return found

    async def put_proposal(self, chain_id: ChainId, row: ProposalRow) -> None:
        """Store what is about to be sent; durable when this returns.

        Raises `Overtaken` when another process has written what is in flight since it was read
        (K8): what is about to be sent was decided without knowing that.
        """
        before = self.proposal(chain_id)

        def make() -> Batch:
            if self.proposal(chain_id) != before:
                raise Overtaken
            batch = Batch()
            batch.put(_PROPOSAL + chain_id, _PROPOSALS.to_bcs(row))
            return batch

        await self._commit_fenced(scope_of(partition_of(chain_id)), make)
        _remember(self._proposals, chain_id, row)

    def forget_pending(self, chain_id: ChainId) -> None:
        """Drop a pending block from memory once its height is decided.

        The stored row is replaced by the chain's next proposal; until then it is recognised as
        stale by its height, so that no write is needed. Where others use the store, rows are kept
        as they are stored, to be compared with what is stored later.
        """
        if self._ownership is not None:
            return
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

    async def _commit_list(self, make: Callable[[], Batch]) -> None:
        await self._commit_fenced(WALLET_SCOPE, make)

    async def _commit_fenced(self, scope: bytes, make: Callable[[], Batch]) -> None:
        """Commit what ``make`` computes from the rows of a scope, again if they have changed."""
        if self._ownership is None:
            return await self._commit(make())
        for _ in range(MAX_OVERTAKEN_ATTEMPTS):
            self._ownership.look_at(scope)
            batch = make()
            try:
                return await self._commit(batch, self._ownership.next_fence(scope))
            except StaleFence as stale:
                self._ownership.lose(stale)
        raise Overtaken

    async def _commit(self, batch: Batch, fence: Fence | None = None) -> None:
        groups = [(WALLET_ROOT, batch)]
        if self._committer.inline:
            self._committer.commit_now(groups, fence)
        else:
            await self._committer.commit(groups, fence)
