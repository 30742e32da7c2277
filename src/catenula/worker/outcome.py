"""What a handler returns: writes first, then a reply or an error, then effects.

The driver makes the writes durable before anything else of an outcome leaves the node
(invariant S2, spec 05 §7.8).
"""

from typing import Generic, TypeVar

from msgspec import Struct, field

from catenula.base.errors import ProtocolError
from catenula.base.identifiers import ChainId
from catenula.base.integers import BlockHeight
from catenula.protocol import CrossChainRequest, Notification
from catenula.storage.batch import Batch

_T = TypeVar("_T")


class Actions(Struct):
    """Effects to perform after the writes are durable."""

    cross_chain_requests: list[CrossChainRequest] = field(default_factory=list)
    notifications: list[Notification] = field(default_factory=list)

    def extend(self, other: "Actions") -> None:
        """Add the effects of ``other``."""
        self.cross_chain_requests.extend(other.cross_chain_requests)
        self.notifications.extend(other.notifications)


class Outcome(Struct, Generic[_T]):
    """The result of one request.

    Exactly one of ``reply`` and ``error`` is set. ``writes`` are (partition root, batch) groups in
    the order of spec 06 §7.2. ``chain_id`` names the chain whose loaded state becomes stale when
    the writes fail. ``wait_for_delivery_of`` is the height up to which outgoing messages must be
    confirmed before the reply is sent, when the request asked for it.
    """

    chain_id: ChainId
    reply: _T | None = None
    error: ProtocolError | None = None
    writes: list[tuple[bytes, Batch]] = field(default_factory=list)
    actions: Actions = field(default_factory=Actions)
    wait_for_delivery_of: BlockHeight | None = None
