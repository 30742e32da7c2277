"""What a client keeps in memory about one of its chains (spec 07 §1)."""

import asyncio

from msgspec import Struct, field

from catenula.base.identifiers import AccountOwner, ChainId
from catenula.client.message_policy import MessagePolicy
from catenula.client.wallet import PendingProposal
from catenula.protocol import ProposedBlock
from catenula.worker import StagedBlock


class ChainSession(Struct):
    """One chain: who proposes, what is in flight, what is skipped.

    ``lock`` is held during the whole proposal procedure, so at most one block is in flight.
    ``staged`` is the execution of the pending block, if it is still at hand. ``adopted`` is the
    last pending block that an earlier or another process of this wallet has left.
    """

    chain_id: ChainId
    owner: AccountOwner | None
    policy: MessagePolicy
    pending: PendingProposal | None = None
    staged: StagedBlock | None = None
    adopted: ProposedBlock | None = None
    skipped_origins: set[ChainId] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be lost by making this session anew."""
        return self.pending is None and not self.skipped_origins and not self.lock.locked()

    @property
    def has_adopted(self) -> bool:
        """Whether what is in flight was not made by this session."""
        return self.pending is not None and self.pending.block == self.adopted

    def adopt(self, pending: PendingProposal) -> None:
        """Take over what another process has left in flight."""
        self.pending, self.staged, self.adopted = pending, None, pending.block

    def clear_pending(self) -> None:
        """Nothing is in flight any more."""
        self.pending = None
        self.staged = None
