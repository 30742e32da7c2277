"""From the errors of the layers below to the `NodeError` that travels (spec 06 §4.11).

Errors whose structure clients act on keep it; every other rule of the chain becomes a
``ChainError`` with its text, the rest a ``WorkerError`` with its text.
"""

from catenula.base.errors import ArithmeticOverflow, ProtocolError
from catenula.chain import errors as chain_errors
from catenula.execution.errors import (
    BlobsNotFound,
    BlockRuleError,
    EventsNotFound,
    ExecutionError,
)
from catenula.protocol import BlobId, NodeError, node_error
from catenula.protocol.certificates import CertificateError


class MissingCertificateValue(ProtocolError):
    """The block of a lite certificate is not known here."""

    def __init__(self) -> None:
        super().__init__("MissingCertificateValue")


class InvalidLiteCertificate(ProtocolError):
    """A lite certificate does not fit the block of that hash."""

    def __init__(self, reason: str) -> None:
        super().__init__("InvalidLiteCertificate", reason=reason)


class NoNetworkDescription(ProtocolError):
    """This node does not know its network yet."""

    def __init__(self) -> None:
        super().__init__("NoNetworkDescriptionFound")


class BlobNotRequired(ProtocolError):
    """No verified certificate requires the uploaded blob."""

    def __init__(self, blob_id: BlobId) -> None:
        super().__init__("BlobNotRequired", blob_id=blob_id)


_STRUCTURED_CHAIN_ERRORS = (
    chain_errors.UnexpectedBlockHeight,
    chain_errors.WrongRound,
    chain_errors.MissingCrossChainUpdates,
)


def to_node_error(error: ProtocolError) -> NodeError:
    """The wire form of an error of a handler."""
    if isinstance(error, BlobsNotFound):
        return node_error.BlobsNotFound(error.blob_ids)
    if isinstance(error, EventsNotFound):
        return node_error.EventsNotFound(error.event_ids)
    if isinstance(error, BlobNotRequired):
        return node_error.BlobsNotFound((error.fields["blob_id"],))
    if isinstance(error, MissingCertificateValue):
        return node_error.MissingCertificateValue()
    if error.code == "InactiveChain":
        return node_error.InactiveChain(error.fields["chain_id"])
    if isinstance(error, _STRUCTURED_CHAIN_ERRORS):
        return _structured(error)
    if isinstance(error, chain_errors.InvalidTimestamp):
        return node_error.WorkerError(describe_timestamp(error))
    if isinstance(error, _CHAIN_ERRORS):
        return node_error.ChainError(error.message())
    return node_error.WorkerError(error.message())


_CHAIN_ERRORS = (
    chain_errors.ChainError,
    ExecutionError,
    BlockRuleError,
    CertificateError,
    ArithmeticOverflow,
)
"""What the protocol counts among the errors of the chain; everything else is the worker's."""


def _structured(error: ProtocolError) -> NodeError:
    fields = error.fields
    if isinstance(error, chain_errors.WrongRound):
        return node_error.WrongRound(fields["round"])
    if isinstance(error, chain_errors.UnexpectedBlockHeight):
        return node_error.UnexpectedBlockHeight(fields["expected"], fields["found"])
    return node_error.MissingCrossChainUpdates(fields["chain_id"], fields["bundles"])


def describe_timestamp(error: ProtocolError) -> str:
    """Text with the machine-readable suffix that clients parse (spec 06 §4.3)."""
    block, local = error.fields["block_timestamp"], error.fields["local_time"]
    return (
        f"the block's timestamp is {block - local} µs ahead of this validator's clock, more than "
        f"its grace period [us:{block}:{local}]"
    )


def downgrade_missing_updates(error: NodeError) -> NodeError:
    """For clients that do not know aggregated reports: the first missing bundle (spec 06 §4.3)."""
    if type(error) is not node_error.MissingCrossChainUpdates:
        return error
    if not error.bundles:
        return node_error.ChainError("missing cross-chain updates")
    origin, height = error.bundles[0]
    return node_error.MissingCrossChainUpdate(error.chain_id, origin, height)
