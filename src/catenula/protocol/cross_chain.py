"""Requests between the chains of one validator (spec 05 §2.4, 06 §5)."""

from catenula.base.codec import Record, declare_enum
from catenula.base.identifiers import ChainId
from catenula.base.integers import BlockHeight, Epoch
from catenula.protocol.messages import MessageBundle


class UpdateRecipient(Record, frozen=True):
    """Bundles of the sender for the recipient's inbox; heights do not decrease."""

    sender: ChainId
    recipient: ChainId
    bundles: tuple[tuple[Epoch, MessageBundle], ...]
    previous_height: BlockHeight | None


class ConfirmUpdatedRecipient(Record, frozen=True):
    """The recipient durably has everything up to ``latest_height``."""

    sender: ChainId
    recipient: ChainId
    latest_height: BlockHeight


class RevertConfirm(Record, frozen=True):
    """The recipient asks the sender to send again from a height on."""

    sender: ChainId
    recipient: ChainId
    retransmit_from: BlockHeight


CrossChainRequest = UpdateRecipient | ConfirmUpdatedRecipient | RevertConfirm
declare_enum(
    "CrossChainRequest", CrossChainRequest, UpdateRecipient, ConfirmUpdatedRecipient, RevertConfirm
)


def target_chain_id(request: CrossChainRequest) -> ChainId:
    """The chain that must act on a request (spec 06 §5.1)."""
    return request.recipient if type(request) is UpdateRecipient else request.sender
