"""`Executor`: everything a step of execution works on, and the block it works for.

One executor lives for one block; its ``tracker`` is replaced for every transaction. Flows are
functions over an executor, one module per flow. ``is_query`` marks the run of a service, which
must leave the state as it is.
"""

from typing import TYPE_CHECKING, NamedTuple

from catenula.base.identifiers import AccountOwner, ChainId
from catenula.base.integers import BlockHeight, Timestamp
from catenula.execution.resources import ResourceController
from catenula.execution.tracker import TransactionTracker
from catenula.protocol import Account

if TYPE_CHECKING:
    from catenula.execution.environment import Environment, Oracles
    from catenula.execution.state import ExecutionState


class BlockContext(NamedTuple):
    """What every transaction of a block knows about it (spec 02 §12.3).

    ``round_number`` is the multi-leader round in validation, None otherwise and in replay.
    """

    chain_id: ChainId
    height: BlockHeight
    timestamp: Timestamp
    signer: AccountOwner | None
    round_number: int | None

    def refund_account(self) -> Account | None:
        """Where grants sent by an operation come back to: the block signer's account."""
        return None if self.signer is None else Account(self.chain_id, self.signer)


class MessageContext(NamedTuple):
    """What an executing message knows about itself."""

    origin: ChainId
    is_bouncing: bool
    signer: AccountOwner | None
    refund_grant_to: Account | None


class Executor:
    """State, block, money and tracker of the transaction being executed."""

    __slots__ = (
        "block",
        "controller",
        "environment",
        "is_query",
        "oracles",
        "state",
        "system",
        "tracker",
    )

    def __init__(
        self,
        state: "ExecutionState",
        block: BlockContext,
        controller: ResourceController,
        *,
        environment: "Environment",
        oracles: "Oracles",
    ) -> None:
        self.state = state
        self.system = state.system
        self.block = block
        self.controller = controller
        self.environment = environment
        self.oracles = oracles
        self.is_query = False
        self.tracker = TransactionTracker({}, None, next_application_index=0, next_chain_index=0)
