"""Trying two blocks before either is made, where the second uses blobs that the first publishes.

A block may only use blobs that were stored before it (spec 02 §9), so the second cannot be staged
on top of the tip as it is. It is staged as what comes behind the first one's transactions, on a
node of its own over the client's store and the blobs: that is the state the first block leaves.
What that node writes stays in memory and goes with it. Invariant: nothing is signed, sent or
stored.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from catenula.base.integers import Amount
from catenula.client.context import ClientContext
from catenula.client.session import ChainSession
from catenula.client.staging import Estimate, estimate_of, stage, stage_new_block
from catenula.execution.resources import EMPTY_BLOCK_SIZE
from catenula.protocol import BlobContent, ExecuteOperation, Operation
from catenula.storage.engine import Fence, Group, Partition, Store
from catenula.storage.overlay import OverlayPartition
from catenula.worker import StagedBlock


class RehearsalStore(Store):
    """A store with writes of its own on top, which are never committed to it."""

    name = "memory:rehearsal"

    def __init__(self, base: Store) -> None:
        """``base`` stays with the caller."""
        self._base = base
        self._partitions: dict[bytes, OverlayPartition] = {}
        self._tokens: dict[bytes, int] = {}

    def partition(self, root: bytes) -> Partition:
        """The partition of the store with what was written here."""
        return self._overlay(root)

    def commit(self, groups: Sequence[Group], fences: Sequence[Fence] = ()) -> None:
        """Keep the writes here; nobody else writes here, so fences always hold."""
        for root, batch in groups:
            self._overlay(root).stage(batch)

    def roots(self, prefix: bytes = b"") -> list[bytes]:
        """The roots of the store and of what was written here."""
        written = (root for root in self._partitions if root.startswith(prefix))
        return sorted({*self._base.roots(prefix), *written})

    def acquire(self, scope: bytes) -> Fence:
        """Take over ``scope`` here, not in the store."""
        token = self._tokens[scope] = self.token(scope) + 1
        return Fence(scope, token)

    def tokens(self) -> Mapping[bytes, int]:
        """Those of the store and those taken here."""
        return {**self._base.tokens(), **self._tokens}

    def pin(self) -> None:
        """See `Store.pin`."""
        self._base.pin()

    def unpin(self) -> None:
        """See `Store.unpin`."""
        self._base.unpin()

    def close(self) -> None:
        """Forget what was written here."""
        self._partitions.clear()

    def _overlay(self, root: bytes) -> OverlayPartition:
        overlay = self._partitions.get(root)
        if overlay is None:
            overlay = self._partitions[root] = OverlayPartition(self._base.partition(root))
        return overlay


class Rehearsed(NamedTuple):
    """Operations of a block to be tried, and the blobs that they publish."""

    operations: Sequence[Operation]
    blobs: Sequence[BlobContent] = ()


async def estimate_in_turn(
    context: ClientContext, session: ChainSession, first: Rehearsed, *, second: Rehearsed
) -> tuple[Estimate, Estimate]:
    """What two blocks cost, the second of which may use the blobs of the first.

    Raises `ClientError` that explains why one of them would be refused.
    """
    alone = await stage_new_block(context, session, first.operations, blobs=first.blobs)
    store = RehearsalStore(context.local.worker.store)
    store.commit(context.local.worker.store_blobs(first.blobs))
    local = context.local_over(store)
    try:
        both = await stage(
            replace(context, local=local),
            alone.proposed.replace(
                transactions=(
                    *alone.proposed.transactions,
                    *map(ExecuteOperation, second.operations),
                )
            ),
            blobs=(*first.blobs, *second.blobs),
            round_=alone.round,
        )
    finally:
        await local.driver.stop()
        store.close()
    return estimate_of(alone), _rest(alone, both)


def _rest(alone: StagedBlock, both: StagedBlock) -> Estimate:
    """What the transactions behind those of ``alone`` cost in a block of their own."""
    costs = both.costs[len(alone.costs) :]
    fees = sum(cost.fees for cost in costs)
    of_any_block = both.resources.fees - sum(cost.fees for cost in both.costs)
    before, after = alone.resources, both.resources
    return Estimate(
        fees=Amount(of_any_block + fees),
        wasm_fuel=sum(cost.wasm_fuel for cost in costs),
        evm_fuel=sum(cost.evm_fuel for cost in costs),
        block_size=EMPTY_BLOCK_SIZE + after.block_size - before.block_size,
        messages=after.messages - before.messages,
        transaction_fees=tuple(Amount(cost.fees) for cost in costs),
        rejected_bundles=0,
        dropped_bundles=0,
    )
