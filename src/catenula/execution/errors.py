"""Errors of execution (spec 02 §13).

    ExecutionError     a transaction cannot be executed
      LimitExceeded    a limit of the block was hit: the bundle may fit into a later block
      MissingData      transient: fetch what is named and try again
        BlobsNotFound
        EventsNotFound
    BlockRuleError     the block as a whole is not acceptable; no transaction is to blame

Codes are the reference's names. An `ExecutionError` that leaves `execute_block` carries the place
it comes from in ``context``.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from catenula.base.errors import ProtocolError
from catenula.protocol import BlobId, EventId


class ErrorContext(NamedTuple):
    """Where in the block an execution error arose: ``Block``, ``Operation(2)``, …"""

    place: str
    position: int | None = None

    def __str__(self) -> str:
        return self.place if self.position is None else f"{self.place}({self.position})"


BLOCK_CONTEXT = ErrorContext("Block")
QUERY_CONTEXT = ErrorContext("Query")


class ExecutionError(ProtocolError):
    """A transaction cannot be executed.

    ``raised_by_runtime`` marks errors that arise on the runtime's side of a host call: inside a
    Wasm guest they become an opaque trap (class W of spec 04 §2.5).
    """

    def __init__(self, code: str, **fields: Any) -> None:
        super().__init__(code, **fields)
        self.context: ErrorContext | None = None
        self.raised_by_runtime = False

    def message(self) -> str:
        """One line for a person, with the transaction it belongs to."""
        text = super().message()
        return text if self.context is None else f"{text} in {self.context}"


class LimitExceeded(ExecutionError):
    """A limit of the fee policy was exceeded by this block (spec 02 §13, class *limit*)."""


class MissingData(ExecutionError):
    """Data that may exist elsewhere is not in storage (spec 02 §13, class *transient*)."""


class BlobsNotFound(MissingData):
    """Blobs that are not in storage."""

    def __init__(self, blob_ids: Sequence[BlobId]) -> None:
        super().__init__("BlobsNotFound", blob_ids=tuple(blob_ids))
        self.blob_ids = tuple(blob_ids)


class EventsNotFound(MissingData):
    """Events that are not in storage."""

    def __init__(self, event_ids: Sequence[EventId]) -> None:
        super().__init__("EventsNotFound", event_ids=tuple(event_ids))
        self.event_ids = tuple(event_ids)


class BlockRuleError(ProtocolError):
    """The block breaks a rule of its chain: closed, empty, out of time, not permitted …"""


def runtime_error(code: str, **fields: Any) -> ExecutionError:
    """An error raised on the runtime's side of a host call (class W of spec 04 §2.5)."""
    error = ExecutionError(code, **fields)
    error.raised_by_runtime = True
    return error


def runtime_limit(code: str, **fields: Any) -> LimitExceeded:
    """A limit hit on the runtime's side of a host call."""
    error = LimitExceeded(code, **fields)
    error.raised_by_runtime = True
    return error
