"""Who has got what from the faucet: the blocks of its chain are the truth, SQLite remembers them.

Whatever block a claim ended up in, and whoever learned of it first (this process, one before it, or
the listener), `catch_up` reads it from the chain; an owner who is known here never gets a second
chain. Must not propose anything.
"""

from collections import OrderedDict
from typing import NamedTuple, TypeVar

from catenula.base.errors import LocalError
from catenula.base.identifiers import AccountOwner, ChainId, CryptoHash
from catenula.base.integers import Amount, BlockHeight
from catenula.base.limits import MAX_FAUCET_BLOCKS_PER_STEP, MAX_FAUCET_REMEMBERED
from catenula.client.chain_client import ChainClient
from catenula.client.synchronize import fetch_chain_info
from catenula.protocol import (
    BlobId,
    BlobType,
    Block,
    ChainDescription,
    ExecuteOperation,
    Transfer,
)
from catenula.services.faucet.allowances import period_of
from catenula.services.faucet.database import ClaimedChain, DailyClaim, FaucetDatabase

_K = TypeVar("_K")
_V = TypeVar("_V")


class DailyBlock(NamedTuple):
    """The block that paid an owner, and the window it paid for."""

    period: int
    block_hash: CryptoHash


class ClaimLedger:
    """What the blocks of the faucet's chain say about its users."""

    def __init__(
        self, chain: ChainClient, database: FaucetDatabase, daily_claim_amount: Amount
    ) -> None:
        self._chain, self._database = chain, database
        self._daily_claim_amount = daily_claim_amount
        self._chains: dict[AccountOwner, ClaimedChain] = {}
        self._daily: dict[AccountOwner, DailyClaim] = {}
        self._next_height = self._first_unread()
        self._descriptions: OrderedDict[ChainId, ChainDescription] = OrderedDict()
        self._daily_blocks: OrderedDict[AccountOwner, DailyBlock] = OrderedDict()

    def _first_unread(self) -> BlockHeight:
        """Where to go on; a database that is ahead of the chain belongs to another one."""
        stored, known = self._database.next_height(), self._chain.state().next_block_height
        return stored if stored <= known else BlockHeight(0)

    # Reading

    def chain_of(self, owner: AccountOwner) -> ClaimedChain | None:
        """The chain an owner has, or None; `LocalError` when the database fails."""
        return self._chains.get(owner) or self._database.chain_of(owner)

    @property
    def next_height(self) -> BlockHeight:
        """The first block of the chain that was not read."""
        return self._next_height

    def last_period(self, owner: AccountOwner) -> int:
        """The last window an owner was paid for; 0 is that of the initial claim."""
        unsaved = self._daily.get(owner)
        return unsaved.last_period if unsaved is not None else self._database.last_period(owner)

    def daily_block(self, owner: AccountOwner) -> DailyBlock | None:
        """The block of an owner's last daily claim, if it was read by this process lately."""
        return self._daily_blocks.get(owner)

    async def description(self, chain_id: ChainId) -> ChainDescription:
        """The description of a chain, byte for byte as it was created."""
        found = self._descriptions.get(chain_id)
        if found is None:
            blob_id, local = BlobId(chain_id, BlobType.CHAIN_DESCRIPTION), self._chain.context.local
            if local.blob(blob_id) is None:
                await fetch_chain_info(self._chain.context, chain_id)
            blob = local.blob(blob_id)
            if blob is None:
                raise LocalError(f"the description of chain {chain_id} is gone", retryable=False)
            found = ChainDescription.from_bcs(blob.bytes)
            _remember(self._descriptions, chain_id, found)
        return found

    # Following the chain

    async def catch_up(self) -> int:
        """Read the blocks that are new; how many chains they created.

        When this returns, everything is in the database. When the database fails (`LocalError`)
        what was read stays in memory and is written with the next call.
        """
        created = 0
        tip = self._chain.state().next_block_height
        while self._next_height < tip:
            last = min(tip, self._next_height + MAX_FAUCET_BLOCKS_PER_STEP)
            for height in range(self._next_height, last):
                created += self._read(self._block(BlockHeight(height)))
            self._next_height = BlockHeight(last)
            await self._save()
        if self._chains or self._daily:
            await self._save()
        return created

    def _block(self, height: BlockHeight) -> Block:
        chain_id = self._chain.chain_id
        certificate = self._chain.context.local.certificate_at(chain_id, height)
        if certificate is None:
            raise LocalError(
                f"block {height} of the faucet's chain {chain_id} is not in the local store; "
                "synchronize the chain",
                retryable=False,
            )
        return certificate.block

    def _read(self, block: Block) -> int:
        created = 0
        for description in block.created_chains():
            ownership, chain_id = description.config.ownership, description.chain_id
            if len(ownership.owners) != 1 or ownership.super_owners:
                continue
            owner = next(iter(ownership.owners))
            if self.chain_of(owner) is None:
                self._chains[owner] = ClaimedChain(owner, chain_id, description.timestamp)
                _remember(self._descriptions, chain_id, description)
                created += 1
        if self._daily_claim_amount:
            self._read_daily_claims(block)
        return created

    def _read_daily_claims(self, block: Block) -> None:
        for transaction in block.proposed.transactions:
            if not isinstance(transaction, ExecuteOperation):
                continue
            paid = transaction.operation
            if not isinstance(paid, Transfer) or paid.amount != self._daily_claim_amount:
                continue
            owner = paid.recipient.owner
            known = self.chain_of(owner)
            if known is None or known.chain_id != paid.recipient.chain_id:
                continue
            period = period_of(known.created_at, block.proposed.timestamp)
            self._daily[owner] = DailyClaim(owner, known.chain_id, period)
            _remember(self._daily_blocks, owner, DailyBlock(period, block.hash))

    async def _save(self) -> None:
        chains, daily = self._chains, self._daily
        await self._database.store(list(chains.values()), list(daily.values()), self._next_height)
        self._chains, self._daily = {}, {}


def _remember(rows: OrderedDict[_K, _V], key: _K, value: _V) -> None:
    rows[key] = value
    rows.move_to_end(key)
    if len(rows) > MAX_FAUCET_REMEMBERED:
        rows.popitem(last=False)
